"""Limits of what a user's mail may be: at delivery, at RCPT, by IMAP, and for the administrator."""
import imaplib
import json
import os
import re
import unittest

from posta import Instance, message, wait_until

BIG = "x" * 70 + "\r\n"


class Quota(unittest.TestCase):
    def setUp(self):
        self.instance = Instance(main={"smtpd_hard_error_limit": "1000", "mailbox_quota_rules": "*:messages=1000 Trash:messages=+2"})
        self.addCleanup(self.instance.close)

    def send(self, to, body="Hello.\r\n", subject="Test"):
        with self.instance.smtp() as client:
            client.sendmail("alice@example.test", [to], message(to=to, body=body, subject=subject))

    def accepts(self, client, recipient):
        """Few of these are too many errors in one session."""
        client.rset()
        client.mail("alice@example.test")
        return client.rcpt(recipient)[0] == 250

    def rows(self, *names):
        lines = self.instance.posta("quota", "list", "--json", *names).text.splitlines()
        return {row["user"]: row for row in map(json.loads, lines)}

    def test_full_mailbox(self):
        i = self.instance
        i.posta("user", "set", "bob@example.test", "--quota", "20k")
        with open(os.path.join(i.conf, "users")) as file:
            self.assertIn(":quota=20k\n", file.read())
        self.send("bob@example.test", BIG * 200, "first")
        with i.imap("bob") as bob:
            self.assertEqual(bob.getquotaroot("INBOX")[0], "OK")
            wait_until(lambda: b"MESSAGE 1 1000" in bob.getquota('"User quota"')[1][0], what="the first message")
            # Not so full that nothing fits, but this one does not.
            self.send("bob@example.test", BIG * 250, "too large")
            i.wait_log(r"to=<bob@example.test>.*dsn=5\.2\.2, status=bounced \(Quota exceeded")
            with self.assertRaisesRegex(imaplib.IMAP4.error, "OVERQUOTA"):
                typ, answer = bob.append("INBOX", None, None, (BIG * 250).encode())
                if typ != "OK":
                    raise imaplib.IMAP4.error(answer[0].decode())
            # By the grace of a tenth: 19.8 of 20 KB becomes more than 20, and there was a warning at 80 %.
            self.send("bob@example.test", BIG * 70, "fits")
            wait_until(lambda: bob.select("INBOX")[1][0] == b"3", what="the second message and a warning")
            self.assertEqual(bob.search(None, "SUBJECT", '"Your mailbox is 95% full"')[1][0].split(), [b"3"])
            # From here on it is full, whatever comes.
            self.send("bob@example.test", "short\r\n", "full")
            wait_until(lambda: i.log().count("status=bounced (Quota exceeded") == 2, what="another refusal")
            with i.smtp() as client:
                client.ehlo()
                client.mail("alice@example.test")

                def refused():
                    return client.rcpt("bob+x@example.test")[0] == 552
                wait_until(refused, what="a refusal at RCPT")
                self.assertEqual(client.rcpt("bob@example.test")[0], 552)
                self.assertIn(b"5.2.2 <bob@example.test>: Recipient address rejected: Quota exceeded",
                              client.rcpt("bob@example.test")[1])
                self.assertEqual(client.rcpt("alice@example.test")[0], 250)
            # Who makes room gets mail again at once.
            bob.store("1", "+FLAGS", r"\Deleted")
            bob.expunge()
            with i.smtp() as client:
                client.ehlo()
                client.mail("alice@example.test")
                wait_until(lambda: self.accepts(client, "bob@example.test"), what="room after the expunge")
            self.send("bob@example.test", "short\r\n", "again")
            wait_until(lambda: bob.select("INBOX")[1][0] == b"3", what="the last message")
        row = self.rows("bob@example.test")["bob@example.test"]
        self.assertEqual((row["messages"], row["bytes_limit"], row["messages_limit"]), (3, 20480, 1000))
        self.assertGreater(row["last_login"], 0)
        self.assertEqual(i.posta("quota", "recalc", "bob@example.test").text, "")

    def test_temporarily(self):
        i = self.instance
        i.set(mailbox_quota_full_tempfail="yes", mailbox_quota_maildirsize="yes")
        i.posta("reload")
        i.posta("user", "set", "bob@example.test", "--extra", "quota_messages=1")
        self.send("bob@example.test")
        i.wait_log(r"to=<bob@example.test>.*status=sent")
        self.send("bob@example.test")
        i.wait_log(r"to=<bob@example.test>.*dsn=4\.2\.2, status=deferred \(Quota exceeded")
        with i.smtp() as client:
            client.ehlo()
            client.mail("alice@example.test")
            wait_until(lambda: client.rcpt("bob@example.test")[0] == 452, what="a refusal at RCPT")
        with open(os.path.join(i.home, "mail", "example.test", "bob", "Maildir", "maildirsize")) as file:
            self.assertEqual(file.readline(), "1C\n")
        # No limits are no reason to look, and users who were never there have no Maildir.
        rows = self.rows()
        self.assertEqual(sorted(rows), ["alice@example.test", "bob@example.test"])
        self.assertEqual((rows["alice@example.test"]["messages"], rows["alice@example.test"]["messages_limit"]), (0, 1000))
        self.assertIn("bob@example.test", i.posta("quota").text)
        self.assertEqual(i.posta("quota", "list", "nobody@example.test", check=False).returncode, 1)
        self.assertEqual(i.posta("user", "set", "bob@example.test", "--quota", "lots", check=False).returncode, 1)
        i.posta("user", "set", "bob@example.test", "--extra", "quota_messages=9")
        i.posta("queue", "flush")
        wait_until(lambda: len(re.findall(r"to=<bob@example.test>,.*status=sent", i.log())) == 2, what="what had waited")


if __name__ == "__main__":
    unittest.main()
