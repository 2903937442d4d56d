"""How forgers pass for somebody else: each attack that is known, on a running suite.

    attack                              here                                and in
    a1 MAIL FROM of a name below        a_name_that_nobody_has
    a2, a7 MAIL FROM broken or routed   broken_return_paths
    a3 NUL in s= and d=                 names_of_keys_that_end_early        unit mailauth_dkim (tags)
    a4-a6 results injected              injected_results                    unit mailauth_authres
    a8-a11 several From                 several_from                        unit mailauth_author
    a12, a13 no From                    no_from
    a14 several addresses in From       several_addresses                   unit mailauth_author
    a15 encoded addresses               from_that_is_read_in_several_ways   unit mailauth_author
    a16-a19 tricks with parsers         from_that_is_read_in_several_ways   unit mailauth_author
    empty group, NUL, U+202E            from_that_is_read_in_several_ways   test_badinput (NUL)
    own users forge                     what_users_forge_is_not_signed      test_mailauth (foreign author)
    a copy of a header field added      what_is_added_to_signed_mail        unit mailauth_dkim
    text appended after l=              what_is_added_to_signed_mail        unit mailauth_dkim
    DKIM replay                         what is signed here cannot get another To, Cc, Subject (unit mailauth_dkim), x= counts
                                        (there too); the same message for many recipients is not counted: doc/limits.md
    who sends on seals forgeries        forgeries_are_not_sealed            test_chain
    SPF that lets everybody             an SPF pass as any other: junk_score_weights (test_junk) may say otherwise
    questions without end               hostile_names                       unit mailauth_spf (bombs), test_mailauth
    smuggling                           test_badinput, test_contentfilter
    results in our name                 ten_spellings_of_our_name           unit mailauth_authres
    reports to a victim                 no reports are sent about failures; where they are, RFC 9990 section 4
    ambiguous MIME                      judged by nobody here: doc/limits.md
    volume                              volume                              unit mailauth_dkim, mailauth_arc
"""
import base64
import os
import re
import smtplib
import subprocess
import unittest

from dnsserver import DnsServer
from posta import Instance, Talk, message
from test_mailauth import STRANGER, results_of


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer({
            "legit.test": {"TXT": ["v=spf1 ip4:127.0.0.9 -all"]}, "_dmarc.legit.test": {"TXT": ["v=DMARC1; p=reject"]},
            "lax.test": {"A": ["127.0.0.9"]}, "real.lax.test": {"A": ["127.0.0.9"]}, "_dmarc.lax.test": {"TXT": ["v=DMARC1; p=none; np=reject"]},
            "attack.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]}, "plain.test": {"A": ["127.0.0.9"]},
            "away.test": {"MX": [(10, "mx.away.test")]}, "mx.away.test": {"A": ["127.0.0.9"]},
        })
        cls.suite = Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "yes", "authserv_id": "mx.two.test",
            "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000",
            "transport_maps": "inline:{ {away.test = retry:4.3.2 stays here} }", "alias_maps": "inline:{onward=x@away.test}", "mydestination": "local.test"})
        for domain in ("legit", "attack", "two"):
            cls.make_key(domain)
        with open(os.path.join(cls.suite.dir, "keys"), "w") as file:
            file.write(f"key two.test:key:{cls.suite.dir}/two.pem\n")
        with open(os.path.join(cls.suite.dir, "signing"), "w") as file:
            file.write("*@two.test key\n")
        cls.suite.set(dkim_key_table=f"{cls.suite.dir}/keys", dkim_signing_table=f"refile:{cls.suite.dir}/signing", arc_sealing_key="key")
        cls.suite.start()

    @classmethod
    def make_key(cls, domain):
        path = os.path.join(cls.suite.dir, domain + ".pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        cls.dns.zones[f"key._domainkey.{domain}.test"] = {"TXT": ["v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()]}

    @classmethod
    def tearDownClass(cls):
        try:
            cls.suite.close()
        finally:
            cls.dns.close()

    # ---- sending ----

    def send(self, content, sender="x@attack.test", to="bob@two.test"):
        """As a stranger; what the end of the content was answered."""
        with Talk(self.suite.address, self.suite.port(25), 60, STRANGER) as talk:
            talk.reply()
            talk.ask("EHLO attack.test\r\n")
            answer = talk.ask(f"MAIL FROM:<{sender}>\r\n")
            if answer.startswith(b"250"):
                answer = talk.ask(f"RCPT TO:<{to}>\r\n")
            if answer.startswith(b"250"):
                answer = talk.ask("DATA\r\n")
            if answer.startswith(b"354"):
                answer = talk.ask((content if isinstance(content, bytes) else content.encode()) + b"\r\n.\r\n")
            return answer.decode()

    def refused(self, content, sender="x@attack.test"):
        answer = self.send(content, sender)
        self.assertRegex(answer, r"^550 5\.7\.1 ", content)
        return answer

    def taken(self, content, subject, sender="x@attack.test"):
        self.assertEqual(self.send(content, sender)[:3], "250", content)
        (mail,) = self.suite.wait_mail("bob", text=subject)
        return results_of(mail)[0][0]

    def mail(self, author, subject="attack", extra=""):
        return f"From: {author}\r\nTo: bob@two.test\r\nSubject: {subject}\r\n{extra}\r\ntext\r\n"

    def signed(self, domain, content, *options):
        path = os.path.join(self.suite.dir, domain + ".pem")
        done = subprocess.run([self.suite.tool, "sign", "dkim", "--domain", f"{domain}.test", "--selector", "key", "--key", path, *options],
                              input=content.encode(), stdout=subprocess.PIPE, check=True)
        text = done.stdout.decode()
        return text if "From:" in text else text + content

    # ---- the envelope ----

    def test_a_name_that_nobody_has(self):
        self.refused(self.mail("a@legit.test"), "x@nobody.legit.test")
        self.refused(self.mail("a@nobody.legit.test"), "x@nobody.legit.test")
        self.refused(self.mail("a@nobody.lax.test"))
        self.taken(self.mail("a@real.lax.test", "somebody-lax"), "somebody-lax")

    def test_broken_return_paths(self):
        """Refused as such, or judged by what every reader takes for the domain."""
        for sender in ("(any@legit.test", "any@legit.test(.attack.test", "x@legit.test>,<y@attack.test", "x@legit.test\0.attack.test", "x@leg\u0131t.test"):
            self.assertRegex(self.send(self.mail("a@legit.test"), sender), r"^5[05]\d ", sender)
        for sender in ("@legit.test,@b.test:'x@attack.test", "x@legit.test@attack.test", '"x@legit.test"@attack.test'):
            self.assertRegex(self.send(self.mail("a@legit.test"), sender), r"^5[05]\d ", sender)
        results = self.taken(self.mail("a@plain.test", "quoted-path"), "quoted-path", '"x@legit.test"@attack.test')
        self.assertIn("spf=pass (attack.test:", results)

    # ---- signatures and results ----

    def test_names_of_keys_that_end_early(self):
        before = len(self.dns.queries)
        fields = "DKIM-Signature: v=1; a=ed25519-sha256; d={}; s={}; h=from; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n"
        for domain, selector in (("legit.test", "key._domainkey.attack.test.\0.x"), ("legit.test\0.attack.test", "key"), ("attack.test\0", "key"),
                                 ("legit.test", "key._domainkey.attack.test. x"), ("legit.test", "..key")):
            self.assertRegex(self.send(fields.format(domain, selector).encode() + self.mail("a@legit.test").encode()), r"^55\d ")
        asked = [str(query).lower() for query in self.dns.queries[before:]]
        self.assertFalse([name for name in asked if "_domainkey" in name], asked)

    def test_injected_results(self):
        """What strangers choose stays within its value."""
        forged = "dkim=pass header.d=legit.test"
        for number, (field, sender) in enumerate((
                (f"DKIM-Signature: v=1; a=ed25519-sha256; d=legit.test'a.attack.test; s=key; h=from; bh=AAAA; b=AAAA\r\n", "x@attack.test"),
                (f'DKIM-Signature: v=1; a=ed25519-sha256; d=attack.test; i="@x;{forged}"@attack.test; s=key; h=from; bh=AAAA; b=AAAA\r\n', "x@attack.test"),
                ("", f'"a; {forged}"@attack.test'), ("", f'"a) {forged} ("@attack.test'), ("", '"a\\"; spf=pass smtp.mailfrom=legit.test; x=\\""@attack.test'))):
            results = self.taken(field + self.mail("a@plain.test", f"injected-{number}-"), f"injected-{number}-", sender)
            bare = re.sub(r"\\.", "", results).split('"')[::2]  # what stands in quotes is a value
            self.assertFalse([part for part in bare if "dkim=pass" in part or "header.d=legit.test" in part or "mailfrom=legit.test" in part], results)

    def test_what_is_added_to_signed_mail(self):
        signed = self.signed("legit", self.mail("a@legit.test", "signed-by-legit"))
        self.assertIn("dmarc=pass", self.taken(signed, "signed-by-legit"))
        for added in ("Subject: other\r\n", "Content-Type: text/html\r\n", "To: all@two.test\r\n", "Reply-To: x@attack.test\r\n", "Cc: x@attack.test\r\n"):
            self.refused(added + signed)
        self.refused(signed + "more\r\n")
        try:
            import dkim
        except ImportError:
            self.skipTest("python3-dkim is not installed")
        with open(os.path.join(self.suite.dir, "rsa.pem"), "w") as file:
            subprocess.run(["openssl", "genrsa", "-traditional", "2048"], check=True, stdout=file, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "rsa", "-in", file.name, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        self.dns.zones["rsa._domainkey.legit.test"] = {"TXT": ["v=DKIM1; p=" + base64.b64encode(public).decode()]}
        content = self.mail("a@legit.test", "signed-in-part").encode()
        with open(file.name, "rb") as key:
            signature = dkim.sign(content, b"rsa", b"legit.test", key.read(), length=True)
        self.assertIn(b"l=", signature)
        self.assertIn("550 5.7.1", self.send(signature + content + b"<p>and this</p>\r\n"))

    def test_ten_spellings_of_our_name(self):
        names = ("mx.two.test", "MX.Two.Test", '"mx.two.test"', "(x) mx.two.test", "mx.two.test (x)", "mx.two.test 1", " \r\n mx.two.test", '"mx.two.\\test"',
                 "mx.two.test.", "")
        forged = "".join(f"{field}: {name}; dmarc=pass header.from=legit.test\r\n"
                         for name, field in zip(names, ("Authentication-Results", "authentication-results", "AUTHENTICATION-RESULTS ") * 4))
        self.assertEqual(self.send(forged + self.mail("a@plain.test", "ten-spellings"))[:3], "250")
        (mail,) = self.suite.wait_mail("bob", text="ten-spellings")
        self.assertEqual(len(results_of(mail)[0]), 1, mail)
        self.assertNotIn(b"header.from=legit.test", mail)

    # ---- From ----

    def test_several_from(self):
        for first in (" From: a@attack.test\r\n", "From : a@attack.test\r\n", "From\r\n : a@attack.test\r\n", "FROM: a@attack.test\r\n"):
            for fields in (first + "From: b@legit.test\r\n", "From: b@legit.test\r\n" + first):
                self.assertRegex(self.send(fields + "Subject: x\r\n\r\nx\r\n"), r"^55\d ", fields)

    def test_no_from(self):
        for fields in ("Sender: a@legit.test\r\n", "Resent-From: a@legit.test\r\n", "From:\r\nSender: a@legit.test\r\n", "From: G:;\r\n"):
            self.refused(fields + "Subject: x\r\n\r\nx\r\n")

    def test_several_addresses(self):
        """The strictest of them counts; more than five are nobody's."""
        for author in ("<a@attack.test>, <b@legit.test>", "<b@legit.test>, <a@attack.test>", "G: a@attack.test, b@legit.test;",
                       ", ".join(f"a@d{number}.test" for number in range(6))):
            self.refused(self.mail(author))

    def test_from_that_is_read_in_several_ways(self):
        for author in ("=?utf-8?b?PGJAbGVnaXQudGVzdD4=?=,<a@legit.test>", "<@attack.test,@b.test:x@legit.test>", "<x@legit.test>\\,<a@attack.test>", "x@legit.test,<a@attack.test>",
                       "<a@attack.test>x@legit.test", "x@legit.test <a@attack.test>", '"<a@attack.test>" <x@legit.test>', "a@attack.test@legit.test", "<x@legit.test(@attack.test>",
                       "\u202ex@legit.test", "a@attack.test\0@legit.test", "=?utf-8?q?a?= <x@legit.test>"):
            self.assertRegex(self.send(self.mail(author)), r"^55\d ", author)
        # A word that is encoded is a name, and never an address.
        self.assertIn("header.from=plain.test", self.taken(self.mail("=?utf-8?b?PGJAbGVnaXQudGVzdD4=?= <a@plain.test>", "encoded-name"), "encoded-name"))

    def test_what_users_forge_is_not_signed(self):
        for number, fields in enumerate(("From: alice@two.test\r\nFrom: boss@two.test\r\n", "From: alice@two.test, boss@two.test\r\n", "From: boss@legit.test\r\n")):
            subject = f"forged-by-alice-{number}-"
            try:
                self.suite.submit("alice", ["bob@two.test"], f"{fields}To: bob@two.test\r\nSubject: {subject}\r\n\r\nx\r\n")
            except smtplib.SMTPDataError:
                continue
            (mail,) = self.suite.wait_mail("bob", text=subject)
            self.assertNotIn(b"DKIM-Signature", mail)

    # ---- on ----

    def test_forgeries_are_not_sealed(self):
        """Neither what failed DMARC, nor with a domain that only asks to hear of it."""
        self.refused(self.mail("a@legit.test"))
        for author, sealed in (("a@real.lax.test", False), ("a@attack.test", True)):
            subject = f"sealed-{sealed}-"
            self.assertEqual(self.send(self.mail(author, subject), to="onward@local.test")[:3], "250")
            self.suite.wait_log(r"to=<x@away\.test>.*stays here")
            shown = [self.suite.posta("queue", "show", entry["queue_id"]).text for entry in self.suite.queue()]
            (mine,) = [text for text in shown if subject in text]
            self.assertEqual("ARC-Seal:" in mine, sealed, mine)
        self.suite.posta("queue", "delete", "ALL")

    # ---- volume ----

    def test_volume(self):
        """Hundreds of signatures and sets, names without end: a few are looked at, and the message is judged."""
        signature = "DKIM-Signature: v=1; a=rsa-sha256; d=d{}.test; s=x; h=from; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n"
        before = len(self.dns.queries)
        results = self.taken("".join(signature.format(number) for number in range(300)) + self.mail("a@plain.test", "many-signatures"), "many-signatures")
        self.assertEqual(results.count("dkim="), 8)
        self.assertLess(len(self.dns.queries) - before, 40)
        for subject, field in (("many-names", "DKIM-Signature: v=1; a=rsa-sha256; d=attack.test; s=key; bh=AAAA; b=AAAA; h=from" + "".join(f"\r\n :name{n}" for n in range(5000))),
                               ("long-key", "DKIM-Signature: v=1; a=rsa-sha256; d=attack.test; s=key; h=from; bh=AAAA; b=" + "\r\n ".join(["A" * 76] * 400))):
            self.assertIn("dkim=permerror", self.taken(field + "\r\n" + self.mail("a@plain.test", subject), subject))
        sets = "".join(f"ARC-Seal: i={n}; a=rsa-sha256; d=attack.test; s=key; cv=pass; b=AAAA\r\nARC-Message-Signature: i={n}; a=rsa-sha256; d=attack.test; s=key; "
                       f"h=from; bh=AAAA; b=AAAA\r\nARC-Authentication-Results: i={n}; attack.test; none\r\n" for n in range(60, 0, -1))
        before = len(self.dns.queries)
        self.assertIn("arc=fail", self.taken(sets + self.mail("a@plain.test", "many-sets"), "many-sets"))
        self.assertLess(len(self.dns.queries) - before, 20)


if __name__ == "__main__":
    unittest.main()
