"""A stranger relays nothing, whatever the address looks like."""
import os
import subprocess
import unittest

from posta import Instance, Talk

OUTSIDE = "victim@elsewhere.test"
FORMS = [
    f"<{OUTSIDE}>",
    "<victim%elsewhere.test@example.test>",
    "<victim%elsewhere.test>",
    "<victim%elsewhere.test@localhost>",
    "<victim%elsewhere.test@[127.0.0.1]>",
    "<elsewhere.test!victim>",
    "<elsewhere.test!victim@example.test>",
    "<elsewhere.test!victim@[127.0.0.1]>",
    "<@example.test:victim@elsewhere.test>",
    "<@localhost,@example.test:victim@elsewhere.test>",
    "<@[127.0.0.1]:victim@elsewhere.test>",
    '<"victim@elsewhere.test"@example.test>',
    '<"victim@elsewhere.test">',
    '<"victim%elsewhere.test"@example.test>',
    '<"victim%elsewhere.test">',
    '<"elsewhere.test!victim"@example.test>',
    "<victim@elsewhere.test@example.test>",
    "<victim\\@elsewhere.test@example.test>",
    "<victim@[192.0.2.1]>",
    "<victim@[IPv6:2001:db8::1]>",
    "<victim@elsewhere.test.>",
    "<victim@ELSEWHERE.TEST>",
    "<victim@sub.example.test>",
    "<victim@example.test.elsewhere.test>",
    "<v\u00edctima@elsewhere.test>",
    "<victim@\u00e9lsewhere.test>",
    "<victim@xn--lsewhere-c1a.test>",
    "victim@elsewhere.test",
    "<victim@elsewhere.test> NOTIFY=SUCCESS",
    "<victim@elsewhere.test\x00@example.test>",
    "<elsewhere.test!victim%example.test@[127.0.0.1]>",
    "<root%localhost%elsewhere.test@example.test>",
    "<|/bin/sh@elsewhere.test>",
    "<victim@2130706433>",
    "<victim@localhost.elsewhere.test>",
]
SENDERS = ["<stranger@outside.test>", "<alice@example.test>", "<>", "<root>", "<alice@[127.0.0.1]>"]


class OpenRelay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The tests' own address must not be a trusted network.
        cls.suite = Instance(main={"mynetworks": "192.0.2.99/32", "smtpd_hard_error_limit": "1000",
                                   "smtpd_soft_error_limit": "1000"})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def test_forms(self):
        self.assertGreaterEqual(len(FORMS), 20)
        for port in (25, 587):
            for sender in SENDERS:
                with Talk(self.suite.address, self.suite.port(port)) as talk:
                    talk.reply()
                    talk.ask("EHLO relay.test\r\n")
                    for form in FORMS:
                        with self.subTest(port=port, sender=sender, form=form):
                            talk.ask("RSET\r\n")
                            mail = talk.ask(f"MAIL FROM:{sender}\r\n")
                            reply = talk.ask(f"RCPT TO:{form}\r\n".encode())
                            self.assertIn(reply[:1], (b"4", b"5"), (mail, reply))
                            self.assertEqual(talk.ask("DATA\r\n")[:1], b"5")
        self.assertEqual(self.suite.queue(), [])

    def test_vrfy_relays_nothing_either(self):
        with Talk(self.suite.address, self.suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO relay.test\r\n")
            self.assertNotEqual(talk.ask(f"VRFY {OUTSIDE}\r\n")[:3], b"250")

    def test_our_own_are_accepted_and_unknown_refused(self):
        with Talk(self.suite.address, self.suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO relay.test\r\n")
            talk.ask("MAIL FROM:<stranger@outside.test>\r\n")
            self.assertEqual(talk.ask("RCPT TO:<bob@example.test>\r\n")[:3], b"250")
            reply = talk.ask("RCPT TO:<nobody-here@example.test>\r\n")
            self.assertEqual(reply[:9], b"550 5.1.1", reply)
            self.assertEqual(talk.ask("RCPT TO:<postmaster>\r\n")[:3], b"250")

    def test_check_says_that_it_is_no_open_relay(self):
        self.assertIn("relay", self.suite.posta("check").text)


class CertificateOfAProxy(unittest.TestCase):
    """What a proxy in front may do by its certificate, the clients that it speaks for may not."""

    def test_xclient(self):
        suite = Instance(start=False, main={
            "smtpd_tls_ask_ccert": "yes", "smtpd_tls_fingerprint_digest": "sha256",
            "mynetworks": "192.0.2.1", "smtpd_authorized_xclient_hosts": "127.0.0.1",
            "smtpd_relay_restrictions": "permit_tls_clientcerts, reject_unauth_destination"})
        self.addCleanup(suite.close)
        pem = os.path.join(suite.dir, "proxy.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=proxy", "-keyout", pem, "-out", pem + ".crt"],
                       check=True, capture_output=True)
        print_of = subprocess.run(["openssl", "x509", "-in", pem + ".crt", "-noout", "-fingerprint", "-sha256"],
                                  check=True, capture_output=True, text=True).stdout.strip().split("=")[1]
        suite.set(relay_clientcerts=f"inline:{{ {{ {print_of} = proxy }} }}")
        suite.start()
        context = suite.tls_context()
        context.load_cert_chain(pem + ".crt", pem)
        with suite.smtp() as client:
            client.starttls(context=context)
            client.ehlo()
            client.docmd("MAIL", "FROM:<x@outside.test>")
            self.assertEqual(client.docmd("RCPT", "TO:<y@elsewhere.test>")[0], 250)
            client.docmd("RSET")
            self.assertEqual(client.docmd("XCLIENT", "NAME=far.test ADDR=192.0.2.99")[0], 220)
            client.ehlo()
            client.docmd("MAIL", "FROM:<x@outside.test>")
            self.assertEqual(client.docmd("RCPT", "TO:<y@elsewhere.test>")[0], 554)


if __name__ == "__main__":
    unittest.main()
