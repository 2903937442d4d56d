"""Junk at delivery, and the quarantine: what filters and DMARC mark or hold, and what forgers try."""
import json
import os
import re
import smtplib
import unittest

from dnsserver import DnsServer
from milter import CONTINUE, Milter, add, frame, strings
from posta import PLAIN_BUILD, Instance, message, wait_until

STRANGER, LIST, CHANGED = "127.0.0.5", "127.0.0.6", "127.0.0.7"


def by_subject(milter, _):
    """What an rspamd or SpamAssassin milter says, as the subject asks for it."""
    subject = [data for data in milter.data("L") if data.startswith(b"Subject")][-1]
    edits = []
    if b"[spam]" in subject:
        edits.append(add(b"X-Spam", b"Yes"))
    if b"[hold]" in subject:
        edits += [add(b"X-Spam-Status", b"Yes, score=31.4"), frame(b"q", strings(b"very bad"))]
    return edits + [CONTINUE]


class Junk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer({
            "plain.test": {"A": ["127.0.0.9"]},
            "suspicious.test": {"A": ["127.0.0.9"]},
            "_dmarc.suspicious.test": {"TXT": ["v=DMARC1; p=quarantine"]},
            "strict.test": {"A": ["127.0.0.9"]},
            "_dmarc.strict.test": {"TXT": ["v=DMARC1; p=reject"]},
            "lists.test": {"TXT": [f"v=spf1 ip4:{LIST} -all"]},
            "other.test": {"TXT": ["v=spf1 -all"]},
        })
        cls.milter = Milter(script={"E": by_subject})
        cls.suite = Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "smtpd_milters": cls.milter.name,
            "transport_maps": "inline:{{later.test=retry:4.3.2 not today}}", "smtpd_reject_unlisted_recipient": "no",
            "dmarc_trusted_lists": "lists.test", "quarantine_lifetime": "30d",
            "mail_verification_restrictions": "check_mailauth_access inline:{ { dmarc:fail:strict.test = DUNNO }, { spf:fail:other.test = HOLD others do that },"
                                              " { dmarc:none:refused.test = REJECT 5.7.9 not from there }, { dmarc:none:junk.test = JUNK },"
                                              " { dmarc:fail:allowed.suspicious.test = OK } }"})
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.suite.close()
        finally:
            cls.milter.close()
            cls.dns.close()

    def send(self, author, subject, source=STRANGER, fields="", sender="x@plain.test", to="bob@two.test"):
        with smtplib.SMTP(self.suite.address, self.suite.port(25), local_hostname="client.test", timeout=60, source_address=(source, 0)) as client:
            client.sendmail(sender, [to], fields + message(author, "bob@two.test", subject))

    def in_folder(self, folder, text):
        return [mail for mail in self.suite.inbox("bob", folder) if text.encode() in mail]

    def wait_in(self, folder, text):
        try:
            return wait_until(lambda: self.in_folder(folder, text), what=f"{text} in {folder}")[0]
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.suite.log_tail()}") from None

    def held(self, text):
        """Of `posta quarantine`, the entry of the message with that text."""
        def look():
            said = self.suite.posta("quarantine", "list", "--json").text
            for line in said.splitlines():
                entry = json.loads(line)
                if text in self.suite.posta("quarantine", "show", entry["queue_id"]).text:
                    return entry
            return None
        return wait_until(look, what=f"{text} in quarantine")

    # ---- junk ----

    def test_what_a_filter_marks_is_junk(self):
        self.send("x@plain.test", "[spam] marked-one")
        mail = self.wait_in("Junk", "marked-one")
        self.assertIn(b"X-Spam: Yes", mail)
        self.send("x@plain.test", "clean-one")
        self.wait_in("INBOX", "clean-one")
        self.assertFalse(self.in_folder("Junk", "clean-one"))

    def test_forged_marks_are_not_believed(self):
        """Neither to hide a message in Junk, nor to pass for one that was proven."""
        forged = "X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=99\r\nx-posta-verdict: junk\r\nX-Posta-Verdict: pass; dmarc=pass\r\nX-Spam-Score: 1\r\n"
        self.send("x@plain.test", "forged-marks", fields=forged)
        mail = self.wait_in("INBOX", "forged-marks")
        self.assertNotIn(b"X-Spam-Flag", mail)
        self.assertNotIn(b"X-Spam-Status", mail)
        self.assertIn(b"X-Spam-Score: 1", mail)
        self.assertEqual(re.findall(rb"(?i)x-posta-verdict:[^;\r]*", mail), [b"X-Posta-Verdict: none"])
        self.suite.submit("alice", ["bob"], forged + message("alice@two.test", "bob@two.test", "own-marks"))
        mail = self.wait_in("INBOX", "own-marks")
        self.assertNotIn(b"erdict", mail)
        self.assertNotIn(b"X-Spam-Flag", mail)

    def test_a_filter_of_ours_is_believed(self):
        """A content filter hands mail back from mynetworks: what it says stays."""
        self.suite.inject("x@plain.test", ["bob@two.test"], "X-Spam-Flag: YES\r\n" + message("x@plain.test", "bob@two.test", "by-content-filter"))
        self.assertIn(b"X-Spam-Flag: YES", self.wait_in("Junk", "by-content-filter"))

    def test_dmarc_quarantine_is_junk(self):
        self.send("x@suspicious.test", "dmarc-junk")
        mail = self.wait_in("Junk", "dmarc-junk")
        self.assertIn(b"X-Posta-Verdict: junk; by=dmarc; dmarc=fail; spf=none; dkim=none; arc=none; iprev=", mail)

    def test_the_users_own_junk_mailbox_comes_first(self):
        with self.suite.imap("alice") as client:
            client.delete("Junk")
            kind, said = client._simple_command("CREATE", "Muell", "(USE (\\Junk))")
            self.assertEqual(kind, "OK", said)
        self.suite.inject("x@plain.test", ["alice@two.test"], "X-Spam: Yes\r\n" + message("x@plain.test", "alice@two.test", "own-mailbox"))
        wait_until(lambda: [m for m in self.suite.inbox("alice", "Muell") if b"own-mailbox" in m], what="it in Muell")

    # ---- exceptions ----

    def test_trusted_lists(self):
        """A list changes what it sends on: DMARC fails, and the list is known; who only says that he is the list is not."""
        fields = "List-Id: Talk <talk.lists.test>\r\n"
        self.send("x@strict.test", "list-changed", LIST, fields, "bounce@lists.test")
        self.assertIn(b"X-Posta-Verdict: pass; dmarc=fail", self.wait_in("INBOX", "list-changed"))
        self.suite.wait_log("it comes from a trusted list")
        for source, fields, sender in ((STRANGER, fields, "bounce@lists.test"), (LIST, "List-Id: <talk.other.test>\r\n", "bounce@lists.test"),
                                       (LIST, fields, "x@plain.test"), (LIST, fields + fields, "bounce@lists.test"), (LIST, "", "bounce@lists.test")):
            with self.assertRaises(smtplib.SMTPDataError) as refusal:
                self.send("x@strict.test", "no-list", source, fields, sender)
            self.assertEqual(refusal.exception.smtp_code, 550)
            self.assertIn(b"DMARC p=reject: _dmarc.strict.test", refusal.exception.smtp_error)

    def test_check_mailauth_access(self):
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            self.send("x@refused.test", "refused")
        self.assertEqual(refusal.exception.smtp_error, b"5.7.9 not from there")
        self.send("x@junk.test", "junk-by-table")
        self.assertIn(b"X-Posta-Verdict: junk; by=access;", self.wait_in("Junk", "junk-by-table"))
        self.send("x@allowed.suspicious.test", "allowed-by-table")
        self.assertIn(b"X-Posta-Verdict: pass; dmarc=fail", self.wait_in("INBOX", "allowed-by-table"))
        self.send("x@plain.test", "held-by-table", sender="x@other.test")
        entry = self.held("held-by-table")
        self.assertEqual(entry["reason"], "mailauth: others do that")
        self.suite.posta("quarantine", "delete", entry["queue_id"])
        wait_until(lambda: entry["queue_id"] not in self.suite.posta("quarantine", "list").text, what="gone from quarantine")
        self.assertFalse(self.in_folder("INBOX", "held-by-table"))

    # ---- quarantine ----

    def test_what_a_milter_holds(self):
        self.send("x@plain.test", "[hold] milter-held")
        entry = self.held("milter-held")
        self.assertEqual(entry["reason"], "milter: very bad")
        self.assertEqual((entry["sender"], entry["recipients"]), ("x@plain.test", ["bob@two.test"]))
        self.assertIn("milter: very bad", self.suite.posta("quarantine", "list").text)
        self.assertEqual(self.suite.posta("quarantine", "list", "--recipient", "alice@two.test").text, "")
        # Users are told of what is theirs, since yesterday; others are not.
        self.assertIn("1 user told", self.suite.posta("quarantine", "digest").text)
        mail = self.wait_in("INBOX", "messages for you are in quarantine")
        for text in (b"\r\nTo: bob@two.test\r\n", b"  from x@plain.test\r\n  milter: very bad\r\n  " + entry["queue_id"].encode(), b"Auto-Submitted: auto-generated"):
            self.assertIn(text, mail)
        self.assertIn("0 users told", self.suite.posta("quarantine", "digest", "--since", "0s").text)
        # By a timer each of them once, whenever it was run last.
        wait_until(lambda: "1 user told" in self.suite.posta("quarantine", "digest", "--since", "last").text, what="told")
        self.assertIn("0 users told", self.suite.posta("quarantine", "digest", "--since", "last").text)
        # It is marked as junk too; who releases it says that it is none.
        self.suite.posta("quarantine", "release", entry["queue_id"])
        self.assertIn(b"X-Spam-Status: Yes", self.wait_in("INBOX", "milter-held"))
        self.suite.wait_queue_empty()
        self.assertEqual(self.suite.posta("quarantine", "release", entry["queue_id"], check=False).returncode, 1)

    def test_an_address_with_blanks_is_one(self):
        """Else a stranger has us write to whom they like."""
        self.send("x@plain.test", "[hold] milter-blanks", to='<"x alice"@two.test>')
        entry = self.held("milter-blanks")
        self.assertEqual(len(entry["recipients"]), 1)
        self.suite.posta("quarantine", "digest")
        self.assertEqual([mail for mail in self.suite.inbox("alice") if b"in quarantine" in mail], [])
        self.suite.posta("quarantine", "delete", entry["queue_id"])

    def test_what_people_hold_is_no_quarantine(self):
        self.suite.inject("x@plain.test", ["bob@later.test"], message("x@plain.test", "bob@later.test", "by-hand"))
        def put_off():
            return [m for m in self.suite.queue() if m["queue_name"] == "deferred" and "bob@later.test" in str(m["recipients"])]
        (entry,) = wait_until(put_off, what="put off")
        self.suite.posta("queue", "hold", entry["queue_id"])
        self.assertNotIn(entry["queue_id"], self.suite.posta("quarantine", "list").text)
        self.assertEqual(self.suite.posta("quarantine", "delete", entry["queue_id"], check=False).returncode, 1)
        self.suite.posta("quarantine", "delete", "ALL")
        self.assertIn(entry["queue_id"], self.suite.posta("queue", "list").text)
        self.suite.posta("queue", "delete", entry["queue_id"])


class Score(unittest.TestCase):
    """junk_score_weights: points for what was found, and what follows from their sum."""

    @classmethod
    def setUpClass(cls):
        cls.dns = DnsServer({
            "plain.test": {"A": ["127.0.0.9"]}, "bulk.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]}, "some.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"]}, "forged.test": {"TXT": ["v=spf1 -all"]},
            "6.0.0.127.list.test": {"A": ["127.0.0.2"]}, "66.2.0.192.list.test": {"A": ["127.0.0.2"]},
        })
        cls.suite = Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{cls.dns.port}", "mynetworks": "127.0.0.1/32", "junk_score_limit": "5", "junk_score_reject_limit": "9",
            "junk_score_weights": "spf:fail=4 dkim:none=1 dnsbl:list.test=5 spf:pass=-1 spf:pass:bulk.test=6 spf:pass:some.test=4",
            "mail_verification_restrictions": "check_mailauth_access inline:{ { spf:none:allowed.test = OK } }",
            "sieve_spamtest_header": "X-Posta-Verdict", "sieve_spamtest_max": "5"})
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.suite.close()
        finally:
            cls.dns.close()

    send, in_folder, wait_in = Junk.send, Junk.in_folder, Junk.wait_in

    def test_sums(self):
        self.send("x@plain.test", "one-point")
        self.assertIn(b"X-Posta-Verdict: none; dmarc=none; spf=none; dkim=none; arc=none; iprev=", self.wait_in("INBOX", "one-point"))
        self.assertIn(b"; score=1\r\n", self.wait_in("INBOX", "one-point"))
        self.send("x@plain.test", "six-points", source=LIST)
        self.assertRegex(self.wait_in("Junk", "six-points"), rb"X-Posta-Verdict: junk; by=score; .*; score=6\r\n")
        self.suite.wait_log(r"score 6 \(dkim:none=1 dnsbl:list\.test=5\)|score 6 \(dnsbl:list\.test=5 dkim:none=1\)")
        self.send("x@plain.test", "also-six", sender="x@bulk.test")
        self.assertIn(b"; score=6\r\n", self.wait_in("Junk", "also-six"))
        self.send("x@plain.test", "five-points", sender="x@forged.test")
        self.assertIn(b"; score=5\r\n", self.wait_in("Junk", "five-points"))

    def test_too_many_points(self):
        with self.assertRaises(smtplib.SMTPDataError) as refusal:
            self.send("x@plain.test", "ten-points", sender="x@forged.test", source=LIST)
        self.assertEqual(refusal.exception.smtp_code, 550)
        self.assertRegex(refusal.exception.smtp_error, rb"5\.7\.1 Error: this looks like junk: score 10 \(.*spf:fail=4")

    def test_who_is_exempt_has_no_score(self):
        self.send("x@plain.test", "exempt-one", sender="x@allowed.test", source=LIST)
        self.assertNotIn(b"score=", self.wait_in("INBOX", "exempt-one"))

    def test_scripts_see_it(self):
        """spamtest: of four points, where five are certainly junk."""
        path = f"{self.suite.dir}/script"
        with open(path, "w") as file:
            file.write('require ["spamtest", "relational", "comparator-i;ascii-numeric", "fileinto", "mailbox"];\n'
                       'if spamtest :value "eq" :comparator "i;ascii-numeric" "8" { fileinto :create "Marked"; }\n')
        for words in (("put", "alice@two.test", "main", path), ("activate", "alice@two.test", "main")):
            self.suite.command([os.path.join(PLAIN_BUILD, "bin", "posta"), "-c", self.suite.conf, "sieve", *words])
        self.send("x@plain.test", "four-points", sender="x@some.test", to="alice@two.test")
        (mail,) = wait_until(lambda: [mail for mail in self.suite.inbox("alice", "Marked") if b"four-points" in mail], what="it in Marked")
        self.assertIn(b"; score=4\r\n", mail)

    def test_explain(self):
        said = self.suite.posta("explain", "--from", "x@forged.test", "--to", "bob@two.test", "--client", "192.0.2.66", check=False).text
        self.assertIn("score 9 (spf:fail=4 dnsbl:list.test=5), without what DKIM, DMARC, ARC and iprev add", said)

    def test_nonsense_is_named(self):
        with Instance("two.test", main={"junk_score_weights": "dmarc:wrong=3"}, start=False) as suite:
            suite.posta("start", check=False)
            suite.wait_log("junk_score_weights.*dmarc:wrong: expected method:result")


class Expiry(unittest.TestCase):
    def test_quarantine_ends(self):
        """What was held by a table is deleted when its time is over; what was held by hand stays."""
        with Instance("two.test", main={"quarantine_lifetime": "3s", "header_checks": "inline:{ {subject: held-by-check = HOLD bad words} }",
                                        "defer_transports": "virtual"}) as suite:
            suite.inject("x@plain.test", ["bob@two.test"], message("x@plain.test", "bob@two.test", "held-by-hand"))
            (kept,) = wait_until(lambda: [m for m in suite.queue() if m["queue_name"] == "deferred"], what="put off")
            suite.posta("queue", "hold", kept["queue_id"])
            suite.inject("x@plain.test", ["bob@two.test"], message("x@plain.test", "bob@two.test", "held-by-check"))
            self.assertRegex(suite.posta("quarantine", "list").text, "header: bad words")
            suite.wait_log("removed: its time in quarantine is over")
            self.assertEqual([m["queue_id"] for m in suite.queue()], [kept["queue_id"]])
            # A queue manager that has just begun does the same, from the disk.
            suite.inject("x@plain.test", ["bob@two.test"], message("x@plain.test", "bob@two.test", "held-by-check"))
            suite.stop()
            suite.start()
            wait_until(lambda: [m["queue_id"] for m in suite.queue_safe() if m != "?"] == [kept["queue_id"]], what="only what was held by hand")


if __name__ == "__main__":
    unittest.main()
