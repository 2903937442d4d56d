"""Mail that is signed by one instance and verified by another, and what forgers try."""
import base64
import hashlib
import json
import os
import re
import signal
import smtplib
import subprocess
import unittest

from dnsserver import DnsServer
from milter import CONTINUE, Milter, change
from posta import Instance, PASSWORD, message, reserve_base_port, wait_until

STRANGER = "127.0.0.5"


def results_of(mail):
    """The Authentication-Results on top, unfolded."""
    header = mail.split(b"\r\n\r\n")[0].decode(errors="replace")
    unfolded = re.sub(r"\r\n[ \t]+", " ", header).split("\r\n")
    found = [line for line in unfolded if line.lower().startswith("authentication-results:")]
    return found, unfolded


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base, cls.lock = reserve_base_port()
        cls.dns = DnsServer({
            "one.test": {"MX": [(10, "mx.one.test")], "TXT": ["v=spf1 ip4:127.0.0.2 -all"]},
            "mx.one.test": {"A": ["127.0.0.2"]}, "127.0.0.2": {"PTR": ["mx.one.test"]},
            "_dmarc.one.test": {"TXT": ["v=DMARC1; p=reject"]},
            "two.test": {"MX": [(10, "mx.two.test")]},
            "mx.two.test": {"A": ["127.0.0.3"]},
            "suspicious.test": {"A": ["127.0.0.9"]},
            "_dmarc.suspicious.test": {"TXT": ["v=DMARC1; p=quarantine"]},
            "honest.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]},
            "_dmarc.honest.test": {"TXT": ["v=DMARC1; p=reject"]},
        })
        network = {"dns_servers": f"127.0.0.1:{cls.dns.port}"}
        cls.one = cls.instance("one.test", "127.0.0.2", start=False, mynetworks="127.0.0.2/32", **network)
        cls.two = cls.instance("two.test", "127.0.0.3", start=False, mynetworks="127.0.0.3/32", mail_verification="yes", dmarc_quarantine_action="hold",
                               authserv_id="mx.two.test", received_spf_header="yes", smtpd_authorized_xforward_hosts="127.0.0.3/32",
                               **network)
        # What milters change is signed too.
        cls.milter = Milter(script={"E": [change(1, b"Reply-To", b"milter@one.test"), CONTINUE]})
        cls.one.set(smtpd_milters=cls.milter.name, non_smtpd_milters=cls.milter.name)
        cls.make_key("seal", ["-algorithm", "ed25519"], "two.test")
        with open(os.path.join(cls.two.dir, "keys"), "w") as file:
            file.write(f"sealer two.test:seal:{cls.one.dir}/seal.pem\n")
        cls.two.set(dkim_key_table=f"{cls.two.dir}/keys", arc_sealing_key="sealer", alias_maps="inline:{onward=alice@one.test}")
        for selector, options in (("rsa", ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"]), ("ed", ["-algorithm", "ed25519"])):
            cls.make_key(selector, options)
        keys, signing = os.path.join(cls.one.dir, "keys"), os.path.join(cls.one.dir, "signing")
        with open(keys, "w") as file:
            file.write("".join(f"{name} one.test:{name}:{cls.one.dir}/{name}.pem\n" for name in ("rsa", "ed")))
        with open(signing, "w") as file:
            file.write("# both keys\n*@one.test rsa\n*@one.test ed\n")
        cls.one.set(dkim_key_table=f"file:{keys}", dkim_signing_table=f"refile:{signing}", virtual_alias_maps="inline:{list@one.test=bob@two.test}", dkim_signing_networks="127.0.0.2/32", smtpd_authorized_xforward_hosts="127.0.0.2/32",
                    mail_verification="yes", mail_verification_exempt_networks=f"127.0.0.2/32 {STRANGER}/32", arc_trusted_sealers="two.test")
        cls.one.start()
        cls.two.start()

    @classmethod
    def instance(cls, domain, address, start=True, **settings):
        return Instance(domain, address=address, base_port=cls.base, start=start,
                        main={"smtp_bind_address": address, "myhostname": f"mx.{domain}", **settings})

    @classmethod
    def make_key(cls, selector, options, domain="one.test"):
        path = os.path.join(cls.one.dir, selector + ".pem")
        subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        if selector != "rsa":
            record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()
        else:
            record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        cls.dns.zones[f"{selector}._domainkey.{domain}"] = {"TXT": [record]}

    @classmethod
    def tearDownClass(cls):
        try:
            cls.one.close()
        finally:
            cls.two.close()
            cls.milter.close()
            cls.dns.close()
            cls.lock.close()

    def stranger(self, instance, sender, recipient, content):
        with smtplib.SMTP(instance.address, instance.port(25), local_hostname="client.test", timeout=60,
                          source_address=(STRANGER, 0)) as client:
            return client.sendmail(sender, [recipient], content)

    def refused(self, sender, content):
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            self.stranger(self.two, sender, "bob@two.test", content)
        return refusal.exception.smtp_code, refusal.exception.smtp_error.decode()

    # ---- signed here, believed there ----

    def test_submission_is_signed_and_proven(self):
        body = "Grüße  \r\n.dot\r\n\r\n" + "word " * 500 + "\r\n\r\n\r\n"
        self.one.submit("alice", ["bob@two.test"], message("Alice <alice@one.test>", "bob@two.test", "both-keys", body).encode())
        (mail,) = self.two.wait_mail("bob", text="both-keys")
        (results,), header = results_of(mail)
        trace = [line.split(":")[0] for line in header if line.startswith(("Authentication-Results:", "Received"))]
        self.assertEqual(trace[:3], ["Authentication-Results", "Received-SPF", "Received"])
        for wanted in ("iprev=pass", "spf=pass", "dkim=pass (2048-bit key) header.d=one.test", "header.a=rsa-sha256", "header.a=ed25519-sha256",
                       "dmarc=pass (p=reject dis=none) header.from=one.test", "arc=none"):
            self.assertIn(wanted, results)
        self.assertEqual(results.count("dkim=pass"), 2)
        self.assertIn("Reply-To: milter@one.test", header)
        self.assertTrue(any(line.startswith("Received-SPF: pass") for line in header), header)
        self.one.wait_log(r"cleanup.*: signed: d=one\.test s=rsa a=rsa-sha256")
        self.two.wait_log(r"cleanup.*: verified; iprev=pass")

    def test_large_mail_is_signed(self):
        body = "0123456789 abcdefghij \r\n" * 100000
        self.one.submit("alice", ["bob@two.test"], message("alice@one.test", "bob@two.test", "large-one", body))
        (mail,) = self.two.wait_mail("bob", text="large-one", seconds=60)
        self.assertEqual(results_of(mail)[0][0].count("dkim=pass"), 2)

    def test_sendmail_and_bounces_are_signed(self):
        done = subprocess.run([os.path.join(self.one.build, "bin", "sendmail"), "-C", self.one.conf, "-f", "alice@one.test", "bob@two.test"],
                              input=message("alice@one.test", "bob@two.test", "by-sendmail"), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        (mail,) = self.two.wait_mail("bob", text="by-sendmail")
        self.assertIn("dmarc=pass", results_of(mail)[0][0])

    # ---- sent on ----

    def test_forwarded_mail_is_sealed_and_believed(self):
        """Only SPF proved it, for the one who sent it on; the next one believes the seal."""
        self.stranger(self.two, "x@honest.test", "onward@mx.two.test", message("x@honest.test", "onward@mx.two.test", "sealed-onward"))
        (mail,) = self.one.wait_mail("alice", text="sealed-onward")
        results = results_of(mail)[0][0]
        self.assertIn("arc=pass (i=1 d=two.test s=seal)", results)
        self.assertIn("dmarc=fail (p=reject dis=reject)", results)
        self.assertRegex(mail, rb"ARC-Authentication-Results: i=1; mx\.two\.test;[^:]*spf=pass")
        self.one.wait_log("a trusted sealer vouches for it")
        self.two.wait_log(r"sealed: d=two\.test s=seal cv=none")

    def sealed(self, author, body, selector="seal"):
        """A set of ARC by two.test's key over From, once, and the body."""
        def sign(*fields):
            text = "\r\n".join(name.lower() + ":" + value for name, value in fields)
            path = os.path.join(self.one.dir, "digest")
            with open(path, "wb") as file:
                file.write(hashlib.sha256(text.encode()).digest())
            command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", os.path.join(self.one.dir, "seal.pem"), "-in", path]
            return base64.b64encode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout).decode()

        by = f"i=1; a=ed25519-sha256; d=two.test; s={selector};"
        body_hash = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        results = ("ARC-Authentication-Results", "i=1; mx.two.test; dmarc=pass header.from=honest.test")
        name, value = "ARC-Message-Signature", f"{by} c=relaxed/relaxed; h=from; bh={body_hash}; b="
        signature = (name, value + sign(("From", author), (name, value)))
        name, value = "ARC-Seal", f"{by} cv=none; b="
        seal = (name, value + sign(results, signature, (name, value)))
        return "".join(f"{name}: {value}\r\n" for name, value in (seal, signature, results, ("From", author))) + "\r\n" + body

    def test_a_seal_is_not_for_another_author(self):
        """Who puts a second From above the sealed one is not vouched for."""
        sealed = self.sealed("x@honest.test", "sealed-by-hand\r\n")
        with smtplib.SMTP(self.one.address, self.one.port(25), local_hostname="client.test", timeout=60, source_address=("127.0.0.4", 0)) as client:
            client.sendmail("x@other.test", ["alice@one.test"], sealed)
            with self.assertRaises(smtplib.SMTPDataError) as refusal:
                client.sendmail("x@other.test", ["alice@one.test"], "From: chief@honest.test\r\n" + sealed)
            self.assertIn(b"more than one From", refusal.exception.smtp_error)

    def test_a_chain_that_nobody_could_look_at_is_not_ended(self):
        """The key's name server is down when it comes: a seal that says cv=fail would end the chain for all who come after."""
        self.dns.zones["lost._domainkey.two.test"] = {"SERVFAIL": True}
        self.stranger(self.two, "x@plain.test", "onward@mx.two.test", self.sealed("x@plain.test", "nobody-could-look\r\n", "lost"))
        (mail,) = self.one.wait_mail("alice", text="nobody-could-look")
        self.assertIn(b"arc=temperror", mail)
        self.assertEqual(mail.count(b"ARC-Seal:"), 1)
        self.assertNotIn(b"cv=fail", mail)
        self.two.wait_log("not sealed: it could not be found out whether the chain is whole")

    # ---- what is not signed ----

    def test_strangers_are_not_signed_for(self):
        """A stranger writes as our user, to a list of ours that leads on: no signature, so DMARC holds."""
        self.stranger(self.one, "x@other.test", "list@one.test", message("alice@one.test", "list@one.test", "spoofed-onward"))
        self.one.wait_log(r"550 5\.7\.1 .*DMARC")
        self.assertFalse([m for m in self.two.inbox("bob") if b"spoofed-onward" in m])

    def test_what_a_filter_brings_back_is_not_ours(self):
        """A filter on this host hands back a stranger's mail and a user's: XFORWARD says which is which."""
        for said, subject, signed in (("NAME=far.test ADDR=203.0.113.9 IDENT=4zAbcd SOURCE=REMOTE", "of-a-stranger", False), ("SOURCE=REMOTE", "of-nobody", False),
                                      ("NAME=localhost ADDR=127.0.0.1 SOURCE=LOCAL", "of-a-user", True)):
            with smtplib.SMTP(self.one.address, self.one.port(25), local_hostname="filter.test", timeout=60, source_address=("127.0.0.2", 0)) as client:
                client.ehlo()
                self.assertEqual(client.docmd("XFORWARD " + said)[0], 250)
                client.sendmail("x@other.test", ["alice@one.test"], message("alice@one.test", "alice@one.test", subject))
            (mail,) = self.one.wait_mail("alice", text=subject)
            self.assertEqual(b"DKIM-Signature:" in mail, signed, said)
            self.assertNotIn(b"Authentication-Results:", mail)

    def brought_back(self, said, sender, content):
        with smtplib.SMTP(self.two.address, self.two.port(25), local_hostname="filter.test", timeout=60, source_address=("127.0.0.3", 0)) as client:
            client.ehlo()
            for words in said:
                self.assertEqual(client.docmd("XFORWARD " + words)[0], 250)
            client.sendmail(sender, ["bob@two.test"], content)

    def test_what_a_filter_has_before_us_is_verified(self):
        """smtpd_proxy_filter: what a stranger says of the verdict goes, and SPF is of the client that the filter names."""
        said = [f"NAME=client.test ADDR={STRANGER}", "HELO=client.test PROTO=ESMTP SOURCE=REMOTE"]
        forged = "X-Posta-Verdict: pass; forged=yes\r\nAuthentication-Results: mx.two.test; dkim=pass header.d=bank.test\r\n"
        self.brought_back(said, "x@honest.test", forged + message("x@honest.test", "bob@two.test", "proxied-honest"))
        (mail,) = self.two.wait_mail("bob", text="proxied-honest")
        self.assertNotIn(b"forged=yes", mail)
        self.assertNotIn(b"bank.test", mail)
        self.assertIn("spf=pass (honest.test: ip4:127.0.0.5 matches)", results_of(mail)[0][0])
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            self.brought_back(said, "x@other.test", message("boss@one.test", "bob@two.test", "proxied-forged"))
        self.assertIn(b"DMARC", refusal.exception.smtp_error)
        # Nobody knows whom it is from: it is not verified, and the stranger's word goes all the same.
        self.brought_back(["SOURCE=REMOTE"], "x@honest.test", forged + message("x@honest.test", "bob@two.test", "proxied-unknown"))
        (mail,) = self.two.wait_mail("bob", text="proxied-unknown")
        self.assertNotIn(b"forged=yes", mail)
        self.assertNotIn(b"bank.test", mail)

    def test_what_a_filter_has_from_our_queue_keeps_its_results(self):
        """content_filter: it was verified when it came, and may have been changed since."""
        said = [f"NAME=client.test ADDR={STRANGER}", "HELO=client.test PROTO=ESMTP IDENT=4zAbcd SOURCE=REMOTE"]
        ours = "X-Posta-Verdict: fail; first=yes\r\nAuthentication-Results: mx.two.test; dkim=pass header.d=first.test\r\n"
        self.brought_back(said, "x@other.test", ours + message("boss@one.test", "bob@two.test", "filtered-first"))
        (mail,) = self.two.wait_mail("bob", text="filtered-first")
        self.assertIn(b"first=yes", mail)
        (results,), _ = results_of(mail)
        self.assertIn("header.d=first.test", results)

    def test_foreign_author_is_not_signed_for(self):
        self.one.submit("alice", ["bob@two.test"], message("alice@foreign.test", "bob@two.test", "foreign-author"))
        (mail,) = self.two.wait_mail("bob", text="foreign-author")
        self.assertIn("dkim=none", results_of(mail)[0][0])
        self.assertIn("dmarc=none", results_of(mail)[0][0])

    # ---- faults ----

    def test_nothing_leaves_unsigned_while_keys_dies(self):
        """What is accepted while the program with the keys is killed again and again is signed."""
        accepted, killed = [], 0
        for number in range(12):
            if number % 4 == 1:
                for item in [json.loads(line) for line in self.one.posta("status", "--json").text.splitlines() if line.startswith("{")]:
                    if item["program"] == "keys":
                        os.kill(item["pid"], signal.SIGKILL)
                        killed += 1
            subject = f"survivor-{number}-"
            try:
                with smtplib.SMTP(self.one.address, self.one.port(25), local_hostname="client.test", timeout=60,
                                  source_address=(self.one.address, 0)) as client:
                    client.sendmail("alice@one.test", ["bob@two.test"], message("alice@one.test", "bob@two.test", subject))
                accepted.append(subject)
            except smtplib.SMTPDataError as refusal:
                self.assertEqual(refusal.smtp_code, 451)
        self.assertTrue(accepted)
        self.assertTrue(killed)
        for mail in self.two.wait_mail("bob", len(accepted), "survivor-", seconds=60):
            self.assertEqual(results_of(mail)[0][0].count("dkim=pass"), 2, mail)

    def test_hostile_names(self):
        """Answers that are far too large, aliases that go round in circles."""
        self.dns.zones.update({
            "large.test": {"TXT": [["v=spf1 " + "x" * 240] + ["y" * 255] * 200]},
            "_dmarc.large.test": {"TXT": [["v=DMARC1; p=reject; "] + ["z" * 255] * 200]},
            "circle.test": {"CNAME": ["round.test"]}, "round.test": {"CNAME": ["circle.test"]},
            "_dmarc.circle.test": {"CNAME": ["_dmarc.round.test"]}, "_dmarc.round.test": {"CNAME": ["_dmarc.circle.test"]},
            "thousand.test": {"TXT": [["v=spf1 "] + ["a"] * 1000]},
        })
        for domain in ("large.test", "circle.test", "thousand.test"):
            self.stranger(self.two, f"x@{domain}", "bob@two.test", message(f"x@{domain}", "bob@two.test", f"hostile-{domain}"))
            (mail,) = self.two.wait_mail("bob", text=f"hostile-{domain}", seconds=60)
            self.assertRegex(results_of(mail)[0][0], "spf=(temperror|permerror|none)")

    # ---- said beforehand ----

    def test_explain(self):
        said = self.one.posta("explain", "--from", "alice@one.test", "--to", "bob@two.test", "--auth", "alice@one.test", check=False).text
        self.assertIn("signed by key rsa (d=one.test s=rsa)", said)
        self.assertIn("signed by key ed (d=one.test s=ed)", said)
        said = self.two.posta("explain", "--from", "x@one.test", "--to", "bob@two.test", "--client", "192.0.2.1", check=False).text
        self.assertIn("SPF: fail: one.test does not let 192.0.2.1 send its mail", said)

    # ---- strangers ----

    def test_forged_is_refused(self):
        code, text = self.refused("x@other.test", message("Boss <boss@one.test>", "bob@two.test", "forged"))
        self.assertEqual(code, 550)
        self.assertIn("5.7.1", text)
        self.assertIn("one.test", text)
        self.assertIn("DMARC", text)
        self.two.wait_log(r"verified; .*dmarc=fail \(p=reject dis=reject\)")

    def test_forged_in_many_ways_is_refused(self):
        for number, author in enumerate(("<x@one.test>y@other.test", "x@other.test, boss@one.test", "=?utf-8?q?=3Cx=40one.test=3E?= <boss@sub.one.test>",
                                         "x@other.test\r\nFrom: boss@one.test")):
            code, _ = self.refused("x@other.test", message(author, "bob@two.test", f"forged-{number}"))
            self.assertEqual(code, 550, author)

    def test_nobodys_mail_is_refused(self):
        """No From, several, or one without a domain: refused whatever DMARC says; not what a user of ours sends."""
        for number, author in enumerate(("", "From: Boss\r\n", "From: a@plain.test\r\nFrom: b@plain.test\r\n", "From : a@plain.test\r\n From: b@plain.test\r\n", "From: Friends:;\r\n")):
            code, text = self.refused("x@plain.test", f"{author}To: bob@two.test\r\nSubject: nobody-{number}\r\n\r\ntext\r\n")
            self.assertEqual((code, text[:5]), (550, "5.7.1"), author)
            self.assertIn("From", text)
        self.two.submit("alice", ["bob"], "To: bob@two.test\r\nSubject: own-nobody\r\n\r\ntext\r\n")
        self.two.wait_mail("bob", text="own-nobody")

    def test_quarantine_is_held(self):
        self.stranger(self.two, "x@other.test", "bob@two.test", message("x@suspicious.test", "bob@two.test", "held-one"))
        held = wait_until(lambda: [m for m in self.two.queue() if m["queue_name"] == "hold"], what="a held message")
        self.two.posta("queue", "release", held[0]["queue_id"])
        (mail,) = self.two.wait_mail("bob", text="held-one")
        self.assertIn("dmarc=fail (p=quarantine dis=quarantine)", results_of(mail)[0][0])

    def test_forged_results_go(self):
        forged = ("Authentication-Results: mx.two.test; dkim=pass header.d=bank.test\r\n"
                  "authentication-results : (x) \"MX.two.test\" 1; dmarc=pass\r\n"
                  "Authentication-Results: ; spf=pass\r\n"
                  "Received-SPF: pass (mx.two.test: forged)\r\n"
                  "Authentication-Results: other.test; spf=pass\r\n")
        self.stranger(self.two, "x@honest.test", "bob@two.test", forged + message("x@honest.test", "bob@two.test", "forged-results"))
        (mail,) = self.two.wait_mail("bob", text="forged-results")
        found, header = results_of(mail)
        self.assertEqual(len(found), 2, found)
        self.assertIn("spf=pass (honest.test: ip4:127.0.0.5 matches) smtp.mailfrom=x@honest.test", found[0])
        self.assertIn("dmarc=pass", found[0])
        self.assertIn("other.test; spf=pass", found[1])
        self.assertFalse([line for line in header if "forged)" in line or "bank.test" in line])
        self.two.submit("alice", ["bob"], forged + message("alice@two.test", "bob@two.test", "own-forgery"))
        (mail,) = self.two.wait_mail("bob", text="own-forgery")
        self.assertFalse([line for line in results_of(mail)[0] if "two.test" in line], mail)

    def test_forged_results_are_not_sealed(self):
        """Where nothing is verified nobody else's word is sealed as ours."""
        self.two.stop()
        self.two.set(mail_verification="no")
        self.two.start()
        try:
            forged = "Authentication-Results: mx.two.test; dmarc=pass header.from=bank.test\r\n"
            self.stranger(self.two, "x@plain.test", "onward@mx.two.test", forged + message("x@plain.test", "onward@mx.two.test", "forged-seal"))
            (mail,) = self.one.wait_mail("alice", text="forged-seal")
            self.assertNotIn(b"bank.test", mail)
            self.assertNotIn(b"ARC-Seal", mail)
        finally:
            self.two.stop()
            self.two.set(mail_verification="yes")
            self.two.start()

    def test_a_name_server_that_fails_refuses_nobody(self):
        self.dns.zones["_dmarc.down.test"] = {"SERVFAIL": True}
        self.dns.zones["down.test"] = {"SERVFAIL": True}
        self.stranger(self.two, "x@down.test", "bob@two.test", message("x@down.test", "bob@two.test", "dns-down"))
        (mail,) = self.two.wait_mail("bob", text="dns-down", seconds=60)
        self.assertIn("spf=temperror", results_of(mail)[0][0])
        self.assertIn("dmarc=temperror", results_of(mail)[0][0])


class CannotSign(unittest.TestCase):
    """What should be signed and cannot be does not leave."""

    def test_unknown_key(self):
        with Instance("one.test", start=False) as instance:
            key = os.path.join(instance.dir, "a.pem")
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
            for name, line in (("keys", f"a one.test:a:{key}\n"), ("more", f"a one.test:a:{key}\nb one.test:b:{key}\n"), ("signing", "one.test b\n")):
                with open(os.path.join(instance.dir, name), "w") as file:
                    file.write(line)
            instance.set(dkim_key_table=f"{instance.dir}/keys")
            # cleanup believes in a key that keys does not have.
            instance.posta("conf", "-P", f"cleanup/unix/dkim_key_table={instance.dir}/more", f"cleanup/unix/dkim_signing_table={instance.dir}/signing")
            instance.start()
            with self.assertRaises(smtplib.SMTPDataError) as refusal:
                instance.submit("alice", ["bob"], message("alice@one.test", "bob@one.test", "unsigned"))
            self.assertEqual(refusal.exception.smtp_code, 451)
            instance.wait_log(r"cannot be signed now")
            self.assertEqual(instance.queue(), [])

    def test_open_keys_are_refused(self):
        with Instance("one.test", start=False) as instance:
            key = os.path.join(instance.dir, "a.pem")
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
            with open(os.path.join(instance.dir, "keys"), "w") as file:
                file.write(f"a one.test:a:{key}\n")
            os.chmod(key, 0o644)
            instance.set(dkim_key_table=f"{instance.dir}/keys")
            instance.posta("start", check=False)
            instance.wait_log(r"others may read or write this key")


if __name__ == "__main__":
    unittest.main()
