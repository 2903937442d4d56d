"""LMTP from other MTAs into the mailboxes here: an answer for each recipient, by what really became of it."""
import os
import re
import smtplib
import subprocess
import unittest

from posta import Instance, PASSWORD, message, wait_until

SERVICE = """127.0.0.1:{port} inet n - - - - smtpd
    -o smtpd_protocol=lmtp
    -o smtpd_authorized_xforward_hosts=127.0.0.0/8
lmtpd unix n - - - - smtpd
    -o smtpd_protocol=lmtp
"""


class Lmtp(unittest.TestCase):
    def setUp(self):
        self.instance = i = Instance(start=False, main={"virtual_alias_maps": "inline:{ info@example.test=bob@example.test }"})
        self.addCleanup(i.close)
        self.port = i.base + 24
        with open(os.path.join(i.conf, "master.cf"), "a") as file:
            file.write(SERVICE.format(port=self.port))
        i.start()

    def deliver(self, recipients, where=None, content=None, sender="sender@other.test", forwarded=False):
        """The replies to RCPT, and those to the content."""
        client = smtplib.LMTP(where or "127.0.0.1", 0 if where else self.port, local_hostname="mta.test", timeout=60)
        self.addCleanup(client.close)
        client.ehlo_or_helo_if_needed()
        if forwarded:
            self.assertEqual(client.docmd("XFORWARD NAME=spike.test ADDR=192.0.2.7 PROTO=ESMTP HELO=spike.test")[0], 250)
        self.assertEqual(client.mail(sender)[0], 250)
        taken = [client.rcpt(recipient) for recipient in recipients]
        if not any(code == 250 for code, _ in taken):
            return taken, []
        client.putcmd("data")
        self.assertEqual(client.getreply()[0], 354)
        client.send((content or message(sender=sender, to=recipients[0])).encode() + b".\r\n")
        answers = [client.getreply() for code, _ in taken if code == 250]
        client.quit()
        return taken, answers

    def queue_is_empty(self):
        return "queue is empty" in self.instance.posta("queue", "list").text

    def test_answers(self):
        i = self.instance
        i.posta("user", "set", "bob@example.test", "--extra", "quota_messages=1")
        i.posta("conf", "-e", "mailbox_quota_warnings=")
        i.posta("reload")
        unix = os.path.join(i.home, "queue", "public", "lmtpd")
        taken, answers = self.deliver(["alice@example.test", "bob@example.test", "nobody@example.test", "x@other.test",
                                       "bob@example.test"], unix)
        self.assertEqual([code for code, _ in taken], [250, 250, 550, 550, 250])
        self.assertEqual([code for code, _ in answers], [250, 250, 250], answers)
        self.assertIn(b"delivered to maildir", answers[0][1])
        # For bob there is no room any more: his mail stays with the client, and alice has hers.
        taken, answers = self.deliver(["bob@example.test", "alice@example.test"], forwarded=True)
        self.assertEqual([code for code, _ in taken], [250, 250])
        self.assertEqual([code for code, _ in answers], [552, 250], answers)
        self.assertIn(b"5.2.2 <bob@example.test> Quota exceeded", answers[0][1])
        i.wait_log(r"orig_client=spike\.test\[192\.0\.2\.7\]")
        i.wait_log(r"to=<bob@example.test>: the LMTP client is told, and keeps it")
        wait_until(self.queue_is_empty, what="an empty queue")
        self.assertNotIn("non-delivery notification", i.log())
        # The alias is ours, and so is what becomes of it.
        _, answers = self.deliver(["info@example.test"])
        self.assertEqual([code for code, _ in answers], [250], answers)
        i.wait_log(r"sender non-delivery notification")
        with i.imap("alice") as alice:
            alice.select("INBOX")
            self.assertEqual(alice.search(None, "ALL")[1][0].split(), [b"1", b"2"])
            header = alice.fetch("1", "(BODY[HEADER])")[1][0][1]
            self.assertRegex(header, rb"(?s)Received: from mta\.test \(.*with LMTP id ")
        # Later senders hear it at RCPT.
        wait_until(lambda: self.deliver(["bob@example.test"])[0][0][0] == 552, what="a refusal at RCPT")

    def test_what_the_client_does_not_keep(self):
        """On hold is answered at once; a blind copy, and what a table made of an address, stay in the queue."""
        i = self.instance
        i.set(header_checks="regexp:{{/^Subject: held/ HOLD}}", lmtpd_result_time="600s", always_bcc="copy@late.test",
              transport_maps="inline:{ late.test=retry:later }")
        i.posta("reload")
        _, answers = self.deliver(["alice@example.test"], content="Subject: held\r\n\r\nx\r\n")
        self.assertEqual([code for code, _ in answers], [250], answers)
        self.assertIn(b"queued as", answers[0][1])
        _, answers = self.deliver(["alice@example.test"])
        self.assertIn(b"delivered to maildir", answers[0][1])
        i.wait_log(r"to=<copy@late\.test>.*status=deferred")
        self.assertNotIn("the LMTP client is told", i.log())
        wait_until(lambda: i.posta("queue", "list").text.count("copy@late.test") == 2, what="the copies in the queue")
        i.set(enable_original_recipient="no", lmtpd_result_time="3s", virtual_alias_maps="inline:{ info@example.test=x@late.test }",
              always_bcc="")
        i.posta("reload")
        _, answers = self.deliver(["info@example.test"])
        self.assertEqual([code for code, _ in answers], [250], answers)
        i.wait_log(r"to=<x@late\.test>.*status=deferred")
        wait_until(lambda: "x@late.test" in i.posta("queue", "list").text, what="the alias's recipient in the queue")

    def test_other_clients(self):
        i = self.instance
        swaks = subprocess.run(["swaks", "--protocol", "LMTP", "--server", f"127.0.0.1:{self.port}", "--from", "a@other.test",
                                "--to", "alice@example.test,bob@example.test", "--hide-informational"],
                               stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(swaks.returncode, 0, swaks.stdout)
        self.assertIn("delivered to maildir", swaks.stdout)
        # The suite's own client, for whom a full mailbox is the end of it.
        i.posta("user", "set", "bob@example.test", "--extra", "quota_messages=1")
        with Instance(domain="front.test", users=("carol",),
                      main={"transport_maps": f"inline:{{ example.test=lmtp:inet:127.0.0.1:{self.port} }}",
                            "relay_domains": "example.test"}) as front:
            with front.smtp() as client:
                client.sendmail(front.user("carol"), ["alice@example.test", "bob@example.test"], message(to="alice@example.test"))
            front.wait_log(r"to=<alice@example.test>, relay=127.0.0.1.*dsn=2\.0\.0, status=sent")
            front.wait_log(r"to=<bob@example.test>, relay=127.0.0.1.*dsn=5\.2\.2, status=bounced .*Quota exceeded")
            with front.imap("carol") as carol:
                wait_until(lambda: carol.select("INBOX")[1][0] == b"1", what="the notification")


if __name__ == "__main__":
    unittest.main()
