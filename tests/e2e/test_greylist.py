"""reject_greylisted: who is asked to come again, and who is not."""
import os
import smtplib
import unittest

from dnsserver import DnsServer
from posta import Instance, message, wait_until

STRANGER, OTHER, WELCOME = "127.0.1.5", "127.0.2.5", "127.0.3.5"


class Greylisted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer({
            "plain.test": {"A": ["127.0.0.9"]},
            "proven.test": {"TXT": [f"v=spf1 ip4:{OTHER} -all"]},
            "5.3.0.127.welcome.test": {"A": ["127.0.5.1"]},
        })
        cls.suite = Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "no",
            "greylist_delay": "2s", "greylist_allow_after": "0", "greylist_exempt_dnswl": "welcome.test=127.0.5.1",
            "smtpd_recipient_restrictions": "reject_greylisted, permit_mynetworks, check_recipient_access inline:{never@two.test=REJECT}",
            "virtual_alias_maps": "inline:{never@two.test=bob@two.test, bob2@two.test=bob@two.test}",
            "transport_maps": "inline:{away.test=discard:}"})
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.suite.close()
        finally:
            cls.dns.close()

    def rcpt(self, sender, recipient="bob@two.test", source=STRANGER):
        with smtplib.SMTP(self.suite.address, self.suite.port(25), local_hostname="client.test", timeout=60, source_address=(source, 0)) as client:
            client.ehlo()
            client.mail(sender)
            code, text = client.rcpt(recipient)
            return code, text.decode()

    def test_comes_again(self):
        code, text = self.rcpt("new@plain.test")
        self.assertEqual(code, 450)
        self.assertRegex(text, r"^4\.7\.1 <bob@two\.test>: Recipient address rejected: Greylisted, please come again in [12] seconds")
        wait_until(lambda: self.rcpt("new@plain.test", source="127.0.1.77")[0] == 250, what="let in")
        self.assertEqual(self.rcpt("new@plain.test", source=OTHER)[0], 450)
        # It is not forgotten when the program is another one.
        self.suite.stop()
        self.suite.start()
        self.assertEqual(self.rcpt("new@plain.test")[0], 250)
        self.assertTrue(os.path.exists(os.path.join(self.suite.home, "data", "greylist")))

    def test_who_is_refused_anyway_hears_that(self):
        self.assertEqual(self.rcpt("x@plain.test", "never@two.test")[0], 554)

    def test_exempt(self):
        self.assertEqual(self.rcpt("x@proven.test", source=OTHER)[0], 250)
        self.assertEqual(self.rcpt("x@proven.test")[0], 450)
        self.assertEqual(self.rcpt("x@plain.test", source=WELCOME)[0], 250)
        self.assertEqual(self.rcpt("x@plain.test", source="127.0.0.1")[0], 250)

    def test_correspondents(self):
        """Whom a user of ours has written to may answer at once; who only writes to us waits."""
        self.suite.submit("alice", ["friend@away.test"], message("alice@two.test", "friend@away.test", "hello"))
        # From another network each time: nobody has come again.
        networks = iter(range(20, 250))
        wait_until(lambda: self.rcpt("Friend@away.test", source=f"127.0.{next(networks)}.5")[0] == 250, what="a friend is let in")
        self.assertEqual(self.rcpt("enemy@away.test")[0], 450)

    def test_nobody_waits_for_one_that_is_gone(self):
        with Instance("one.test", main={"mynetworks": "127.0.0.1/32", "smtpd_recipient_restrictions": "permit_mynetworks, reject_greylisted"}, start=False) as suite:
            suite.posta("conf", "-M", "greylist/unix=greylist unix - - - - 1 greylist -o data_directory=/proc/posta")
            suite.start()
            with smtplib.SMTP(suite.address, suite.port(25), local_hostname="client.test", timeout=60, source_address=(STRANGER, 0)) as client:
                client.ehlo()
                client.mail("x@plain.test")
                self.assertEqual(client.rcpt("bob@one.test")[0], 250)
            suite.wait_log("greylist does not answer")


if __name__ == "__main__":
    unittest.main()
