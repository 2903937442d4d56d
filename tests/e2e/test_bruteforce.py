"""Guessing passwords: whatever a client does, its checks come one after the other, with waits."""
import base64
import contextlib
import re
import smtplib
import socket
import threading
import time
import unittest

from posta import Instance, PASSWORD, Talk


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class Attack(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"disable_plaintext_auth": "no", "auth_cache_time": "0",
                                      **cls.settings})
        cls.addClassCleanup(cls.instance.close)

    def talk(self, port, source):
        """A connection from an address of our own."""
        talk = Talk.__new__(Talk)
        talk.socket = socket.create_connection(("127.0.0.1", self.instance.port(port)), 60,
                                               source_address=(source, 0))
        talk.buffer = b""
        talk.line()
        self.addCleanup(talk.socket.close)
        return talk

    def smtp(self, source):
        i = self.instance
        client = smtplib.SMTP_SSL("127.0.0.1", i.port(465), "client.test", timeout=60,
                                  context=i.tls_context(), source_address=(source, 0))
        client.ehlo()
        return client

    def try_imap(self, source, user, password, hang_up=False):
        talk = self.talk(143, source)
        with contextlib.closing(talk.socket):
            talk.send(f"a LOGIN {user} {password}\r\n")
            return b"" if hang_up else talk.until(b"a ")


class Guessing(Attack):
    settings = {"auth_failure_delay": "1s", "auth_failure_delay_max": "1s"}

    def checks(self):
        return len(re.findall(r"login failed \(wrong password\)", self.instance.log()))

    def test_attack(self):
        i = self.instance
        home, attacker, other = "127.0.0.2", "127.0.0.3", "127.0.0.4"
        # The owner has logged in from home once.
        self.assertIn(b"a OK", self.try_imap(home, "alice@example.test", PASSWORD))
        for n in range(6):
            self.assertIn(b"a NO", self.try_imap(attacker, "alice@example.test", f"guess{n}"))
        i.wait_log(r"logins held: address 127\.0\.0\.3, ")
        i.wait_log(r"logins held: account alice@example\.test, ")
        # Everything at once: hang up, stay, another service, another name.
        before, start = self.checks(), time.monotonic()
        stop = threading.Event()

        def pour(function):
            while not stop.is_set():
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    function()

        def hang_up():
            self.try_imap(attacker, "alice@example.test", "bad", hang_up=True)

        def stay():
            self.try_imap(attacker, "bob@example.test", "bad")

        def smtp():
            client = self.smtp(attacker)
            client.docmd("AUTH", f"PLAIN {plain('alice@example.test', 'bad')}")
            client.close()

        def pop3():
            talk = self.talk(110, attacker)
            with contextlib.closing(talk.socket):
                talk.send("USER bob@example.test\r\nPASS bad\r\n")
                talk.line(), talk.line()
        threads = [threading.Thread(target=pour, args=(f,), daemon=True)
                   for f in (hang_up, hang_up, stay, stay, smtp, pop3)]
        for thread in threads:
            thread.start()
        # Meanwhile at home, and somebody else anywhere.
        self.assertIn(b"a OK", self.try_imap(home, "alice@example.test", PASSWORD))
        self.assertIn(b"a OK", self.try_imap(other, "bob@example.test", PASSWORD))
        time.sleep(max(0, start + 5 - time.monotonic()))
        checked, took = self.checks() - before, time.monotonic() - start
        stop.set()
        self.assertLessEqual(checked, took + 1, f"{checked} checks in {took:.1f} s")
        held = i.posta("who", "--held").text
        self.assertRegex(held, r"address +127\.0\.0\.3 ")
        self.assertRegex(held, r"account +alice@example\.test ")
        self.assertRegex(i.posta("status").text, r"(?m)^held +\d+ addresses and \d+ accounts wait ")


class Failures(Attack):
    def test_a_connection_ends_after_three(self):
        source = "127.0.0.9"
        talk = self.talk(143, source)
        for n in range(3):
            talk.send(f"a{n} LOGIN alice@example.test bad\r\n")
            self.assertIn(b" NO ", talk.until(f"a{n} ".encode()))
        self.assertIn(b"* BYE", talk.line())
        self.assertEqual(talk.line(), b"")
        talk = self.talk(110, "127.0.0.10")
        for n in range(3):
            talk.send("USER bob@example.test\r\nPASS bad\r\n")
            self.assertIn(b"+OK", talk.line())
            self.assertIn(b"-ERR", talk.line())
        self.assertIn(b"-ERR Too many", talk.line())
        self.assertEqual(talk.line(), b"")
        client = self.smtp("127.0.0.11")
        answers = [client.docmd("AUTH", f"PLAIN {plain('bob@example.test', 'bad')}")[0] for _ in range(3)]
        self.assertEqual(answers, [535, 535, 421])
        client.close()


if __name__ == "__main__":
    unittest.main()
