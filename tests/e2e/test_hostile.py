"""Strangers who mean harm: input without measure while memory is watched from outside, TLS and logins
that are odd, local users with line breaks, peers on the programs' own sockets that lie, and what of a
message goes on to the next host."""
import base64
import contextlib
import glob
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import threading
import unittest

from posta import AS_ROOT, BUILD, PASSWORD, Instance, Talk, message, wait_until

# What one of the floods here may cost any program at its worst; sanitizers need a multiple.
with open(os.path.join(BUILD, "CMakeCache.txt")) as cache:
    SANITIZED = "POSTA_SANITIZE:BOOL=ON" in cache.read()
MEGABYTES = 160 if SANITIZED else 40


def processes(suite):
    """{pid: program} of everything that runs for this instance."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            words = file.read().split(b"\0")
            if suite.conf.encode() in words and words[0].count(b"/libexec/"):
                found[int(path.split("/")[2])] = os.path.basename(words[0]).decode()
    return found


def memory(pid, field):
    """Of VmRSS or VmHWM, in MiB."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(rf"{field}:\s+(\d+)", file.read())[1]) / 1024


class Suite(unittest.TestCase):
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={
            "message_size_limit": "20000000", "smtpd_hard_error_limit": "100000", "smtpd_soft_error_limit": "100000",
            "smtpd_junk_command_limit": "100000", "smtpd_client_connection_count_limit": "0",
            "export_environment": "TZ ASAN_OPTIONS=quarantine_size_mb=8", **cls.settings})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self, port=25, tls=False):
        talk = Talk(self.suite.address, self.suite.port(port), timeout=60)
        self.addCleanup(talk.close)
        if tls:
            talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
        talk.line()
        return talk

    def imap_talk(self, name="bob"):
        talk = self.talk(993, tls=True)
        talk.send(f'l LOGIN {name}@example.test "{PASSWORD}"\r\ns SELECT INBOX\r\n')
        self.assertIn(b"s OK", talk.until(b"s "))
        return talk

    @contextlib.contextmanager
    def bounded(self):
        """No program ends meanwhile, and none takes more than MEGABYTES beyond what it had."""
        before = {}
        for pid in processes(self.suite):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/clear_refs", "w") as file:
                    file.write("5")  # the peak begins anew
                before[pid] = memory(pid, "VmRSS")
        yield
        for pid, program in processes(self.suite).items():
            with contextlib.suppress(OSError):
                grown = memory(pid, "VmHWM") - before.get(pid, max(before.values()))
                self.assertLess(grown, MEGABYTES, f"{program} grew by {grown:.0f} MiB")
        self.assertNotRegex(self.suite.log(), r"\[\d+\] (was killed by signal|ended with status)")


# Of a message: a name, its header, its body; sizes are such that what is not linear is seen.
MESSAGES = (
    ("short-fields", b"".join(b"X-%d: y\r\n" % n for n in range(200_000)), b""),
    ("long-field", b"X-Long: " + b"y" * 8_000_000 + b"\r\n", b""),
    ("folded-field", b"X-Folded: y\r\n" + b" y\r\n" * 500_000, b""),
    ("addresses", b"To: " + b",\r\n ".join(b"user%d@example.test" % n for n in range(100_000)) + b"\r\n", b""),
    ("one-line-addresses", b"Cc: " + b"<a@b.c>," * 100_000 + b"\r\n", b""),
    ("comments", b"From: a@b.test " + b"(" * 100_000 + b"\r\n", b""),
    ("backslash", b"From: \"a\\\r\nReply-To: a@b.test (\\\r\n", b""),
    ("groups", b"To: " + b"a:" * 50_000 + b"\r\n", b""),
    ("encoded-words", b"Subject: " + b"=?utf-8?q?=41=" * 50_000 + b"\r\n", b""),
    ("parameters", b"Content-Type: text/plain; " + b";\r\n ".join(b"n*%d*=''%%41" % n for n in range(100_000)) + b"\r\n", b""),
    ("charset", b"Content-Type: text/plain; charset=\"" + b"x" * 100_000 + b"\"\r\nContent-Transfer-Encoding: base64\r\n",
     b"!!!!====\0\xff" * 10_000),
    ("parts", b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
     b"--b\r\n\r\nx\r\n" * 100_000 + b"--b--\r\n"),
    ("depth", b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n",
     b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(10_000))),
    ("prefixes", b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
     b"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--b\r\n\r\ny\r\n"),
    ("messages", b"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n",
     b"Content-Type: message/rfc822\r\n\r\n" * 20_000),
    ("nul", b"Subject: a\0b\r\nX\0Y: z\r\n", b"\0" * 1000),
    ("expansion", b"Subject: ${run{/bin/false}} %n%s $(false) `false`\r\n", b"${x}"),
)


@unittest.skipUnless(AS_ROOT, "needs root to see the memory of others")
class Messages(Suite):
    def send(self, talk, name, header, body):
        for command in ("MAIL FROM:<a@b.test>", "RCPT TO:<bob@example.test>", "DATA"):
            talk.ask(command + "\r\n")
        lines = b"".join(line if not line.startswith(b".") else b"." + line for line in body.splitlines(True))
        talk.send(b"X-Name: " + name.encode() + b".\r\n" + header + b"\r\n" + lines + b"\r\n.\r\n")
        return talk.reply()

    def test_without_measure(self):
        """Each of them goes in and out again, or is refused in words; memory stays where it was."""
        talk = self.talk()
        talk.ask("EHLO x\r\n")
        with self.bounded():
            answers = {name: self.send(talk, name, header, body) for name, header, body in MESSAGES}
            for name, answer in answers.items():
                # header_size_limit is the one limit that they may meet.
                self.assertRegex(answer, rb"^(250 |552 5\.3\.4 Error: message header is too long\r\n)", name)
            taken = [name for name, answer in answers.items() if answer.startswith(b"250")]
            self.assertGreaterEqual(len(taken), len(MESSAGES) - 5, answers)
            self.suite.wait_queue_empty()
            self.assertEqual(len(self.suite.inbox("bob")), len(taken))
        with self.bounded():
            imap = self.imap_talk()
            for command in ("FETCH 1:* (UID RFC822.SIZE ENVELOPE)", "FETCH 1:* BODYSTRUCTURE", "FETCH 1:* BODY.PEEK[1.1.1.1.1]",
                            "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT TO)]", "SEARCH TEXT nowhere", "SEARCH FROM nobody",
                            "SEARCH BODY nowhere HEADER X-Long z", "FETCH 1:* BODY.PEEK[TEXT]<0.100>"):
                imap.send(f"c {command}\r\n")
                self.assertRegex(imap.until(b"c "), rb"(?m)^c (OK|NO \[)", command)
        with self.bounded(), contextlib.closing(self.suite.pop3("bob")) as pop:
            for number in range(1, len(taken) + 1):
                pop.sock.sendall(b"TOP %d 1\r\n" % number)
                answer = pop.file.readline()
                self.assertTrue(answer.startswith(b"+OK"), answer)
                while pop.file.readline() != b".\r\n":
                    pass

    def test_more_than_a_message_may_have(self):
        with self.bounded():
            talk = self.talk()
            talk.ask("EHLO x\r\n")
            with contextlib.suppress(ConnectionError):  # an end is an answer, too
                answer = self.send(talk, "huge-line", b"X: " + b"y" * 100_000_000, b"")
                self.assertEqual(answer[:9], b"552 5.3.4", answer)
            talk = self.talk()
            talk.ask("EHLO x\r\n")
            answer = self.send(talk, "hops", b"Received: by y\r\n" * 5_000, b"")
            self.assertRegex(answer, rb"^554 5\.4\.0 ", answer)
            talk.ask("MAIL FROM:<a@b.test>\r\n")
            talk.send("RCPT TO:<bob@example.test>\r\n" * 50_001)
            codes = [talk.reply()[:3] for _ in range(50_001)]
            self.assertLessEqual(codes.count(b"250"), 1000)
            self.assertEqual(set(codes), {b"250", b"452"})
            talk.ask("RSET\r\n")
            talk.send(b"EHLO " + b"x" * 65536 + b"\r\n")
            self.assertEqual(talk.reply()[:1], b"5")
            talk.send("NOOP\r\n" * 20_000)
            self.assertEqual({talk.reply()[:3] for _ in range(20_000)}, {b"250"})

    def test_imap_commands(self):
        self.suite.inject("a@b.test", ["alice@example.test"], message(subject="one"))
        self.suite.wait_mail("alice", text="one")
        commands = (
            b"SEARCH" + b" SUBJECT {1+}\r\nx" * 100_000, b"SEARCH " + b"1," * 400_000 + b"1",
            b"FETCH 1:* (" + b"FLAGS " * 100_000 + b")", b"STORE 1 FLAGS (" + b" ".join(b"k%d" % n for n in range(10_000)) + b")",
            b"SEARCH " + b"OR ALL " * 5_000 + b"ALL", b"LIST \"\" (" + b"% " * 20_000 + b")", b"ID (" + b"\"a\" \"b\" " * 10_000 + b")",
            b"APPEND INBOX (" + b"\\Seen " * 10_000 + b") {3+}\r\nabc", b"CREATE " + b"/".join([b"a"] * 10_000),
            b"SELECT \"a\0b\"", b"SELECT \"&&&-&\"", b"LIST \"\" {3+}\r\na\0b", b"STATUS INBOX (" + b"MESSAGES " * 10_000 + b")")
        with self.bounded():
            for number, command in enumerate(commands):
                talk = self.imap_talk("alice")
                talk.send(b"t%d " % number + command + b"\r\n")
                # Done or refused, under its tag.
                self.assertRegex(talk.until(b"t%d " % number), rb"(?m)^t\d+ (OK|BAD|NO) ", command[:30])
            # What has no end is not read to its end; the answer may be lost with the connection.
            for endless, answer in ((b"t" * 1_000_000 + b" NOOP", rb"^(\* (BAD|BYE) |$)"),
                                    (b"t SEARCH " + b"1," * 1_000_000 + b"1", rb"^(t BAD |$)")):
                talk = self.imap_talk("alice")
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    talk.send(endless + b"\r\n")
                    self.assertRegex(talk.line(), answer)
            with self.suite.imap("alice") as client:
                # The one that was there, and the one that was appended with many blanks.
                self.assertEqual(client.select("INBOX")[1], [b"2"])


class Tls(Suite):
    settings = {"auth_cache_ttl": "60s"}

    def s_client(self, port, *options, stdin=""):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"{self.suite.address}:{self.suite.port(port)}", "-ign_eof", "-crlf", *options],
            input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
        return done.stdout.decode(errors="replace")

    def test_server_names(self):
        """Whatever name a client asks for, it gets the certificate, or an alert."""
        names = ("x\\", "a" * 253, "127.0.0.1", "xn--bcher-kva.test", "..", "-", "a b", "'\"; drop", "${run{x}}", "*.test")
        with self.bounded() if AS_ROOT else contextlib.nullcontext():
            for name in names:
                with self.subTest(name=name):
                    self.assertIn("221 ", self.s_client(465, "-quiet", "-servername", name, stdin="QUIT\n"))
            context = self.suite.tls_context()
            context.check_hostname = False
            for number in range(1000 if not SANITIZED else 200):
                with socket.create_connection((self.suite.address, self.suite.port(993))) as plain:
                    with context.wrap_socket(plain, server_hostname=f"{number}.{random.getrandbits(64):x}.test") as secure:
                        self.assertTrue(secure.recv(100).startswith(b"* OK"))

    def test_other_protocols(self):
        """RFC 7301 and ALPACA: a client that wants something else is refused, one that names us is not."""
        for port, good in ((465, "smtp"), (993, "imap"), (995, "pop3")):
            with self.subTest(port=port):
                self.assertIn("no application protocol", self.s_client(port, "-alpn", "http/1.1"))
                quit_command = {"imap": "a LOGOUT\n"}.get(good, "QUIT\n")
                self.assertIn(f"ALPN protocol: {good}", self.s_client(port, "-alpn", good, stdin=quit_command))

    def test_renegotiation_is_refused(self):
        """A client that begins it (TLS 1.2 has it still) gets the alert for that, and no second handshake."""
        with subprocess.Popen(["openssl", "s_client", "-connect", f"{self.suite.address}:{self.suite.port(465)}", "-tls1_2", "-crlf"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            self.addCleanup(client.kill)
            for line in client.stdout:
                if line.startswith(b"220 "):
                    break
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(b"R\n")
                client.stdin.flush()
            with contextlib.closing(client.stdout):
                answer = client.stdout.readline() + client.stdout.readline()
        self.assertTrue(answer.startswith(b"RENEGOTIATING\n"), answer)
        self.assertIn(b":no renegotiation:", answer)

    def test_no_trust_in_a_session_of_another_service(self):
        """A TLS session that was logged in on one port begins without a login on any other, or the same."""
        context = self.suite.tls_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        plain = b"\0alice@example.test\0" + PASSWORD.encode()
        talk = Talk(self.suite.address, self.suite.port(465))
        talk.socket = context.wrap_socket(talk.socket)
        talk.reply()
        talk.ask("EHLO x\r\n")
        self.assertEqual(talk.ask(b"AUTH PLAIN " + base64.b64encode(plain) + b"\r\n")[:3], b"235")
        session = talk.socket.session
        talk.close()
        for port in (465, 993, 995):
            other = Talk(self.suite.address, self.suite.port(port))
            self.addCleanup(other.close)
            other.socket = context.wrap_socket(other.socket, session=session)
            other.line()
            if port == 465:
                other.ask("EHLO x\r\n")
                self.assertRegex(other.ask("MAIL FROM:<alice@example.test>\r\n") + other.ask("RCPT TO:<x@other.test>\r\n"),
                                 rb"(?m)^5\d\d ")
            else:
                other.send("a SELECT INBOX\r\n" if port == 993 else "STAT\r\n")
                self.assertRegex(other.line(), rb"^(a BAD|a NO|-ERR)")


class Logins(Suite):
    def test_two_users_alternate(self):
        """From one address, with the cache of logins: each sees what is theirs."""
        for name in ("alice", "bob"):
            self.suite.inject("a@b.test", [f"{name}@example.test"], message(subject=f"for-{name}."))
            self.suite.wait_mail(name, text=f"for-{name}.")
        for _ in range(10):
            for name in ("alice", "bob"):
                with self.suite.imap(name) as client:
                    client.select("INBOX")
                    for other in ("alice", "bob"):
                        found = client.search(None, "SUBJECT", f"for-{other}.")[1][0].split()
                        self.assertEqual(len(found), int(other == name))

    def test_neighbours_of_a_bad_client(self):
        """Bad logins, given up in all ways and at once, do not keep others from theirs."""
        stop = threading.Event()
        lines = [b"AUTH PLAIN\r\n*\r\n", b"AUTH PLAIN \xff\xfe\r\n", b"AUTH LOGIN\r\n=\r\n", b"AUTH PLAIN AAAA\r\n",
                 b"AUTH PLAIN " + base64.b64encode(b"\0\xff\xc0\x80\0x") + b"\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN " + b"A" * 20_000 + b"\r\n",
                 b"AUTH PLAIN " + base64.b64encode(b"\0a'\"; \\ ${x} %n\0x") + b"\r\n", b"AUTH PLAIN " + base64.b64encode(b"\0" * 4) + b"\r\n"]

        def be_bad(number):
            source = random.Random(number)
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    with Talk(self.suite.address, self.suite.port(465)) as talk:
                        talk.socket = self.suite.tls_context().wrap_socket(talk.socket)
                        talk.send(b"EHLO x\r\n" + source.choice(lines))
                        if source.random() < 0.5:
                            talk.line()
        threads = [threading.Thread(target=be_bad, args=(n,)) for n in range(4)]
        with self.bounded() if AS_ROOT else contextlib.nullcontext():
            for thread in threads:
                thread.start()
            try:
                for number in range(20):
                    self.suite.submit("alice", ["bob@example.test"], message(subject=f"neighbour-{number}."), port=465)
                    with self.suite.imap("bob") as client:
                        self.assertEqual(client.noop()[0], "OK")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
        self.suite.wait_mail("bob", text="neighbour-19.")


def frames():
    """What a peer that is no program of ours might say. The first four bytes of a frame are its length."""
    source = random.Random(7)
    yield b""
    yield b"\0"
    yield b"\xff" * 4
    yield b"\xff" * 64
    yield struct.pack("<I", 0)
    yield struct.pack("<I", 4_000_000_000) + b"x" * 100
    yield struct.pack(">I", 1) + b"x"
    yield b"GET / HTTP/1.1\r\n\r\n"
    for kind in range(0, 120):
        for size in (0, 1, 3, 40):
            yield struct.pack("<IH", size + 2, kind) + source.randbytes(size)
            yield struct.pack("<II", size + 4, kind) + source.randbytes(size)


@unittest.skipUnless(AS_ROOT, "needs root to reach the private sockets")
class Peers(Suite):
    def say(self, path, bytes_, descriptors=()):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(5)
            with contextlib.suppress(OSError):
                peer.connect(path)
                socket.send_fds(peer, [bytes_ or b"\0"], list(descriptors))
                peer.shutdown(socket.SHUT_WR)

    def test_lies_on_every_socket(self):
        """Garbage, lies about lengths, descriptors of the wrong kind: each program lives on and serves others."""
        before = {pid: name for pid, name in processes(self.suite).items()}
        paths = glob.glob(os.path.join(self.suite.home, "queue/sockets/*/*"))
        self.assertGreater(len(paths), 12)
        read_end, write_end = os.pipe()
        folder = os.open("/", os.O_RDONLY)
        device = os.open("/dev/null", os.O_RDWR)
        with self.bounded():
            for path in paths:
                for frame in frames():
                    self.say(path, frame)
                for fds in ([read_end], [write_end], [folder], [device], [folder, device, read_end] * 5):
                    for frame in list(frames())[8:60:5]:
                        self.say(path, frame, fds)
        for fd in (read_end, write_end, folder, device):
            os.close(fd)
        self.assertEqual({pid: name for pid, name in processes(self.suite).items() if pid in before}, before)
        self.suite.submit("alice", ["bob@example.test"], message(subject="lives"))
        self.suite.wait_mail("bob", text="lives")
        with self.suite.imap("bob") as client:
            self.assertEqual(client.select("INBOX")[1], [b"1"])

    def test_nobody_has_no_way_in(self):
        """Any local user reaches the sockets for submission and questions, and can only be refused there."""
        script = ("import os,socket,sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
                  "for path in sys.argv[1:]:\n"
                  " s = socket.socket(socket.AF_UNIX)\n"
                  " try:\n  s.connect(path); s.sendall(b'\\xff' * 100); print('in', path)\n"
                  " except PermissionError: print('refused', path)\n")
        paths = glob.glob(os.path.join(self.suite.home, "queue/sockets/private/*"))
        done = subprocess.run(["/usr/bin/python3", "-c", script, *paths], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual([line for line in done.stdout.splitlines() if not line.startswith("refused")], [])


class LocalUsers(Suite):
    def sendmail(self, *arguments, content="Subject: x\n\nbody\n"):
        return subprocess.run([os.path.join(BUILD, "bin", "sendmail"), "-C", self.suite.conf, *arguments],
                              input=content.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)

    def test_line_breaks_in_the_envelope(self):
        for number, arguments in enumerate((
                ["-f", "a@b.test\nX-Evil: 1", "bob@example.test"], ["bob@example.test\nalice@example.test"],
                ["-F", "Name\nX-Evil: 1", "bob@example.test"], ["-f", "a\r\nRCPT TO:<x>@b.test", "bob@example.test"],
                ["-f", "<>\0".replace("\0", "\x01"), "bob@example.test"])):
            with self.subTest(arguments=arguments):
                self.sendmail(*arguments, content=f"Subject: local-{number}.\n\nbody\n")
        self.suite.wait_queue_empty()
        for name in ("alice", "bob"):
            for mail in self.suite.inbox(name):
                header = mail.split(b"\r\n\r\n")[0]
                self.assertNotRegex(header, rb"(?m)^(X-Evil|RCPT)")
                self.assertEqual(len(re.findall(rb"(?m)^Delivered-To:", header)), 1)

    def test_odd_content(self):
        for number, content in enumerate(("\0\0\0\n", "no header at all\n", " begins with a space\n", "From x Sat\nSubject: s\n\nb\n", "\n\n",
                                          "Subject: long\n\n" + "y" * 1_000_000 + "\n", "Subject: s\n\n.\nMAIL FROM:<x@y.test>\n.\n")):
            with self.subTest(number=number):
                done = self.sendmail("-i", "-f", f"odd-{number}@b.test", "bob@example.test", content=content)
                self.assertEqual(done.returncode, 0, done.stdout)
        self.suite.wait_queue_empty()
        senders = {int(found[1]) for mail in self.suite.inbox("bob")
                   if (found := re.match(rb"Return-Path: <odd-(\d)@", mail))}
        self.assertEqual(senders, set(range(7)))


class Sink:
    """An SMTP or LMTP server that keeps every byte and speaks no more than it must."""

    def __init__(self, lmtp=False, refuse=b""):
        self.lmtp, self.refuse = lmtp, refuse
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.contents = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 sink\r\n")
            recipients = 0
            while line := lines.readline():
                verb = line[:4].upper()
                if verb == b"RCPT" and self.refuse:
                    connection.sendall(self.refuse)
                    continue
                recipients = 0 if verb == b"MAIL" else recipients + (verb == b"RCPT")
                if verb == b"DATA" and recipients > 0:
                    connection.sendall(b"354 go\r\n")
                    content = b""
                    while not content.endswith(b"\r\n.\r\n"):
                        content += lines.read(1)
                    self.contents.append(content)
                    connection.sendall(b"250 2.0.0 kept\r\n" * (recipients if self.lmtp else 1))
                else:
                    connection.sendall(b"554 5.5.1 nobody\r\n" if verb == b"DATA" else
                                       b"250-sink\r\n250 8BITMIME\r\n" if verb in (b"EHLO", b"LHLO") else b"250 ok\r\n")

    def close(self):
        self.listener.close()


ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n",
        b"\r\n .\r\n", b"\r\r\n.\r\r\n", b"\r\n..\r\n", b"\r\n.\r\r\n")


class Onward(Suite):
    """What was taken in goes on: to a relay, by LMTP, into reports."""
    settings = {"smtp_tls_security_level": "none", "lmtp_tls_security_level": "none"}

    @classmethod
    def setUpClass(cls):
        cls.relay, cls.lmtp = Sink(), Sink(lmtp=True)
        cls.refusing = Sink(refuse=b"550-5.1.1 ${x} %n \xff\x01\r\n550-5.1.1 From: evil@x.test\r\n550 5.1.1 \r\n")
        cls.settings = {**cls.settings, "relay_domains": "relay.test lmtp.test refuse.test", "transport_maps":
                        f"inline:{{ relay.test=smtp:[127.0.0.1]:{cls.relay.port}, lmtp.test=lmtp:inet:127.0.0.1:{cls.lmtp.port}, "
                        f"refuse.test=smtp:[127.0.0.1]:{cls.refusing.port} }}"}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            for sink in (cls.relay, cls.lmtp, cls.refusing):
                sink.close()

    def inject_raw(self, recipient, content):
        talk = self.talk()
        for command in ("EHLO x", "MAIL FROM:<alice@example.test>", f"RCPT TO:<{recipient}>", "DATA"):
            self.assertIn(talk.ask(command + "\r\n")[:1], (b"2", b"3"))
        talk.send(content + b"\r\n.\r\n")
        self.assertEqual(talk.reply()[:3], b"250")
        talk.close()

    def test_smuggling_matrix_goes_no_further(self):
        for sink, domain in ((self.relay, "relay.test"), (self.lmtp, "lmtp.test")):
            for number, end in enumerate(ENDS):
                self.inject_raw(f"x@{domain}", f"Subject: end-{number}.\r\n\r\nfirst".encode() + end + b"MAIL FROM:<evil@x.test>")
            wait_until(lambda: len(sink.contents) >= len(ENDS), what=f"messages at {domain}")
            for content in sink.contents:
                # One end, and no line break that another server might take for one.
                self.assertEqual(content.count(b"\r\n.\r\n"), 1, content)
                self.assertNotRegex(content.replace(b"\r\n", b""), rb"[\r\n]")
                self.assertIn(b"evil@x.test", content)
                self.assertNotRegex(content[:-5], rb"(?m)^\.(?!\.)")  # every dot in front is stuffed
            self.assertEqual(len(sink.contents), len(ENDS))

    def test_a_report_says_no_more_than_the_server_did(self):
        self.inject_raw("x@refuse.test", b"Subject: refused.\r\n\r\nbody\n.\nMAIL FROM:<evil@x.test>\r\n")
        (mail,) = self.suite.wait_mail("alice", text="x@refuse.test")
        self.assertNotRegex(mail.replace(b"\r\n", b""), rb"[\r\n\0\x01\xff]")
        self.assertNotRegex(mail, rb"(?m)^From: evil")
        self.assertIn(b"550 5.1.1 ${x} %n", mail)


if __name__ == "__main__":
    unittest.main()
