"""Instances that exchange mail by MX records from a name server on loopback."""
import re
import unittest

from dnsserver import DnsServer
from posta import Instance, PASSWORD, message, reserve_base_port, wait_until


class Exchange(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base, cls.lock = reserve_base_port()
        cls.dns = DnsServer({
            "one.test": {"MX": [(10, "mx.one.test")]},
            "mx.one.test": {"A": ["127.0.0.2"]},
            "two.test": {"MX": [(20, "mx.two.test"), (10, "dead.two.test")]},
            "mx.two.test": {"A": ["127.0.0.3"]},
            "dead.two.test": {"A": ["127.0.0.9"]},
            "nomx.test": {"A": ["127.0.0.3"]},
            "null.test": {"MX": [(0, ".")]},
        })
        cls.one = cls.instance("one.test", "127.0.0.2")
        cls.two = cls.instance("two.test", "127.0.0.3", virtual_alias_maps="inline:{list@nomx.test=bob@two.test}",
                               virtual_alias_domains="nomx.test")

    @classmethod
    def instance(cls, domain, address, start=True, base=None, **settings):
        settings = {"dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": f"{address}/32 127.0.0.1/32",
                    "minimal_backoff_time": "1s", "maximal_backoff_time": "2s", "queue_run_delay": "1s",
                    "smtp_bind_address": address, "myhostname": f"mx.{domain}", **settings}
        return Instance(domain, address=address, base_port=base or cls.base, main=settings, start=start)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.one.close()
        finally:
            cls.two.close()
            cls.dns.close()
            cls.lock.close()

    def test_by_mx_in_order_of_preference(self):
        self.one.submit("alice", ["bob@two.test"], message("alice@one.test", "bob@two.test", "by-mx"))
        (mail,) = self.two.wait_mail("bob", text="by-mx")
        self.assertIn(b"Received: from mx.one.test", mail)
        self.assertRegex(mail, rb"with ESMTPS id")
        self.two.submit("bob", ["alice@one.test"], message("bob@two.test", "alice@one.test", "back"))
        self.one.wait_mail("alice", text="back")
        self.one.wait_log(r"to=<bob@two.test>, relay=mx\.two\.test\[127\.0\.0\.3\]:\d+, .*dsn=2\.0\.0, status=sent")
        self.one.wait_log(r": removed$")

    def test_address_record_without_mx(self):
        self.one.submit("alice", ["list@nomx.test"], message("alice@one.test", "list@nomx.test", "by-a"))
        self.two.wait_mail("bob", text="by-a")

    def bounce_for(self, recipient, subject, *patterns):
        self.one.submit("alice", [recipient], message("alice@one.test", recipient, subject))
        mails = self.one.wait_mail("alice", text=recipient)
        report = [m for m in mails if b"report-type=delivery-status" in m and subject.encode() in m]
        self.assertTrue(report, mails)
        for pattern in patterns:
            self.assertRegex(report[0], pattern)
        return report[0]

    def test_refused_recipient_bounces_readably(self):
        report = self.bounce_for("nobody@two.test", "refused", rb"(?m)^Status: 5\.1\.1\r$",
                                 rb"(?mi)^Final-Recipient: rfc822; ?nobody@two\.test\r$",
                                 rb"(?m)^Action: failed\r$", rb"(?m)^Remote-MTA: dns; ?mx\.two\.test",
                                 rb"(?mi)^Diagnostic-Code: smtp; ?550 ", rb"(?m)^Return-Path: <>\r$")
        self.assertIn(b"User unknown", report)

    def test_null_mx_and_unknown_domain_bounce(self):
        self.bounce_for("x@null.test", "nullmx", rb"Status: 5\.1\.10")
        self.bounce_for("x@nowhere.test", "nodomain", rb"Status: 5\.4\.4|Status: 5\.1\.2")

    def test_null_sender_is_never_bounced(self):
        self.one.inject("", ["nobody@two.test"], message(subject="double"))
        self.one.wait_log(r"to=<nobody@two.test>.*status=bounced")
        self.one.wait_queue_empty()
        self.assertNotIn(b"double", b"".join(self.one.inbox("alice")))

    def test_down_defers_and_comes_back(self):
        self.dns.zones["three.test"] = {"MX": [(10, "mx.three.test")]}
        self.dns.zones["mx.three.test"] = {"A": ["127.0.0.4"]}
        three = self.instance("three.test", "127.0.0.4", start=False)
        try:
            self.one.submit("alice", ["bob@three.test"], message("alice@one.test", "bob@three.test", "later"))
            self.one.wait_log(r"to=<bob@three.test>.*dsn=4\.4\.1, status=deferred \(.*[Cc]onnection refused")
            # The line comes before qmgr has heard of it, and between attempts it is deferred again.
            wait_until(lambda: [q["queue_name"] for q in self.one.queue() if "three.test" in str(q)] == ["deferred"],
                       what="one deferred message")
            three.start()
            three.wait_mail("bob", text="later")
            self.one.wait_queue_empty()
        finally:
            three.close()

    def test_lifetime_ends_in_a_bounce(self):
        four = self.instance("four.test", "127.0.0.5", maximal_queue_lifetime="2s")
        try:
            four.submit("alice", ["x@gone.test"], message("alice@four.test", "x@gone.test", "expire"))
        finally:
            self.dns.zones["gone.test"] = {"MX": [(10, "mx.gone.test")]}
            self.dns.zones["mx.gone.test"] = {"A": ["127.0.0.9"]}
        try:
            four.wait_mail("alice", text="gone.test", seconds=30)
        finally:
            four.close()

    def test_smart_host_with_a_password(self):
        hub = self.instance("hub.test", "127.0.0.6", mydestination="", mynetworks="192.0.2.0/24",
                            smtp_tls_security_level="may",
                            smtpd_sender_login_maps="inline:{{@leaf.test=alice@hub.test}}")
        leaf = None
        try:
            leaf = self.instance(
                "leaf.test", "127.0.0.7", relayhost=f"[127.0.0.6]:{self.base + 587}",
                smtp_sasl_auth_enable="yes", smtp_sasl_security_options="noanonymous",
                smtp_tls_security_level="encrypt",
                smtp_sasl_password_maps="inline:{[127.0.0.6]:%d=alice@hub.test:%s}" % (self.base + 587, PASSWORD))
            leaf.submit("alice", ["bob@two.test"], message("alice@leaf.test", "bob@two.test", "smart-host"))
            (mail,) = self.two.wait_mail("bob", text="smart-host")
            self.assertIn(b"by mx.hub.test", mail)
            self.assertIn("sasl_username=alice@hub.test", hub.log())
        finally:
            if leaf:
                leaf.close()
            hub.close()

    def test_forwarding_loop_is_caught(self):
        self.one.posta("conf", "-e", "virtual_alias_maps=inline:{loop@one.test=loop@loop.test}",
                       "transport_maps=inline:{loop.test=smtp:[127.0.0.2]:%d}" % (self.base + 25))
        self.one.posta("reload")
        self.one.submit("alice", ["loop@one.test"], message("alice@one.test", "loop@one.test", "around"))
        mails = self.one.wait_mail("alice", text="loop.test", seconds=40)
        self.assertTrue(any(b"Status: 5.4" in m or b"Status: 5.7.1" in m for m in mails))
        wait_until(lambda: not [q for q in self.one.queue() if "loop" in str(q)], 20, "no loop left")

    def test_log_tells_the_life_of_a_message(self):
        self.one.submit("alice", ["bob@two.test"], message("alice@one.test", "bob@two.test", "life"))
        self.two.wait_mail("bob", text="life")
        log = self.one.log()
        (queue_id,) = re.findall(r"posta/submission/smtpd\[\d+\]: (\w+): client=.*sasl_username=alice@one.test", log)[-1:]
        for pattern in (rf"posta/cleanup\[\d+\]: {queue_id}: message-id=<", rf"posta/qmgr\[\d+\]: {queue_id}: from=<alice@one.test>, size=\d+, nrcpt=1",
                        rf"posta/smtp\[\d+\]: {queue_id}: to=<bob@two.test>, relay=.*status=sent"):
            self.one.wait_log(pattern)


if __name__ == "__main__":
    unittest.main()
