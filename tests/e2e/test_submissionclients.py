"""Transcripts of clients that submit mail, with their habits: what they say, in the pieces in which they say it."""
import base64
import ssl
import unittest

from posta import Instance, PASSWORD, Talk

USER = "alice@example.test"
TLS = "starttls"  # in a transcript: the handshake


def b64(text):
    return base64.b64encode(text.encode()).decode()


PLAIN = b64(f"\0{USER}\0{PASSWORD}")
AUTH_LOGIN = [("AUTH LOGIN\r\n", "334 VXNlcm5hbWU6"), (b64(USER) + "\r\n", "334 UGFzc3dvcmQ6"), (b64(PASSWORD) + "\r\n", "235 ")]
QUIT = [("QUIT\r\n", "221 ")]


def content(name, extra=""):
    return f"From: {USER}\r\nTo: bob@example.test\r\nSubject: {name}\r\n{extra}\r\nHello.\r\n.\r\n"


def envelope(name, mail=f"MAIL FROM:<{USER}>", rcpt="RCPT TO:<bob@example.test>", extra=""):
    return [(mail + "\r\n", "250 "), (rcpt + "\r\n", "250 "), ("DATA\r\n", "354 "), (content(name, extra), "250 ")]


# Name to: steps, each what is sent and how the reply begins ("" for none that is waited for; several replies with "|").
TRANSCRIPTS = {
    # The computer's name, and spaces after the colons; AUTH LOGIN with its prompts.
    "Outlook 2010": [("EHLO DESKTOP_4711\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO DESKTOP_4711\r\n", "250"), *AUTH_LOGIN,
                     *envelope("Outlook 2010", f"MAIL FROM: <{USER}>", "RCPT TO: <bob@example.test>",
                               "X-Mailer: Microsoft Outlook 14.0\r\nContent-Language: de\r\nThread-Index: AQ==\r\n"), *QUIT],
    # LOGIN with the name at once, which nobody has ever specified.
    "Outlook 365": [("EHLO smtpclient\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO smtpclient\r\n", "250"),
                    (f"AUTH LOGIN {b64(USER)}\r\n", "334 UGFzc3dvcmQ6"), (b64(PASSWORD) + "\r\n", "235 "),
                    *envelope("Outlook 365"), *QUIT],
    "Thunderbird": [("EHLO [192.168.1.23]\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO [192.168.1.23]\r\n", "250"),
                    (f"AUTH PLAIN {PLAIN}\r\n", "235 "), *envelope("Thunderbird", f"MAIL FROM:<{USER}> BODY=8BITMIME SIZE=412"), *QUIT],
    "Thunderbird over IPv6": [("EHLO [IPv6:fe80::1c2d:3eff:fe4f:5061]\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS,
                              ("EHLO [IPv6:fe80::1c2d:3eff:fe4f:5061]\r\n", "250"), (f"AUTH PLAIN {PLAIN}\r\n", "235 "),
                              *envelope("Thunderbird over IPv6"), *QUIT],
    # MAIL, RCPT and DATA in one piece, and QUIT with the content.
    "Apple Mail": [("EHLO smtpclient.apple\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO smtpclient.apple\r\n", "250"),
                   (f"AUTH PLAIN {PLAIN}\r\n", "235 "),
                   (f"MAIL FROM:<{USER}> SIZE=300\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", "250 |250 |354 "),
                   (content("Apple Mail") + "QUIT\r\n", "250 |221 ")],
    # The address of the interface with its name, no domain.
    "iPhone": [("EHLO [IPv6:2001:db8::1]\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO [IPv6:2001:db8::1]\r\n", "250"),
               ("AUTH PLAIN\r\n", "334 "), (PLAIN + "\r\n", "235 "), *envelope("iPhone"), *QUIT],
    # Small letters everywhere, an empty AUTH= that says nothing.
    "JavaMail": [("ehlo localhost\r\n", "250"), ("starttls\r\n", "220 "), TLS, ("ehlo localhost\r\n", "250"),
                 (f"auth login {b64(USER)}\r\n", "334 "), (b64(PASSWORD) + "\r\n", "235 "),
                 *envelope("JavaMail", f"mail from:<{USER}> AUTH=<>", "rcpt to:<bob@example.test> notify=failure"), *QUIT],
    "Python's smtplib": [("ehlo [127.0.1.1]\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("ehlo [127.0.1.1]\r\n", "250"),
                         (f"AUTH PLAIN {PLAIN}\r\n", "235 "), *envelope("Python's smtplib", f"mail FROM:<{USER}> size=287"), *QUIT],
    # A wrong mechanism first, cancelled; then the right one.
    "a client that gives up a mechanism": [("EHLO x\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO x\r\n", "250"),
                                           ("AUTH LOGIN\r\n", "334 "), ("*\r\n", "501 5.7.0 "), ("AUTH CRAM-MD5\r\n", "5"),
                                           (f"AUTH PLAIN {PLAIN}\r\n", "235 "), *envelope("a client that gives up a mechanism"), *QUIT],
    # Addresses without brackets, blanks at the ends of lines, no message ID and no date, and away without QUIT.
    "a scanner": [("EHLO KM_C3350I\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO KM_C3350I \r\n", "250"), ("RSET\r\n", "250 "),
                  *AUTH_LOGIN, (f"MAIL FROM:{USER}\r\n", "250 "), ("RCPT TO: bob@example.test \r\n", "250 "), ("DATA \r\n", "354 "),
                  (content("a scanner"), "250 ")],
    # Each line of the message in a packet of its own, and one that ends with LF alone.
    "a printer": [("EHLO 192.168.1.40\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO 192.168.1.40\r\n", "250"), *AUTH_LOGIN,
                  (f"MAIL FROM:<{USER}>\r\n", "250 "), ("RCPT TO:<bob@example.test>\r\n", "250 "), ("DATA\r\n", "354 "),
                  (f"From: {USER}\r\n", ""), ("To: bob@example.test\r\n", ""), ("Subject: a printer\r\n", ""),
                  ("X-Device: old\n", ""), ("\r\nHello.\r\n", ""), (".\r\n", "250 "), *QUIT],
    # A second message after a break, without RSET.
    "a mail merge": [("EHLO x\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO x\r\n", "250"), (f"AUTH PLAIN {PLAIN}\r\n", "235 "),
                     *envelope("first of a mail merge"), ("NOOP\r\n", "250 "), *envelope("a mail merge"), *QUIT],
    # Its own name again after it has logged in, which ends nothing.
    "a library that greets twice": [("EHLO x\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO x\r\n", "250"),
                                    (f"AUTH PLAIN {PLAIN}\r\n", "235 "), ("EHLO x\r\n", "250"),
                                    *envelope("a library that greets twice"), *QUIT],
}
# On port 465, TLS from the first byte.
AT_ONCE = {
    "Outlook over 465": [("EHLO PC\r\n", "250"), *AUTH_LOGIN, *envelope("Outlook over 465", f"MAIL FROM: <{USER}>"), *QUIT],
    "Apple Mail over 465": [("EHLO smtpclient.apple\r\n", "250"), (f"AUTH PLAIN {PLAIN}\r\n", "235 "), *envelope("Apple Mail over 465"), *QUIT],
}


class Submission(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={"broken_sasl_auth_clients": "yes", "smtpd_client_port_logging": "yes"})
        cls.addClassCleanup(cls.suite.close)

    def secure(self, talk):
        self.assertEqual(talk.buffer, b"")
        context = self.suite.tls_context()
        talk.socket = context.wrap_socket(talk.socket)

    def play(self, talk, steps):
        """All the client heard."""
        heard = [talk.reply()]
        for step in steps:
            if step == TLS:
                self.secure(talk)
                continue
            talk.send(step[0])
            for start in step[1].split("|") if step[1] else ():
                heard.append(talk.reply())
                self.assertTrue(heard[-1].startswith(start.encode()), (step[0], heard[-1]))
        return b"".join(heard).decode()

    def test_transcripts(self):
        for name, steps in TRANSCRIPTS.items():
            with self.subTest(name), Talk(self.suite.address, self.suite.port(587)) as talk:
                heard = self.play(talk, steps)
                self.assertRegex(heard, "(?m)^250[- ]AUTH=.*LOGIN")  # for Outlook Express
                self.suite.wait_mail("bob", text=f"Subject: {name}\r\n")

    def test_transcripts_over_465(self):
        for name, steps in AT_ONCE.items():
            with self.subTest(name), Talk(self.suite.address, self.suite.port(465)) as talk:
                self.secure(talk)
                self.play(talk, steps)
                self.suite.wait_mail("bob", text=f"Subject: {name}\r\n")

    def test_what_they_leave_out_is_added(self):
        with Talk(self.suite.address, self.suite.port(587)) as talk:
            self.play(talk, [("EHLO x\r\n", "250"), ("STARTTLS\r\n", "220 "), TLS, ("EHLO x\r\n", "250"), *AUTH_LOGIN,
                             *envelope("bare scan"), *QUIT])
            port = talk.socket.getsockname()[1]
        (mail,) = self.suite.wait_mail("bob", text="Subject: bare scan\r\n")
        for line in ("connect from", "disconnect from"):
            self.suite.wait_log(rf"smtpd\[\d+\]: {line} \S+\[127\.0\.0\.1\]:{port}\b")
        self.suite.wait_log(rf"smtpd\[\d+\]: \w+: client=\S+\[127\.0\.0\.1\]:{port}, sasl_method=LOGIN")
        self.assertRegex(mail, rb"(?m)^Message-I[dD]: <\S+@\S+>\r$")
        self.assertRegex(mail, rb"(?m)^Date: \w{3}, ")

    def test_old_protocols_get_an_answer(self):
        """A client that knows no TLS is told so, and one that speaks HTTP or TLS on the wrong port is not left hanging."""
        with Talk(self.suite.address, self.suite.port(587)) as talk:
            talk.reply()
            self.assertTrue(talk.ask("HELO scanner\r\n").startswith(b"250 "))
            self.assertTrue(talk.ask(f"MAIL FROM:<{USER}>\r\n").startswith(b"530 5.7.0 "))
            self.assertTrue(talk.ask("AUTH LOGIN\r\n").startswith(b"5"))
        with Talk(self.suite.address, self.suite.port(587)) as talk, self.assertRaises((ssl.SSLError, OSError)):
            context = self.suite.tls_context()
            context.wrap_socket(talk.socket)


if __name__ == "__main__":
    unittest.main()
