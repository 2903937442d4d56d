"""posta dns: the records that a domain needs, and what is published; posta domain: a further one."""
import hashlib
import json
import os
import re
import ssl
import unittest

from dnsserver import DnsServer
from posta import Instance, message


class Dns(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(start=False)
        cls.suite.set(myhostname="mx.example.test", proxy_interfaces="192.0.2.10, 2001:db8::10")
        cls.tlsa = re.search(r"IN TLSA (3 1 1 \w{64}) ", cls.suite.posta("dns").text)[1]

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def zones(self):
        port = self.suite.port
        return {"example.test": {"MX": [(10, "mx.example.test")], "TXT": ["v=spf1 mx -all", "something else"],
                                 "RAW": {257: [b"\0\x05issueca.test"]}},
                "_dmarc.example.test": {"TXT": ["v=DMARC1; p=reject"]},
                "_smtp._tls.example.test": {"TXT": ["v=TLSRPTv1; rua=mailto:x@example.test"]},
                "mx.example.test": {"A": ["192.0.2.10"], "AAAA": ["2001:db8::10"], "TXT": ["v=spf1 a -all"]},
                "192.0.2.10": {"PTR": ["mx.example.test"]}, "2001:db8::10": {"PTR": ["MX.example.test"]},
                "_imaps._tcp.example.test": {"SRV": [(5, 7, port(993), "mx.example.test")]},
                "autoconfig.example.test": {"CNAME": ["mx.example.test"]},
                "_25._tcp.mx.example.test": {"TLSA": [(3, 1, 1, self.tlsa.split()[3])]}}

    def check(self, zones, status):
        server = DnsServer(zones)
        try:
            done = self.suite.posta("dns", "--check", "--server", f"127.0.0.1:{server.port}", "example.test", check=False)
            self.assertEqual(done.returncode, status, done.text)
            return done.text
        finally:
            server.close()

    def verdict(self, text, owner, kind):
        return re.search(rf"(?m)^(\w+) +\w+ +{re.escape(owner)} {kind} ", text)[1]

    def test_records_to_publish(self):
        said = self.suite.posta("dns").text
        order = [said.index(f"; {need}\n") for need in ("needed", "advised", "optional")]
        self.assertEqual(order, sorted(order))
        for line in ("example.test. IN MX 10 mx.example.test.", 'example.test. IN TXT "v=spf1 mx -all"', "mx.example.test. IN A 192.0.2.10",
                     "mx.example.test. IN AAAA 2001:db8::10", "; 192.0.2.10 IN PTR mx.example.test.", 'mx.example.test. IN TXT "v=spf1 a -all"',
                     '_dmarc.example.test. IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.test"',
                     '_smtp._tls.example.test. IN TXT "v=TLSRPTv1; rua=mailto:postmaster@example.test"',
                     f"_submissions._tcp.example.test. IN SRV 0 1 {self.suite.port(465)} mx.example.test.",
                     f"_pop3s._tcp.example.test. IN SRV 20 1 {self.suite.port(995)} mx.example.test.",
                     f"_sieve._tcp.example.test. IN SRV 0 1 {self.suite.port(4190)} mx.example.test.",
                     '_mta-sts.example.test. IN TXT "v=STSv1; id=1"', "autoconfig.example.test. IN CNAME mx.example.test.",
                     'example.test. IN CAA 0 issue "letsencrypt.org"', "_25._tcp.mx.example.test. IN TLSA 3 1 1 "):
            self.assertIn("\n" + line, said)
        rows = [json.loads(line) for line in self.suite.posta("dns", "--json", "other.test").text.splitlines()
                if line.startswith("{")]
        self.assertIn(("other.test", "MX", "needed"), [(row["owner"], row["type"], row["need"]) for row in rows])
        self.suite.posta("dns", "no domain", check=False)
        self.assertEqual(self.suite.posta("dns", "a b", check=False).returncode, 2)

    def test_all_is_published(self):
        said = self.check(self.zones(), 0)
        for owner, kind, verdict in (("example.test", "MX", "ok"), ("example.test", "TXT", "ok"), ("mx.example.test", "A", "ok"),
                                     ("192.0.2.10", "PTR", "ok"), ("2001:db8::10", "PTR", "ok"), ("mx.example.test", "TXT", "ok"),
                                     ("_dmarc.example.test", "TXT", "ok"), ("_imaps._tcp.example.test", "SRV", "ok"),
                                     ("_pop3._tcp.example.test", "SRV", "missing"), ("_mta-sts.example.test", "TXT", "missing"),
                                     ("autoconfig.example.test", "CNAME", "ok"), ("example.test", "CAA", "ok"),
                                     ("_25._tcp.mx.example.test", "TLSA", "ok")):
            self.assertEqual(self.verdict(said, owner, kind), verdict, (owner, kind, said))
        self.assertNotIn("WRONG", said)
        self.assertIn("; not looked at: DNSSEC", said)

    def test_other_forms_of_tlsa(self):
        """What a record says of the certificate counts, not how."""
        with open(os.path.join(self.suite.conf, "tls", "server.pem")) as file:
            ders = [ssl.PEM_cert_to_DER_cert(pem) for pem in re.findall(r"(?s)-----BEGIN CERT.*?-----END CERTIFICATE-----\n", file.read())]
        sha256, sha512 = (hashlib.sha256(ders[0]).hexdigest(), hashlib.sha512(ders[0]).hexdigest())
        for record, verdict in (((3, 0, 1, sha256), "ok"), ((3, 0, 2, sha512), "ok"), ((3, 0, 0, ders[0].hex()), "ok"),
                                ((2, 0, 1, hashlib.sha256(ders[-1]).hexdigest()), "ok"), ((3, 1, 1, sha256), "WRONG"),
                                ((1, 0, 1, sha256), "WRONG"), ((3, 0, 2, sha256), "WRONG")):
            with self.subTest(record[:3]):
                zones = {**self.zones(), "_25._tcp.mx.example.test": {"TLSA": [record]}}
                said = self.check(zones, 0 if verdict == "ok" else 1)
                self.assertEqual(self.verdict(said, "_25._tcp.mx.example.test", "TLSA"), verdict, said)

    def test_what_is_wrong(self):
        """One thing at a time; each that is needed makes the status 1."""
        def change(name, **records):
            zones = self.zones()
            zones[name] = {**zones[name], **records}
            return zones
        for zones, owner, kind, verdict in (
                (change("example.test", MX=[(10, "elsewhere.test")]), "example.test", "MX", "WRONG"),
                (change("example.test", MX=[]), "example.test", "MX", "MISSING"),
                (change("example.test", TXT=["v=spf1 mx -all", "v=spf1 -all"]), "example.test", "TXT", "WRONG"),
                (change("_dmarc.example.test", TXT=["something"]), "_dmarc.example.test", "TXT", "MISSING"),
                (change("mx.example.test", A=["192.0.2.99"]), "mx.example.test", "A", "WRONG"),
                (change("192.0.2.10", PTR=["host-10.provider.test"]), "192.0.2.10", "PTR", "WRONG"),
                (change("_25._tcp.mx.example.test", TLSA=[(3, 1, 1, "00" * 32)]), "_25._tcp.mx.example.test", "TLSA", "WRONG")):
            with self.subTest(owner=owner, kind=kind):
                said = self.check(zones, 1)
                self.assertEqual(self.verdict(said, owner, kind), verdict, said)
        # Published, and yet no mail of ours passes.
        said = self.check(change("example.test", TXT=["v=spf1 ip4:198.51.100.1 -all"]), 1)
        self.assertIn("mail of example.test from 192.0.2.10 does not pass SPF: fail", said)
        # What is only good to have, is no error; and no key is better than a wrong one.
        zones = self.zones()
        for name in ("_25._tcp.mx.example.test", "_smtp._tls.example.test", "_imaps._tcp.example.test"):
            del zones[name]
        said = self.check(zones, 0)
        self.assertEqual(self.verdict(said, "_25._tcp.mx.example.test", "TLSA"), "none")
        self.assertEqual(self.verdict(said, "_smtp._tls.example.test", "TXT"), "missing")
        zones["example.test"] = {"SERVFAIL": True}
        said = self.check(zones, 75)
        self.assertEqual(self.verdict(said, "example.test", "MX"), "unknown")


class Keys(unittest.TestCase):
    def test_records_of_keys(self):
        """Of those that sign, or wait for their record; and not with another key in it."""
        with Instance(start=False) as suite:
            suite.posta("dkim", "add", "signs.test", "--selector", "one")
            said = suite.posta("dns", "signs.test").text
            record = "".join(re.findall(r'"([^"]*)"', re.search(r"(?m)^one\._domainkey\.signs\.test\. IN TXT (.*?)    ;", said)[1]))
            self.assertRegex(record, r"^v=DKIM1;.* ?p=\w")
            server = DnsServer({"one._domainkey.signs.test": {"TXT": [record]}})
            try:
                check = lambda: suite.posta("dns", "--check", "--server", f"127.0.0.1:{server.port}", "signs.test", check=False).text
                self.assertRegex(check(), r"(?m)^ok +advised +one\._domainkey\.signs\.test TXT ")
                server.zones["one._domainkey.signs.test"] = {"TXT": [record.replace("p=M", "p=N")]}
                self.assertRegex(check(), r"(?m)^WRONG +advised +one\._domainkey\.signs\.test TXT ")
                self.assertRegex(check(), r"(?m)^missing +bulk +signs\.test one SPF record$")
                server.zones.update({"signs.test": {"TXT": ["v=spf1 mx -all"]}, "_dmarc.signs.test": {"TXT": ["v=DMARC1; p=none"]},
                                     "one._domainkey.signs.test": {"TXT": [record]}, "localhost": {"A": ["192.0.2.10"]},
                                     "192.0.2.10": {"PTR": ["mx.signs.test"]}, "mx.signs.test": {"A": ["192.0.2.10"]}})
                with open(f"{suite.dir}/table", "w") as file:  # in use, not only waiting for its record
                    file.write("one signs.test:one:/somewhere/one.pem\n")
                suite.set(dkim_key_table=f"{suite.dir}/table")
                wanted = {"SPF": "signs.test", "DKIM": "one._domainkey.signs.test", "DMARC": "_dmarc.signs.test", "names": "mx.signs.test"}
                verdicts = lambda: {what: re.search(rf"(?m)^(\w+) +bulk +signs\.test .*{what}", check())[1] for what in (*wanted, "TLS")}
                self.assertEqual(verdicts(), dict.fromkeys((*wanted, "TLS"), "ok"))
                for what, name in wanted.items():
                    kept = server.zones.pop(name)
                    self.assertEqual(verdicts(), {**dict.fromkeys((*wanted, "TLS"), "ok"), what: "missing"})
                    server.zones[name] = {"SERVFAIL": True}
                    self.assertEqual(verdicts()[what], "unknown")
                    server.zones[name] = kept
                # Ed25519 alone is not what they verify.
                name = wanted["DKIM"]
                kept = server.zones[name]
                server.zones[name] = {"TXT": ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]}
                self.assertEqual(verdicts()["DKIM"], "missing")
                server.zones[name] = kept
            finally:
                server.close()


class Domain(unittest.TestCase):
    def test_a_second_domain(self):
        with Instance() as suite:
            said = suite.posta("domain", "add", "M\u00fcnchen.test", "--postmaster", "bob@example.test").text
            self.assertIn("xn--mnchen-3ya.test. IN MX 10 localhost.", said)
            suite.posta("user", "add", "carol@xn--mnchen-3ya.test", "--password", "a b c 1 2 3")
            with suite.smtp(25) as client:  # it is in force
                client.sendmail("x@outside.test", ["abuse@xn--mnchen-3ya.test"], message(subject="complaint"))
            suite.wait_mail("bob", text="Subject: complaint")
            rows = {row["domain"]: row for row in map(json.loads, suite.posta("domain", "list", "--json").text.splitlines())}
            self.assertEqual(rows["xn--mnchen-3ya.test"], {"domain": "xn--mnchen-3ya.test", "parameter": "virtual_mailbox_domains", "users": 1})
            self.assertEqual(rows["example.test"]["users"], 2)
            self.assertEqual(rows["localhost"]["parameter"], "mydestination")
            for words, reason in ((("add", "example.test"), "is there already, as a domain of class virtual mailbox"),
                                  (("add", "localhost"), "is there already, as a domain of class local"),
                                  (("remove", "xn--mnchen-3ya.test"), "has 1 users"), (("remove", "nosuch.test"), "does not name")):
                done = suite.posta("domain", *words, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertIn(reason, done.text)
            suite.posta("user", "del", "carol@xn--mnchen-3ya.test", "--purge")
            suite.posta("domain", "remove", "xn--mnchen-3ya.test")
            self.assertNotIn("mnchen", suite.posta("domain", "list").text)
            for words in ((), ("add",), ("add", "a b"), ("list", "x"), ("add", "new.test", "--postmaster", "a b")):
                self.assertEqual(suite.posta("domain", *words, check=False).returncode, 2, words)


if __name__ == "__main__":
    unittest.main()
