"""DANE (RFC 7672) with zones that are really signed: what TLSA records say is needed, and what cannot be proven is not believed."""
import datetime
import hashlib
import os
import re
import unittest

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posta import Instance, message
from signedzones import SignedZones

VERIFIED, UNTRUSTED = "Verified", "Untrusted"


class Certificates:
    """An authority, and a certificate of its for mx.ta.test."""

    def __init__(self):
        self.authority_key, self.key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.authority = self.make("authority", self.authority_key, "authority", True)
        self.server = self.make("mx.ta.test", self.key, "authority", False)

    def make(self, name, key, issuer, is_authority):
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
                .not_valid_after(now + datetime.timedelta(2)).add_extension(x509.BasicConstraints(is_authority, None), True)
                .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False).sign(self.authority_key, hashes.SHA256()))

    def chain(self):
        pem = serialization.Encoding.PEM
        key = self.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return (key + self.server.public_bytes(pem) + self.authority.public_bytes(pem)).decode()

    def of_key(self):
        info = self.key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(info).hexdigest()

    def of_authority(self):
        return hashlib.sha256(self.authority.public_bytes(serialization.Encoding.DER)).hexdigest()


def zones(port, key, authority, own):
    """Each domain has an exchanger mx.DOMAIN, unless it says otherwise."""
    def domain(name, tlsa=(), mx=None, address="127.0.0.2"):
        lines = [f"{name} IN MX 10 {mx or f'mx.{name}'}"]
        if mx is None:
            lines.append(f"mx.{name} IN A {address}")
        lines += [f"_{port}._tcp.mx.{name} IN TLSA {record}" for record in tlsa]
        return "\n".join(lines) + "\n"
    other = "00" * 32
    return {
        ".": "",
        "test.": "ns IN A 127.0.0.1\n" + domain("good.test.", [f"3 1 1 {key}"]) + domain("two.test.", [f"3 1 1 {other}", f"3 1 1 {key}"]) +
                 domain("ta.test.", [f"2 0 1 {authority}"]) + domain("taname.test.", [f"2 0 1 {authority}"]) +
                 domain("wrong.test.", [f"3 1 1 {other}"]) + domain("unusable.test.", [f"1 1 1 {key}"]) + domain("none.test.") +
                 domain("forged.test.", [f"3 1 1 {'ab' * 32}"]) + domain("clear.test.", [f"3 1 1 {key}"], address="127.0.0.3") +
                 domain("alias.test.", mx="other.alias.test.") + "other.alias.test. IN CNAME mx.good.test.\n" +
                 domain("away.test.", mx="mx.plain.test.") +
                 domain("own.test.") + f"_25._tcp.mx.own.test. IN TLSA 3 1 1 {own}\n" +
                 f"nomx.test. IN A 127.0.0.2\n_{port}._tcp.nomx.test. IN TLSA 3 1 1 {key}\n",
        "plain.test.": domain("plain.test.", [f"3 1 1 {other}"]) + domain("half.plain.test.", mx="mx.good.test.") +
                       domain("halfbad.plain.test.", mx="mx.wrong.test."),
        "old.test.": domain("old.test.", [f"3 1 1 {key}"]),
    }


class Dane(unittest.TestCase):
    # Of each domain at level dane and at level dane-only: how it was sent, or why it waits.
    EXPECTED = {
        "good.test": (VERIFIED, VERIFIED),
        "two.test": (VERIFIED, VERIFIED),
        "ta.test": (VERIFIED, VERIFIED),
        "alias.test": (VERIFIED, VERIFIED),
        "nomx.test": (VERIFIED, VERIFIED),
        # The key is another one; or it is the authority's, for another name.
        "wrong.test": ("4.7.5 Cannot start TLS", "4.7.5 Cannot start TLS"),
        "taname.test": ("4.7.5 Cannot start TLS", "4.7.5 Cannot start TLS"),
        # Records that nobody can use: encrypted, to whomever.
        "unusable.test": (UNTRUSTED, "4.7.5 TLS with DANE is required"),
        "none.test": (UNTRUSTED, "4.7.5 TLS with DANE is required"),
        # A zone without signatures promises nothing, whatever it says.
        "plain.test": (UNTRUSTED, "4.7.5 TLS with DANE is required"),
        "away.test": (UNTRUSTED, "4.7.5 TLS with DANE is required"),
        "half.plain.test": (VERIFIED, "4.7.5 TLS with DANE is required"),
        "halfbad.plain.test": ("4.7.5 Cannot start TLS", "4.7.5 TLS with DANE is required"),
        # Signatures that do not hold are not the same as none.
        "old.test": ("4.4.3 .*DNSSEC validation failed", "4.4.3 .*DNSSEC validation failed"),
        "forged.test": ("4.7.5 TLSA lookup error", "4.7.5 TLSA lookup error"),
        # STARTTLS that somebody may have taken out.
        "clear.test": ("4.7.4 TLS is required, but was not offered", "4.7.4 TLS is required, but was not offered"),
    }

    @classmethod
    def setUpClass(cls):
        cls.server = Instance(domain="far.test", users=("carl",), address="127.0.0.2", start=False, main={
            "myhostname": "mx.far.test", "virtual_alias_domains": " ".join(cls.EXPECTED), "virtual_alias_maps": "static:carl@far.test"})
        port, certificates = cls.server.port(25), Certificates()
        cls.addClassCleanup(cls.server.close)
        chain = os.path.join(cls.server.conf, "tls", "dane.pem")
        with open(chain, "w") as file:
            file.write(certificates.chain())
        cls.server.set(smtpd_tls_chain_files=chain)
        with open(os.path.join(cls.server.conf, "master.cf"), "a") as file:
            file.write(f"127.0.0.3:{port} inet n - n - 1 smtpd -o smtpd_tls_security_level=none\n")
        cls.server.start()
        cls.suite = Instance("own.test", start=False, main={
            "myhostname": "mx.own.test", "dnssec_validation": "yes", "smtp_tcp_port": str(port), "smtp_tls_security_level": "dane",
            "smtp_tls_loglevel": "1", "smtp_tls_CAfile": ""})
        cls.addClassCleanup(cls.suite.close)
        own = re.search(r"IN TLSA 3 1 1 (\w{64}) ", cls.suite.posta("dns").text)[1]
        cls.dns = SignedZones(zones(port, certificates.of_key(), certificates.of_authority(), own), unsigned=["plain.test."],
                              expired=["old.test."], forged={"test.": ("ab" * 32, "cd" * 32)})
        cls.addClassCleanup(cls.dns.close)
        cls.suite.set(dns_servers=f"127.0.0.1:{cls.dns.port}", dnssec_trust_anchor_file=cls.dns.anchor)
        cls.suite.start()

    def outcome(self, domain, log):
        """What the log says of the delivery to a domain, as EXPECTED has it."""
        match = re.search(rf"to=<x@{re.escape(domain)}>, relay=(\S+?),.* dsn=([\d.]+), status=(\w+) \((.*)\)", log)
        if match is None:
            return "nothing"
        relay, status, result, text = match.groups()
        if result != "sent":
            return f"{status} {text}"
        secured = re.findall(rf"(\w+) TLS connection established to {re.escape(relay)}:", log)
        return secured and secured[0]

    def check(self, level, which):
        self.suite.set(smtp_tls_security_level=level)
        self.suite.posta("reload")
        for domain, expected in self.EXPECTED.items():
            with self.subTest(level=level, domain=domain):
                start = len(self.suite.log())
                self.suite.inject("alice@own.test", [f"x@{domain}"], message(to=f"x@{domain}"))
                self.suite.wait_log(rf"(?s)\A.{{{start}}}.*to=<x@{re.escape(domain)}>.*status=")
                self.assertRegex(self.outcome(domain, self.suite.log()[start:]) or "in the clear", "^" + expected[which])

    def test_levels(self):
        self.check("dane", 0)
        self.check("dane-only", 1)
        # None of them was sent where it was not to be.
        log = self.server.log()
        for domain in ("wrong.test", "taname.test", "halfbad.plain.test", "old.test", "forged.test", "clear.test"):
            self.assertNotIn(f"orig_to=<x@{domain}>", log)
        self.assertIn("orig_to=<x@good.test>", log)

    def test_own_names(self):
        def check(domain):
            return self.suite.posta("dns", "--check", "--server", f"127.0.0.1:{self.dns.port}", domain, check=False).text
        said = check("own.test")
        for line in ("ok +optional +own.test MX is signed", "ok +optional +mx.own.test A is signed",
                     "ok +optional +_25._tcp.mx.own.test TLSA is signed", "ok +optional +_25._tcp.mx.own.test TLSA 3 1 1 "):
            self.assertRegex(said, "(?m)^" + line)
        self.assertNotIn("AAAA is", said)
        self.assertNotIn("believed by nobody", said)
        said = check("plain.test")
        self.assertRegex(said, "(?m)^none +optional +plain.test MX is not signed")
        self.assertRegex(said, "(?m)^none +optional +_25._tcp.mx.own.test TLSA is believed by nobody")
        said = check("old.test")
        self.assertRegex(said, "(?m)^WRONG +needed +old.test MX DNSSEC validation failed")


if __name__ == "__main__":
    unittest.main()
