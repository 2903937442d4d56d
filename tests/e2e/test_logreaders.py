"""What other programs read in the log: fail2ban's filters of conf/fail2ban, and pflogsumm."""
import imaplib
import os
import poplib
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest

import managesieve
from posta import PLAIN_BUILD, Instance, message

FILTERS = os.path.join(os.path.dirname(__file__), "..", "..", "conf", "fail2ban", "filter.d")
# A name that would have somebody else banned, by another filter.
EVIL = "x>, method=PLAIN, rip=192.0.2.7, service=%s"


class LogReaders(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(build=PLAIN_BUILD)
        # As they are installed: beside fail2ban's own, of which they include one.
        cls.folder = tempfile.TemporaryDirectory()
        cls.filters = shutil.copytree(FILTERS, os.path.join(cls.folder.name, "filter.d"))
        shutil.copy("/etc/fail2ban/filter.d/common.conf", cls.filters)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.folder.cleanup()

    def lines_of(self, name):
        done = subprocess.run(["fail2ban-regex", "--print-all-matched", self.suite.log_file,
                               os.path.join(self.filters, f"posta-{name}.conf")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        found = re.search(r"Lines: .* (\d+) matched", done.stdout)
        hosts = subprocess.run(["fail2ban-regex", "-o", "ip", self.suite.log_file,
                                os.path.join(self.filters, f"posta-{name}.conf")], stdout=subprocess.PIPE,
                               text=True).stdout.split()
        self.assertEqual(len(hosts), int(found[1]), done.stdout + str(hosts))
        return hosts

    def test_failed_logins_are_found(self):
        wrong = ("bob@example.test", EVIL % "smtp", EVIL % "imap")
        for name in wrong[:1]:
            with self.assertRaises(smtplib.SMTPAuthenticationError), self.suite.smtp(587) as client:
                client.starttls(context=self.suite.tls_context())
                client.user, client.password = name, "not this"
                client.ehlo()
                client.auth("PLAIN", client.auth_plain)
        for name in wrong[:2]:
            client = imaplib.IMAP4(self.suite.address, self.suite.port(143))
            client.starttls(self.suite.tls_context())
            with self.assertRaises(imaplib.IMAP4.error):
                client.login(f'"{name}"', "wrong")
            client.shutdown()
        for name in wrong:
            client = poplib.POP3(self.suite.address, self.suite.port(110))
            client.stls(self.suite.tls_context())
            client.user(name)
            with self.assertRaises(poplib.error_proto):
                client.pass_("wrong")
            client.close()
        client = managesieve.Client(self.suite)
        self.assertTrue(client.plain("bob@example.test", "wrong").startswith(b"NO"))
        client.close()
        for name, count in (("smtp", 1), ("imap", 2), ("pop3", 3), ("sieve", 1)):
            with self.subTest(name=name):
                self.assertEqual(self.lines_of(name), [self.suite.address] * count)

    def test_pflogsumm_counts(self):
        """As posta(1) says; one by SMTP, one by submission over TLS, one by sendmail."""
        self.suite.inject("x@outside.test", ["bob@example.test"], message(subject="one"))
        self.suite.submit("alice", ["bob"], message(subject="two"))
        self.suite.posta("send", "-f", "alice@example.test", "bob@example.test", stdin="Subject: three\n\nx\n")
        self.suite.wait_queue_empty()
        done = subprocess.run(["pflogsumm", "--syslog-name", "posta(?:/(?:submissions|submission|smtps))?",
                               self.suite.log_file], stdout=subprocess.PIPE, text=True, check=True)
        self.assertRegex(done.stdout, r"(?m)^ +3 +received$")
        self.assertRegex(done.stdout, r"(?m)^ +3 +delivered$")


if __name__ == "__main__":
    unittest.main()
