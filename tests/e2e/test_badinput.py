"""Bad input gets the reply that the protocol has for it, and the connection lives on."""
import base64
import itertools
import ssl
import unittest

from posta import Instance, PASSWORD, Talk, message, wait_until


class Smtp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={"smtpd_hard_error_limit": "100000", "smtpd_soft_error_limit": "100000",
                                   "message_size_limit": "100000", "smtpd_recipient_limit": "20", "auth_failures_max": "1000"})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self, port=25):
        talk = Talk(self.suite.address, self.suite.port(port))
        self.addCleanup(talk.close)
        self.assertEqual(talk.reply()[:3], b"220")
        return talk

    def starttls(self, talk):
        self.assertEqual(talk.ask("STARTTLS\r\n")[:3], b"220")
        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        return talk

    def test_nothing_before_starttls_survives_it(self):
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        talk.send("STARTTLS\r\nMAIL FROM:<injected@evil.test>\r\nRCPT TO:<bob@example.test>\r\n")
        self.assertEqual(talk.reply()[:3], b"220")
        self.assertEqual(talk.buffer, b"")
        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        self.assertEqual(talk.ask("NOOP\r\n")[:3], b"250")
        self.assertEqual(talk.ask("RCPT TO:<bob@example.test>\r\n")[:3], b"503")

    def test_state_before_starttls_is_forgotten(self):
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        self.assertEqual(talk.ask("MAIL FROM:<a@b.test>\r\n")[:3], b"250")
        self.starttls(talk)
        self.assertEqual(talk.ask("RCPT TO:<bob@example.test>\r\n")[:1], b"5")
        self.assertNotIn(b"STARTTLS", talk.ask("EHLO x\r\n"))

    def test_smuggling_matrix(self):
        """Only CR LF . CR LF ends a message; whatever else looks like it never starts a second one."""
        ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n",
                b"\r\n.\0\r\n", b"\r\n. \r\n", b"\r\n .\r\n", b"\r\r\n.\r\r\n", b"\r\n.\r\r\n"]
        for number, end in enumerate(ends):
            with self.subTest(end=end):
                subject = f"smuggle-{number}"
                talk = self.talk()
                talk.ask("EHLO x\r\n")
                talk.ask("MAIL FROM:<a@b.test>\r\n")
                talk.ask("RCPT TO:<bob@example.test>\r\n")
                self.assertEqual(talk.ask("DATA\r\n")[:3], b"354")
                talk.send(f"From: <a@b.test>\r\nSubject: {subject}\r\n\r\nfirst".encode() + end +
                          b"MAIL FROM:<smuggled@evil.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
                          b"Subject: smuggled\r\n\r\nsecond\r\n.\r\n")
                self.assertEqual(talk.reply()[:3], b"250")
                self.assertEqual(talk.ask("QUIT\r\n")[:3], b"221")
                (mail,) = self.suite.wait_mail("bob", text=f"Subject: {subject}\r\n")
                self.assertIn(b"smuggled@evil.test", mail)  # it is text of the first message
                self.assertNotIn(b"\n", mail.replace(b"\r\n", b""))  # and no bare LF or CR goes on
                self.assertNotIn(b"\r", mail.replace(b"\r\n", b""))
        self.assertEqual([m for m in self.suite.inbox("alice") if b"smuggled" in m], [])

    def test_one_byte_at_a_time(self):
        talk = self.talk()
        content = message(subject="tiny-pieces", body=".\r\n..\r\n.a\r\n").replace("\r\n.", "\r\n..")
        talk.socket.setsockopt(6, 1, 1)
        for piece in ("EHLO x\r\n", "MAIL FROM:<a@b.test>\r\n", "RCPT TO:<bob@example.test>\r\n", "DATA\r\n"):
            for byte in piece:
                talk.send(byte)
            self.assertIn(talk.reply()[:1], (b"2", b"3"))
        for byte in content + ".\r\n":
            talk.send(byte)
        self.assertEqual(talk.reply()[:3], b"250")
        (mail,) = self.suite.wait_mail("bob", text="tiny-pieces")
        self.assertTrue(mail.endswith(b"\r\n\r\n.\r\n..\r\n.a\r\n"), mail[-60:])

    def test_pipelined_in_one_segment(self):
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        talk.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        self.assertEqual([talk.reply()[:3] for _ in range(4)], [b"250", b"550", b"250", b"354"])
        talk.send(message(subject="pipelined") + ".\r\nQUIT\r\n")
        self.assertEqual([talk.reply()[:3] for _ in range(2)], [b"250", b"221"])
        self.suite.wait_mail("bob", text="pipelined")

    def test_lines_too_long_and_commands_unknown(self):
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        for bad in (b"A" * 5000, b"MAIL FROM:<" + b"a" * 5000 + b"@b.test>", b"XYZZY", b"", b"\0\0", b"\xff\xfe",
                    b"MAIL FROM:<a@b.test> FOO=bar", b"MAIL FROM <a@b.test>", b"MAIL FROM:a@b@c@", b"RCPT TO:<bob@example.test>",
                    b"DATA", b"AUTH PLAIN", b"EHLO", b"MAIL FROM:<a@b.test> SIZE=99999999999999999999",
                    b"MAIL FROM:<a@b.test> BODY=9BIT", b"MAIL", b"RCPT", b"STARTTLS now"):
            with self.subTest(bad=bad[:40]):
                self.assertEqual(talk.ask(bad + b"\r\n")[:1], b"5")
        self.assertEqual(talk.ask("NOOP\r\n")[:3], b"250")

    def test_limits(self):
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        self.assertEqual(talk.ask("MAIL FROM:<a@b.test> SIZE=200000\r\n")[:9], b"552 5.3.4")
        self.assertEqual(talk.ask("MAIL FROM:<a@b.test>\r\n")[:3], b"250")
        replies = [talk.ask(f"RCPT TO:<bob+{n}@example.test>\r\n")[:3] for n in range(25)]
        self.assertEqual(replies.count(b"250"), 20)
        self.assertEqual(set(replies[20:]), {b"452"})
        self.assertEqual(talk.ask("DATA\r\n")[:3], b"354")
        talk.send("Subject: too-large\r\n\r\n" + "x" * 70 + "\r\n")
        for _ in range(2000):
            talk.send("y" * 70 + "\r\n")
        self.assertEqual(talk.ask(".\r\n")[:9], b"552 5.3.4")
        self.assertEqual(talk.ask("NOOP\r\n")[:3], b"250")

    def test_many_errors_end_the_connection(self):
        with Instance(main={"smtpd_hard_error_limit": "5", "smtpd_soft_error_limit": "5"}) as suite:
            talk = Talk(suite.address, suite.port(25))
            talk.reply()
            talk.send("NONSENSE\r\n" * 8)
            self.assertRegex(talk.rest(), rb"(?s)^(50\d .*){1,6}421 [^\n]*\n$")
            talk.close()

    def test_auth_garbage(self):
        context = self.suite.tls_context()

        def encoded(data):
            return base64.b64encode(data).decode()
        talk = self.talk(587)
        talk.ask("EHLO x\r\n")
        self.starttls(talk)
        self.assertIn(b"AUTH", talk.ask("EHLO x\r\n"))
        for bad in ("AUTH", "AUTH FOO", "AUTH PLAIN ====", "AUTH PLAIN !!!!", "AUTH PLAIN " + "A" * 3000,
                    "AUTH PLAIN " + encoded(b"\0"), "AUTH PLAIN " + encoded(b"\0\0\0\0"),
                    "AUTH PLAIN " + encoded(b"\0alice@example.test\0wrong"),
                    "AUTH PLAIN " + encoded(b"bob\0alice@example.test\0" + PASSWORD.encode()),
                    "AUTH PLAIN " + encoded(b"\0\xff\xfe\0x"), "AUTH PLAIN " + encoded(b"\0a\nb\0x")):
            with self.subTest(bad=bad[:50]):
                self.assertEqual(talk.ask(bad + "\r\n")[:1], b"5")
        self.assertEqual(talk.ask("AUTH LOGIN\r\n")[:3], b"334")
        self.assertEqual(talk.ask("*\r\n")[:3], b"501")
        self.assertEqual(talk.ask("AUTH PLAIN\r\n")[:3], b"334")
        self.assertEqual(talk.ask(encoded(b"\0alice@example.test\0" + PASSWORD.encode()) + "\r\n")[:3], b"235")
        self.assertEqual(talk.ask("AUTH PLAIN\r\n")[:3], b"503")
        del context

    def test_http_and_other_protocols_are_dropped(self):
        talk = self.talk()
        talk.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@example.test>\r\n")
        self.assertNotIn(b"250", talk.rest())

    def test_all_sequences_of_verbs(self):
        """Every sequence of up to four verbs against a model of RFC 5321 4.1.4."""
        verbs = {"EHLO x\r\n": "ehlo", "MAIL FROM:<a@b.test>\r\n": "mail", "RCPT TO:<bob@example.test>\r\n": "rcpt",
                 "DATA\r\n": "data", "RSET\r\n": "rset"}
        talk = self.talk()
        for length in (1, 2, 3, 4):
            for sequence in itertools.product(verbs, repeat=length):
                talk.ask("RSET\r\n")
                talk.ask("EHLO x\r\n")
                state = "idle"
                for command in sequence:
                    verb = verbs[command]
                    good = {"ehlo": True, "rset": True, "mail": state == "idle", "rcpt": state in ("mail", "rcpt"),
                            "data": state == "rcpt"}[verb]
                    reply = talk.ask(command)
                    self.assertEqual(reply[:1] in (b"2", b"3"), good, (sequence, command, reply))
                    if reply[:3] == b"354":
                        self.assertEqual(talk.ask("Subject: s\r\n\r\n.\r\n")[:3], b"250")
                        state = "idle"
                    elif verb in ("ehlo", "rset"):
                        state = "idle"
                    elif good:
                        state = verb
                if talk.ask("NOOP\r\n")[:3] != b"250":
                    self.fail("the connection did not live on")

    def test_header_oddities_lose_nothing(self):
        for number, header in enumerate((" leading space\r\n", "no colon here\r\n", "\r\n", "Subject: \0nul\r\n",
                                         "X: " + "y" * 9000 + "\r\n", "From: a@b.test\r\nFrom: c@d.test\r\n",
                                         "".join(f"X-{n}: y\r\n" for n in range(2000)))):
            with self.subTest(header=header[:30]):
                content = f"X-Number: odd-{number}.\r\n{header}Subject: s\r\n\r\nbody-{number}\r\n"
                self.suite.inject("a@b.test", ["bob@example.test"], content)
                self.suite.wait_mail("bob", text=f"body-{number}\r\n")

    def test_too_many_hops(self):
        content = "".join("Received: from x by y; Sat, 21 Nov 2026 12:00:00 +0000\r\n" for _ in range(60))
        import smtplib
        with self.assertRaises(smtplib.SMTPDataError) as caught:
            self.suite.inject("a@b.test", ["bob@example.test"], content + "Subject: hops\r\n\r\n")
        self.assertEqual(caught.exception.smtp_code // 100, 5)

    def test_disconnect_in_the_middle_delivers_nothing(self):
        for cut in range(0, 200, 7):
            talk = Talk(self.suite.address, self.suite.port(25))
            data = (b"EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
                    b"Subject: cut-off\r\n\r\n" + b"x" * 100 + b"\r\n.")
            talk.send(data[:cut])
            talk.close()
        self.suite.wait_queue_empty()
        self.assertEqual([m for m in self.suite.inbox("bob") if b"cut-off" in m], [])


class Imap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self, login=True, port=993):
        talk = Talk(self.suite.address, self.suite.port(port))
        self.addCleanup(talk.close)
        if port == 993:
            talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        self.assertTrue(talk.line().startswith(b"* OK"))
        if login:
            talk.send(f'l LOGIN bob@example.test "{PASSWORD}"\r\n')
            self.assertIn(b"l OK", talk.until(b"l "))
        return talk

    def test_nothing_before_starttls_survives_it(self):
        talk = self.talk(login=False, port=143)
        talk.send(f'a STARTTLS\r\nb LOGIN bob@example.test "{PASSWORD}"\r\n')
        self.assertTrue(talk.line().startswith(b"a OK"))
        self.assertEqual(talk.buffer, b"")
        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        talk.send("c SELECT INBOX\r\n")
        self.assertRegex(talk.until(b"c "), rb"^c (BAD|NO)")

    def test_commands_that_are_wrong(self):
        talk = self.talk()
        for number, bad in enumerate((
                "XYZZY", "SELECT", "SELECT INBOX extra", "FETCH 1 FLAGS", "SELECT \"unterminated", "LIST", "LIST \"\"",
                "STATUS INBOX ()", "STATUS INBOX (NONSENSE)", "STORE 1 FLAGS (\\Seen)", "UID", "UID XYZZY",
                "APPEND INBOX (\\Bogus(", "SEARCH ((((((", "CREATE \"../../etc\"", "CREATE \"\"", "RENAME INBOX",
                "SELECT nowhere", "COPY 1 INBOX", "LOGIN a b")):
            with self.subTest(bad=bad):
                talk.send(f"t{number} {bad}\r\n")
                self.assertRegex(talk.until(f"t{number} ".encode()), rb"(?m)^t\d+ (BAD|NO) \S")
        talk.send("z NOOP\r\n")
        self.assertIn(b"z OK", talk.until(b"z "))

    def test_selected_state(self):
        self.suite.submit("alice", ["bob"], message(subject="x"))
        self.suite.wait_mail("bob")
        talk = self.talk()
        talk.send("s SELECT INBOX\r\n")
        talk.until(b"s OK")
        for number, bad in enumerate((
                "FETCH 0 FLAGS", "FETCH abc FLAGS", "FETCH 1 BODY[", "FETCH 1 (FLAGS", "FETCH 1 BODY[1.2.3.4", "FETCH 1 RFC822.NOPE",
                "FETCH 4294967296 FLAGS", "FETCH 1:99999999999 FLAGS", "FETCH 1 BODY[]<1.0>", "STORE 1 FLAGS \\Nope(", "SEARCH",
                "SEARCH NOPE", "SEARCH OR ALL", "SEARCH CHARSET nope ALL", "SEARCH BEFORE yesterday", "SEARCH " + "NOT " * 3000 + "ALL",
                "SEARCH " + "(" * 5000, "UID FETCH *:* BODY[HEADER.FIELDS ()]", "COPY 1 nowhere", "UID EXPUNGE", "STORE 1")):
            with self.subTest(bad=bad[:40]):
                talk.send(f"u{number} {bad}\r\n")
                self.assertRegex(talk.until(f"u{number} ".encode()), rb"(?m)^u\d+ (BAD|NO) \S")
        for number, odd in enumerate(("FETCH 1:4294967295 UID", "FETCH 4294967295:* UID", "UID FETCH 4294967295:* FLAGS",
                                      "FETCH 1 BODY.PEEK[9.9.9]", "FETCH 1 BODY.PEEK[]<99999.10>", "UID FETCH 99999 FLAGS",
                                      "LIST \"\" \"" + "%*" * 500 + "x\"", "SEARCH 1:4294967295",
                                      "FETCH " + ",".join(["1"] * 5000) + " UID")):
            talk.send(f"v{number} {odd}\r\n")
            self.assertRegex(talk.until(f"v{number} ".encode()), rb"(?m)^v\d+ OK", odd[:40])

    def test_literals(self):
        talk = self.talk()
        talk.send("a LIST {0}\r\n")
        self.assertTrue(talk.line().startswith(b"+"))
        talk.send(" {1+}\r\n*\r\n")
        self.assertIn(b"a OK", talk.until(b"a "))
        for number, bad in enumerate(("{4294967296}", "{99999999999999999999}", "{-1}", "{}", "{1", "{abc}")):
            talk.send(f"b{number} SELECT {bad}\r\n")
            self.assertRegex(talk.until(f"b{number} ".encode()), rb"(?m)^b\d+ (BAD|NO)")
        talk.send("c APPEND INBOX {999999999999}\r\n")
        self.assertRegex(talk.until(b"c "), rb"c (BAD|NO)")
        talk.send("d NOOP\r\n")
        self.assertIn(b"d OK", talk.until(b"d "))

    def test_line_without_end(self):
        talk = self.talk()
        try:
            for _ in range(300):
                talk.send("x" * 1000)
            talk.send("\r\n")
            self.assertIn(talk.line()[:5], (b"* BAD", b"* BYE", b"x BAD"))
        except (ConnectionError, ssl.SSLError):
            pass  # an end of the connection is an answer too
        self.assertEqual(len(self.suite.inbox("alice")), 0)

    def test_much_before_login(self):
        # RFC 2971: 30 fields of 1024 octets, in one line and in literals.
        talk = self.talk(login=False)
        talk.send("a ID (" + " ".join(f'"field{n}" "{"x" * 1024}"' for n in range(30)) + ")\r\n")
        self.assertIn(b"a OK", talk.until(b"a "))
        talk.send("b ID (" + " ".join(f'"field{n}" {{1024+}}\r\n{"x" * 1024}' for n in range(30)) + ")\r\n")
        self.assertIn(b"b OK", talk.until(b"b "))
        talk.send("c ID (\"name\" {3}\r\n")
        self.assertTrue(talk.line().startswith(b"+"))
        talk.send("abc)\r\nd NOOP\r\n")
        self.assertIn(b"d OK", talk.until(b"d "))
        # What is too large is not read past: the connection ends, whatever was sent.
        for command in ("e LOGIN {9000+}\r\n", "e LOGIN {9000}\r\n", "e LOGIN {18446744073709551615+}\r\n",
                        "e ID ({70000+}\r\n", "e LOGIN " + "x" * 9000 + "\r\n"):
            with self.subTest(command=command[:40]):
                talk = self.talk(login=False)
                talk.send(command)
                self.assertTrue(talk.line().startswith(b"* BYE "))
                self.assertEqual(talk.rest(), b"")

    def test_before_login(self):
        talk = self.talk(login=False)
        for number, bad in enumerate(("SELECT INBOX", "FETCH 1 FLAGS", "LOGIN", "AUTHENTICATE NOPE")):
            talk.send(f"t{number} {bad}\r\n")
            reply = talk.until(f"t{number} ".encode())
            if not reply:
                break
            self.assertRegex(reply, rb"t\d+ (BAD|NO)")
        talk = self.talk(login=False)
        talk.send('a ID ("name" "test")\r\nb ID NIL\r\nc CAPABILITY\r\n')
        self.assertIn(b"c OK", talk.until(b"c "))
        talk.send("d LOGIN {100000000}\r\n")
        self.assertRegex(talk.until(b"d "), rb"d (BAD|NO)|\* BYE")
        flood = self.talk(login=False)
        try:
            for _ in range(100):
                flood.send("(" * 10000)
            flood.send("\r\n")
            self.assertIn(flood.line()[:3], (b"* B", b""))
        except (ConnectionError, ssl.SSLError):
            pass
        with self.suite.imap("bob") as client:
            self.assertEqual(client.noop()[0], "OK")

    def test_cancelled_exchanges_are_bad_commands(self):
        """So is every line that is answered with BAD: there is an end to them."""
        for command, answer in (("AUTHENTICATE PLAIN", "*"), ("AUTHENTICATE PLAIN", "no base64!"), ("AUTHENTICATE PLAIN ?", None)):
            talk = self.talk(login=False)
            for number in range(10):
                talk.send(f"t{number} {command}\r\n")
                if answer is not None:
                    self.assertTrue(talk.line().startswith(b"+"))
                    talk.send(f"{answer}\r\n")
                self.assertRegex(talk.line(), rb"^t\d BAD ")
            self.assertRegex(talk.rest(), rb"^\* BYE Too many invalid commands")

    def test_done_and_next_command_in_one_segment(self):
        talk = self.talk()
        talk.send("s SELECT INBOX\r\ni IDLE\r\n")
        talk.until(b"+")
        talk.send("DONE\r\nn NOOP\r\nl LOGOUT\r\n")
        answer = talk.rest()
        for part in (b"i OK", b"n OK", b"* BYE", b"l OK"):
            self.assertIn(part, answer)


class Pop3(unittest.TestCase):
    def test_bad_commands(self):
        with Instance() as suite:
            suite.submit("alice", ["bob"], message(subject="x"))
            suite.wait_mail("bob")
            talk = Talk(suite.address, suite.port(110))
            self.assertTrue(talk.line().startswith(b"+OK"))
            for bad in ("STAT", "XYZZY", "", "USER", "PASS x", "A" * 3000, "AUTH NOPE", "AUTH PLAIN !!"):
                talk.send(bad + "\r\n")
                self.assertTrue(talk.line().startswith(b"-ERR"), bad[:30])
            talk.send(f"STLS\r\nUSER bob@example.test\r\nPASS {PASSWORD}\r\n")
            self.assertTrue(talk.line().startswith(b"+OK"))
            self.assertEqual(talk.buffer, b"")
            talk.socket = suite.tls_context().wrap_socket(talk.socket)
            talk.send("STAT\r\n")
            self.assertTrue(talk.line().startswith(b"-ERR"))
            talk.send(f"USER bob@example.test\r\n")
            talk.line()
            talk.send(f"PASS {PASSWORD}\r\n")
            self.assertTrue(talk.line().startswith(b"+OK"))
            for bad in ("RETR", "RETR 0", "RETR 2", "RETR x", "RETR 99999999999999999999", "TOP 1", "TOP 1 -1", "DELE 7", "LIST 9",
                        "UIDL 0", "NOPE"):
                talk.send(bad + "\r\n")
                self.assertTrue(talk.line().startswith(b"-ERR"), bad)
            talk.send("TOP 1 9223372036854775808\r\n")
            self.assertRegex(talk.line(), rb"^(\+OK|-ERR)")
            talk.close()
            # Without QUIT nothing is deleted.
            self.assertEqual(len(suite.inbox("bob")), 1)


if __name__ == "__main__":
    unittest.main()
