"""DMARC reports: what is told to the owners of domains, to whom, and how often."""
import base64
import email
import gzip
import os
import re
import smtplib
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from dnsserver import DnsServer
from posta import HERE, Instance, message, wait_until

STRANGER, FORGER = "127.0.1.5", "127.0.1.6"


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
            "silent.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]},
            "_dmarc.silent.test": {"TXT": ["v=DMARC1; p=none"]},
        })
        cls.suite = Instance("two.test", users=("alice", "bob", "carol"), start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "yes",
            "dmarc_reports": "yes", "dmarc_report_interval": "3s", "dmarc_report_spread": "0",
            "dmarc_report_from": "alice@two.test", "dmarc_report_organization": "Two & Sons <two.test>"})
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
        self.assertEqual(self.send("x@unwanted.test", "x@unwanted.test", STRANGER, "bob@two.test"), 250)
        self.assertEqual(self.send("x@silent.test", "x@silent.test", STRANGER, "bob@two.test"), 250)
        # What only reports and answers to them come to is not told of.
        self.assertEqual(self.send("x@one.test", "x@one.test", STRANGER, "alice@two.test"), 250)
        expected = {(STRANGER, "none", "fail", "pass", None): 2, (FORGER, "reject", "fail", "fail", None): 1,
                    (FORGER, "none", "fail", "fail", None): 1}
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


if __name__ == "__main__":
    unittest.main()
