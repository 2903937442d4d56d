"""Filters that mail passes on its way: content_filter and FILTER, and back by a service of its own."""
import os
import smtplib
import socket
import socketserver
import threading
import unittest

from peers import free_port
from posta import Instance, Talk, message, wait_until


class Scanner(socketserver.ThreadingTCPServer):
    """A content filter by SMTP: notes what came, puts a field in front and gives it back to `back`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, back):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.back = back
        self.port = self.server_address[1]
        self.seen, self.put_off, self.connections = [], [], set()
        self.dies_at = None  # a step: the connection ends there, without an answer
        self.extensions = b"250-8BITMIME\r\n250 XFORWARD NAME ADDR PROTO HELO SOURCE\r\n"
        threading.Thread(target=self.serve_forever, daemon=True).start()


STEPS = ("connect", "EHLO", "XFORWARD", "MAIL", "RCPT", "DATA", "content", "end")


class Died(Exception):
    pass


class Conversation(socketserver.StreamRequestHandler):
    def setup(self):
        super().setup()
        self.server.connections.add(self)

    def finish(self):
        super().finish()
        self.server.connections.discard(self)

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.converse()
        except Died:
            self.connection.close()

    def step(self, name):
        if self.server.dies_at == name:
            raise Died

    def converse(self):
        sender, recipients, forwarded = None, [], []
        self.step("connect")
        self.say("220 scanner.test ESMTP")
        while line := self.rfile.readline():
            verb = line.split(b" ")[0].strip().upper()
            self.step(verb.decode().replace("HELO", "EHLO"))
            if verb == b"EHLO":
                self.wfile.write(b"250-scanner.test\r\n" + self.server.extensions)
                continue
            if verb == b"XFORWARD":
                forwarded.append(line.decode().strip())
            elif verb == b"MAIL":
                sender = line.decode().split("<")[1].split(">")[0]
                recipients = []
            elif verb == b"RCPT":
                recipients.append(line.decode().split("<")[1].split(">")[0])
            elif verb == b"DATA":
                self.say("354 go")
                self.say(self.take(sender, recipients, forwarded))
                forwarded = []
                continue
            elif verb == b"QUIT":
                self.say("221 bye")
                continue  # until the other side has closed it, too
            self.say("250 2.0.0 Ok")

    def take(self, sender, recipients, forwarded):
        content = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            content += line[1:] if line.startswith(b".") else line
            self.step("content")
        if not line:
            raise Died
        self.step("end")
        if b"Subject: virus" in content:
            return "554 5.7.1 a virus"
        if b"Subject: later" in content:
            self.server.put_off.append(content)
            return "451 4.3.0 not now"
        self.server.seen.append((sender, recipients, forwarded, content))
        with smtplib.SMTP("127.0.0.1", self.server.back, local_hostname="scanner.test") as client:
            client.ehlo()
            for line in forwarded:
                client.docmd(line)
            client.sendmail(sender, recipients, b"X-Scanned: yes\r\n" + content)
        return "250 2.0.0 Ok: scanned"


class ContentFilter(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.back = free_port()
        cls.scanner, cls.late = Scanner(cls.back), Scanner(cls.back)
        cls.suite = Instance(start=False, main={
            "smtpd_end_of_data_restrictions": "check_sender_access inline:{ "
                                              f"{{ late@outside.test = FILTER scan:[127.0.0.1]:{cls.late.port} }}, "
                                              "{ held@outside.test = HOLD at the end }, "
                                              "{ redirected@outside.test = REDIRECT alice@example.test }, "
                                              "{ copied@outside.test = BCC alice@example.test } }",
            "content_filter": f"scan:[127.0.0.1]:{cls.scanner.port}",
            "virtual_alias_maps": "inline:{ { both@example.test = alice@example.test, bob@example.test } }",
            "receive_override_options": "no_address_mappings",
            "enable_original_recipient": "no",
            "smtpd_sender_restrictions": "check_sender_access inline:{ "
                                         f"{{ past@outside.test = FILTER scan:[127.0.0.1]:{free_port()} }} }}",
            "minimal_backoff_time": "1s",
        })
        with open(os.path.join(cls.suite.conf, "master.cf"), "a", encoding="ascii") as file:
            file.write("scan unix - - n - 2 smtp\n  -o smtp_send_xforward_command=yes\n"
                       f"127.0.0.1:{cls.back} inet n - n - 1 smtpd\n"
                       "  -o content_filter=\n"
                       "  -o smtpd_end_of_data_restrictions=\n"
                       "  -o receive_override_options=no_unknown_recipient_checks\n"
                       "  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n")
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        for scanner in (cls.scanner, cls.late):
            scanner.shutdown()
            scanner.server_close()

    def scanned(self, text):
        return [[entry[1] for entry in scanner.seen if text in entry[3]] for scanner in (self.scanner, self.late)]

    def test_what_the_end_of_the_content_asks_for(self):
        """FILTER counts more than content_filter; the envelope was sent long before."""
        self.suite.inject("late@outside.test", ["bob@example.test"], message(subject="filtered-late"))
        self.suite.wait_mail("bob", text="filtered-late")
        self.assertEqual(self.scanned(b"filtered-late"), [[], [["bob@example.test"]]])
        self.suite.inject("redirected@outside.test", ["bob@example.test"], message(subject="redirected-late"))
        (mail,) = self.suite.wait_mail("alice", text="redirected-late")
        self.assertNotIn(b"X-Scanned", mail)
        self.suite.inject("copied@outside.test", ["bob@example.test"], message(subject="copied-late"))
        for name in ("alice", "bob"):
            self.suite.wait_mail(name, text="copied-late")
        self.suite.inject("held@outside.test", ["bob@example.test"], message(subject="held-late"))
        self.assertIn("access: at the end", self.suite.posta("quarantine", "list").text)
        self.suite.posta("quarantine", "delete", "ALL")
        self.assertFalse([mail for mail in self.suite.inbox("bob") if b"redirected-late" in mail or b"held-late" in mail])

    def test_a_filter_that_dies(self):
        """Wherever it does, the message waits, and goes through it once it is there again."""
        self.addCleanup(setattr, self.scanner, "dies_at", None)
        for step in STEPS:
            with self.subTest(step):
                self.scanner.dies_at = step
                for kept in list(self.scanner.connections):
                    kept.connection.shutdown(socket.SHUT_RDWR)
                self.suite.inject("x@outside.test", ["bob@example.test"], message(subject=f"died-{step}-"))
                wait_until(lambda: [entry for entry in self.suite.queue_safe() if entry != "?" and entry["queue_name"] == "deferred"], what="put off")
                self.scanner.dies_at = None
                self.suite.posta("queue", "flush")
                (mail,) = self.suite.wait_mail("bob", text=f"died-{step}-")
                self.assertIn(b"X-Scanned: yes", mail)
                self.suite.wait_queue_empty()

    def test_there_and_back(self):
        """One message, before aliases are expanded; what comes back goes to everybody, once."""
        self.suite.inject("x@outside.test", ["both@example.test"], message(subject="scanned"))
        for name in ("alice", "bob"):
            (mail,) = self.suite.wait_mail(name, text="scanned")
            self.assertIn(b"X-Scanned: yes", mail)
            self.assertIn(b"Delivered-To: ", mail)
            self.assertNotIn(b"X-Original-To: ", mail)
        seen = [entry for entry in self.scanner.seen if b"scanned" in entry[3]]
        self.assertEqual([(sender, recipients) for sender, recipients, _, _ in seen],
                         [("x@outside.test", ["both@example.test"])])
        ((_, _, forwarded, _),) = seen
        self.assertEqual(forwarded, ["XFORWARD NAME=localhost ADDR=127.0.0.1",
                                     "XFORWARD PROTO=ESMTP HELO=client.test SOURCE=LOCAL"])

    def test_who_it_was_from_is_in_the_log(self):
        self.suite.inject("x@outside.test", ["bob@example.test"], message(subject="logged"))
        self.suite.wait_mail("bob", text="logged")
        self.suite.wait_log(r": client=localhost\[127\.0\.0\.1\], orig_client=localhost\[127\.0\.0\.1\]$")

    def test_local_submission_is_completed_before_the_filter(self):
        """no_address_mappings is about aliases and canonical maps; a bare name gets its domain."""
        self.suite.posta("send", "-f", "alice@example.test", "bob@example.test",
                         stdin="To: bob\nSubject: completed\n\nx\n")
        self.suite.wait_mail("bob", text="completed")
        (entry,) = [entry for entry in self.scanner.seen if b"completed" in entry[3]]
        self.assertIn(b"To: bob@example.test\r\n", entry[3])

    def test_what_a_kept_connection_has_put_off_is_not_asked_at_once_again(self):
        """The second message goes over the connection of the first; 451 is an answer of that server."""
        self.suite.inject("x@outside.test", ["bob@example.test"], message(subject="before"))
        self.suite.wait_mail("bob", text="before")
        self.suite.inject("x@outside.test", ["bob@example.test"], message(subject="later"))
        self.suite.wait_log(r"status=deferred \(host 127\.0\.0\.1\[127\.0\.0\.1\] said: 451 4\.3\.0 not now")
        self.assertEqual(len(self.scanner.put_off), 1)
        for entry in self.suite.queue():
            self.suite.posta("queue", "delete", entry["queue_id"])

    def test_local_submission_is_filtered_too(self):
        self.suite.posta("send", "-f", "alice@example.test", "bob@example.test", stdin="Subject: by hand\n\nx\n")
        (mail,) = self.suite.wait_mail("bob", text="by hand")
        self.assertIn(b"X-Scanned: yes", mail)

    def test_a_filter_of_an_access_map_that_is_not_there(self):
        """FILTER counts more than content_filter; the message waits, and never goes past it."""
        self.suite.inject("past@outside.test", ["bob@example.test"], message(subject="waits"))
        self.suite.wait_log(r"to=<bob@example.test>, relay=none.*Connection refused")
        self.assertFalse([entry for entry in self.scanner.seen if b"waits" in entry[3]])
        (entry,) = self.suite.queue()
        self.suite.posta("queue", "delete", entry["queue_id"])

    def test_what_comes_back_is_not_filtered_again(self):
        with smtplib.SMTP("127.0.0.1", self.back) as client:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="direct"))
        self.suite.wait_mail("bob", text="direct")
        self.assertFalse([entry for entry in self.scanner.seen if b"direct" in entry[3]])


class ProxyFilter(unittest.TestCase):
    """smtpd_proxy_filter: judged before it is taken, and what the filter says the client hears."""

    @classmethod
    def setUpClass(cls):
        cls.back, cls.front, cls.whole, cls.dead = free_port(), free_port(), free_port(), free_port()
        cls.scanner = Scanner(cls.back)
        cls.suite = Instance(start=False, main={"message_size_limit": "3000000"})
        with open(os.path.join(cls.suite.conf, "master.cf"), "a", encoding="ascii") as file:
            file.write(f"127.0.0.1:{cls.front} inet n - n - 1 smtpd\n"
                       f"  -o smtpd_proxy_filter=127.0.0.1:{cls.scanner.port}\n"
                       "  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n"
                       f"127.0.0.1:{cls.whole} inet n - n - 1 smtpd\n"
                       f"  -o smtpd_proxy_filter=127.0.0.1:{cls.scanner.port}\n"
                       "  -o smtpd_proxy_options=speed_adjust\n"
                       "  -o { smtpd_end_of_data_restrictions = check_sender_access inline:{ { no@outside.test = REJECT } {to@outside.test = REDIRECT alice@example.test } {skip@outside.test = FILTER scan:other } } }\n"
                       f"127.0.0.1:{cls.dead} inet n - n - 1 smtpd\n"
                       f"  -o smtpd_proxy_filter=inet:127.0.0.1:{free_port()}\n"
                       f"127.0.0.1:{cls.back} inet n - n - 1 smtpd\n"
                       "  -o smtpd_authorized_xforward_hosts=127.0.0.0/8\n")
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.scanner.shutdown()
        cls.scanner.server_close()

    def client(self, port):
        return smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30)

    def test_there_and_back(self):
        with self.client(self.front) as client:
            client.sendmail("x@outside.test", ["alice@example.test", "bob@example.test"],
                            message(subject="proxied", body="..\r\n.x\r\n"))
        for name in ("alice", "bob"):
            (mail,) = self.suite.wait_mail(name, text="proxied")
            self.assertIn(b"X-Scanned: yes", mail)
            self.assertIn(b"\r\n\r\n..\r\n.x\r\n", mail)
        ((sender, recipients, forwarded, content),) = [e for e in self.scanner.seen if b"proxied" in e[3]]
        self.assertEqual((sender, recipients), ("x@outside.test", ["alice@example.test", "bob@example.test"]))
        self.assertEqual(forwarded, ["XFORWARD NAME=localhost ADDR=127.0.0.1",
                                     "XFORWARD PROTO=ESMTP HELO=client.test SOURCE=LOCAL"])
        self.assertTrue(content.startswith(b"Received: from client.test (localhost [127.0.0.1])\r\n"))
        self.suite.wait_log(r"NOQUEUE: proxy-accept: END-OF-MESSAGE from localhost.*: 250 2.0.0 Ok: scanned;")
        wait_until(lambda: not self.scanner.connections, what="the end of the connections to the filter")

    def test_all_attributes(self):
        """Only what the filter takes is told; what is not known is said to be so; XFORWARD is handed on."""
        self.addCleanup(setattr, self.scanner, "extensions", self.scanner.extensions)
        self.scanner.extensions = b"250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n"
        with self.client(self.front) as client:
            port = client.sock.getsockname()[1]
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="own"))
            client.ehlo()
            client.docmd("XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=4711")
            client.docmd("XFORWARD PROTO=SMTP HELO=them.test IDENT=AB12 SOURCE=REMOTE")
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="others"))
        self.scanner.extensions = b"250 XFORWARD ADDR\r\n"
        with self.client(self.front) as client:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="little"))
        told = [[e[2] for e in self.scanner.seen if text in e[3]] for text in (b"own", b"others", b"little")]
        self.assertEqual(told, [
            [[f"XFORWARD NAME=localhost ADDR=127.0.0.1 PORT={port}",
              "XFORWARD PROTO=ESMTP HELO=client.test IDENT=[UNAVAILABLE] SOURCE=LOCAL"]],
            [["XFORWARD NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 PORT=4711",
              "XFORWARD PROTO=SMTP HELO=them.test IDENT=AB12 SOURCE=REMOTE"]],
            [["XFORWARD ADDR=127.0.0.1"]]])

    def test_a_large_message(self):
        body = ("x" * 70 + "\r\n") * 20000
        with self.client(self.front) as client:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="large", body=body))
        (mail,) = self.suite.wait_mail("bob", text="large")
        self.assertTrue(mail.endswith(body.encode()))

    def test_what_the_filter_refuses_is_refused(self):
        with self.client(self.front) as client, self.assertRaises(smtplib.SMTPDataError) as caught:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="virus"))
        self.assertEqual((caught.exception.smtp_code, caught.exception.smtp_error), (554, b"5.7.1 a virus"))
        self.assertFalse(self.suite.queue())

    def test_taken_whole_before_the_filter_hears_of_it(self):
        """speed_adjust; two at a time, which come in pieces, are not mixed up."""
        before = self.suite.log().count("proxy-accept")
        bodies = [("a" * 70 + "\r\n..dots\r\n") * 2000, ("b" * 70 + "\r\n") * 3000]
        talks = [Talk("127.0.0.1", self.whole) for _ in bodies]
        for number, talk in enumerate(talks):
            talk.reply()
            for line, code in (("EHLO client.test", b"250"), ("MAIL FROM:<x@outside.test>", b"250"), ("RCPT TO:<bob@example.test>", b"250"), ("DATA", b"354")):
                self.assertTrue(talk.ask(line + "\r\n").startswith(code))
            talk.send(f"Subject: whole-{number}-\r\n\r\n")
        for at in range(0, max(map(len, bodies)), 50000):
            for talk, body in zip(talks, bodies):
                talk.send(body[at:at + 50000])
        self.assertFalse(self.scanner.connections)
        for talk in talks:
            self.assertEqual(talk.ask(".\r\n"), b"250 2.0.0 Ok: scanned\r\n")
            talk.close()
        for number, body in enumerate(bodies):
            (mail,) = self.suite.wait_mail("bob", text=f"whole-{number}-")
            self.assertTrue(mail.endswith(b"\r\n\r\n" + body.replace("\r\n..", "\r\n.").encode()))
        self.assertEqual(self.suite.log().count("proxy-accept"), before + 2)

    def test_nothing_of_what_does_not_come_whole(self):
        """A client that is gone in the middle, one that sends too much, one that is refused at the end."""
        with Talk("127.0.0.1", self.whole) as talk:
            talk.reply()
            for line in ("EHLO client.test", "MAIL FROM:<x@outside.test>", "RCPT TO:<bob@example.test>", "DATA"):
                talk.ask(line + "\r\n")
            talk.send("Subject: half\r\n\r\n" + "x" * 100000)
        self.suite.wait_log("lost connection after DATA")
        with self.client(self.whole) as client:  # without SIZE, by which it would be refused at once
            client.ehlo()
            client.mail("x@outside.test")
            client.rcpt("bob@example.test")
            self.assertEqual(client.data(message(subject="much", body=("x" * 70 + "\r\n") * 50000))[0], 552)
        with self.client(self.whole) as client, self.assertRaises(smtplib.SMTPDataError) as caught:
            client.sendmail("no@outside.test", ["bob@example.test"], message(subject="refused"))
        self.assertEqual(caught.exception.smtp_code, 554)
        for text in (b"half", b"much", b"refused"):
            self.assertFalse([e for e in self.scanner.seen if text in e[3]])
        with self.client(self.whole) as client:
            client.sendmail("to@outside.test", ["bob@example.test"], message(subject="redirected"))
        self.suite.wait_mail("alice", text="redirected")
        with self.client(self.whole) as client:
            client.sendmail("skip@outside.test", ["bob@example.test"], message(subject="one-filter"))
        self.suite.wait_mail("bob", text="one-filter")
        self.suite.wait_log("with smtpd_proxy_filter specified, action FILTER is always skipped")

    def test_a_filter_that_dies(self):
        """Wherever it does: the client is to try again, and nothing is left here."""
        self.addCleanup(setattr, self.scanner, "dies_at", None)
        for port in (self.front, self.whole):
            for step in STEPS:
                with self.subTest(step=step, whole=port == self.whole):
                    self.scanner.dies_at = step
                    with self.client(port) as client, self.assertRaises(smtplib.SMTPDataError) as caught:
                        client.sendmail("x@outside.test", ["bob@example.test"], message(subject="died", body="line\r\n" * 1000))
                    self.assertEqual(caught.exception.smtp_code, 451)
        self.assertFalse(self.suite.queue())
        self.scanner.dies_at = None
        with self.client(self.whole) as client:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="alive"))
        self.suite.wait_mail("bob", text="alive")
        self.assertFalse([mail for mail in self.suite.inbox("bob") if b"died" in mail])

    def test_no_filter_no_mail(self):
        with self.client(self.dead) as client, self.assertRaises(smtplib.SMTPDataError) as caught:
            client.sendmail("x@outside.test", ["bob@example.test"], message(subject="past"))
        self.assertEqual(caught.exception.smtp_code, 451)
        self.assertFalse(self.suite.queue())


if __name__ == "__main__":
    unittest.main()
