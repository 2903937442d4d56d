"""A proxy in front: the PROXY protocol on SMTP, IMAP and POP3, in the clear and before TLS."""
import contextlib
import imaplib
import poplib
import socket
import struct
import unittest

from posta import PASSWORD, Instance, Talk

CLIENT = "203.0.113.5"
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.25 4000 25\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12 + 6) + socket.inet_aton(CLIENT)
      + socket.inet_aton("192.0.2.25") + struct.pack(">HH", 4000, 25) + b"\x04\0\x03xyz")
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"


class Proxied(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={
            "smtpd_upstream_proxy_protocol": "haproxy", "imapd_upstream_proxy_protocol": "haproxy",
            "pop3d_upstream_proxy_protocol": "haproxy", "smtpd_peername_lookup": "no"})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self, port, header):
        talk = Talk(self.suite.address, self.suite.port(port))
        talk.send(header)
        return talk

    def tls(self, port, header):
        plain = socket.create_connection((self.suite.address, self.suite.port(port)), 20)
        plain.sendall(header)
        return self.suite.tls_context().wrap_socket(plain)

    def test_the_client_is_whom_the_proxy_names(self):
        talk = self.talk(25, V1)
        self.assertRegex(talk.reply(), rb"^220 ")
        talk.ask("EHLO client.test\r\n")
        talk.ask("MAIL FROM:<a@elsewhere.test>\r\n")
        # 127.0.0.1 is in mynetworks, the client is not.
        self.assertRegex(talk.ask("RCPT TO:<b@elsewhere.test>\r\n"), rb"^[45]54 .*Relay access denied")
        talk.ask("QUIT\r\n")
        self.suite.wait_log(rf"connect from unknown\[{CLIENT}\]")

    def test_the_proxy_itself(self):
        talk = self.talk(25, LOCAL)
        self.assertRegex(talk.reply(), rb"^220 ")
        talk.ask("EHLO client.test\r\n")
        talk.ask("MAIL FROM:<a@elsewhere.test>\r\n")
        self.assertRegex(talk.ask("RCPT TO:<b@elsewhere.test>\r\n"), rb"^250 ")

    def test_who_says_something_else_is_closed(self):
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(self.talk(25, b"EHLO client.test\r\n").reply(), b"")
        self.suite.wait_log(r"smtpd\[\d+\]: warning: connection from 127\.0\.0\.1 closed: no header")

    def test_before_tls(self):
        tls = self.tls(465, V2)
        self.assertRegex(tls.recv(1000), rb"^220 ")
        tls.close()

    def imap_over(self, sock):
        class Client(imaplib.IMAP4):
            def _create_socket(self, timeout):
                return sock
        return Client()

    def test_imap_and_pop3(self):
        with self.imap_over(self.tls(993, V2)) as imap:
            imap.login("alice@example.test", PASSWORD)
            self.assertEqual(imap.select()[0], "OK")
        self.suite.wait_log(rf"imap.*alice@example\.test.*{CLIENT}|imap.*{CLIENT}.*alice@example\.test")

        class Client(poplib.POP3):
            def _create_socket(_, timeout):
                return self.tls(995, V1)
        pop3 = Client(self.suite.address)
        pop3.user("alice@example.test")
        pop3.pass_(PASSWORD)
        self.assertEqual(pop3.stat()[0], 0)
        pop3.quit()


class Strangers(unittest.TestCase):
    """Not every host may say who it is."""

    def test_only_these_networks(self):
        with Instance(main={
                "smtpd_upstream_proxy_protocol": "haproxy", "imapd_upstream_proxy_protocol": "haproxy",
                "pop3d_upstream_proxy_protocol": "haproxy", "mynetworks": "192.0.2.0/24",
                "smtpd_upstream_proxy_networks": "!127.0.0.0/8, static:all"}) as suite:
            for port, name in ((25, "smtpd"), (143, "imapd"), (110, "pop3d")):
                talk = Talk(suite.address, suite.port(port))
                self.assertEqual(talk.line(), b"")
                suite.wait_log(rf"{name}\[\d+\]: warning: connection from 127\.0\.0\.1 closed: "
                               rf"{name}_upstream_proxy_networks: it may not speak for clients")


if __name__ == "__main__":
    unittest.main()
