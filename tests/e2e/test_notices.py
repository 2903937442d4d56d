"""What the postmaster is told: transcripts of sessions, copies of reports, and not more of them than is wanted."""
import email
import email.policy
import unittest

from posta import Instance, Talk, message


class Notices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob", "errors", "bounces", "doubles"), main={
            "notify_classes": "policy, protocol, bounce, 2bounce",
            "error_notice_recipient": "errors@example.test",
            "bounce_notice_recipient": "bounces@example.test",
            "2bounce_notice_recipient": "doubles@example.test",
            "virtual_alias_maps": "inline:{ away@example.test=nobody@example.test }",
            "smtpd_sender_restrictions": "check_sender_access inline:{ bad@outside.test=REJECT }",
            "smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "no",
        })

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self):
        return Talk(self.suite.address, self.suite.port(25))

    def notice(self, name, text):
        (mail,) = self.suite.wait_mail(name, text=text)
        return email.message_from_bytes(mail, policy=email.policy.default)

    def test_transcript(self):
        with self.talk() as talk:
            talk.reply()
            talk.ask("EHLO transcript.test\r\n")
            talk.ask("MAIL FROM:<bad@outside.test>\r\n")
            talk.ask("RCPT TO:<bob@example.test>\r\n")
            talk.ask("AUTH PLAIN AGFsaWNlAHNlY3JldC13b3Jk\r\n")
            talk.ask("RSET\r\n")
            talk.ask("AUTH LOGIN\r\n")
            talk.ask("c2VjcmV0LW5hbWU=\r\n")
            talk.ask("c2VjcmV0LXdvcmQ=\r\n")
            talk.ask("correct horse secret-staple\r\n")
            talk.ask("AUTH=PLAIN c2VjcmV0LW9sZA==\r\n")
            talk.ask("QUIT\r\n")
        notice = self.notice("errors", "EHLO transcript.test")
        text = notice.get_content().replace("\r\n", "\n")
        self.assertEqual(notice["Subject"], "Posta SMTP server: errors from localhost[127.0.0.1]")
        self.assertRegex(text, r" In : MAIL FROM:<bad@outside\.test>\n Out: 250 2\.1\.0 Ok\n")
        self.assertRegex(text, r" Out: 554 5\.7\.1 <bad@outside\.test>: Sender address rejected: Access denied\n")
        self.assertIn(" In : AUTH PLAIN\n", text)
        for secret in ("AGFsaWNl", "c2VjcmV0", "horse", "staple"):
            self.assertNotIn(secret, text)

    def test_protocol_and_what_is_in_order(self):
        with self.talk() as talk:
            talk.reply()
            talk.ask("EHLO good.test\r\n")
            talk.ask("QUIT\r\n")
        with self.talk() as talk:
            talk.reply()
            talk.ask("HELO \u00e4rger.test\r\n")
            talk.ask("BLURB x\r\n")
            talk.ask("QUIT\r\n")
        text = self.notice("errors", "rger.test").get_content().replace("\r\n", "\n")
        self.assertIn(" In : (no command: not shown)\n Out: 502 5.5.2 ", text)
        self.assertNotIn("BLURB", text)
        self.assertFalse([mail for mail in self.suite.inbox("errors") if b"good.test" in mail])

    def test_copies_of_reports(self):
        self.suite.inject("alice@example.test", ["away@example.test"], message(subject="came back", body="secret\r\n"))
        copy = self.notice("bounces", "came back")
        self.assertEqual(copy["Subject"], "Postmaster copy: Undelivered mail returned to sender")
        self.assertNotIn("secret", copy.as_string())
        (report,) = self.suite.wait_mail("alice", text="came back")
        self.assertIn(b"secret", report)
        self.suite.inject("", ["away@example.test"], message(subject="a report that came back"))
        self.assertIn("nobody@example.test", self.notice("doubles", "a report that came back").as_string())

    def test_what_nobody_reads_makes_no_reports(self):
        """The copies themselves fail: that is the end of it."""
        with Instance(main={"notify_classes": "bounce, 2bounce", "bounce_notice_recipient": "away@example.test",
                            "2bounce_notice_recipient": "away@example.test",
                            "virtual_alias_maps": "inline:{ away@example.test=nobody@example.test }"}) as suite:
            suite.inject("", ["away@example.test"], message(subject="round and round"))
            suite.wait_log(r"from=<double-bounce@example\.test>")
            suite.wait_queue_empty()
            self.assertEqual(suite.log().count("postmaster notification"), 1)


class Many(unittest.TestCase):
    def test_rate(self):
        with Instance(users=("alice", "errors"), main={
                "notify_classes": "protocol", "notice_rate_limit": "2",
                "error_notice_recipient": "errors@example.test"}) as suite:
            for n in range(5):
                with Talk(suite.address, suite.port(25)) as talk:
                    talk.reply()
                    talk.ask(f"BLURB {n}\r\n")
                    talk.ask("QUIT\r\n")
            suite.wait_log("more messages to the postmaster than notice_rate_limit")
            suite.wait_mail("errors", count=2)
            suite.wait_queue_empty()
            self.assertEqual(len(suite.inbox("errors")), 2)
            self.assertEqual(suite.log().count("more messages to the postmaster"), 1)


if __name__ == "__main__":
    unittest.main()
