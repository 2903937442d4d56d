"""Tables that are other people's servers, socketmap and tcp: good ones, hostile ones, dead ones."""
import threading
import time
import unittest

from peers import Server
from posta import Instance, Talk, message


class TableServer(Server):
    """Answers each question with what `answer` says: bytes, None to close, or a function of the socket."""

    def __init__(self):
        self.keys = []
        super().__init__()

    def serve(self, client):
        with client, client.makefile("rb") as lines:
            try:
                while (key := self.question(lines)) is not None:
                    self.keys.append(key)
                    answer = self.answer(key)
                    if answer is None:
                        return
                    if callable(answer):
                        answer(client)
                    else:
                        client.sendall(answer)
            except OSError:
                return


def trickle(client):
    for _ in range(100):
        client.sendall(b"1")
        time.sleep(0.1)
        client.sendall(b"")


def slow_value(client):
    client.sendall(b"50:OK ")
    for _ in range(100):
        time.sleep(0.1)
        client.sendall(b"x")


class Socketmap(TableServer):
    VALUES = {
        "virtual go@example.test": b"5:OK bo,", "virtual bo@example.test": b"19:OK bob@example.test,",
        "access s@no.test": b"17:OK REJECT go away,",
        "access s@temp.test": b"9:TEMP busy,", "access s@perm.test": b"5:PERM ,", "access s@closes.test": None,
        "access s@nonsense.test": b"220 mail.example.org ESMTP\r\n", "access s@short.test": b"4:OK DUNNO,",
        "access s@huge.test": b"999999999:OK DUNNO", "access s@control.test": b"12:OK REJECT\r\nx,",
        "access s@silent.test": lambda client: time.sleep(60), "access s@trickle.test": slow_value,
        "access s@digits.test": trickle}

    def question(self, lines):
        length = b""
        while (byte := lines.read(1)) not in (b":", b""):
            length += byte
        return lines.read(int(length) + 1)[:-1].decode() if length else None

    def answer(self, key):
        return self.VALUES.get(key, b"9:NOTFOUND ,")


class Tcp(TableServer):
    def __init__(self):
        self.asked, self.go_on, self.late = threading.Event(), threading.Event(), False
        self.VALUES = {"b%25b@far.test": b"200 discard:into%20the%20void\n", "late@far.test": self.answer_late,
                       "held@far.test": self.answer_late}
        super().__init__()

    def answer_late(self, client):
        if not self.late:
            client.sendall(b"500 no\n")
            return
        self.asked.set()
        self.go_on.wait(15)
        client.sendall(b"200 discard:too%20late\n")

    def question(self, lines):
        line = lines.readline().decode()
        return line[4:-1] if line.startswith("get ") else None

    def answer(self, key):
        return self.VALUES.get(key, b"500 no\n")


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.maps, cls.tcp = Socketmap(), Tcp()
        where = f"socketmap:inet:127.0.0.1:{cls.maps.port}"
        cls.suite = Instance(main={
            "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000", "table_server_timeout": "1s",
            "virtual_alias_maps": f"proxy:{where}:virtual", "transport_maps": f"tcp:127.0.0.1:{cls.tcp.port}",
            "smtpd_recipient_restrictions": f"check_sender_access {where}:access, permit_mynetworks, reject"})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.maps.close()
        cls.tcp.close()

    def rcpt(self, sender, recipient="bob@example.test", suite=None):
        with Talk("127.0.0.1", (suite or self.suite).port(25)) as talk:
            talk.reply()
            talk.ask("EHLO client.test\r\n")
            talk.ask(f"MAIL FROM:<{sender}>\r\n")
            return talk.ask(f"RCPT TO:<{recipient}>\r\n").decode().strip()

    def test_values_decide(self):
        self.assertEqual(self.rcpt("s@fine.test"), "250 2.1.5 Ok")
        self.assertEqual(self.rcpt("s@no.test"), "554 5.7.1 <s@no.test>: Sender address rejected: go away")
        # The key is the whole address: it is not taken apart.
        self.assertNotIn("access no.test", self.maps.keys)

    def test_an_alias_is_followed(self):
        with self.suite.smtp(25) as client:
            client.sendmail("s@fine.test", ["go@example.test"], message(subject="aliased"))
        self.suite.wait_mail("bob", text="Subject: aliased")

    def test_the_queue_asks(self):
        with self.suite.smtp(25) as client:
            client.sendmail("s@fine.test", ["b%b@far.test"], message(subject="far"))
        self.suite.wait_log(r"b%b@far\.test.*into the void")

    def test_what_happens_while_the_queue_asks(self):
        """A message that is deleted while its route is asked for is not sent there."""
        self.suite.set(table_server_timeout="15s")
        self.suite.posta("reload")
        self.addCleanup(self.suite.posta, "reload")
        self.addCleanup(self.suite.set, table_server_timeout="1s")
        for name, verb in (("held", "hold"), ("late", "delete")):
            self.tcp.asked.clear()
            self.tcp.go_on.clear()
            with self.suite.smtp(25) as client:
                client.ehlo()
                client.mail("s@fine.test")
                self.tcp.late = False  # for the server, which asks as well
                client.rcpt(f"{name}@far.test")
                self.tcp.late = True
                client.data(message(subject=name))
            self.assertTrue(self.tcp.asked.wait(15))
            self.suite.posta("queue", verb, "ALL")
            self.tcp.go_on.set()
            if verb == "hold":
                self.suite.wait_log(r"placed on hold")
                self.suite.posta("queue", "show", self.suite.queue()[0]["queue_id"])
                self.assertNotIn(": removed", self.suite.log().split("placed on hold")[-1])
        self.suite.wait_queue_empty()
        self.assertNotIn("too late", self.suite.log())

    def test_no_answer_is_never_an_answer(self):
        for name in ("temp", "perm", "closes", "nonsense", "short", "huge", "control", "silent", "trickle", "digits"):
            with self.subTest(name):
                self.assertRegex(self.rcpt(f"s@{name}.test"), "^451 4")
                self.assertEqual(self.rcpt("s@fine.test"), "250 2.1.5 Ok")
        self.suite.wait_log(r"proxymap\[.*socketmap:inet:127\.0\.0\.1:\d+:access: the server: its answer makes no sense")
        self.suite.wait_log(r"proxymap\[.*:access: the server says: TEMP busy")

    def test_connections_are_kept(self):
        self.rcpt("s@fine.test")
        before = self.maps.connections
        self.rcpt("s@fine.test")
        self.assertEqual(self.maps.connections, before)

    def test_check(self):
        self.suite.posta("check")


class Dead(unittest.TestCase):
    def test_a_dead_server_makes_mail_wait(self):
        server = Socketmap()
        server.close()
        where = f"socketmap:inet:127.0.0.1:{server.port}:virtual"
        with Instance(main={"virtual_alias_maps": where}) as suite:
            reply = Tables.rcpt(self, "s@fine.test", "nobody@example.test", suite)
            self.assertRegex(reply, "^451 4")
            suite.wait_log(r"proxymap\[.*:virtual: the server: Connection refused")

    def test_what_proxy_read_maps_lacks_is_not_asked(self):
        server = Socketmap()
        self.addCleanup(server.close)
        where = f"socketmap:inet:127.0.0.1:{server.port}:virtual"
        with Instance(main={"virtual_alias_maps": "proxy:" + where, "proxy_read_maps": "$relay_domains"}) as suite:
            self.assertRegex(Tables.rcpt(self, "s@fine.test", "go@example.test", suite), "^451 4")
            suite.wait_log(r"proxymap\[.*:virtual: proxy_read_maps does not have this table")
            self.assertEqual(server.keys, [])
            result = suite.posta("check", check=False)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("proxy_read_maps does not lead to it", result.text)


if __name__ == "__main__":
    unittest.main()
