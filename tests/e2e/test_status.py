"""What posta says of a running instance and of its mail: status in ten lines, trace by sender, recipient and time."""
import json
import os
import re
import time
import unittest

from posta import AS_ROOT, Instance, message, wait_until


class Status(unittest.TestCase):
    def test_ten_lines(self):
        with Instance(main={"transport_maps": "inline:{{later.test=retry:4.3.2 not today}}"}) as suite:
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="one"))
            suite.wait_mail("bob")
            suite.posta("send", "-f", "alice@example.test", "y@later.test", stdin=message(subject="two"))
            wait_until(lambda: [m["queue_name"] for m in suite.queue()] == ["deferred"], what="a deferred message")
            with suite.imap("bob") as client:
                client.select("INBOX")
                said = suite.posta("status").text
            self.assertLessEqual(len(said.splitlines()), 12, said)
            self.assertRegex(said, r"\Aposta +\d+\.\d+\.\d+ runs since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+\w+\), process \d+; \d+ processes")
            self.assertRegex(said, rf"(?m)^instance +{suite.conf}; queue {suite.home}/queue$")
            self.assertRegex(said, rf"(?m)^ports +{suite.port(25)} smtp, {suite.port(587)} submission, .*; on 127\.0\.0\.1$")
            self.assertRegex(said, r"(?m)^queue +1 messages, \d+ Kbytes: 0 incoming, 0 active, 1 deferred, 0 on hold; the oldest since \d+s$")
            if AS_ROOT:
                self.assertRegex(said, r"(?m)^mail +since the start 2 received, 1 delivered, \d+ times put off, 0 returned, 0 refused$")
                self.assertRegex(said, r"(?m)^connections +imaps 1$")
                self.assertRegex(said, r"(?m)^logged in +1 by imap, 0 by pop3")
            self.assertRegex(said, r"(?m)^users +2 mailbox users; mail for .*example\.test$")
            self.assertRegex(said, r"(?m)^certificate +localhost until \d{4}-\d\d-\d\d \(\d+ days\), .*/server\.pem$")
            self.assertRegex(said, r"(?m)^disk +\d+ MB free")
            self.assertRegex(said, r"(?m)^health +nothing wrong is seen$")
            if AS_ROOT:
                suite.as_user = "nobody"
                theirs = suite.posta("status").text
                suite.as_user = None
                self.assertRegex(theirs, r"\Aposta .* runs since ")
                self.assertNotIn("logged in", theirs)
                self.assertRegex(theirs, r"(?m)^users +not to be seen by you$")
            # What is ill is said at the end.
            suite.set(queue_minfree="9999999999999")
            said = suite.posta("status").text
            self.assertRegex(said.splitlines()[-1], r"^ILL +little room for the queue")
            self.assertNotIn("health", said)
            suite.set(queue_minfree="0")
            suite.stop()
            done = suite.posta("status", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.text, r"\Aposta +\S+ does not run\n")
            self.assertRegex(done.text, r"(?m)^queue +1 messages")
            self.assertNotIn("logged in", done.text)
            suite.posta("send", "bob", stdin="Subject: kept\n\n")
            self.assertRegex(suite.posta("status", check=False).text, r"(?m)^maildrop +1 messages of local users wait for the start$")


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={"mynetworks": "192.0.2.1", "transport_maps": "inline:{{later.test=retry:4.3.2 not today}}"})
        cls.suite.inject("one@outside.test", ["bob@example.test", "alice@example.test"], message(subject="first"))
        cls.suite.wait_mail("bob")
        cls.suite.wait_mail("alice")
        cls.suite.posta("send", "-f", "alice@example.test", "x@later.test", stdin=message(subject="later"))
        wait_until(lambda: [m["queue_name"] for m in cls.suite.queue()] == ["deferred"], what="a deferred message")
        with cls.suite.smtp(25) as client:
            client.ehlo()
            client.docmd('MAIL FROM:<"odd; from=<forged@x.test"@outside.test>')
            client.rcpt("nosuch@example.test")
            client.rcpt("victim@elsewhere.test")
            client.docmd('RCPT TO:<"v; from=<forged@y.test> to=<b@y.test> "@elsewhere.test>')

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def trace(self, *words, status=0):
        done = self.suite.posta("trace", *words, check=False)
        self.assertEqual(done.returncode, status, done.text)
        return done.text

    def found(self, *words):
        return [json.loads(line) for line in self.trace("--json", *words).splitlines()]

    def test_by_sender_and_recipient(self):
        (one,) = self.found("--from", "ONE@outside.test")
        self.assertEqual(sorted((r["address"], r["status"]) for r in one["recipients"]),
                         [("alice@example.test", "sent"), ("bob@example.test", "sent")])
        self.assertEqual(self.found("--to", "bob@example.test"), [one])
        self.assertEqual(self.found("--from", "@outside.test", "--to", "@example.test")[0], one)
        (later,) = self.found("--to", "@later.test")
        self.assertEqual((later["sender"], later["recipients"]), ("alice@example.test", [{"address": "x@later.test", "status": "deferred"}]))
        self.trace("--from", "nobody@outside.test", status=1)
        text = self.trace("--from", "one@outside.test")
        self.assertRegex(text, rf"\A\S+ +\S+ +\S+  {one['queue_id']}  from <one@outside\.test> to <bob@example\.test> sent, <alice@example\.test> sent\n\Z"
                         if " " in one["time"] else rf"{one['queue_id']}  from <one@outside\.test> to ")
        # All of it.
        full = self.trace("--from", "one@outside.test", "--full")
        self.assertEqual(full, self.trace(one["queue_id"]))
        self.assertIn("=> no longer in the queue: 2 delivered", full)

    def test_refusals(self):
        (refused,) = self.found("--to", "nosuch@example.test")
        self.assertNotIn("queue_id", refused)
        self.assertIn("550 5.1.1", refused["refused"])
        self.assertEqual(refused["recipients"], [{"address": "nosuch@example.test", "status": "refused"}])
        # What is in quotes is a stranger's word.
        self.assertEqual(self.found("--from", '"odd; from=<forged@x.test"@outside.test', "--to", "victim@elsewhere.test")[0]["recipients"],
                         [{"address": "victim@elsewhere.test", "status": "refused"}])
        for sender in ("forged@x.test", "forged@y.test"):
            self.trace("--from", sender, status=1)
        self.assertEqual(len(self.found("--to", '"v; from=<forged@y.test> to=<b@y.test> "@elsewhere.test')), 1)
        self.assertRegex(self.trace("--to", "victim@elsewhere.test"), "refused  from <.*> to <victim@elsewhere.test>: .*Relay access denied")

    def test_by_time(self):
        everything = self.found("--since", "1h")
        self.assertEqual(len(everything), 5, everything)
        self.trace("--since", "2000-01-01", "--until", "2000-01-02", status=1)
        self.assertEqual(self.found("--since", time.strftime("%Y-%m-%d"))[:1], everything[:1])
        self.trace("--until", "1h", status=1)
        for words in (("--since", "soon"), (), ("--from", "a@b", "ID123456"), ("a", "b")):
            self.trace(*words, status=2)

    def test_by_message_id(self):
        (one,) = self.found("--from", "one@outside.test")
        message_id = re.search(rf"{one['queue_id']}: message-id=(<\S+>)", self.suite.log())[1]
        self.assertEqual(self.trace("--message-id", message_id), self.trace(one["queue_id"]))


if __name__ == "__main__":
    unittest.main()
