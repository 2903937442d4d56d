"""postscreen's work in smtpd: the access list, early talkers, DNS lists and scores, the memory of clients
that have passed, tests of how a client speaks SMTP, and the log lines that people's scripts read."""
import os
import re
import unittest

from dnsserver import DnsServer
from posta import Instance, Talk, wait_until


def listed(*lists):
    return {f"{number}.0.0.127.{name}": {"A": [address], "TTL": 60} for number, name, address in lists}


class Screened(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer(cls.zones())
        cls.suite = suite = Instance(start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "dnssec_validation": "no",
            "mynetworks": "127.0.0.1/32", "postscreen_greet_wait": "1s",
            "smtpd_peername_lookup": "no", **cls.settings})
        with open(os.path.join(suite.conf, "access"), "w") as file:
            file.write("127.0.0.40 reject\n127.0.0.41 permit\n")
        with open(os.path.join(suite.conf, "names"), "w") as file:
            file.write("secret.bl.test bl.example\n")
        path = os.path.join(suite.conf, "master.cf")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(re.sub(r"(?m)^(smtp +inet .*smtpd)$", r"\1\n  -o postscreen_enable=yes", text))
        suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.dns.close()

    @classmethod
    def zones(cls):
        return {}

    def talk(self, number):
        talk = Talk(self.suite.address, self.suite.port(25), source=f"127.0.0.{number}")
        self.addCleanup(talk.socket.close)
        return talk

    def log_of(self, number, pattern):
        """postscreen says that of this client."""
        who = rf"\[127\.0\.0\.{number}\]:\d+"
        return self.suite.wait_log(rf"/postscreen\[\d+\]: {pattern.format(who=who)}")

    def not_logged(self, number, pattern):
        self.assertNotRegex(self.suite.log(), pattern.format(who=rf"\[127\.0\.0\.{number}\]:\d+"))

    def rcpt(self, talk, recipient="bob@example.test", greeted=False):
        """The replies to EHLO, MAIL and RCPT."""
        ehlo = b"" if greeted else talk.ask("EHLO client.test\r\n")
        mail = talk.ask("MAIL FROM:<a@elsewhere.test>\r\n")
        return ehlo, mail, talk.ask(f"RCPT TO:<{recipient}>\r\n")

    def send_as(self, number):
        talk = self.talk(number)
        self.assertRegex(talk.reply(), rb"220 ")
        self.assertRegex(self.rcpt(talk)[2], rb"^250 ")
        talk.ask("QUIT\r\n")


class Early(Screened):
    settings = {
        "postscreen_access_list": "permit_mynetworks, cidr:$config_directory/access",
        "postscreen_blacklist_action": "drop", "postscreen_greet_action": "enforce",
        "postscreen_greet_banner": "wait a moment",
        "postscreen_dnsbl_sites": "secret.bl.test*2 other.bl.test=127.0.0.[2..4]*2 "
                                  "other.bl.test=127.0.0.9*1 good.wl.test*-5",
        "postscreen_dnsbl_threshold": "3", "postscreen_dnsbl_action": "drop",
        "postscreen_dnsbl_allowlist_threshold": "-1",
        "postscreen_dnsbl_reply_map": "texthash:$config_directory/names"}

    @classmethod
    def zones(cls):
        return listed((30, "secret.bl.test", "127.0.0.2"), (30, "other.bl.test", "127.0.0.3"),
                      (31, "secret.bl.test", "127.0.0.2"), (31, "other.bl.test", "127.0.0.8"),
                      (32, "secret.bl.test", "127.0.0.2"), (32, "good.wl.test", "127.0.0.2"),
                      (33, "secret.bl.test", "127.0.0.2"), (33, "other.bl.test", "127.0.0.9"))

    def test_who_waits_passes_and_is_known(self):
        talk = self.talk(20)
        self.assertEqual(talk.line(), b"220-wait a moment\r\n")
        self.assertRegex(talk.line(), rb"^220 ")
        self.assertRegex(self.rcpt(talk)[2], rb"^250 ")
        talk.ask("QUIT\r\n")
        self.log_of(20, r"CONNECT from {who} to \[127\.0\.0\.1\]:\d+")
        self.log_of(20, r"PASS NEW {who}$")
        self.suite.wait_log(r"/smtpd\[\d+\]: connect from unknown\[127\.0\.0\.20\]")
        talk = self.talk(20)
        self.assertRegex(talk.line(), rb"^220 ")
        self.log_of(20, r"PASS OLD {who}$")
        # Also by another process of smtpd, and when all have been replaced.
        self.suite.stop()
        self.suite.start()
        before = len(re.findall(r"PASS OLD \[127\.0\.0\.20\]", self.suite.log()))
        self.assertRegex(self.talk(20).line(), rb"^220 ")
        wait_until(lambda: len(re.findall(r"PASS OLD \[127\.0\.0\.20\]", self.suite.log())) > before,
                   what="PASS OLD once more")

    def test_early_talker(self):
        talk = self.talk(21)
        talk.send("EHLO client.test\r\n")
        self.assertEqual(talk.line(), b"220-wait a moment\r\n")
        self.assertRegex(talk.reply(), rb"^220 ")
        ehlo = talk.reply()
        self.assertRegex(ehlo, rb"250 ")
        self.assertNotRegex(ehlo, rb"PIPELINING|AUTH")
        self.assertEqual(self.rcpt(talk, greeted=True)[2], b"550 5.5.1 Protocol error\r\n")
        self.assertRegex(talk.ask("DATA\r\n"), rb"^554 5\.5\.1 ")
        self.assertRegex(talk.ask("QUIT\r\n"), rb"^221 ")
        self.log_of(21, r"PREGREET 18 after \d\.\d+ from {who}: EHLO client\.test\\r\\n$")
        self.log_of(21, r"NOQUEUE: reject: RCPT from {who}: 550 5\.5\.1 Protocol error; "
                        r"from=<a@elsewhere\.test>, to=<bob@example\.test>, proto=ESMTP, helo=<client\.test>$")
        self.log_of(21, r"DISCONNECT {who}$")
        self.not_logged(21, r"PASS (NEW|OLD) {who}")
        self.not_logged(21, r"smtpd.*connect from \S*\[127\.0\.0\.21\]")

    def test_early_talker_under_tls(self):
        """What takes no mail speaks TLS too: else a client would come again and again."""
        talk = self.talk(22)
        talk.send("EHLO client.test\r\n")
        talk.reply(), talk.reply()
        self.assertRegex(talk.ask("STARTTLS\r\n"), rb"^220 ")
        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        self.assertRegex(self.rcpt(talk)[2], rb"^550 5\.5\.1 ")

    def test_lists(self):
        talk = self.talk(30)
        self.assertEqual(talk.line(), b"220-wait a moment\r\n")
        self.assertEqual(talk.line(), b"521 5.7.1 Service unavailable; client [127.0.0.30] blocked "
                                      b"using bl.example\r\n")
        self.assertEqual(talk.line(), b"")
        self.log_of(30, r"DNSBL rank 4 for {who}$")
        self.log_of(30, r"DISCONNECT {who}$")
        self.not_logged(30, r"PASS (NEW|OLD) {who}")
        # Another answer than the filter has: too little.
        self.send_as(31)
        self.log_of(31, r"PASS NEW {who}$")
        # Both sites of one list, one question.
        self.assertRegex(self.talk(33).reply(), rb"521 5\.7\.1 ")
        self.log_of(33, r"DNSBL rank 3 for {who}$")
        asked = [name for name, *_ in self.dns.queries if name == "33.0.0.127.other.bl.test"]
        self.assertEqual(len(asked), 1)

    def test_a_good_name_outweighs(self):
        self.send_as(32)
        self.log_of(32, r"PASS NEW {who}$")
        self.not_logged(32, r"DNSBL rank \S+ for {who}")

    def test_access_list(self):
        self.assertEqual(self.talk(40).reply(), b"521 5.3.2 Service currently unavailable\r\n")
        self.log_of(40, r"DENYLISTED {who}$")
        for number in (1, 41):
            self.assertRegex(self.talk(number).line(), rb"^220 ")
            self.log_of(number, r"ALLOWLISTED {who}$")

    def test_who_goes(self):
        talk = self.talk(50)
        self.assertEqual(talk.line(), b"220-wait a moment\r\n")
        talk.socket.close()
        self.log_of(50, r"HANGUP after \d\.\d+ from {who} in tests before SMTP handshake$")
        self.log_of(50, r"DISCONNECT {who}$")


class Deep(Screened):
    settings = {"postscreen_greet_wait": "0s", "postscreen_pipelining_enable": "yes",
                "postscreen_non_smtp_command_enable": "yes", "postscreen_bare_newline_enable": "yes",
                "postscreen_bare_newline_action": "enforce", "postscreen_command_count_limit": "8",
                "postscreen_client_connection_count_limit": "2", "line_length_limit": "512"}

    def test_next_time(self):
        talk = self.talk(60)
        self.assertRegex(talk.reply(), rb"220 ")
        self.assertEqual(self.rcpt(talk)[2], b"450 4.3.2 Service currently unavailable\r\n")
        talk.ask("QUIT\r\n")
        self.log_of(60, r"NOQUEUE: reject: RCPT from {who}: 450 4\.3\.2 Service currently unavailable; ")
        self.log_of(60, r"PASS NEW {who}$")
        self.send_as(60)
        self.log_of(60, r"PASS OLD {who}$")

    def test_half_way_is_not_passed(self):
        talk = self.talk(61)
        self.assertRegex(talk.reply(), rb"220 ")
        talk.ask("EHLO client.test\r\n")
        talk.socket.close()
        self.log_of(61, r"HANGUP after \d\.\d+ from {who} in tests after SMTP handshake$")
        self.not_logged(61, r"PASS \w+ {who}")

    def test_pipelining(self):
        talk = self.talk(62)
        self.assertRegex(talk.reply(), rb"220 ")
        talk.send("EHLO client.test\r\nMAIL FROM:<a@elsewhere.test>\r\n")
        talk.reply(), talk.reply()
        self.assertEqual(talk.ask("RCPT TO:<bob@example.test>\r\n"), b"550 5.5.1 Protocol error\r\n")
        self.log_of(62, r"COMMAND PIPELINING from {who} after EHLO: MAIL FROM:<a@elsewhere\.test>")
        talk.ask("QUIT\r\n")
        self.log_of(62, r"DISCONNECT {who}$")
        self.not_logged(62, r"PASS \w+ {who}")

    def test_non_smtp(self):
        for number, words in ((63, "Subject: buy\r\n"), (64, "GET / HTTP/1.0\r\n")):
            talk = self.talk(number)
            self.assertRegex(talk.reply(), rb"220 ")
            self.assertRegex(talk.ask(words), rb"^521 5\.5\.1 ")
            self.log_of(number, r"NON-SMTP COMMAND from {who} after CONNECT: " + words[:3])

    def test_bare_newline(self):
        talk = self.talk(65)
        self.assertRegex(talk.reply(), rb"220 ")
        self.assertRegex(talk.ask("EHLO client.test\n"), rb"250 ")
        self.assertRegex(self.rcpt(talk, greeted=True)[2], rb"^550 5\.5\.1 ")
        self.log_of(65, r"BARE NEWLINE from {who} after CONNECT$")

    def test_commands(self):
        """What takes no mail keeps the order of commands as a server does that takes some."""
        for conversation in (
                (("EHLO", b"501 "), ("RCPT TO:<bob@example.test>", b"503 5.5.1 "), ("DATA", b"503 5.5.1 "),
                 ("MAIL FROM:<a@", b"501 5.1.7 "), ("MAIL FROM:<a@elsewhere.test>", b"250 2.1.0 "),
                 ("MAIL FROM:<b@elsewhere.test>", b"503 5.5.1 "), ("RCPT TO:<bob@", b"501 5.1.3 "), ("DATA", b"554 5.5.1 ")),
                (("HELO client.test", b"250 "), ("MAIL FROM:<a@elsewhere.test>", b"250 2.1.0 "), ("RSET", b"250 2.0.0 "),
                 ("MAIL FROM:<b@elsewhere.test>", b"250 2.1.0 "), ("VRFY bob", b"252 2.0.0 "), ("AUTH PLAIN", b"502 5.5.1 "),
                 ("NONSENSE", b"502 5.5.2 "), ("BDAT 3", b"521 5.5.1 "))):
            talk = self.talk(69)
            self.assertRegex(talk.reply(), rb"220 ")
            for said, answer in conversation:
                reply = talk.ask(said + "\r\n")
                self.assertTrue(reply.startswith(answer), (said, reply))
        self.assertEqual(talk.line(), b"")
        self.not_logged(69, r"PASS \w+ {who}")

    def test_limits(self):
        talk = self.talk(66)
        self.assertRegex(talk.reply(), rb"220 ")
        replies = [talk.ask("NOOP\r\n") for _ in range(9)]
        self.assertRegex(replies[-1], rb"^421 4\.7\.0 ")
        self.log_of(66, r"COMMAND COUNT LIMIT from {who} after NOOP$")
        talk = self.talk(67)
        self.assertRegex(talk.reply(), rb"220 ")
        self.assertRegex(talk.ask("EHLO " + 2000 * "x" + "\r\n"), rb"^421 4\.7\.0 ")
        self.log_of(67, r"COMMAND LENGTH LIMIT from {who} after CONNECT$")
        first, second = self.talk(68), self.talk(68)
        first.reply(), second.reply()
        self.assertEqual(self.talk(68).reply(), b"421 4.7.0 Error: too many connections\r\n")
        self.log_of(68, r"NOQUEUE: reject: CONNECT from {who}: too many connections$")


class OwnSettings(Screened):
    """Of the server that takes no mail, where they are not those of sessions."""
    settings = {"postscreen_greet_wait": "0s", "postscreen_allowlist_interfaces": "!127.0.0.1, static:all",
                "smtpd_tls_security_level": "may", "postscreen_tls_security_level": "encrypt",
                "postscreen_discard_ehlo_keywords": "dsn",
                "postscreen_discard_ehlo_keyword_address_maps": "inline:{ {127.0.0.73 = smtputf8, starttls} }",
                "smtpd_reject_footer": "\\c. From $client_address", "postscreen_reject_footer_maps":
                "regexp:{ {/^450/ \\c. Come again, $$$$client_address\\nto $$$$server_name} }", "myhostname": "mx.example.test"}

    def test_tls_and_keywords(self):
        talk = self.talk(72)
        talk.reply()
        said = talk.ask("EHLO client.test\r\n")
        self.assertIn(b"250-STARTTLS\r\n", said)
        self.assertIn(b"250-SMTPUTF8\r\n", said)
        self.assertNotIn(b"DSN", said)
        self.assertEqual(talk.ask("MAIL FROM:<a@elsewhere.test>\r\n"),
                         b"530 5.7.0 Must issue a STARTTLS command first. From 127.0.0.72\r\n")
        self.assertRegex(talk.ask("STARTTLS\r\n"), rb"^220 ")
        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        self.assertEqual(self.rcpt(talk)[2], b"450-4.3.2 Service currently unavailable. Come again, 127.0.0.72\r\n"
                                             b"450 4.3.2 to mx.example.test\r\n")
        talk = self.talk(73)
        talk.reply()
        said = talk.ask("EHLO client.test\r\n")
        self.assertIn(b"250-DSN\r\n", said)
        self.assertNotIn(b"SMTPUTF8", said)
        self.assertNotIn(b"STARTTLS", said)
        self.assertRegex(talk.ask("STARTTLS\r\n"), rb"^502 ")

    def test_encrypt_needs_a_certificate(self):
        self.suite.set(smtpd_tls_security_level="none", smtpd_tls_auth_only="no")
        try:
            self.suite.posta("reload", check=False)
            self.suite.wait_log(r"postscreen_tls_security_level = encrypt needs smtpd_tls_security_level")
        finally:
            self.suite.set(smtpd_tls_security_level="may")
            self.suite.posta("reload", check=False)


class Veto(Screened):
    settings = {"postscreen_greet_wait": "0s", "postscreen_pre_queue_limit": "1",
                "postscreen_allowlist_interfaces": "!127.0.0.1, static:all"}

    def test_not_here(self):
        for _ in range(2):
            talk = self.talk(70)
            self.assertRegex(talk.reply(), rb"220 ")
            self.assertRegex(self.rcpt(talk)[2], rb"^450 4\.3\.2 ")
            self.assertRegex(self.talk(71).reply(), rb"^421 4\.3\.2 All screening ports are busy")
            talk.ask("QUIT\r\n")
            self.assertEqual(talk.line(), b"")
        self.log_of(70, r"ALLOWLIST VETO {who}$")
        self.log_of(71, r"NOQUEUE: reject: CONNECT from {who}: all screening ports busy$")
        self.not_logged(70, r"PASS \w+ {who}")


if __name__ == "__main__":
    unittest.main()
