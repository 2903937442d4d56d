"""posta deliver, which other MTAs call for each message as they call dovecot-lda; folders by user+detail; folders that are
kept short."""
import os
import re
import subprocess
import time
import unittest
import unittest.mock

from posta import AS_ROOT, Instance, message, wait_until

SIEVE = """require ["fileinto", "reject"];
if header :contains "Subject" "filed" { fileinto "Work"; }
if header :contains "Subject" "never" { reject "go away"; }
"""


class Deliver(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob"), start=False, main={
            "mailbox_default_folders": "", "recipient_delimiter": "+", "lmtp_save_to_detail_mailbox": "yes",
            "mailbox_quota_rules": "*:messages=1000", "imap_session_idle_exit": "1s",
            "mailbox_autoexpunge": "Short=2s, \\Trash=/3, Lists.*=1w"})
        path = os.path.join(cls.suite.conf, "master.cf")
        with open(path, "a") as file:
            file.write("lmtpd unix n - - - - smtpd\n    -o smtpd_protocol=lmtp\n")
        cls.suite.start()
        # The tool works as the user, and the search for leaks needs the rights of before.
        leaks = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, ASAN_OPTIONS=leaks))

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def deliver(self, *options, text=None, status=0, name="posta-deliver", as_nobody=AS_ROOT):
        words = [os.path.join(self.suite.build, "bin", name), *options]
        if as_nobody:
            words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *words]
        done = subprocess.run(words, input=(text or message(subject="plain")).encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, env={**os.environ, "MAIL_CONFIG": self.suite.conf})
        said = done.stdout.decode()
        self.assertEqual(done.returncode, status, said + self.suite.log_tail())
        return said

    def test_what_dovecot_lda_does(self):
        body = "8 bit: \u00e4\n.dot\n..two\nlast without end"
        self.deliver("-d", "bob@example.test", "-f", "<sender@outside.test>", "-a", "Bob+x@example.test", "-k",
                     text=message(subject="whole", body=body).replace("\r\n", "\n"))
        mail, = self.suite.wait_mail("bob", text="Subject: whole")
        self.assertTrue(mail.endswith(b"8 bit: \xc3\xa4\r\n.dot\r\n..two\r\nlast without end\r\n"), mail)
        self.assertIn(b"Return-Path: <sender@outside.test>\r\n", mail)
        self.assertIn(b"X-Original-To: Bob+x@example.test\r\n", mail)
        # Another's address leads nowhere else.
        self.deliver("-d", "bob@example.test", "-a", "alice+x@example.test", text=message(subject="for another"))
        mail, = self.suite.wait_mail("bob", text="Subject: for another")
        self.assertIn(b"X-Original-To: bob@example.test\r\n", mail)
        # As some MTAs put it in front.
        self.deliver("-d", "bob@example.test", text="From line@outside.test Mon Jan  1 00:00:00 2026\n" + message(subject="mboxed"))
        mail, = self.suite.wait_mail("bob", text="Subject: mboxed")
        self.assertIn(b"Return-Path: <line@outside.test>\r\n", mail)
        self.assertNotIn(b"From line@", mail)
        self.deliver("-d", "bob@example.test", "-f", "", text=message(subject="from nobody"))
        mail, = self.suite.wait_mail("bob", text="Subject: from nobody")
        self.assertIn(b"Return-Path: <>\r\n", mail)
        path = os.path.join(self.suite.dir, "message")
        with open(path, "w") as file:
            file.write(message(subject="of a file"))
        os.chmod(path, 0o644)
        self.deliver("-d", "bob@example.test", "-p", path)
        self.suite.wait_mail("bob", text="of a file")

    def test_status(self):
        self.assertIn("5.1.1", self.deliver("-d", "nobody-here@example.test", status=67))
        self.assertIn("5.7.1", self.deliver("-d", "somebody@elsewhere.test", status=77))
        self.deliver("-d", "bob@example.test", "-z", status=64)
        self.deliver("-d", "bob@example.test", "left over", status=64)
        self.deliver("-d", "bob@example.test\r\nDATA", status=64)
        # A sender is what strangers wrote: it ends no path and adds no parameter.
        self.deliver("-d", "bob@example.test", "-f", "x@outside.test> SIZE=99999999999", status=64)
        self.deliver("-d", "bob@example.test", "-f", "x> SIZE=1 y@outside.test", status=64)
        self.deliver("-d", "bob@example.test> NOTIFY=NEVER", status=64)
        self.deliver("-d", "bob@example.test", "-f", '"x> y"@outside.test', text=message(subject="odd sender"))
        mail, = self.suite.wait_mail("bob", text="Subject: odd sender")
        self.assertIn(b'Return-Path: <"x> y"@outside.test>\r\n', mail)
        self.deliver("-d", "bob@example.test", "-p", "/no/such/file", status=66)
        self.assertIn("usage: posta deliver", self.deliver("--help"))
        # Full, and by a script.
        self.suite.posta("user", "add", "carol@example.test", "--password", "x")
        self.suite.posta("user", "set", "carol@example.test", "--quota", "1")
        self.assertIn("5.2.2", self.deliver("-e", "-d", "carol@example.test", "-f", "x@outside.test", status=77))

    def test_scripts_and_folders(self):
        path = os.path.join(self.suite.dir, "script")
        with open(path, "w") as file:
            file.write(SIEVE)
        os.chmod(path, 0o644)
        with self.suite.imap("alice") as client:
            for name in "Work", "Some Thing", "Entw&APw-rfe":
                client.create(f'"{name}"')
        self.suite.posta("sieve", "put", "alice@example.test", "main", path)
        self.suite.posta("sieve", "activate", "alice@example.test", "main")
        self.deliver("-d", "alice@example.test", text=message(subject="filed"))
        for folder, text in (("Work", "by detail"), ("some thing", "with a blank"), ("Entw\u00fcrfe", "utf8"), ("Missing", "no folder")):
            self.deliver("-d", "alice@example.test", "-m", folder, text=message(subject=text))
        self.suite.inject("x@outside.test", ["alice+WORK@example.test"], message(subject="over smtp"))
        # The script says otherwise.
        self.deliver("-d", "alice@example.test", "-m", "Some Thing", text=message(subject="filed all the same"))
        self.assertIn("go away", self.deliver("-d", "alice@example.test", text=message(subject="never"), status=77))

        def subjects(folder):
            return sorted(re.search(rb"Subject: (.*)\r\n", mail).group(1).decode() for mail in self.suite.inbox("alice", folder))
        self.suite.wait_mail("alice", text="no folder")
        wait_until(lambda: "over smtp" in subjects("Work"), what="mail for the detail")
        self.assertEqual(subjects("Work"), ["by detail", "filed", "filed all the same", "over smtp"])
        self.assertEqual(subjects('"Some Thing"'), ["with a blank"])
        self.assertEqual(subjects("Entw&APw-rfe"), ["utf8"])
        self.assertEqual(subjects("INBOX"), ["no folder"])

    def test_without_the_service(self):
        with Instance(users=("bob",), start=False) as other:
            self.suite, mine = other, self.suite
            try:
                self.assertIn("no service lmtpd", self.deliver("-d", "bob@example.test", status=78))
                self.deliver("-d", "bob@example.test", "-m", "x", status=78)
            finally:
                self.suite = mine

    def test_folders_are_kept_short(self):
        """What is old goes, and only that: by when it came into the folder, not by its date."""
        old = '"01-Feb-2001 03:04:05 +0100"'
        with self.suite.imap("bob") as client:
            for name in "Short", "Trash", "Lists.a", "Keep":
                client.create(name)
                for number in range(5):
                    client.append(name, "", old, message(subject=f"{number}").encode())
        self.suite.posta("mailbox", "expire", "bob@example.test")

        def left():
            return {name: [re.search(rb"Subject: (\d)", mail).group(1) for mail in self.suite.inbox("bob", name)]
                    for name in ("Trash", "Lists.a", "Keep")}
        everything = [b"0", b"1", b"2", b"3", b"4"]
        self.assertEqual(left(), {"Trash": everything[2:], "Lists.a": everything, "Keep": everything})
        # At the begin or end of a session.
        def short():
            with self.suite.imap("bob") as client:
                client.select("Short", readonly=True)
                return client.search(None, "ALL")[1] == [b""]
        time.sleep(2)
        wait_until(short, 20, "an empty folder")
        self.assertIn("mailbox_autoexpunge: 5 messages removed", self.suite.log())

    def test_a_rule_that_is_none(self):
        with Instance(users=("bob",), start=False, main={"mailbox_autoexpunge": "Trash=soon"}) as other:
            other.posta("start", check=False)
            other.wait_log(r"mailbox_autoexpunge: \"Trash=soon\": expected")


if __name__ == "__main__":
    unittest.main()
