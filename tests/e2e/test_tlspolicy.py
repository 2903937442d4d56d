"""smtp_tls_policy_maps between two suites: what a next hop needs is there, or the mail waits."""
import hashlib
import os
import ssl
import unittest

from posta import Instance, message


def fingerprint(path):
    with open(path, encoding="ascii") as file:
        pem = file.read()
    first = pem[pem.index("-----BEGIN CERT"):pem.index("-----END CERT") + len("-----END CERTIFICATE-----")]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest().upper()
    return ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))


class TlsPolicy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Instance(domain="far.test", users=("carl",), main={"smtpd_tls_loglevel": "1"})
        good = fingerprint(os.path.join(cls.server.conf, "tls", "server.pem"))
        port = cls.server.port(25)
        cls.hop = f"[127.0.0.1]:{port}"
        cls.good = good
        cls.suite = Instance(main={
            "transport_maps": f"inline:{{ {{ far.test = smtp:{cls.hop} }} }}",
            "smtp_tls_loglevel": "1", "smtp_tls_security_level": "none",
            "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
        })

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.server.close()

    def policy(self, text):
        self.suite.set(smtp_tls_policy_maps=f"inline:{{ {{ {self.hop} = {text} }} }}")
        self.suite.posta("reload")

    def send(self, subject):
        self.suite.inject("alice@example.test", ["carl@far.test"], message(to="carl@far.test", subject=subject))

    def test_fingerprints(self):
        self.policy("fingerprint match=" + ":".join(["AB"] * 32))
        self.send("by fingerprint")
        self.suite.wait_log(r"status=deferred \(Cannot start TLS with .*: the server's certificate has another "
                            r"fingerprint\)")
        self.assertFalse([mail for mail in self.server.inbox("carl") if b"by fingerprint" in mail])
        self.policy(f"fingerprint match={self.good}")
        self.suite.posta("queue", "flush")
        self.server.wait_mail("carl", text="by fingerprint")
        self.suite.wait_log(r"Verified TLS connection established to 127\.0\.0\.1")

    def test_a_keyword_that_does_not_count_there(self):
        self.suite.set(smtp_discard_ehlo_keyword_address_maps="inline:{ 127.0.0.1=starttls }")
        self.policy("may")
        self.send("in the clear")
        (mail,) = self.server.wait_mail("carl", text="in the clear")
        self.assertRegex(mail, rb"with ESMTP id")
        self.suite.set(smtp_discard_ehlo_keyword_address_maps="inline:{ 127.0.0.9=starttls }")
        self.suite.posta("reload")
        self.send("encrypted")
        (mail,) = self.server.wait_mail("carl", text="encrypted")
        self.assertRegex(mail, rb"with ESMTPS id")

    def test_a_row_that_is_not_understood_keeps_mail_here(self):
        self.policy("sometimes")
        self.send("not yet")
        self.suite.wait_log(r"status=deferred \(client TLS configuration problem\)")
        self.policy("encrypt protocols=TLSv1.2 ciphers=high")
        self.suite.posta("queue", "flush")
        self.server.wait_mail("carl", text="not yet")
        self.suite.wait_log(r"TLS connection established to .*: TLSv1\.2 with")


if __name__ == "__main__":
    unittest.main()
