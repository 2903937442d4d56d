"""From one instance through another, with OpenDKIM in between, to a third: signed, changed as a list does, sealed, believed."""
import base64
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from dnsserver import DnsServer
from milter import CONTINUE, Milter, change, frame
from peers import free_port
from posta import AS_ROOT, Instance, message, reserve_base_port, wait_until
from test_mailauth import results_of
from test_realmilters import answers, installed

ONE, MIDDLE, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"


def as_a_list(milter, _):
    """Of what is for the list the subject gets a tag, the body a footer."""
    recipients = [data for step, data in milter.heard if step == "R"]
    if not recipients or b"<list@" not in recipients[-1]:
        return CONTINUE
    subject = [data for data in milter.data("L") if data.startswith(b"Subject")][-1].split(b"\0")[1].strip()
    return [change(1, b"Subject", b"[list] " + subject), frame(b"b", b"as the list has it\r\n-- \r\nthe list\r\n"), CONTINUE]


@unittest.skipUnless(AS_ROOT, "needs root")
@installed("opendkim")
class Chain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="posta-chain-")
        os.chmod(cls.folder, 0o755)
        cls.base, cls.lock = reserve_base_port()
        zones = {}
        for domain, address, policy in (("one.test", ONE, "reject"), ("middle.test", MIDDLE, "none"), ("three.test", THREE, "reject")):
            zones[domain] = {"MX": [(10, "mx." + domain)], "TXT": [f"v=spf1 ip4:{address} -all"]}
            zones["mx." + domain] = {"A": [address]}
            zones[address] = {"PTR": ["mx." + domain]}
            zones["_dmarc." + domain] = {"TXT": ["v=DMARC1; p=" + policy]}
        cls.dns = DnsServer(zones)
        cls.one = cls.instance("one.test", ONE)
        cls.middle = cls.instance("middle.test", MIDDLE, mail_verification="yes", authserv_id="mx.middle.test",
                                  alias_maps="inline:{list=alice@three.test, onward=alice@three.test}")
        cls.three = cls.instance("three.test", THREE, mail_verification="yes", arc_trusted_sealers="middle.test")
        cls.sign(cls.one, "one.test", "rsa", "dkim_signing_table")
        cls.sign(cls.middle, "middle.test", "seal", "arc_sealing_key")
        cls.changer = Milter(script={"E": as_a_list})
        cls.opendkim = cls.start_opendkim()
        cls.middle.set(smtpd_milters=f"inet:127.0.0.1:{cls.opendkim_port}, {cls.changer.name}")
        for suite in (cls.one, cls.middle, cls.three):
            suite.start()

    @classmethod
    def instance(cls, domain, address, **settings):
        return Instance(domain, address=address, base_port=cls.base, start=False,
                        main={"smtp_bind_address": address, "mynetworks": f"{address}/32", "myhostname": f"mx.{domain}",
                              "dns_servers": f"127.0.0.1:{cls.dns.port}", "dkim_signing_networks": f"{address}/32", **settings})

    @classmethod
    def key(cls, domain, selector):
        path = os.path.join(cls.folder, f"{selector}.{domain}.pem")
        subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL).stdout
        record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        cls.dns.zones[f"{selector}._domainkey.{domain}"] = {"TXT": [record]}
        return path, record

    @classmethod
    def sign(cls, suite, domain, selector, how):
        path, record = cls.key(domain, selector)
        table = os.path.join(cls.folder, "keys." + domain)
        with open(table, "w") as file:
            file.write(f"{selector} {domain}:{selector}:{path}\n")
        with open(table + ".signing", "w") as file:
            file.write(f"*@{domain} {selector}\n")
        suite.set(**{"dkim_key_table": table, how: selector if how == "arc_sealing_key" else f"refile:{table}.signing"})
        cls.known = getattr(cls, "known", "") + f"{selector}._domainkey.{domain} {record}\n"

    @classmethod
    def file(cls, name, text):
        path = os.path.join(cls.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    @classmethod
    def start_opendkim(cls):
        """Signs for users of the middle, verifies the rest."""
        path, record = cls.key("middle.test", "theirs")
        os.chown(path, pwd.getpwnam("opendkim").pw_uid, -1)
        cls.opendkim_port = free_port()
        conf = cls.file("opendkim.conf", (
            "RequireSafeKeys no\nUserID opendkim\nSyslog no\nAuthservID opendkim.middle.test\nBackground no\nMode sv\nAlwaysAddARHeader yes\n"
            f"Socket inet:{cls.opendkim_port}@127.0.0.1\nDomain middle.test\nSelector theirs\nKeyFile {path}\n"
            f"InternalHosts {cls.file('inside', MIDDLE)}\nTestPublicKeys {cls.file('known', cls.known)}\n"))
        with open(os.path.join(cls.folder, "opendkim.log"), "ab") as log:
            process = subprocess.Popen(["/usr/sbin/opendkim", "-f", "-x", conf], stdout=log, stderr=subprocess.STDOUT, cwd=cls.folder)
        wait_until(lambda: answers(cls.opendkim_port), what="opendkim")
        return process

    @classmethod
    def tearDownClass(cls):
        try:
            for suite in (cls.one, cls.middle, cls.three):
                suite.close()
        finally:
            cls.opendkim.kill()
            cls.opendkim.wait()
            cls.changer.close()
            cls.dns.close()
            cls.lock.close()
            shutil.rmtree(cls.folder, ignore_errors=True)

    def test_both_find_our_signature_good(self):
        self.one.submit("alice", ["bob@middle.test"], message("alice@one.test", "bob@middle.test", "to-the-middle"))
        (mail,) = self.middle.wait_mail("bob", text="to-the-middle")
        self.assertRegex(mail, rb"Authentication-Results: opendkim\.middle\.test;\s+dkim=pass[^;]*header\.d=one\.test")
        self.assertRegex(results_of(mail)[0][1], r"mx\.middle\.test; .*dkim=pass .*dmarc=pass")

    def test_their_signature_is_good_here(self):
        self.middle.submit("alice", ["bob@three.test"], message("alice@middle.test", "bob@three.test", "signed-by-theirs"))
        (mail,) = self.three.wait_mail("bob", text="signed-by-theirs")
        self.assertRegex(results_of(mail)[0][0], r"dkim=pass \(2048-bit key\) header\.d=middle\.test .*header\.s=theirs")

    def test_forwarded_as_it_is(self):
        """The signature survives; the seal says who handed it on."""
        self.one.submit("alice", ["onward@mx.middle.test"], message("alice@one.test", "onward@mx.middle.test", "handed-on"))
        (mail,) = self.three.wait_mail("alice", text="handed-on")
        results = results_of(mail)[0][0]
        self.assertRegex(results, r"dkim=pass .*header\.d=one\.test")
        self.assertIn("dmarc=pass (p=reject dis=none) header.from=one.test", results)
        self.assertIn("arc=pass (i=1 d=middle.test s=seal)", results)

    def test_changed_as_a_list_does_and_sealed(self):
        self.one.submit("alice", ["list@mx.middle.test"], message("alice@one.test", "list@mx.middle.test", "for-the-list"))
        (mail,) = self.three.wait_mail("alice", text="for-the-list")
        self.assertIn(b"Subject: [list] for-the-list", mail)
        self.assertIn(b"as the list has it\r\n-- \r\nthe list\r\n", mail)
        results = results_of(mail)[0][0]
        self.assertRegex(results, r"dkim=fail [^;]*header\.d=one\.test")
        self.assertIn("dmarc=fail (p=reject dis=reject)", results)
        self.assertIn("arc=pass (i=1 d=middle.test s=seal)", results)
        self.assertRegex(mail, rb"(?s)ARC-Authentication-Results: i=1; mx\.middle\.test;.*?dmarc=pass")
        self.assertIn(b"X-Posta-Verdict: pass; dmarc=fail", mail)
        self.three.wait_log("a trusted sealer vouches for it")

    def test_who_forges_is_not_sealed(self):
        """Straight from a stranger to the list, in the name of one.test: the middle refuses it, so nobody believes it later."""
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            with smtplib.SMTP(self.middle.address, self.middle.port(25), local_hostname="client.test", timeout=60, source_address=("127.0.0.9", 0)) as client:
                client.sendmail("x@other.test", ["list@mx.middle.test"], message("alice@one.test", "list@mx.middle.test", "forged-for-the-list"))
        self.assertEqual(refusal.exception.smtp_code, 550)
        self.assertFalse([m for m in self.three.inbox("alice") if re.search(rb"forged-for-the-list", m)])


if __name__ == "__main__":
    unittest.main()
