"""Who is logged in, and how sessions end that are no longer wanted."""
import json
import os
import re
import unittest

from posta import Instance, PASSWORD, message, wait_until


class Who(unittest.TestCase):
    def setUp(self):
        self.instance = Instance()
        self.addCleanup(self.instance.close)

    def who(self):
        lines = self.instance.posta("who", "--json").text.splitlines()
        return [json.loads(line) for line in lines]

    def wait_ended(self, client):
        """The server says good-bye, or has closed."""
        def ended():
            try:
                client.noop()
                return False
            except Exception:
                return True
        wait_until(ended, what="the end of a session")

    def test_who_and_kick(self):
        i = self.instance
        with i.imap("alice") as alice, i.imap("bob") as bob:
            pop = i.pop3("bob")
            here = self.who()
            self.assertEqual(sorted((one["user"], one["service"]) for one in here),
                             [("alice@example.test", "imap"), ("bob@example.test", "imap"),
                              ("bob@example.test", "pop3")])
            # One line for each login, and the list has its number.
            lines = re.findall(r"login: user=<.*", i.log())
            self.assertEqual(len(lines), 3, lines)
            for one in here:
                line = next(line for line in lines if one["session"] in line)
                self.assertIn(f"user=<{one['user']}>", line)
                self.assertIn("rip=127.0.0.1", line)
                self.assertIn("lip=127.0.0.1", line)
            pop.quit()
            wait_until(lambda: len(self.who()) == 2, what="the end of a session in the list")
            self.assertIn("1 ended", i.posta("kick", "alice@example.test").text)
            self.wait_ended(alice)
            bob.noop()
            self.assertEqual([one["user"] for one in self.who()], ["bob@example.test"])
            self.assertIn("1 ended", i.posta("kick", "127.0.0.1").text)
            self.wait_ended(bob)
            wait_until(lambda: not self.who(), what="nobody")
            self.assertEqual(i.posta("kick", "nobody@example.test", check=False).returncode, 1)
        with i.imap("alice"):
            pass

    def test_sessions_end_with_the_right_to_them(self):
        i = self.instance
        i.posta("user", "add", "carol@example.test", "--password", PASSWORD)
        changes = (("passwd", "alice@example.test", "--password", "new-one-9"),
                   ("set", "bob@example.test", "--extra", "nologin"),
                   ("del", "carol@example.test"))
        for change in changes:
            with i.imap(change[1]) as client:
                i.posta("user", *change)
                self.wait_ended(client)
        # What has nothing to do with the login ends nothing.
        with i.imap("alice", password="new-one-9") as client:
            i.posta("user", "set", "alice@example.test", "--extra", "note=1")
            client.noop()
            # Nor does another user's change; and a file edited by hand counts as well.
            path = os.path.join(i.conf, "users")
            with open(path) as file:
                text = file.read()
            with open(path, "w") as file:
                file.write(re.sub(r"(?m)^alice@.*\n", "", text))
            i.posta("user", "compile")
            self.wait_ended(client)

    def test_names_and_mail_that_stays(self):
        i = self.instance
        self.assertRegex(i.posta("user", "add", "carl", "--password", "x-y-z-1", check=False).text,
                         r"carl@example\.test")
        self.assertIn("warning", i.posta("user", "add", "x@not-served.test", "--password", "x-y-z-1").text)
        i.submit("alice", ["bob"], message(subject="for the old bob"))
        i.wait_mail("bob")
        said = i.posta("user", "del", "bob@example.test").text
        mail = re.search(r"mail stays in (/\S+)", said).group(1)
        self.assertTrue(os.path.isdir(mail))
        again = i.posta("user", "add", "bob@example.test", "--password", PASSWORD, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("--keep-mail", again.text)
        i.posta("user", "add", "bob@example.test", "--password", PASSWORD, "--keep-mail")
        self.assertEqual(len(i.inbox("bob")), 1)
        i.posta("user", "del", "bob@example.test", "--purge")
        self.assertFalse(os.path.exists(mail))
        i.posta("user", "add", "bob@example.test", "--password", PASSWORD)
        self.assertEqual(i.inbox("bob"), [])


if __name__ == "__main__":
    unittest.main()
