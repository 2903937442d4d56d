"""What was found about a stranger's message when it came, and a content filter that knows no XFORWARD: X-Posta-Passage."""
import base64
import hashlib
import hmac
import os
import re
import smtplib
import subprocess
import time
import unittest

from dnsserver import DnsServer
from peers import free_port
from posta import AS_ROOT, PLAIN_BUILD, Instance, message, reserve_base_port
from test_contentfilter import Scanner
from test_mailauth import results_of

ONE, TWO, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.5"


class Passage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base, cls.lock = reserve_base_port()
        cls.dns = DnsServer({
            "one.test": {"MX": [(10, "mx.one.test")]}, "mx.one.test": {"A": [ONE]},
            "honest.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]}, "_dmarc.honest.test": {"TXT": ["v=DMARC1; p=reject"]},
        })
        cls.back = free_port()
        cls.scanner = Scanner(cls.back)
        cls.scanner.extensions = b"250 8BITMIME\r\n"
        cls.one = cls.instance("one.test", ONE, mynetworks=f"{ONE}/32", mail_verification="yes", arc_trusted_sealers="two.test")
        cls.two = cls.instance("two.test", TWO, mynetworks=f"{TWO}/32 127.0.0.1/32", mail_verification="yes", authserv_id="mx.two.test",
                               alias_maps="inline:{onward=alice@one.test}", content_filter=f"scan:[127.0.0.1]:{cls.scanner.port}",
                               smtpd_sender_restrictions="check_sender_access inline:{ { piped@honest.test = FILTER script: } }")
        cls.sign()
        script = os.path.join(cls.two.dir, "script")
        with open(script, "w") as file:
            file.write(f'#!/bin/sh\nsender=$1; shift\n(echo "X-Scripted: yes"; cat) | {PLAIN_BUILD}/bin/sendmail -C {cls.two.conf} -G -i -f "$sender" -- "$@"\n')
        os.chmod(script, 0o755)
        with open(os.path.join(cls.two.conf, "master.cf"), "a", encoding="ascii") as file:
            file.write(f"scan unix - - n - 2 smtp\n  -o smtp_send_xforward_command=yes\n  -o smtp_bind_address=\n"
                       f"script unix - n n - 2 pipe\n  flags=q user=nobody null_sender= argv={script} ${{sender}} ${{recipient}}\n"
                       f"127.0.0.1:{cls.back} inet n - n - 1 smtpd\n  -o content_filter=\n  -o smtpd_sender_restrictions=\n  -o smtpd_authorized_xforward_hosts=127.0.0.1/32\n")
        for suite in (cls.one, cls.two):
            suite.start()

    @classmethod
    def instance(cls, domain, address, **settings):
        return Instance(domain, address=address, base_port=cls.base, start=False,
                        main={"smtp_bind_address": address, "myhostname": f"mx.{domain}", "dns_servers": f"127.0.0.1:{cls.dns.port}", **settings})

    @classmethod
    def sign(cls):
        path = os.path.join(cls.two.dir, "key.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        cls.dns.zones["key._domainkey.two.test"] = {"TXT": ["v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()]}
        for name, line in (("keys", f"key two.test:key:{path}\n"), ("signing", "*@two.test key\n")):
            with open(os.path.join(cls.two.dir, name), "w") as file:
                file.write(line)
        cls.two.set(dkim_key_table=f"{cls.two.dir}/keys", arc_sealing_key="key", dkim_signing_table=f"refile:{cls.two.dir}/signing",
                    dkim_signing_networks=f"{TWO}/32 127.0.0.1/32")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.one.close()
        finally:
            cls.two.close()
            cls.scanner.shutdown()
            cls.scanner.server_close()
            cls.dns.close()
            cls.lock.close()

    def send(self, sender, author, subject, to="bob@two.test", fields="", source=STRANGER):
        with smtplib.SMTP(TWO, self.two.port(25), local_hostname="client.test", timeout=60, source_address=(source, 0)) as client:
            client.sendmail(sender, [to], fields + message(author, to, subject))

    def seen(self, subject):
        (entry,) = [entry for entry in self.scanner.seen if subject.encode() in entry[3]]
        return entry[3]

    def bring_back(self, content):
        """As the filter does."""
        with smtplib.SMTP("127.0.0.1", self.back, local_hostname="scanner.test", timeout=60) as client:
            client.sendmail("x@honest.test", ["bob@two.test"], content)

    FORGED = ("X-Posta-Verdict: pass; forged=yes\r\nAuthentication-Results: mx.two.test; dkim=pass header.d=bank.test\r\n"
              "X-Posta-Passage: t=1; h=forged=\r\n")

    def test_results_go_through_the_filter(self):
        self.send("x@honest.test", "x@honest.test", "through-filter", fields=self.FORGED)
        (mail,) = self.two.wait_mail("bob", text="through-filter")
        self.assertIn(b"X-Scanned: yes", mail)
        (results,), _ = results_of(mail)
        self.assertIn("spf=pass (honest.test: ip4:127.0.0.5 matches)", results)
        self.assertEqual(re.findall(rb"X-Posta-Verdict: (\w+); dmarc=(\w+)", mail), [(b"pass", b"pass")])
        for word in (b"forged", b"bank.test", b"X-Posta-Passage"):
            self.assertNotIn(word, mail)
        self.two.wait_log("back from its content filter")

    def test_what_is_sent_on_is_sealed(self):
        self.send("x@honest.test", "x@honest.test", "sealed-onward", to="onward@mx.two.test")
        (mail,) = self.one.wait_mail("alice", text="sealed-onward")
        self.assertIn("arc=pass (i=1 d=two.test s=key)", results_of(mail)[0][0])
        self.assertRegex(mail, rb"ARC-Authentication-Results: i=1; mx\.two\.test;[^:]*spf=pass")
        self.one.wait_log("a trusted sealer vouches for it")

    def test_a_filter_that_hands_on_the_client_alone(self):
        """XFORWARD without IDENT: what was verified is not verified once more, with what the filter has made of it."""
        self.addCleanup(setattr, self.scanner, "extensions", self.scanner.extensions)
        self.scanner.extensions = b"250 XFORWARD NAME ADDR PROTO HELO SOURCE\r\n"
        before = self.two.log().count(": verified; ")
        self.send("x@honest.test", "x@honest.test", "handed-on")
        (mail,) = self.two.wait_mail("bob", text="handed-on")
        self.assertIn("spf=pass", results_of(mail)[0][0])
        self.assertEqual(self.two.log().count(": verified; "), before + 1)

    def test_a_stranger_is_not_signed_for(self):
        """The filter has an address of ours; whom it has the message from it does not say."""
        self.send("x@honest.test", "alice@two.test", "in-our-name")
        (mail,) = self.two.wait_mail("bob", text="in-our-name")
        self.assertIn(b"X-Scanned", mail)
        self.assertNotIn(b"DKIM-Signature", mail)
        self.two.submit("alice", ["bob@two.test"], message("alice@two.test", "bob@two.test", "by-ourselves"))
        (mail,) = self.two.wait_mail("bob", text="by-ourselves")
        self.assertIn(b"DKIM-Signature", mail)
        self.assertNotIn(b"X-Posta-Passage", mail)

    def test_the_mark_is_of_one_author_and_of_our_results(self):
        """And no stranger can bring it."""
        self.send("x@honest.test", "x@honest.test", "marked-one")
        self.two.wait_mail("bob", text="marked-one")
        marked = self.seen("marked-one").decode()
        self.assertIn("X-Posta-Passage: t=", marked)
        for number, (old, new) in enumerate((("From: x@honest.test", "From: boss@honest.test"), ("dmarc=pass", "dmarc=fail"), ("X-Posta-Verdict: pass", "X-Posta-Verdict: none"),
                                             ("Subject: ", "Authentication-Results: mx.two.test; spf=pass\r\nSubject: "), ("h=", "h=A"), ("t=", "t=1"))):
            self.assertIn(old, marked)
            changed = marked.replace(old, new).replace("marked-one", f"changed-{number}-")
            self.bring_back(changed)
            (mail,) = self.two.wait_mail("bob", text=f"changed-{number}-")
            self.assertFalse([line for line in results_of(mail)[0] if "mx.two.test" in line], new)
            self.assertNotIn(b"X-Posta-Passage", mail)
        # A filter may change the rest.
        self.bring_back(marked.replace("marked-one", "as-it-was").replace("\r\n\t", " "))
        (mail,) = self.two.wait_mail("bob", text="as-it-was")
        self.assertIn("dmarc=pass", results_of(mail)[0][0])
        head, rest = marked.replace("marked-one", "by-a-stranger").split("Subject:")
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            with smtplib.SMTP(TWO, self.two.port(25), local_hostname="client.test", timeout=60, source_address=("127.0.0.6", 0)) as client:
                client.sendmail("x@honest.test", ["bob@two.test"], head + "Subject:" + rest)
        self.assertIn(b"DMARC", refusal.exception.smtp_error)

    def mark(self, content, when):
        """The mark of that content, as cleanup makes it."""
        header = re.sub(r"\r\n(?=[ \t])", "", content.split("\r\n\r\n")[0]).split("\r\n")
        covered = ""
        for name, body in (line.split(":", 1) for line in header):
            if name in ("From", "X-Posta-Verdict") or (name == "Authentication-Results" and "mx.two.test" in body):
                covered += f"{name.lower()}:{re.sub('[ ' + chr(9) + ']+', ' ', body).strip()}\r\n"
        with open(os.path.join(self.two.posta("conf", "-h", "data_directory").text.strip(), "mail_secret"), "rb") as file:
            secret = file.read().split()[0]
        text = f"t={when}; ".encode() + hashlib.sha256(covered.encode()).digest()
        return f"X-Posta-Passage: t={when}; h=" + base64.b64encode(hmac.digest(secret, text, "sha256")).decode()

    def test_an_old_mark_is_still_a_strangers(self):
        """It was held for long, or the filter had it: our results count no more, and nobody signs for the stranger."""
        self.send("x@honest.test", "alice@two.test", "held-long")
        self.two.wait_mail("bob", text="held-long")
        marked = self.seen("held-long").decode()
        (mark,) = re.findall(r"X-Posta-Passage: t=\d+; h=[^\r]*", marked)
        self.assertEqual(self.mark(marked, int(mark.split("t=")[1].split(";")[0])), mark)
        for subject, age, results in (("held-for-days", 10 * 86400, 0), ("held-for-hours", 7200, 1)):
            self.bring_back(marked.replace(mark, self.mark(marked, int(time.time()) - age)).replace("held-long", subject))
            (mail,) = self.two.wait_mail("bob", text=subject)
            self.assertNotIn(b"DKIM-Signature", mail, subject)
            self.assertNotIn(b"X-Posta-Passage", mail)
            self.assertEqual(len([line for line in results_of(mail)[0] if "mx.two.test" in line]), results, subject)

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_a_filter_that_is_a_command(self):
        """It hands the message in by sendmail, as somebody who has an account here."""
        self.send("piped@honest.test", "piped@honest.test", "through-script")
        (mail,) = self.two.wait_mail("bob", text="through-script")
        self.assertIn(b"X-Scripted: yes", mail)
        self.assertIn("spf=pass", results_of(mail)[0][0])
        self.assertNotIn(b"X-Posta-Passage", mail)


if __name__ == "__main__":
    unittest.main()
