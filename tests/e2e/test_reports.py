"""DMARC reports: what is told to the owners of domains, to whom, and how often."""
import email
import email.policy
import gzip
import io
import json
import os
import re
import smtplib
import subprocess
import time
import unittest
import zipfile
import xml.etree.ElementTree as ElementTree
from email.message import EmailMessage

from dnsserver import DnsServer
from posta import AS_ROOT, HERE, Instance, message, wait_until

STRANGER, FORGER = "127.0.1.5", "127.0.1.6"
NOW = int(time.time())


def attachment_of(mail):
    """(file name, XML) of a report."""
    for part in email.message_from_bytes(mail).walk():
        if part.get_content_type() == "application/gzip":
            return part.get_filename(), gzip.decompress(part.get_payload(decode=True))
    raise AssertionError("no application/gzip: " + mail.decode(errors="replace"))


class Sent(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer({
            # Somebody else reads the reports, and says that he wants them.
            "one.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]},
            "_dmarc.one.test": {"TXT": ["v=DMARC1; p=reject; sp=none; rua=mailto:bob@two.test!10m,mailto:carol@two.test!10"]},
            "one.test._report._dmarc.two.test": {"TXT": ["v=DMARC1;"]},
            # And here nobody has said so.
            "unwanted.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]},
            "_dmarc.unwanted.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:bob@two.test"]},
            # What DMARC lets through, and the score does not.
            **{name: {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]} for name in ("junk.one.test", "worse.one.test")},
            "silent.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]},
            "_dmarc.silent.test": {"TXT": ["v=DMARC1; p=none"]},
        })
        cls.suite = Instance("two.test", users=("alice", "bob", "carol"), start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "yes",
            "dmarc_reports": "yes", "dmarc_report_interval": "3s", "dmarc_report_spread": "0",
            "dmarc_report_from": "alice@two.test", "dmarc_report_organization": "Two & Sons <two.test>",
            "junk_score_weights": "spf:pass:junk.one.test=6 spf:pass:worse.one.test=9", "junk_score_limit": "5", "junk_score_reject_limit": "9"})
        cls.sign()
        # A call of the database's that it may not make is seen.
        cls.suite.posta("conf", "-P", "reporter/unix/seccomp_violation=kill")
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.suite.close()
        finally:
            cls.dns.close()

    @classmethod
    def sign(cls):
        key = os.path.join(cls.suite.dir, "report.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, stderr=subprocess.DEVNULL)
        for name, text in (("keys", f"k two.test:s:{key}\n"), ("signing", "*@two.test k\n")):
            with open(os.path.join(cls.suite.dir, name), "w") as file:
                file.write(text)
        cls.suite.set(dkim_key_table=f"file:{cls.suite.dir}/keys", dkim_signing_table=f"refile:{cls.suite.dir}/signing")

    def send(self, sender, author, source, recipient="alice2@two.test"):
        """The reply to the content."""
        with smtplib.SMTP(self.suite.address, self.suite.port(25), local_hostname="client.test", timeout=60, source_address=(source, 0)) as client:
            client.ehlo()
            client.mail(sender)
            client.rcpt(recipient)
            return client.data(message(author, recipient))[0]

    def reports(self):
        return [mail for mail in self.suite.inbox("bob") if b"Report Domain" in mail]

    def rows(self):
        """{(source, disposition, dkim, spf, reason): messages} over all reports about one.test."""
        rows = {}
        for mail in self.reports():
            for record in ElementTree.fromstring(attachment_of(mail)[1]).iter("record"):
                evaluated = record.find("row/policy_evaluated")
                key = tuple([record.findtext("row/source_ip")] + [evaluated.findtext(name) for name in ("disposition", "dkim", "spf", "reason/type")])
                rows[key] = rows.get(key, 0) + int(record.findtext("row/count"))
        return rows

    def test_told(self):
        for sender in ("x@one.test", "y@one.test"):
            self.assertEqual(self.send(sender, "x@one.test", STRANGER, "bob@two.test"), 250)
        self.assertEqual(self.send("x@one.test", "x@one.test", FORGER, "bob@two.test"), 550)
        self.assertEqual(self.send("x@client.test", "x@sub.one.test", FORGER, "bob@two.test"), 250)
        self.assertEqual(self.send("x@junk.one.test", "x@one.test", STRANGER, "bob@two.test"), 250)
        self.assertEqual(self.send("x@worse.one.test", "x@one.test", STRANGER, "bob@two.test"), 550)
        self.assertEqual(self.send("x@unwanted.test", "x@unwanted.test", STRANGER, "bob@two.test"), 250)
        self.assertEqual(self.send("x@silent.test", "x@silent.test", STRANGER, "bob@two.test"), 250)
        # What only reports and answers to them come to is not told of.
        self.assertEqual(self.send("x@one.test", "x@one.test", STRANGER, "alice@two.test"), 250)
        expected = {(STRANGER, "none", "fail", "pass", None): 2, (FORGER, "reject", "fail", "fail", None): 1,
                    (FORGER, "none", "fail", "fail", None): 1,
                    (STRANGER, "quarantine", "fail", "pass", "local_policy"): 1, (STRANGER, "reject", "fail", "pass", "local_policy"): 1}
        wait_until(lambda: self.rows() == expected, what=f"{expected}")
        self.suite.wait_log("dmarc report: unwanted.test: <bob@two.test> does not say that it wants them")
        self.suite.wait_log(r"dmarc report: one.test: \d+ bytes are too many for <carol@two.test>")
        self.assertEqual(self.suite.inbox("carol"), [])
        periods = [self.check(mail) for mail in self.reports()]
        self.assertEqual(len(periods), len(set(periods)), "told twice")
        self.suite.posta("status", "--metrics")

    def check(self, mail):
        """One report in all its parts; (begin, end) of its time."""
        parsed = email.message_from_bytes(mail)
        name, xml = attachment_of(mail)
        subject = re.sub(r"\r\n[ \t]", " ", parsed["Subject"])
        self.assertRegex(subject, r"^Report Domain: one\.test Submitter: two\.test Report-ID: <\S+@two\.test>$")
        begin, end = re.fullmatch(r"two\.test!one\.test!(\d+)!(\d+)![0-9a-f]+\.xml\.gz", name).groups()
        self.assertEqual((int(begin) % 3, int(end) - int(begin)), (0, 2))
        self.assertEqual(parsed["Auto-Submitted"], "auto-generated")
        self.assertEqual(parsed["To"], "bob@two.test")
        self.assertEqual(parsed["Return-Path"], "<alice@two.test>")
        self.assertIn("d=two.test", parsed["DKIM-Signature"])
        root = ElementTree.fromstring(xml)
        self.assertEqual(root.findtext("report_metadata/org_name"), "Two & Sons <two.test>")
        self.assertIn(f"<{root.findtext('report_metadata/report_id')}>", subject)
        self.assertEqual(root.findtext("policy_published/sp"), "none")
        path = os.path.join(self.suite.dir, "report.xml")
        with open(path, "wb") as file:
            file.write(xml)
        done = subprocess.run(["xmllint", "--noout", "--schema", os.path.join(HERE, "rfc7489.xsd"), path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + xml.decode())
        return begin, end


def feedback_of(xml_rows, report_id="r1", domain="two.test"):
    """An aggregate report of somebody else's."""
    return (f"<?xml version='1.0'?><feedback><report_metadata><org_name>other.test</org_name><email>d@other.test</email><report_id>{report_id}</report_id>"
            f"<date_range><begin>{NOW - 90000}</begin><end>{NOW - 3600}</end></date_range></report_metadata>"
            f"<policy_published><domain>{domain}</domain><p>none</p></policy_published>" + "".join(
                f"<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}</disposition><dkim>{dkim}</dkim>"
                f"<spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{domain}</header_from></identifiers></record>"
                for ip, count, disposition, dkim, spf in xml_rows) + "</feedback>").encode()


def report_mail(kind, packed):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "d@other.test", "dmarc@two.test", "Report Domain: two.test"
    mail.set_content("A report.")
    mail.add_attachment(packed, maintype="application", subtype=kind, filename="../../etc/passwd")
    return mail.as_bytes(policy=email.policy.SMTP)


class Received(unittest.TestCase):
    """Reports of others: read from the mailbox that they come to, with nobody's rights, and shown."""
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance("two.test", users=("alice", "dmarc"), main={"report_mailboxes": "dmarc@two.test", "smtpd_sasl_authenticated_header": "yes"})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def shown(self, *words):
        return [json.loads(line) for line in self.suite.posta("report", *words, "--json").text.splitlines()]

    def imported(self, *words, status=0):
        done = self.suite.posta("report", "import", *words, check=False)
        self.assertEqual(done.returncode, status, done.text)
        return done.text

    def deliver(self, *mails):
        there = len(self.suite.inbox("dmarc"))
        for mail in mails:
            self.suite.inject("d@other.test", ["dmarc@two.test"], mail)
        self.suite.wait_mail("dmarc", there + len(mails))

    def test_1_dmarc(self):
        self.assertIn("no report has been read yet", self.suite.posta("report", "dmarc", check=False).text)
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("x.xml", feedback_of([("192.0.2.1", 5, "none", "pass", "pass"), ("192.0.2.66", 2, "reject", "fail", "fail")], "r2"))
        self.deliver(report_mail("gzip", gzip.compress(feedback_of([("192.0.2.1", 10, "none", "fail", "pass")]))), report_mail("zip", zipped.getvalue()),
                     message("x@other.test", "dmarc@two.test", "no report"))
        self.assertIn("2 reports in 3 mails; 0 were known, 0 could not be read", self.imported())
        self.assertIn("0 reports in 0 mails", self.imported())
        rows = {row["source"]: row for row in self.shown("dmarc")}
        self.assertEqual((rows["192.0.2.1"]["messages"], rows["192.0.2.1"]["passed"], rows["192.0.2.1"]["dkim_aligned"], rows["192.0.2.1"]["spf_aligned"]), (15, 15, 5, 15))
        self.assertEqual((rows["192.0.2.66"]["messages"], rows["192.0.2.66"]["passed"], rows["192.0.2.66"]["stopped"]), (2, 0, 2))
        self.assertRegex(self.suite.posta("report", "dmarc").text, r"(?m)^two\.test\n.*\n +192\.0\.2\.1 +15 +100\.0% +5 +15 +0 +other\.test$")
        self.assertEqual(self.shown("dmarc", "--domain", "one.test"), [])
        self.assertEqual(self.shown("dmarc", "--since", "0"), [])
        self.assertEqual(len(self.shown("dmarc", "--domain", "TWO.test")), 2)
        # The same report once more is no second one, whatever it comes in.
        path = os.path.join(self.suite.dir, "again.xml")
        with open(path, "wb") as file:
            file.write(feedback_of([("192.0.2.1", 10, "none", "fail", "pass")]).replace(b"<begin>", b"<begin> "))
        before = self.shown("dmarc")
        self.imported(path)
        self.deliver(report_mail("zip", zipped.getvalue()))
        self.assertIn("0 reports in 1 mails; 1 were known", self.imported())
        self.assertEqual(sum(row["messages"] for row in self.shown("dmarc")) - sum(row["messages"] for row in before), 0)

    def test_2_hostile(self):
        """Nothing of a report that cannot be read is kept, and the others are read all the same."""
        bomb = gzip.compress(b"<feedback>" + b" " * (40 << 20))
        entities = b"<!DOCTYPE f [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><feedback>&x;</feedback>"
        half = feedback_of([("192.0.2.99", 1, "none", "fail", "fail")], "half")[:-20]
        fine = feedback_of([("192.0.2.7", 1, "none", "fail", "pass")], "fine")
        self.deliver(report_mail("gzip", bomb), report_mail("xml", entities), report_mail("xml", half), report_mail("xml", fine))
        said = self.imported(status=1)
        for text in ("more than 33554432 bytes", "document type", "1 reports in 4 mails; 0 were known, 3 could not be read"):
            self.assertIn(text, said)
        sources = [row["source"] for row in self.shown("dmarc")]
        self.assertIn("192.0.2.7", sources)
        self.assertNotIn("192.0.2.99", sources)
        # It is not looked at again.
        self.assertIn("0 reports in 0 mails", self.imported())

    def test_3_feedback(self):
        self.suite.submit("alice", ["alice"], message("alice@two.test", "alice@two.test", "junk-of-alice"))
        (sent,) = self.suite.wait_mail("alice", text="junk-of-alice")
        head = b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\nFrom: fbl@other.test\r\nTo: dmarc@two.test\r\n\r\n--b\r\n\r\nabuse\r\n"
        fields = b"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Loop/1\r\nOriginal-Rcpt-To: <%d@other.test>\r\n\r\n"
        end = b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + sent + b"\r\n--b--\r\n"
        self.deliver(*[head + fields % n + end for n in (1, 2, 2)])
        self.assertIn("2 reports in 3 mails; 1 were known", self.imported("--user", "dmarc@two.test"))
        (row,) = self.shown("feedback")
        self.assertEqual((row["sender"], row["domain"], row["type"], row["reports"], row["told_by"]), ("alice@two.test", "two.test", "abuse", 2, "Loop/1"))
        self.assertRegex(self.suite.posta("report", "feedback").text, r"(?m)^alice@two\.test +two\.test +abuse +2 ")

    @unittest.skipUnless(AS_ROOT, "only root becomes somebody else")
    def test_4_others_files(self):
        """A link in a user's Maildir leads nowhere, and what the user may not read is not read."""
        secret = os.path.join(self.suite.dir, "secret.xml")
        with open(secret, "wb") as file:
            file.write(feedback_of([("192.0.2.200", 1, "none", "fail", "fail")], "secret"))
        os.chmod(secret, 0o600)
        new = os.path.join(self.suite.home, "mail", "two.test", "dmarc", "Maildir", "new")
        if not os.path.isdir(new):
            (new,) = [os.path.join(folder, "new") for folder, _, _ in os.walk(os.path.join(self.suite.home, "mail")) if folder.endswith("Maildir") and "dmarc" in folder]
        os.symlink(secret, os.path.join(new, "1.link.two"))
        os.link(secret, os.path.join(new, "2.hard.two"))
        said = self.imported(status=1)
        self.assertIn("2.hard.two: Permission denied", said)
        self.assertNotIn("192.0.2.200", [row["source"] for row in self.shown("dmarc")])
        os.unlink(os.path.join(new, "1.link.two"))
        os.unlink(os.path.join(new, "2.hard.two"))
        # Where nobody is to read them with no rights, nobody reads them; and they are not forgotten.
        self.deliver(report_mail("xml", feedback_of([("192.0.2.8", 1, "none", "fail", "pass")], "later")))
        self.suite.set(report_owner="nobody-has-this-name")
        self.assertIn("report_owner: there is no user nobody-has-this-name", self.imported(status=1))
        self.suite.posta("conf", "-X", "report_owner")
        self.assertIn("1 reports in 1 mails", self.imported())

    def test_5_kept_packed(self):
        self.suite.set(mailbox_compress="zstd")
        self.suite.posta("reload")
        rows = [(f"198.51.100.{number}", 1, "none", "fail", "pass") for number in range(1, 40)]
        self.deliver(report_mail("xml", feedback_of(rows, "packed")))
        packed = []
        for folder, _, names in os.walk(os.path.join(self.suite.home, "mail")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    packed += [name] if file.read(4) == b"\x28\xb5\x2f\xfd" else []
        self.assertEqual(len(packed), 1)
        self.assertIn("1 reports in 1 mails; 0 were known, 0 could not be read", self.imported())
        self.assertIn("198.51.100.39", [row["source"] for row in self.shown("dmarc")])


class Unheard(unittest.TestCase):
    def test_no_reporter(self):
        """What is set and nobody does is said: by a check, at the start, and once while mail comes."""
        with DnsServer({"one.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]}, "_dmarc.one.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:x@one.test"]}}) as dns, \
                Instance("two.test", users=("bob",), start=False, main={
                    "dns_servers": f"127.0.0.1:{dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "yes", "dmarc_reports": "yes"}) as suite:
            suite.posta("conf", "-MX", "reporter/unix")
            missing = "dmarc_reports: master.cf has no service reporter: no report is sent"
            self.assertIn(missing, suite.posta("check", check=False).text)
            suite.start()
            suite.wait_log(f"master.*{missing}")
            for number in (1, 2, 3):
                with smtplib.SMTP(suite.address, suite.port(25), local_hostname="client.test", timeout=60, source_address=(STRANGER, 0)) as client:
                    client.sendmail("x@one.test", ["bob@two.test"], message("x@one.test", "bob@two.test"))
                suite.wait_mail("bob", number)
            suite.stop()
            self.assertEqual(suite.log().count("reporter does not hear"), 1)


class Watched(unittest.TestCase):
    """Our own addresses on lists of others."""

    def test_listed(self):
        with DnsServer({"9.2.0.192.list.test": {"A": ["127.0.0.2"], "TXT": ["open relay"], "TTL": 1},
                        "9.2.0.192.shut.test": {"A": ["127.255.255.254"]}}) as dns, \
                Instance("two.test", start=False, main={
                    "dns_servers": f"127.0.0.1:{dns.port}", "dnsbl_watch": "list.test, shut.test, clean.test",
                    "dnsbl_watch_addresses": "192.0.2.9 2001:db8::1", "dnsbl_watch_interval": "1s"}) as suite:
            suite.start()
            suite.wait_log(r"reporter.*warning: dnsbl_watch: 192\.0\.2\.9 is listed by list\.test \(127\.0\.0\.2\): open relay")
            suite.wait_log(r"dnsbl_watch: shut\.test does not answer us \(127\.255\.255\.254\)")
            self.assertRegex(suite.posta("status").text, r"ILL +lists of dnsbl_watch have addresses of ours \(1 entries\)")
            self.assertRegex(suite.posta("status", "--metrics").text, r'posta_dnsbl_listed\{service="reporter[^}]*\} 1')
            self.assertIn(("1.0.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.clean.test", 1), dns.queries)
            del dns.zones["9.2.0.192.list.test"]
            suite.wait_log(r"dnsbl_watch: 192\.0\.2\.9 is not listed by list\.test any more")
            self.assertNotIn("dnsbl_watch", suite.posta("status").text)


if __name__ == "__main__":
    unittest.main()
