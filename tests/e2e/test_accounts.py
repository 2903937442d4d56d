"""What an account may send: as itself and its aliases, and not more than it ever does."""
import smtplib
import time
import unittest

from posta import Instance, PASSWORD, message, wait_until


class Senders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"smtpd_login_message_hour_limit": "4",
                                      "smtpd_login_bounce_hour_limit": "2"},
                                users=("alice", "bob", "carol"))
        cls.addClassCleanup(cls.instance.close)
        with open(f"{cls.instance.conf}/virtual", "a") as file:
            file.write("sales@example.test alice@example.test\n")
        cls.instance.posta("map", f"hash:{cls.instance.conf}/virtual")

    def test_sender_addresses(self):
        i = self.instance
        for port in (587, 465):
            for sender, allowed in (("alice", True), ("alice+news", True), ("sales", True),
                                    ("bob", False), ("alice@elsewhere.test", False)):
                with i.smtp(port) as client:
                    if port == 587:
                        client.starttls(context=i.tls_context())
                    client.login("alice@example.test", PASSWORD)
                    client.mail(i.user(sender))
                    code, text = client.rcpt("carol@example.test")
                self.assertEqual(code, 250 if allowed else 553, (sender, text))

    def test_too_much(self):
        i = self.instance
        before = time.time()
        with i.smtp(587) as client:
            client.starttls(context=i.tls_context())
            client.login("bob@example.test", PASSWORD)
            for n in range(6):
                client.sendmail("bob@example.test", ["carol@example.test"], message(subject=f"n{n}"))
        # Four have come, two are held, and nothing is lost.
        self.assertEqual(len(i.wait_mail("carol", 4, "Subject: n")), 4)
        held = wait_until(lambda: [m for m in i.queue() if m["queue_name"] == "hold"], what="held mail")
        self.assertEqual({m["sender"] for m in held}, {"bob@example.test"})
        i.wait_log(r"sending stopped: account bob@example\.test, more than 4 messages in an hour")
        # The user and the postmaster (alice, the first user) are told, once.
        for user in ("bob", "alice"):
            told = i.wait_mail(user, 1, "Sending is stopped for bob@example.test")
            self.assertIn(b"more than 4 messages in an hour", told[0])
        # It receives, and cannot send any more; over a restart too.
        for restart in (False, True):
            if restart:
                i.posta("stop")
                # Nobody can be let go then, and that is said.
                self.assertRegex(i.posta("user", "unlock", "bob@example.test").text, "stays so; unlock again when the mail system runs")
                i.posta("start")
            with i.smtp(465) as client, self.assertRaises(smtplib.SMTPAuthenticationError) as no:
                client.login("bob@example.test", PASSWORD)
            self.assertEqual(no.exception.smtp_code, 454)
        with i.imap("bob") as client:
            client.select()
        self.assertRegex(i.posta("who", "--held").text,
                         r"sending +bob@example.test +since \d+ s: more than 4 messages")
        # Where users are in no file of ours, being let go is all that there is to do.
        users = i.posta("conf", "-h", "mailbox_users").text.strip()
        i.set(mailbox_users="static:nobody")
        self.assertIn("may send again", i.posta("user", "unlock", "bob@example.test").text)
        i.set(mailbox_users=users)
        i.posta("queue", "release", "ALL")
        i.wait_mail("carol", 6, "Subject: n")
        i.submit("bob", ["carol"], message(subject="again"))
        i.wait_mail("carol", 1, "Subject: again")
        self.assertEqual(len(i.wait_mail("bob", 1, "Sending is stopped")), 1)
        self.assertLess(time.time() - before, 60)

    def test_bounces(self):
        i = self.instance
        i.set(transport_maps="inline:{{gone.test=error:5.1.1 nobody}}", smtpd_reject_unlisted_recipient="no")
        i.posta("reload")
        with i.smtp(465) as client:
            client.login("carol@example.test", PASSWORD)
            client.sendmail("carol@example.test", ["a@gone.test", "b@gone.test", "c@gone.test"],
                            message("carol@example.test"))
        i.wait_mail("carol", 1, "a@gone.test")
        told = i.wait_mail("carol", 1, "Sending is stopped for carol@example.test")
        self.assertIn(b"more than 2 recipients whose mail came back in an hour", told[0])


if __name__ == "__main__":
    unittest.main()
