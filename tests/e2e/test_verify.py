"""Address verification: probes through the queue to another server, what is remembered of them, and crashes."""
import os
import signal
import socketserver
import threading
import unittest

from posta import Instance, message, wait_until
from test_log import pids


class Remote(socketserver.ThreadingTCPServer):
    """A server that takes, refuses or puts off mail by the name of the recipient, and notes what it hears."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RemoteConversation)
        self.port = self.server_address[1]
        self.heard, self.messages = [], 0
        self.release = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def probes(self, address):
        return [line for line in self.heard if line.upper().startswith("RCPT") and f"<{address}>" in line]


class RemoteConversation(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def answer(self, line):
        name = line.split("<")[1].split("@")[0].rstrip("0123456789")
        if name == "slow":
            self.server.release.wait(60)
        return {"bad": "550 5.1.1 nobody of that name", "later": "451 4.2.0 come back"}.get(name, "250 2.1.5 Ok")

    def handle(self):
        self.say("220 remote.test ESMTP")
        while line := self.rfile.readline().decode().strip():
            self.server.heard.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "RCPT":
                self.say(self.answer(line))
            elif verb == "DATA":
                self.say("354 go")
                while (content := self.rfile.readline()) and content != b".\r\n":
                    pass
                self.server.messages += content == b".\r\n"
                self.say("250 2.0.0 Ok")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 Ok")


class Verification(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.remote = Remote()
        cls.suite = Instance(main={
            "transport_maps": f"inline:{{ remote.test=smtp:[127.0.0.1]:{cls.remote.port} }}",
            "smtpd_sender_restrictions": "reject_unverified_sender",
            "smtpd_recipient_restrictions": "reject_unverified_recipient",
            "smtpd_reject_unlisted_recipient": "no",
            "unverified_recipient_reject_code": "550",
            "address_verify_poll_count": "2",
            "address_verify_poll_delay": "10s",
            "virtual_alias_maps": "inline:{ { both@example.test = alice@example.test, bob@example.test } }",
            # Probes go where a table of their own says.
            "address_verify_transport_maps": f"inline:{{ {{ closed.test = error:5.1.2 closed for probes }},"
                                             f" remote.test=smtp:[127.0.0.1]:{cls.remote.port} }}",
        })

    @classmethod
    def tearDownClass(cls):
        cls.remote.release.set()
        cls.suite.close()
        cls.remote.shutdown()
        cls.remote.server_close()

    def ask(self, recipient, sender=""):
        with self.suite.smtp() as client:
            client.ehlo()
            client.docmd("MAIL", f"FROM:<{sender}>")
            code, text = client.docmd("RCPT", f"TO:<{recipient}>")
        return code, text.decode()

    def test_an_address_that_is_taken(self):
        self.assertEqual(self.ask("good@remote.test")[0], 250)
        self.assertEqual(self.ask("good@remote.test")[0], 250)
        self.assertEqual(len(self.remote.probes("good@remote.test")), 1)
        self.assertTrue([line for line in self.remote.heard if line.startswith("MAIL FROM:<double-bounce@")])
        self.suite.wait_log(r"to=<good@remote\.test>.* status=deliverable \(250 2\.1\.5 Ok\)")
        self.suite.wait_queue_empty()
        self.assertEqual(self.remote.messages, 0)

    def test_an_address_that_is_refused(self):
        code, text = self.ask("bad@remote.test")
        self.assertEqual(code, 550)
        self.assertRegex(text, r"5\.1\.1 <bad@remote\.test>: Recipient address rejected: undeliverable address: "
                               r"host 127\.0\.0\.1\[127\.0\.0\.1\] said: 550 5\.1\.1 nobody of that name")
        self.assertEqual(self.ask("bad@remote.test")[0], 550)
        self.assertEqual(len(self.remote.probes("bad@remote.test")), 1)
        self.suite.wait_log(r"to=<bad@remote\.test>.* status=undeliverable")
        self.suite.wait_queue_empty()

    def test_a_server_that_puts_off(self):
        code, text = self.ask("later@remote.test")
        self.assertEqual(code, 450)
        self.assertIn("unverified address: host 127.0.0.1[127.0.0.1] said: 451 4.2.0 come back", text)
        # Such a probe is not tried again by the queue.
        self.suite.wait_queue_empty()

    def test_a_sender(self):
        code, text = self.ask("alice@example.test", sender="bad1@remote.test")
        self.assertEqual(code, 450)
        self.assertIn("4.1.7 <bad1@remote.test>: Sender address rejected: undeliverable address", text)
        self.assertEqual(self.ask("alice@example.test", sender="good1@remote.test")[0], 250)

    def test_our_own_addresses(self):
        self.assertEqual(self.ask("alice@example.test")[0], 250)
        self.assertEqual(self.ask("both@example.test")[0], 250)
        code, text = self.ask("nobody@example.test")
        self.assertEqual(code, 550)
        self.assertIn("unknown user", text)
        self.assertEqual(self.suite.inbox("alice"), [])

    def test_a_table_of_their_own(self):
        code, text = self.ask("x@closed.test")
        self.assertEqual(code, 550)
        self.assertIn("closed for probes", text)

    def test_mail_for_the_sender_of_probes(self):
        self.assertEqual(self.ask("double-bounce@example.test")[0], 250)
        for address in ("double-bounce@example.test", "double-bounce@localhost"):
            self.suite.posta("send", "-f", "<>", address, stdin="Subject: nobody reads it\n\n")
            self.suite.wait_log(rf"to=<{address}>.* status=sent \(nobody reads this: discarded\)")


class StatusFilters(unittest.TestCase):
    """What a server says is taken for something else, but never good for bad or the reverse."""

    @classmethod
    def setUpClass(cls):
        cls.remote = Remote()
        cls.suite = Instance(main={
            "transport_maps": f"inline:{{ remote.test=smtp:[127.0.0.1]:{cls.remote.port} }}",
            "default_delivery_status_filter":
                "regexp:{ {/^5\\.1\\.1 (host .* nobody of that name.*)/ 4.1.1 perhaps: $$1}"
                " {/^4\\.2\\.0 .*come back/ 5.2.0 it will not get better}"
                " {/^2\\.0\\.0 .*/ 5.0.0 a lie} }",
            "virtual_delivery_status_filter": "regexp:{ {/^2.0.0 delivered to maildir.*/ 2.2.2 in the mailbox} }",
        })

    tearDownClass = classmethod(Verification.tearDownClass.__func__)

    def test_refused_is_put_off_and_the_reverse(self):
        self.suite.inject("alice@example.test", ["bad@remote.test"], message(subject="one"))
        self.suite.wait_log(r"to=<bad@remote\.test>.* dsn=4\.1\.1, status=deferred \(perhaps: host 127.*nobody")
        self.suite.inject("alice@example.test", ["later@remote.test"], message(subject="two"))
        self.suite.wait_log(r"to=<later@remote\.test>.* dsn=5\.2\.0, status=bounced \(it will not get better\)")

    def test_delivered_stays_delivered(self):
        self.suite.inject("alice@example.test", ["good@remote.test"], message(subject="three"))
        self.suite.wait_log(r"to=<good@remote\.test>.* dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok\)")
        self.suite.wait_log(r'delivery status filter: "5\.0\.0 a lie" cannot take the place of')
        self.suite.inject("alice@example.test", ["bob@example.test"], message(subject="four"))
        self.suite.wait_log(r"to=<bob@example\.test>.* dsn=2\.2\.2, status=sent \(in the mailbox\)")


class Interrupted(unittest.TestCase):
    """One probe at a time, whoever asks, and whatever happens to verify meanwhile."""

    @classmethod
    def setUpClass(cls):
        cls.remote = Remote()
        cls.suite = Instance(main={
            "transport_maps": f"inline:{{ remote.test=smtp:[127.0.0.1]:{cls.remote.port} }}",
            "smtpd_recipient_restrictions": "reject_unverified_recipient",
            "address_verify_poll_count": "1",
            "smtp_address_verify_target": "data",
            "address_verify_sender": "probe",
            "address_verify_sender_ttl": "1h",
        })

    tearDownClass = classmethod(Verification.tearDownClass.__func__)
    ask = Verification.ask

    def test_a_crash_while_a_probe_is_under_way(self):
        code, text = self.ask("slow@remote.test")
        self.assertEqual(code, 450)
        self.assertIn("unverified address: Address verification in progress", text)
        wait_until(lambda: self.remote.probes("slow@remote.test"), what="the probe")
        self.assertEqual(self.ask("slow@remote.test")[0], 450)
        # What is known is on the disk within a second or two.
        before = os.stat(os.path.join(self.suite.home, "data", "verify_cache.posta")).st_mtime_ns
        self.assertTrue(before)
        self.suite.posta("reload")
        wait_until(lambda: self.ask("slow@remote.test")[0] == 450, what="verify")
        for pid in pids(self.suite, "verify"):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.ask("slow@remote.test")[1].endswith("in progress"), what="verify again")
        self.assertEqual(len(self.remote.probes("slow@remote.test")), 1)
        self.remote.release.set()
        wait_until(lambda: self.ask("slow@remote.test")[0] == 250, what="the result")
        self.assertEqual(len(self.remote.probes("slow@remote.test")), 1)
        self.suite.stop()
        self.suite.start()
        self.assertEqual(self.ask("slow@remote.test")[0], 250)
        self.assertEqual(len(self.remote.probes("slow@remote.test")), 1)
        senders = [line for line in self.remote.heard if line.startswith("MAIL FROM:<probe")]
        self.assertTrue(senders)
        address = senders[0].split("<")[1].split(">")[0]
        self.assertNotEqual(address.split("@")[0], "probe")
        # Servers that ask back are told that there is such an address; mail for it is thrown away.
        self.suite.posta("send", "-f", "<>", address, stdin="Subject: who are you?\n\n")
        self.suite.wait_log(r"status=sent \(nobody reads this: discarded\)")
        self.suite.wait_queue_empty()
        self.assertEqual(self.remote.heard.count("DATA"), 1)
        self.assertEqual(self.remote.messages, 0)


if __name__ == "__main__":
    unittest.main()
