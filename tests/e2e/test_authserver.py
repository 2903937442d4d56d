"""Our users for other software: the service sasl, asked by Dovecot's own client, by ours, by Exim and Postfix, and by one that lies."""
import base64
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import unittest
from unittest import mock

from posta import AS_ROOT, PASSWORD, PLAIN_BUILD, Instance, message
from test_confinement import running as programs
from test_keys import holds
from test_login import scram_client

SERVICES = """dovecot-auth unix n - - - - sasl
127.0.0.1:{port} inet n - - - - sasl
"""
STRANGER = "203.0.113.9"
FORGOTTEN = "a-password-that-nobody-keeps-4712"


def encode(*parts):
    return base64.b64encode(b"\0".join(part.encode() for part in parts)).decode()


class Client:
    """What Postfix and the like do: VERSION and CPID, the greeting, then requests."""

    def __init__(self, where, hello="VERSION\t1\t1\nCPID\t4711\n"):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where), 30)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(where)
        self.lines = self.socket.makefile("rb")
        self.greeting = []
        self.last = 0
        self.send(hello)
        while not self.greeting or self.greeting[-1] not in ("DONE", ""):
            self.greeting.append(self.line())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text.encode("latin-1"))

    def line(self):
        try:
            return self.lines.readline().decode("latin-1").rstrip("\n")
        except ConnectionResetError:
            return ""

    def auth(self, mechanism, *parameters, service="smtp"):
        self.last += 1
        self.send("\t".join(["AUTH", str(self.last), mechanism, "service=" + service, *parameters]) + "\n")
        return self.last

    def plain(self, user="alice@example.test", password=PASSWORD, *parameters, service="smtp", rip=STRANGER):
        """The answer without its number, as words."""
        self.auth("PLAIN", "secured", "lip=192.0.2.1", "rip=" + rip, *parameters, "resp=" + encode("", user, password), service=service)
        return self.answer()

    def answer(self):
        word, number, *rest = self.line().split("\t")
        assert int(number) == self.last, (word, number, self.last)
        return [word, *rest]


class Answering(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = i = Instance(start=False, main={
            "auth_mechanisms": "plain, login, scram-sha-256, scram-sha-256-plus, external", "auth_failures_max": "100",
            "sasl_client_users": "daemon", "login_trusted_networks": "198.51.100.0/24", "disable_plaintext_auth": "yes"})
        cls.addClassCleanup(i.close)
        cls.port = i.base + 345
        cls.path = os.path.join(i.home, "queue", "public", "dovecot-auth")
        with open(os.path.join(i.conf, "master.cf"), "a") as file:
            file.write(SERVICES.format(port=cls.port))
        i.posta("user", "passwd", "bob@example.test", "--password", PASSWORD, "--scheme", "SCRAM-SHA-256")
        i.posta("user", "add", "locked@example.test", "--password", PASSWORD, "--extra", "nologin")
        i.start()

    def test_greeting(self):
        for where in (self.path, self.port):
            with Client(where) as client:
                words = [line.split("\t") for line in client.greeting]
                self.assertEqual(words[0], ["VERSION", "1", "2"])
                self.assertEqual([w[1:] for w in words if w[0] == "MECH"],
                                 [["PLAIN", "plaintext"], ["LOGIN", "plaintext"], ["SCRAM-SHA-256", "mutual-auth"]])
                self.assertEqual([w[0] for w in words[4:]], ["SPID", "CUID", "COOKIE", "DONE"])
        with Client(self.path) as one, Client(self.path) as two:
            self.assertNotEqual([line for line in one.greeting if line.startswith(("CUID", "COOKIE"))],
                                [line for line in two.greeting if line.startswith(("CUID", "COOKIE"))])

    def test_passwords(self):
        with Client(self.path) as client:
            self.assertEqual(client.plain(), ["OK", "user=alice@example.test"])
            self.assertEqual(client.plain("ALICE@example.test"), ["OK", "user=alice@example.test"])
            self.assertEqual(client.plain(password="wrong"), ["FAIL"])
            self.assertEqual(client.plain("nobody@example.test"), ["FAIL"])
            self.assertEqual(client.plain("locked@example.test"), ["FAIL", "user_disabled", "code=user_disabled"])
            self.instance.wait_log(rf"auth\[.*login: user=<alice@example\.test>, method=PLAIN, rip={STRANGER}, lip=192\.0\.2\.1, service=smtp, secured")
            # Names of services are the client's own.
            self.assertEqual(client.plain(service="xmpp")[0], "OK")
            self.instance.wait_log(r"auth\[.*login: user=<alice@example\.test>.* service=xmpp")
            client.auth("LOGIN", "secured")
            self.assertEqual(client.answer(), ["CONT", encode("Username:")])
            client.send(f"CONT\t{client.last}\t{encode('alice@example.test')}\n")
            self.assertEqual(client.answer(), ["CONT", encode("Password:")])
            client.send(f"CONT\t{client.last}\t{encode(PASSWORD)}\n")
            self.assertEqual(client.answer(), ["OK", "user=alice@example.test"])
        # A response that is empty is one that is missing, until version 1.2 said otherwise.
        for minor, wanted in (1, ["CONT", ""]), (2, ["FAIL"]):
            with Client(self.path, f"VERSION\t1\t{minor}\nCPID\t1\n") as client:
                for empty in ("resp=", "resp=="):
                    client.auth("PLAIN", "secured", empty)
                    self.assertEqual(client.answer(), wanted)
                client.auth("PLAIN", "secured")
                self.assertEqual(client.answer(), ["CONT", ""])

    def test_scram(self):
        with Client(self.path) as client:
            for password, wanted in ((PASSWORD, "OK"), ("wrong", "FAIL")):
                answers = []

                def ask(said):
                    data = base64.b64encode(said).decode()
                    if answers:
                        client.send(f"CONT\t{client.last}\t{data}\n")
                    else:
                        client.auth("scram-sha-256", "resp=" + data)
                    answers.append(client.answer())
                    # The server's last word comes with its OK.
                    data = [word[5:] for word in answers[-1] if word.startswith("resp=")] or answers[-1][1:2] or [""]
                    return base64.b64decode(data[0])
                try:
                    scram_client(ask, "bob@example.test", password)
                except (AssertionError, KeyError, ValueError, IndexError):
                    self.assertEqual(wanted, "FAIL")
                self.assertEqual(answers[-1][0], wanted, answers)
            self.assertEqual(client.plain()[0], "OK")

    def test_who_listens(self):
        """Without encryption no password, but from the same host, or one that is trusted."""
        response = "resp=" + encode("", "alice@example.test", PASSWORD)
        with Client(self.path) as client:
            for parameters, wanted in ((["rip=" + STRANGER, "lip=192.0.2.1"], "FAIL"), ([], "FAIL"), (["rip=198.51.100.7"], "OK"),
                                       (["rip=192.0.2.1", "lip=192.0.2.1"], "OK"), (["rip=2001:DB8::1", "lip=2001:db8::1"], "OK"),
                                       (["rip=here", "lip=here"], "FAIL"), (["secured"], "OK"), (["secured=tls"], "OK")):
                with self.subTest(parameters):
                    client.auth("PLAIN", *parameters, response)
                    said = client.answer()
                    self.assertEqual(said[0], wanted, said)
                    if wanted == "FAIL":
                        self.assertIn("encryption", said[1])

    def test_many_at_once(self):
        """Answers come as they are ready, each once, and no more are under way than may be."""
        with Client(self.path) as client:
            right = encode("", "alice@example.test", PASSWORD)
            self.assertEqual(client.plain()[0], "OK")
            client.send("".join(f"AUTH\t{n}\tPLAIN\tservice=smtp\tsecured\n" for n in range(100, 170)))
            lines = [client.line().split("\t") for _ in range(70)]
            asked = {int(words[1]) for words in lines if words[0] == "CONT"}
            self.assertEqual(len(asked), 64)
            self.assertEqual([words[2:] for words in lines if words[0] == "FAIL"], [["temp", "code=temp_fail"]] * 6)
            some = sorted(asked)
            client.send("".join(f"CONT\t{n}\t{right}\n" for n in some[:30]) + "".join(f"CANCEL\t{n}\n" for n in some[30:]))
            done = sorted(int(client.line().split("\t")[1]) for _ in range(30))
            self.assertEqual(done, some[:30])
            # What was cancelled is forgotten: its number may be used again.
            client.send(f"CONT\t{some[-1]}\t{right}\n")
            client.last = some[-1] - 1
            self.assertEqual(client.plain()[0], "OK")

    def test_lies(self):
        with Client(self.path) as client:
            for line, wanted in (("AUTH\t%d\tPLAIN\tservice=smtp\tsecured\tresp=!!", ["FAIL", "reason=No base64", "code=invalid_base64"]),
                                 ("AUTH\t%d\tPLAIN\tsecured\tresp=YQ==", ["FAIL", "reason=AUTH needs a mechanism and service="]),
                                 ("AUTH\t%d\tPL AIN\tservice=smtp", ["FAIL", "reason=AUTH needs a mechanism and service="]),
                                 ("AUTH\t%d\tEXTERNAL\tservice=smtp\tsecured\tvalid-client-cert\tcert_username=alice@example.test\tresp=", None),
                                 ("AUTH\t%d\tSCRAM-SHA-256-PLUS\tservice=smtp\tsecured\tresp=YQ==", None),
                                 ("AUTH\t%d\tGSSAPI\tservice=smtp\tsecured", None),
                                 # What a client says ends the line: nothing after it counts.
                                 ("AUTH\t%d\tPLAIN\tservice=smtp\tresp=" + encode("", "alice@example.test", PASSWORD) + "\tsecured", None)):
                with self.subTest(line):
                    client.last += 1
                    client.send(line % client.last + "\n")
                    said = client.answer()
                    self.assertEqual(said[0], "FAIL")
                    if wanted:
                        self.assertEqual(said, wanted)
            client.send("NONSENSE\t1\nCONT\t999\tYQ==\nCANCEL\t999\n")
            self.assertEqual(client.plain()[0], "OK")
        for said in ("AUTH\n", "AUTH\tx\tPLAIN\n", "CONT\t99999999999\t\n", "X" * 20000 + "\n", "AUTH\t7\tLOGIN\tservice=smtp\tsecured\n" * 2,
                     "AUTH\t8\tPLAIN\tservice=x" + "\tx" * 300 + "\n"):
            with self.subTest(said[:30]), Client(self.path) as client:
                client.send(said)
                while client.line():
                    pass
        for hello in ("VERSION\t2\t0\n", "CPID\t1\n", "VERSION\n", "GET / HTTP/1.1\r\n\r\n"):
            with self.subTest(hello), Client(self.path, hello) as client:
                self.assertEqual(client.line(), "")
        self.instance.wait_log(r"sasl\[.*uid 0: what the client says makes no sense" if AS_ROOT else r"sasl\[.*makes no sense")

    def test_failures_are_the_clients_own(self):
        """Those of one address hold that address, whoever connects here, and nobody else's."""
        i = self.instance
        with Client(self.path) as client:
            for _ in range(6):
                client.plain("mallory@example.test", "wrong", rip="203.0.113.77")
            held = i.posta("who", "--held").text
            self.assertRegex(held, r"address +203\.0\.113\.77 ")
            # Without an address they are the account's alone.
            for _ in range(6):
                client.plain("other@example.test", "wrong", rip="")
            held = i.posta("who", "--held").text
            self.assertRegex(held, r"account +other@example\.test ")
            self.assertEqual(client.plain(rip="")[0], "OK")
            # Its name stands where an address would: no other account without one waits for it.
            self.assertRegex(held, r"(?m)^address +other@example\.test ")

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_who_may_ask(self):
        def greeted(user):
            script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({self.path!r}); print(s.recv(7))"
            return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", "/usr/bin/python3", "-c", script],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30).stdout.strip()
        self.assertEqual(greeted("daemon"), "b'VERSION'")
        self.assertEqual(greeted("nobody"), "b''")
        self.instance.wait_log(rf"sasl\[.*uid {pwd.getpwnam('nobody').pw_uid} may not ask: sasl_client_users")
        with Instance(start=False, main={"sasl_client_networks": "192.0.2.0/24"}) as i:
            with open(os.path.join(i.conf, "master.cf"), "a") as file:
                file.write(SERVICES.format(port=i.base + 345))
            i.start()
            with Client(i.base + 345) as client:
                self.assertEqual(client.greeting, [""])
            i.wait_log(r"sasl\[.*127\.0\.0\.1 may not ask: sasl_client_networks")
        with Instance(start=False, main={"sasl_client_users": "nobody-has-this-name"}) as i:
            with open(os.path.join(i.conf, "master.cf"), "a") as file:
                file.write(SERVICES.format(port=i.base + 345))
            i.posta("start", check=False)
            i.wait_log(r"sasl\[.*sasl_client_users: there is no user nobody-has-this-name")

    def test_no_password_stays_in_memory(self):
        with Instance(build=PLAIN_BUILD, start=False) as i:
            with open(os.path.join(i.conf, "master.cf"), "a") as file:
                file.write(SERVICES.format(port=i.base + 345))
            i.start()
            with Client(i.base + 345) as client:
                self.assertEqual(client.plain(password=FORGOTTEN), ["FAIL"])
                encoded = encode("", "alice@example.test", FORGOTTEN).encode()
                [pid] = [pid for name, pid, _ in programs(i) if name == "sasl"][:1]
                self.assertEqual(holds(pid, {"plain": FORGOTTEN.encode(), "encoded": encoded[40:-4]}), set())


class Clients(unittest.TestCase):
    """Software that is not ours, and our own smtpd, ask."""

    @classmethod
    def setUpClass(cls):
        cls.exim = os.environ.get("POSTA_EXIM") or shutil.which("exim4")
        # Those who ask: auth of another instance of ours, and Exim's user.
        users = "postaauth" + (" " + os.environ.get("POSTA_EXIM_USER", "Debian-exim") if cls.exim else "") if AS_ROOT else ""
        cls.instance = i = Instance(start=False, main={"auth_mechanisms": "plain, login, scram-sha-256", "auth_failures_max": "100",
                                                       "sasl_client_users": users, "login_trusted_networks": "127.0.0.0/8"})
        cls.addClassCleanup(i.close)
        cls.port = i.base + 345
        cls.path = os.path.join(i.home, "queue", "public", "dovecot-auth")
        with open(os.path.join(i.conf, "master.cf"), "a") as file:
            file.write(SERVICES.format(port=cls.port))
        i.start()
        cls.folder = tempfile.mkdtemp(prefix="posta-peer-")
        os.chmod(cls.folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_dovecot(self):
        conf = self.file("dovecot.conf", f"base_dir = {self.folder}\nlog_path = /dev/stderr\nssl = no\n")

        def doveadm(user, password):
            return subprocess.run(["doveadm", "-c", conf, "auth", "test", "-a", self.path, "-x", "service=imap", "-x", "rip=127.0.0.1",
                                   "-x", "lip=127.0.0.1", user, password], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        done = doveadm("alice@example.test", PASSWORD)
        self.assertIn("auth succeeded", done.stdout)
        self.assertIn("user=alice@example.test", done.stdout)
        done = doveadm("alice@example.test", "wrong")
        self.assertIn("auth failed", done.stdout)

    def test_posta(self):
        for path in (f"inet:127.0.0.1:{self.port}", self.path):
            with Instance(main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": path,
                                "foreign_sockets": self.path}) as i:
                with i.smtp(587) as client:
                    client.starttls(context=i.tls_context())
                    client.ehlo()
                    self.assertEqual(set(client.esmtp_features["auth"].split()), {"PLAIN", "LOGIN", "SCRAM-SHA-256"})
                    with self.assertRaises(smtplib.SMTPAuthenticationError):
                        client.login("alice@example.test", "wrong")
                    client.login("alice@example.test", PASSWORD)
                    client.sendmail("alice@example.test", ["bob@example.test"], message(subject="by another"))
                i.wait_mail("bob", text="Subject: by another")

    def test_exim(self):
        if not self.exim:
            self.skipTest("there is no Exim: POSTA_EXIM=/path/of/exim4 names one, POSTA_EXIM_USER its user")
        conf = self.file("exim.conf", f"""primary_hostname = exim.test
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/%slog
auth_advertise_hosts = *
tls_advertise_hosts =
acl_smtp_rcpt = deny
keep_environment =
begin acl
deny:
  deny
begin authenticators
plain:
  driver = dovecot
  public_name = PLAIN
  server_socket = {self.path}
  server_set_id = $auth1
login:
  driver = dovecot
  public_name = LOGIN
  server_socket = {self.path}
  server_set_id = $auth1
""")

        def talk(*lines):
            return subprocess.run([self.exim, "-C", conf, "-bh", "127.0.0.1"], input="".join(line + "\r\n" for line in ("EHLO c.test", *lines, "QUIT")),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout
        said = talk("AUTH PLAIN " + encode("", "alice@example.test", PASSWORD))
        self.assertIn("235 Authentication succeeded", said)
        self.assertIn("535 Incorrect authentication data", talk("AUTH PLAIN " + encode("", "alice@example.test", "wrong")))
        said = talk("AUTH LOGIN", encode("alice@example.test"), encode(PASSWORD))
        self.assertIn("235 Authentication succeeded", said)


if __name__ == "__main__":
    unittest.main()
