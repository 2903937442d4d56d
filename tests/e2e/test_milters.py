"""Milters: one of our own that does each thing and misbehaves at each step."""
import os
import pwd
import shutil
import smtplib
import socket
import struct
import tempfile
import threading
import unittest

import milter
from milter import ACCEPT, CLOSE, CONTINUE, DISCARD, PROGRESS, REJECT, SILENCE, TEMPFAIL, Milter, add, change, \
    frame, insert, reply, strings
from posta import AS_ROOT, Instance, Talk, message, wait_until


class Suite(unittest.TestCase):
    """One suite; smtpd_milter_maps gives each test a milter of its own, by the client's address."""
    default_action = "tempfail"

    @classmethod
    def setUpClass(cls):
        cls.next_client = 1
        cls.socket_folder = None
        cls.suite = Instance(start=False, address="127.0.0.1", main={
            "mynetworks": "127.0.0.0/8", "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000",
            "milter_default_action": cls.default_action, "milter_connect_timeout": "2s",
            "milter_command_timeout": "2s", "milter_content_timeout": "2s", "milter_time_limit": "4s",
            "smtpd_milter_maps": "socketmap:inet:127.0.0.1:%d:milters" % cls.serve_map(),
            "local_header_rewrite_clients": "", **cls.settings()})
        cls.suite.start()

    @classmethod
    def settings(cls):
        return {}

    @classmethod
    def serve_map(cls):
        """A table that says what `self.milters` holds at this moment."""
        cls.map_socket = socket.create_server(("127.0.0.1", 0))
        cls.answer = "DISABLE"

        def serve(client):
            data = b""
            with client:
                while True:
                    more = client.recv(4096)
                    if not more:
                        return
                    data += more
                    while b":" in data and len(data) > int(data.split(b":", 1)[0]) + 1 + data.index(b":"):
                        length, rest = data.split(b":", 1)
                        data = rest[int(length) + 1:]
                        text = ("OK " + cls.answer).encode()
                        client.sendall(b"%d:%s," % (len(text), text))

        def accept():
            while True:
                try:
                    client, _ = cls.map_socket.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return cls.map_socket.getsockname()[1]

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.map_socket.close()

    def use(self, *milters, options=""):
        """From now on clients get these milters."""
        for one in milters:
            self.addCleanup(one.close)
        type(self).answer = ", ".join("{ %s%s }" % (m.name, options) for m in milters) or "DISABLE"
        return milters[0] if milters else None

    def talk(self, hello=True):
        talk = Talk("127.0.0.1", self.suite.port(25))
        self.addCleanup(talk.close)
        self.assertTrue(talk.reply().startswith(b"220 "))
        if hello:
            talk.ask("EHLO client.test\r\n")
        return talk

    def send(self, content=None, sender="s@outside.test", to=("bob@example.test",), talk=None):
        """The first reply that is an error, or the last one."""
        talk = talk or self.talk()
        said = talk.ask(f"MAIL FROM:<{sender}> BODY=8BITMIME\r\n")
        if not said.startswith(b"250"):
            return said.decode().strip()
        refused = [r for r in (talk.ask(f"RCPT TO:<{a}>\r\n") for a in to) if not r.startswith(b"250")]
        if len(refused) == len(to):
            return refused[0].decode().strip()
        said = talk.ask("DATA\r\n")
        if not said.startswith(b"354"):
            return said.decode().strip()
        text = content or message(subject=self.id())
        return talk.ask(text + ("" if text.endswith("\r\n") else "\r\n") + ".\r\n").decode().strip()

    def delivered(self, to="bob"):
        (mail,) = self.suite.wait_mail(to, text=b"Subject: " + self.id().encode())[-1:]
        return mail


class Steps(Suite):
    def test_all_steps_and_macros(self):
        m = self.use(Milter())
        self.assertRegex(self.send(), r"^250 2\.0\.0 Ok: queued as ")
        self.delivered()
        order = m.steps_heard().replace("D", "")
        self.assertTrue(order.startswith("OCHMRTL"), order)
        self.assertRegex(order, r"^OCHMRTL+NB+E")
        self.assertEqual(m.data("C"), [b"localhost\x004" + m.data("C")[0][11:13] + b"127.0.0.1\0"])
        self.assertEqual(m.data("H"), [b"client.test\0"])
        self.assertEqual(m.data("M"), [b"<s@outside.test>\0BODY=8BITMIME\0"])
        self.assertEqual(m.data("R"), [b"<bob@example.test>\0"])
        self.assertIn(b"Subject\0" + self.id().encode() + b"\0", m.data("L"))
        self.assertEqual(b"".join(m.data("B")), b"Hello.\r\n")
        self.assertFalse([d for d in m.data("L") if d.startswith(b"Received\0")])
        self.assertEqual(m.macro("C", b"_"), b"localhost [127.0.0.1]")
        self.assertEqual(m.macro("C", b"{daemon_addr}"), b"127.0.0.1")
        self.assertEqual(m.macro("M", b"{mail_addr}"), b"s@outside.test")
        self.assertEqual(m.macro("R", b"{rcpt_addr}"), b"bob@example.test")
        self.assertIsNone(m.macro("M", b"i"))
        queue_id = m.macro("T", b"i")
        self.assertEqual(m.macro("E", b"i"), queue_id)
        self.suite.wait_log(queue_id.decode() + r": client=localhost\[127\.0\.0\.1\]")

    def test_folded_fields_and_blanks(self):
        text = message(subject=self.id(), extra="X-Folded:  two\r\n\tlines\r\nX-Tight:none\r\nX-Empty:\r\n")
        m = self.use(Milter())
        self.send(text)
        self.assertIn(b"X-Folded\0 two\n\tlines\0", m.data("L"))
        self.assertIn(b"X-Tight\0none\0", m.data("L"))
        self.assertIn(b"X-Empty\0\0", m.data("L"))
        m = self.use(Milter(steps=milter.LEADING_SPACE, script={"E": [add(b"X-New", b"\t1"), CONTINUE]}))
        self.send(text)
        self.assertIn(b"X-Folded\0  two\n\tlines\0", m.data("L"))
        self.assertIn(b"X-Tight\0none\0", m.data("L"))
        self.suite.wait_mail("bob", text=b"X-New:\t1\r\n")

    def test_what_is_not_wanted_is_not_sent(self):
        m = self.use(Milter(steps=milter.NO_CONNECT | milter.NO_HELO | milter.NO_RCPT | milter.NO_BODY |
                            milter.NO_EOH | milter.NO_DATA))
        self.send()
        self.assertRegex(m.steps_heard().replace("D", ""), r"^OML+E")

    def test_no_answers_where_none_are_agreed(self):
        m = self.use(Milter(steps=milter.SILENT))
        self.assertTrue(self.send().startswith("250"))
        self.assertRegex(m.steps_heard().replace("D", ""), r"^OCHMRTL+NB+E")

    def test_versions(self):
        for version, order in ((2, r"^OCHMRL+NB+E"), (3, r"^OCHMRL+NB+E"), (4, r"^OCHMRTL+NB+E")):
            with self.subTest(version):
                m = self.use(Milter(version=version, actions=0x3f))
                self.assertTrue(self.send().startswith("250"))
                self.assertRegex(m.steps_heard().replace("D", ""), order)
        m = self.use(Milter(version=2, actions=0x3f), options=", protocol=2")
        self.assertTrue(self.send().startswith("250"))
        self.assertEqual(m.data("O"), [struct.pack(">III", 2, 0x3f, 0x7f)])

    def test_macros_that_it_asks_for(self):
        m = self.use(Milter(macros={0: b"{client_addr} {client_port} nonsense", 3: b"i,{rcpt_host}"}))
        self.send()
        self.assertEqual(m.macro("C", b"{client_addr}"), b"127.0.0.1")
        self.assertIsNone(m.macro("C", b"j"))
        self.assertIsNone(m.macro("R", b"{rcpt_addr}"))

    def test_what_is_known_to_be_empty_is_told(self):
        """A null sender is no unknown sender, and a default does not stand for it."""
        m = self.use(Milter())
        self.send(sender="")
        for name in (b"{mail_addr}", b"{mail_host}"):
            self.assertEqual(m.macro("M", name), b"")
        self.assertIsNone(m.macro("M", b"{auth_authen}"))

    def test_login_and_tls(self):
        m = self.use(Milter())
        with self.suite.smtp(587) as client:
            client.starttls(context=self.suite.tls_context())
            client.login("alice@example.test", "correct-horse-7")
            client.sendmail("alice@example.test", ["bob@example.test"], message(subject=self.id()))
        self.assertEqual(m.macro("M", b"{auth_authen}"), b"alice@example.test")
        self.assertTrue(m.macro("M", b"{auth_type}"))
        self.assertTrue(m.macro("H", b"{tls_version}").startswith(b"TLS"))
        self.assertEqual(len(m.data("H")), 2)

    def test_unknown_command_and_reset(self):
        m = self.use(Milter(script={"U": reply(b"500 5.5.1 milter says no")}))
        talk = self.talk()
        self.assertEqual(talk.ask("BLURB x\r\n"), b"500 5.5.1 milter says no\r\n")
        talk.ask("MAIL FROM:<a@outside.test>\r\n")
        talk.ask("RSET\r\n")
        self.assertTrue(self.send(talk=talk).startswith("250"))
        self.assertTrue(self.send(talk=talk).startswith("250"))
        talk.ask("QUIT\r\n")
        self.assertRegex(m.steps_heard().replace("D", ""), r"^OCHUMAMRTL+NB+EMRTL+NB+EQ?$")

    def test_rejected_recipients(self):
        m = self.use(Milter(steps=milter.REJECTED_TOO))
        self.send(to=["nobody@example.test", "bob@example.test"])
        self.assertEqual(m.data("R"), [b"<nobody@example.test>\0", b"<bob@example.test>\0"])
        mailers = [d for d in m.data("D") if d[:1] == b"R"]
        self.assertIn(b"{rcpt_mailer}\0error\0", mailers[0])
        self.assertIn(b"{rcpt_host}\x005.1.1\0", mailers[0])

    def test_discard_for_a_rejected_recipient(self):
        """It has heard enough: no other recipient gets the message past it."""
        self.use(Milter(steps=milter.REJECTED_TOO, script={"R": frame(b"d")}))
        self.assertTrue(self.send(to=["nobody@example.test", "bob@example.test"]).startswith("250"))
        self.suite.wait_log(r"milter-discard: RCPT from .*: discarded; .*to=<nobody@example\.test>")
        self.assertFalse([mail for mail in self.suite.inbox("bob") if self.id().encode() in mail])

    def test_large_body_and_skip(self):
        body = "".join("%07d\r\n" % n for n in range(30000))
        m = self.use(Milter())
        self.assertTrue(self.send(message(subject=self.id(), body=body)).startswith("250"))
        self.assertEqual(b"".join(m.data("B")), body.encode())
        self.assertTrue(all(len(d) <= 65535 for d in m.data("B")))
        m = self.use(Milter(steps=milter.SKIP, script={"B": frame(b"s")}))
        self.assertTrue(self.send(message(subject=self.id(), body=body)).startswith("250"))
        self.assertEqual(len(m.data("B")), 1)
        self.assertEqual(len(m.data("E")), 1)


REFUSALS = {
    REJECT: "550 5.7.1 Command rejected",
    TEMPFAIL: "451 4.7.1 Service unavailable - try again later",
    reply(b"554 5.7.1 100%% spam"): "554 5.7.1 100% spam",
    reply(b"450-4.7.1 one\r\n450 4.7.1 two"): None,
}


class Answers(Suite):
    def test_refusals_at_each_step(self):
        for step in "MRTLNBE":
            for said, text in REFUSALS.items():
                expected = text or ("450-4.7.1 one\r\n450 4.7.1 two" if step in "MRT" else "450 4.7.1 one two")
                with self.subTest(step=step, said=said):
                    m = self.use(Milter(script={step: said}))
                    talk = self.talk()
                    self.assertEqual(self.send(talk=talk), expected)
                    m.script = {}
                    talk.ask("RSET\r\n")
                    self.assertTrue(self.send(talk=talk).startswith("250"))

    def test_refused_is_not_forgotten(self):
        """DATA once more, after a milter has refused it: there is no transaction any more."""
        self.use(Milter(script={"T": REJECT}))
        talk = self.talk()
        talk.ask("MAIL FROM:<s@outside.test>\r\n")
        talk.ask("RCPT TO:<bob@example.test>\r\n")
        self.assertTrue(talk.ask("DATA\r\n").startswith(b"550 5.7.1"))
        self.assertTrue(talk.ask("DATA\r\n").startswith(b"503"))

    def test_one_recipient(self):
        def judge(_, data):
            return REJECT if data.startswith(b"<alice@") else CONTINUE
        self.use(Milter(script={"R": judge}))
        talk = self.talk()
        talk.ask("MAIL FROM:<s@outside.test>\r\n")
        self.assertEqual(talk.ask("RCPT TO:<alice@example.test>\r\n"), b"550 5.7.1 Command rejected\r\n")
        self.assertEqual(talk.ask("RCPT TO:<bob@example.test>\r\n"), b"250 2.1.5 Ok\r\n")
        talk.ask("DATA\r\n")
        self.assertTrue(talk.ask(message(subject=self.id()) + ".\r\n").startswith(b"250"))
        self.delivered()
        self.suite.wait_log(r"NOQUEUE: milter-reject: RCPT from localhost\[127\.0\.0\.1\]: 550 5\.7\.1 Command "
                            r"rejected; from=<s@outside\.test> to=<alice@example\.test> proto=ESMTP")

    def test_connect(self):
        self.use(Milter(script={"C": REJECT}))
        with Talk("127.0.0.1", self.suite.port(25)) as talk:
            self.assertEqual(talk.reply(), b"554 5.7.1 Command rejected\r\n")
            self.assertTrue(talk.ask("EHLO x\r\n").startswith(b"503"))
        self.use(Milter(script={"C": reply(b"550-5.7.1 one\r\n550 5.7.1 two")}))
        with Talk("127.0.0.1", self.suite.port(25)) as talk:
            self.assertEqual(talk.reply(), b"554-5.7.1 one\r\n554 5.7.1 two\r\n")
        self.use(Milter(script={"C": reply(b"421 4.7.0 not now")}))
        with Talk("127.0.0.1", self.suite.port(25)) as talk:
            self.assertEqual(talk.rest(), b"421 4.7.0 not now\r\n")
        for step in "CH":
            self.use(Milter(script={step: TEMPFAIL}))
            talk = self.talk()
            self.assertTrue(talk.ask("EHLO client.test\r\n").startswith(b"250"))
            for command in ("MAIL FROM:<s@outside.test>", "VRFY bob", "STARTTLS"):
                self.assertTrue(talk.ask(command + "\r\n").startswith(b"451 4.7.1"), command)
        for said, text in ((frame(b"4"), b"421 4.7.0 Server closing connection\r\n"),
                           (reply(b"421-4.7.0 one\r\n421 4.7.0 two"), b"421-4.7.0 one\r\n421 4.7.0 two\r\n")):
            self.use(Milter(script={"M": said}))
            talk = self.talk()
            talk.send("MAIL FROM:<s@outside.test>\r\n")
            self.assertEqual(talk.rest(), text)

    def test_accept_and_discard(self):
        m = self.use(Milter(script={"H": ACCEPT}))
        self.assertTrue(self.send().startswith("250"))
        self.assertRegex(m.steps_heard().replace("D", ""), "^OCHQ?$")
        m = self.use(Milter(script={"R": ACCEPT}))
        talk = self.talk()
        self.assertTrue(self.send(talk=talk).startswith("250"))
        m.script = {"L": REJECT}
        self.assertEqual(self.send(talk=talk), "550 5.7.1 Command rejected")
        for step in "MRTLNBE":
            with self.subTest(step):
                self.use(Milter(script={step: DISCARD}))
                before = len(self.suite.inbox("bob"))
                self.assertRegex(self.send(), "^250 2.0.0 Ok: queued as ")
                self.suite.wait_queue_empty()
                self.assertEqual(len(self.suite.inbox("bob")), before)

    def test_quarantine(self):
        self.use(Milter(script={"E": [frame(b"q", strings(b"looks odd")), CONTINUE]}))
        queue_id = self.send().split()[-1]
        (item,) = [i for i in self.suite.queue() if i["queue_id"] == queue_id]
        self.assertEqual(item["queue_name"], "hold")
        self.suite.wait_log(queue_id + r": milter-hold: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: looks odd")
        self.suite.posta("queue", "release", queue_id)
        self.delivered()

    def test_progress(self):
        self.use(Milter(script={"E": [PROGRESS] * 5 + [CONTINUE]}))
        self.assertTrue(self.send().startswith("250"))

    def test_order(self):
        first = Milter(script={"E": [add(b"X-First", b"seen"), change(1, b"Subject", self.id().encode() + b" 1"),
                                     frame(b"b", b"new body\r\n"), CONTINUE]})
        second = Milter(script={"E": [add(b"X-Second", b"seen"), CONTINUE]})
        third = Milter()
        self.use(first, second, third)
        self.assertTrue(self.send().startswith("250"))
        self.assertIn(b"X-First\0seen\0", second.data("L"))
        self.assertIn(b"Subject\0" + self.id().encode() + b" 1\0", second.data("L"))
        self.assertEqual(second.data("B"), [b"new body\r\n"])
        self.assertIn(b"X-Second\0seen\0", third.data("L"))
        mail = self.delivered()
        self.assertIn(b"X-First: seen\r\nX-Second: seen\r\n\r\nnew body\r\n", mail)
        first.script = {"R": REJECT}
        before = len(second.data("R"))
        self.assertTrue(self.send().startswith("550"))
        self.assertEqual(len(second.data("R")), before)


class Softened(Suite):
    @classmethod
    def settings(cls):
        return {"soft_bounce": "yes", "smtpd_reject_footer": "see us"}

    def test_all_lines_of_a_reply(self):
        """soft_bounce and smtpd_reject_footer: several lines stay one reply."""
        self.use(Milter(script={"M": reply(b"550-5.7.1 one\r\n550 5.7.1 two")}))
        talk = self.talk()
        self.assertEqual(talk.ask("MAIL FROM:<s@outside.test>\r\n"),
                         b"450-4.7.1 one\r\n450-4.7.1 two\r\n450 4.7.1 see us\r\n")


class Changes(Suite):
    @classmethod
    def settings(cls):
        return {"virtual_alias_maps": "inline:{list@example.test=bob@example.test}",
                "milter_header_checks": "regexp:{{/^X-Gone:/ IGNORE}, {/^X-Old: (.*)/ REPLACE X-Young: $$1}, "
                                        "{/^X-Bad:/ REJECT no such field}}"}

    def change(self, *edits, content=None, to=("bob@example.test",)):
        self.use(Milter(script={"E": [*edits, CONTINUE]}))
        self.assertRegex(self.send(content, to=to), "^250 ")

    def header(self):
        mail = self.delivered()
        header = mail.split(b"\r\n\r\n")[0]
        # from our Received field on; what local delivery adds is above it
        return header[header.index(b"Received: from"):] if b"\r\nX-Top" not in header else header

    def test_add_and_insert(self):
        self.change(add(b"X-Last", b"a\nb\n c"), insert(0, b"X-Top", b"top"), insert(2, b"X-Below", b"below"),
                    insert(1 << 31, b"X-End", b"end"))
        header = self.header()
        self.assertRegex(header, rb"(?s)\r\nX-Top: top\r\nReceived: from .*\r\nX-Below: below\r\nFrom: ")
        self.assertTrue(header.endswith(b"\r\nX-Last: a\r\n\tb\r\n c\r\nX-End: end"), header)

    def test_change_and_delete(self):
        text = message(subject=self.id(), extra="X-A: 1\r\nX-A: 2\r\nX-A: 3\r\nX-B: 1\r\nReceived: by elsewhere\r\n")
        self.change(change(3, b"X-A", b""), change(1, b"x-a", b"one"), change(9, b"X-B", b""),
                    change(1, b"X-C", b"new"), change(0, b"X-B", b"zero"), change(1, b"Received", b"by nobody"),
                    content=text)
        header = self.header()
        self.assertIn(b"\r\nx-a: one\r\nX-A: 2\r\nX-B: zero\r\nReceived: by nobody\r\n", header)
        self.assertIn(b"by mx", header.split(b"\r\nFrom:")[0].replace(b"by localhost", b"by mx"))
        self.assertTrue(header.endswith(b"\r\nX-C: new"), header)

    def test_body(self):
        self.change(frame(b"b", b"first\r\n"), frame(b"b", b"second \xc3\xa4\r\n"), add(b"X-After", b"1"))
        mail = self.delivered()
        self.assertTrue(mail.endswith(b"X-After: 1\r\n\r\nfirst\r\nsecond \xc3\xa4\r\n"), mail)

    def test_large_body(self):
        body = b"".join(b"%07d\r\n" % n for n in range(60000))
        self.change(*[frame(b"b", body[n:n + 65535]) for n in range(0, len(body), 65535)])
        self.assertTrue(self.delivered().endswith(b"\r\n\r\n" + body))

    def test_addresses(self):
        self.change(frame(b"e", strings(b"<new@outside.test>", b"RET=HDRS")), frame(b"+", strings(b"<alice@example.test>")),
                    frame(b"-", strings(b"<list@example.test>")), frame(b"2", strings(b"nonsense <x", b"NOTIFY=NEVER")),
                    to=["list@example.test"])
        mail = self.delivered("alice")
        self.assertIn(b"Return-Path: <new@outside.test>", mail)
        self.suite.wait_queue_empty()
        self.assertFalse([m for m in self.suite.inbox("bob") if self.id().encode() in m])

    def test_one_of_a_large_message(self):
        """What is in a file already, recipients and content, and is written once more."""
        body = "".join("%07d\r\n" % n for n in range(30000))
        self.change(frame(b"-", strings(b"alice@example.test")), add(b"X-Large", b"1"),
                    content=message(subject=self.id(), body=body), to=["alice@example.test", "bob@example.test"])
        mail = self.delivered()
        self.assertIn(b"X-Large: 1\r\n", mail)
        self.assertTrue(mail.endswith(b"\r\n\r\n" + body.encode()))
        self.suite.wait_queue_empty()
        self.assertFalse([m for m in self.suite.inbox("alice") if self.id().encode() in m])

    def test_chunks(self):
        """BDAT's content is judged as that of DATA."""
        self.use(Milter(script={"E": [add(b"X-Chunks", b"1"), CONTINUE]}))
        talk = self.talk()
        talk.ask("MAIL FROM:<s@outside.test>\r\n")
        talk.ask("RCPT TO:<bob@example.test>\r\n")
        text = message(subject=self.id())
        self.assertTrue(talk.ask(f"BDAT {len(text)} LAST\r\n{text}").startswith(b"250"))
        self.assertIn(b"X-Chunks: 1\r\n", self.delivered())
        self.use(Milter(script={"B": REJECT}))
        talk = self.talk()
        talk.ask("MAIL FROM:<s@outside.test>\r\n")
        talk.ask("RCPT TO:<bob@example.test>\r\n")
        self.assertEqual(talk.ask(f"BDAT {len(text)} LAST\r\n{text}"), b"550 5.7.1 Command rejected\r\n")

    def test_nobody_left(self):
        self.change(frame(b"-", strings(b"bob@example.test")))
        self.suite.wait_log(r"no recipients are left: thrown away")

    def test_checks_of_what_milters_write(self):
        self.change(add(b"X-Gone", b"1"), add(b"X-Old", b"wine"), change(1, b"X-Gone", b"2"))
        header = self.header()
        self.assertNotIn(b"X-Gone", header)
        self.assertIn(b"X-Young: wine", header)
        self.use(Milter(script={"E": [add(b"X-Bad", b"1"), CONTINUE]}))
        self.assertEqual(self.send(), "550 5.7.1 no such field")

    def test_no_way_out_of_a_field(self):
        self.change(add(b"X-Value", b"a\r\n\r\nbody\r\nSubject: other"), add(b"X-Na\r\nme", b"1"),
                    add(b"X Name", b"1"), add(b"", b"1"), add(b"X-Cr", b"a\rb"))
        header = self.header()
        self.assertIn(b"X-Value: a\r\n\tbody\r\n\tSubject: other", header)
        self.assertTrue(header.endswith(b"X-Cr: ab"), header)

    def test_refused_after_edits(self):
        self.use(Milter(script={"E": [add(b"X-Void", b"1"), frame(b"q", strings(b"void")), REJECT]}))
        self.assertEqual(self.send(), "550 5.7.1 Command rejected")


MISBEHAVIOUR = {
    "closes": CLOSE,
    "silent": SILENCE,
    "empty frame": struct.pack(">I", 0),
    "huge frame": struct.pack(">I", 1 << 31) + b"c",
    "too long": struct.pack(">I", 65537 + 1) + b"c",
    "left over": frame(b"c", b"x"),
    "no NUL": frame(b"y", b"550 5.7.1 x") + b"",
    "unknown": frame(b"Z"),
    "half a frame": [struct.pack(">I", 10) + b"y55", CLOSE],
    "connection failed": frame(b"f"),
    "2xx": reply(b"250 2.0.0 ok"),
    "mixed codes": reply(b"550-5.7.1 a\r\n450 4.7.1 b"),
    "other class": reply(b"550 4.7.1 a"),
    "no status": reply(b"550"),
    "bare CR": reply(b"550 5.7.1 a\rb"),
    "NUL inside": frame(b"y", b"550 5.7.1 a\0b\0"),
    "long": reply(b"550 5.7.1 " + b"x" * 50000),
    "options again": frame(b"O", struct.pack(">III", 6, 0, 0)),
}
AT_THE_END = {
    "closes after an edit": [add(b"X-Half", b"1"), CLOSE],
    "half an edit": [frame(b"h", strings(b"X-Half", b"1"))[:-3], CLOSE],
    "edit without value": frame(b"h", strings(b"X-Half")),
    "half a body": [add(b"X-Half", b"1"), frame(b"b", b"half"), CLOSE],
    "body in two goes": [frame(b"b", b"one"), add(b"X-Half", b"1"), frame(b"b", b"two"), CONTINUE],
    "always at work": [PROGRESS] * 3 + [SILENCE],
    "a million fields": [add(b"X-Half", b"x" * 1000)] * 2000 + [CONTINUE],
}


class Misbehaviour(Suite):
    """Nothing that a milter does loses a message, hangs up the suite, or gets half of what it wanted."""
    slow = {"silent", "always at work"}

    def refused(self, said):
        return said.startswith(("451 4.7.1 Service unavailable", "451 4.3.5 Server configuration"))

    def check(self, name, script, **options):
        self.use(Milter(script=script, **options))
        said = self.send()
        if not self.refused(said):
            self.fail(f"{name}: {said}")

    def test_at_each_command(self):
        for step in "CHMRT":
            for name, does in MISBEHAVIOUR.items():
                if name in self.slow and step != "M":
                    continue
                with self.subTest(step=step, name=name):
                    self.check(name, {step: does})

    def test_in_the_content(self):
        for step in "LNBE":
            for name, does in MISBEHAVIOUR.items():
                if name in self.slow and step not in "E":
                    continue
                with self.subTest(step=step, name=name):
                    self.check(name, {step: does})

    def test_edit_before_the_end(self):
        for step in "MRTLNB":
            with self.subTest(step):
                self.check(step, {step: [add(b"X-Early", b"1"), CONTINUE]})

    def test_at_the_end(self):
        for name, does in AT_THE_END.items():
            with self.subTest(name):
                self.check(name, {"E": does})

    def test_what_was_not_agreed_upon(self):
        for said in (add(b"X-A", b"1"), frame(b"b", b"x"), frame(b"+", strings(b"bob@example.test")),
                     frame(b"q", strings(b"x"))):
            self.check(said, {"E": [said, CONTINUE]}, actions=0)

    def test_negotiation(self):
        for name, says in {"closes": CLOSE, "nonsense": b"220 smtp.example.org ESMTP\r\n", "short": frame(b"O", b"\0\0"),
                           "newer": frame(b"O", struct.pack(">III", 7, 0, 0)),
                           "more actions": frame(b"O", struct.pack(">III", 6, 0xffff, 0)),
                           "no options": CONTINUE}.items():
            with self.subTest(name):
                self.check(name, {"O": says})
        gone = Milter()
        gone.close()
        self.use(gone)
        self.assertTrue(self.refused(self.send()))

    def test_trickle(self):
        """A byte at a time does not make it longer than milter_command_timeout."""
        self.check("trickle", {"M": milter.Drip(reply(b"550 5.7.1 I take my time to say no to this"))})

    def test_later_messages(self):
        """It is out until the connection ends, and so is what it would have judged."""
        m = self.use(Milter(script={"E": CLOSE}))
        talk = self.talk()
        self.assertTrue(self.refused(self.send(talk=talk)))
        m.script = {}
        self.assertTrue(self.refused(self.send(talk=talk)))
        self.assertTrue(self.send().startswith("250"))


class Accepting(Suite):
    """milter_default_action = accept, quarantine, reject, shutdown: per milter."""
    default_action = "accept"

    def test_never_half_changed(self):
        for name in ("closes after an edit", "half an edit", "edit without value"):
            with self.subTest(name):
                self.use(Milter(script={"E": AT_THE_END[name]}))
                text = message(subject=f"{self.id()} {name}")
                self.assertTrue(self.send(text).startswith("250"))
                (mail,) = self.suite.wait_mail("bob", text=f"Subject: {self.id()} {name}\r\n")
                self.assertNotIn(b"X-Half", mail)
                self.assertTrue(mail.endswith(b"\r\n\r\nHello.\r\n"))
        self.use(Milter(script={"E": AT_THE_END["half a body"]}))
        self.assertTrue(self.send().startswith("451 4.7.1"))

    def test_words(self):
        for step in "CMRTLE":
            for word, start in {"reject": "550 5.5.0", "tempfail": "451 4.7.1", "shutdown": "421 4.7.1",
                                "accept": "250 2.0.0"}.items():
                if step == "C" and word in ("reject", "shutdown"):
                    continue
                with self.subTest(step=step, word=word):
                    self.use(Milter(script={step: CLOSE}), options=f", default_action={word}")
                    self.assertTrue(self.send().startswith(start))

    def test_quarantine(self):
        for step in "CMRTLE":
            with self.subTest(step):
                after = Milter()
                self.use(Milter(script={step: CLOSE}), after, options=", default_action=quarantine")
                queue_id = self.send().split()[-1]
                (item,) = [i for i in self.suite.queue() if i["queue_id"] == queue_id]
                self.assertEqual(item["queue_name"], "hold")
                self.assertEqual(after.data("E"), [])

    def test_the_program_is_killed(self):
        """filter itself dies in the middle: that is a milter that fails."""
        import signal

        def kill(_, data):
            for line in self.suite.posta("status").text.splitlines():
                if line.split()[:1] == ["filter"]:
                    pid = int(next(w for w in line.split() if w.isdigit()))
                    os.kill(pid, signal.SIGKILL)
            return SILENCE
        self.use(Milter(script={"E": kill}), options=", default_action=accept")
        self.assertTrue(self.send().startswith("250"))
        self.delivered()
        self.use(Milter(script={"E": REJECT}))
        self.assertTrue(self.send().startswith("550"))


class Local(unittest.TestCase):
    """non_smtpd_milters, smtpd_milters of main.cf and -o, a UNIX socket."""

    def test_sendmail(self):
        judge = Milter(script={"E": [add(b"X-Local", b"1"), CONTINUE]})
        other = Milter(script={"E": [add(b"X-Smtp", b"1"), CONTINUE]})
        self.addCleanup(judge.close)
        self.addCleanup(other.close)
        with Instance(main={"non_smtpd_milters": judge.name, "smtpd_milters": other.name}) as suite:
            suite.posta("send", "-f", "alice@example.test", "bob@example.test", stdin="Subject: local\n\nx\n")
            (mail,) = suite.wait_mail("bob", text="Subject: local")
            self.assertIn(b"X-Local: 1", mail)
            self.assertNotIn(b"X-Smtp", mail)
            self.assertEqual(judge.data("M"), [b"alice@example.test\0"])
            self.assertEqual(judge.data("R"), [b"bob@example.test\0"])
            self.assertEqual(judge.data("C"), [b"localhost\x004\0\x00127.0.0.1\0"])
            self.assertFalse([d for d in judge.data("L") if d.startswith((b"Date\0", b"Received\0", b"Message-Id\0"))])
            judge.script = {"R": REJECT}
            # A refused recipient is for later, as in Postfix: the message waits in the maildrop.
            suite.posta("send", "-f", "alice@example.test", "bob@example.test", stdin="Subject: no\n\nx\n")
            self.assertEqual(len(os.listdir(os.path.join(suite.home, "queue", "maildrop"))), 1)
            self.assertNotIn(b"Subject: no\r", b"".join(suite.inbox("bob")))
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="smtp"))
            (mail,) = suite.wait_mail("bob", text="Subject: smtp")
            self.assertIn(b"X-Smtp: 1", mail)

    def test_mistakes_are_found_by_check(self):
        with Instance(start=False, main={"smtpd_milters": "{ inet:127.0.0.1:1, default_action=perhaps }",
                                         "non_smtpd_milters": "127.0.0.1:1"}) as suite:
            said = suite.posta("check", check=False)
            self.assertEqual(said.returncode, 1)
            self.assertIn("service smtp: smtpd_milters: milter inet:127.0.0.1:1: expected a setting like", said.text)
            self.assertIn('service cleanup: non_smtpd_milters: milter "127.0.0.1:1": expected inet:', said.text)

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_socket_of_another_user(self):
        """A socket that its owner alone reaches: by connector, which is that user; not by filter itself."""
        folder = tempfile.mkdtemp(prefix="posta-milter-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        judge = Milter(script={"E": [add(b"X-Unix", b"1"), CONTINUE]}, path=path)
        self.addCleanup(judge.close)
        os.chmod(path, 0o600)
        with Instance(main={"smtpd_milters": judge.name, "milter_default_action": "tempfail"}) as suite:
            with self.assertRaises(smtplib.SMTPSenderRefused) as refused:
                suite.inject("x@outside.test", ["bob@example.test"], message())
            self.assertEqual(refused.exception.smtp_code, 451)
            suite.wait_log("milter unix:.*Permission denied")
            owner = pwd.getpwnam("postaconnect")
            for name in (folder, path):
                os.chown(name, owner.pw_uid, owner.pw_gid)
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="through"))
            (mail,) = suite.wait_mail("bob", text="Subject: through")
            self.assertIn(b"X-Unix: 1", mail)

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_lmtp_beyond_the_chroot(self):
        """smtp delivers to a UNIX socket that a table names and foreign_sockets permits, and to no other."""
        folder = tempfile.mkdtemp(prefix="posta-lmtp-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        path = os.path.join(folder, "lmtp")
        got = []

        def serve(server):
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("rwb") as io:
                    def say(text):
                        io.write(text + b"\r\n")
                        io.flush()
                    say(b"220 test LMTP")
                    for line in io:
                        if line.startswith(b"DATA"):
                            say(b"354 go")
                            got.append(b"".join(iter(io.readline, b".\r\n")))
                        say(b"221 bye" if line.startswith(b"QUIT") else b"250 2.0.0 ok")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        os.chmod(path, 0o666)
        server.listen(5)
        self.addCleanup(server.close)
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        # What main.cf itself names is permitted by that.
        table = os.path.join(folder, "transport")
        with open(table, "w", encoding="ascii") as file:
            file.write(f"lmtp.test lmtp:unix:{path}\nother.test lmtp:unix:/run/other\n")
        with Instance(main={"foreign_sockets": folder + "/", "relay_domains": "lmtp.test, other.test",
                            "transport_maps": f"texthash:{table}"}) as suite:
            suite.inject("x@outside.test", ["a@lmtp.test"], message(subject="by lmtp"))
            wait_until(lambda: got, what="the message")
            self.assertIn(b"Subject: by lmtp", got[0])
            suite.inject("x@outside.test", ["a@other.test"], message())
            suite.wait_log("may not ask for a socket that neither")


if __name__ == "__main__":
    unittest.main()
