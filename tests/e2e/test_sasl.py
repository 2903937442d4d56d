"""SMTP's users in other software's servers: Dovecot's authentication protocol, saslauthd; real ones, and some that lie."""
import base64
import contextlib
import os
import smtplib
import socket
import subprocess
import threading
import unittest
import unittest.mock

from peers import Peer, Server, free_port
from posta import AS_ROOT, PLAIN_BUILD, Instance, Talk, message
from test_confinement import running as programs
from test_keys import holds

SECRET = "pass word=%1"


class Dovecot(Peer):
    """Debian's dovecot-core with nothing but its authentication server."""

    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.write("users", f"carol@example.test:{{PLAIN}}secret\ndave:{{PLAIN}}{SECRET}\n")
        me = "" if AS_ROOT else (f"default_internal_user = {os.getlogin()}\ndefault_login_user = {os.getlogin()}\n")
        self.write("dovecot.conf", f"""
protocols =
base_dir = {self.path('run')}
state_dir = {self.path('state')}
log_path = {self.path('log')}
ssl = no
{me}
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 anonymous
passdb {{
  driver = passwd-file
  args = username_format=%u {self.path('users')}
}}
userdb {{
  driver = static
  args = uid=1000 gid=1000 home=/nonexistent
}}
service auth {{
  unix_listener {self.path('auth')} {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {self.port}
  }}
}}
# Its own penalties for failures would only make the tests slow.
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
""")
        self.start()

    def start(self):
        self.run(["dovecot", "-F", "-c", self.path("dovecot.conf")], self.path("auth"))


class Imap(threading.Thread):
    """What saslauthd asks with -a rimap: greeting, LOGIN, OK or NO."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.seen = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, contextlib.suppress(OSError):
                    client.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
                    line = client.recv(1000).decode()
                    self.seen.append(line)
                    good = '"erin@site.test" "secret"' in line
                    client.sendall(b"%s %s\r\n" % (line.split(" ")[0].encode(), b"OK fine" if good else b"NO no"))
                    client.recv(1000)


class Saslauthd(Peer):
    def __init__(self):
        super().__init__()
        self.imap = Imap()
        self.start()

    def start(self):
        self.run(["saslauthd", "-d", "-a", "rimap", "-O", f"127.0.0.1/{self.imap.port}", "-r", "-n", "1",
                  "-m", self.path()], self.path("mux"))
        os.chmod(self.path("mux"), 0o777)


FORGOTTEN = "a-password-that-nobody-keeps-4711"


def forgets(test, suite, name):
    """auth has seen the password and has it no more, neither as it is nor in the exchange's base64."""
    (pid,) = [pid for name, pid, _ in programs(suite) if name == "auth"]
    whole = base64.b64encode(name + FORGOTTEN.encode())
    test.assertEqual(holds(pid, {"plain": FORGOTTEN.encode(), "encoded": whole[8:-4]}), set())


def digest_login(port, user, password, mechanism):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(port), "--tls", "--auth", mechanism,
                           "--auth-user", user, "--auth-password", password, "--quit-after", "AUTH"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)


class AskingDovecot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dovecot = Dovecot()
        cls.asking = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
                      "smtpd_sasl_path": cls.dovecot.path("auth"), "auth_failures_max": "100"}
        cls.suite = Instance(main=cls.asking)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.dovecot.close()

    def mechanisms(self, port=587):
        with self.suite.smtp(port) as client:
            client.starttls(context=self.suite.tls_context())
            client.ehlo()
            return set(client.esmtp_features.get("auth", "").split())

    def login(self, user, password, mechanism=None, suite=None):
        suite = suite or self.suite
        with suite.smtp(587) as client:
            client.starttls(context=suite.tls_context())
            client.ehlo()
            if mechanism:
                client.esmtp_features["auth"] = mechanism
            try:
                return client.login(user, password)[0]
            except smtplib.SMTPAuthenticationError as refused:
                return refused.smtp_code

    def test_what_the_server_offers(self):
        self.assertEqual(self.mechanisms(), {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"})

    def test_mechanisms_of_python(self):
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with self.subTest(mechanism):
                self.assertEqual(self.login("carol@example.test", "secret", mechanism), 235)
                self.assertEqual(self.login("dave", SECRET, mechanism), 235)
                self.assertEqual(self.login("carol@example.test", "wrong", mechanism), 535)
        self.suite.wait_log(r"auth\[.*login failed \(the authentication server refuses.*user=<carol@example\.test>.*method=CRAM-MD5")

    def test_mechanisms_of_perl(self):
        done = digest_login(self.suite.port(587), "carol@example.test", "secret", "DIGEST-MD5")
        self.assertIn("235 2.7.0", done.stdout)
        done = digest_login(self.suite.port(587), "carol@example.test", "wrong", "DIGEST-MD5")
        self.assertIn("535 5.7.8", done.stdout)

    def test_no_password_stays_in_memory(self):
        # The plain build: a sanitizer has more memory than can be read.
        with Instance(build=PLAIN_BUILD, main=self.asking) as suite:
            self.assertEqual(self.login("carol@example.test", FORGOTTEN, "PLAIN", suite), 535)
            forgets(self, suite, b"\0carol@example.test\0")

    def test_our_own_users_do_not_count(self):
        self.assertEqual(self.login("alice@example.test", "correct-horse-7"), 535)

    def test_mail_is_sent_as_the_user(self):
        with self.suite.smtp(587) as client:
            client.starttls(context=self.suite.tls_context())
            client.login("carol@example.test", "secret")
            client.sendmail("carol@example.test", ["bob@example.test"], message(subject="by carol"))
        self.suite.wait_mail("bob", text="Subject: by carol")
        self.suite.wait_log(r"sasl_method=\S+, sasl_username=carol@example\.test")

    def test_a_cancelled_exchange_disturbs_nobody(self):
        with self.suite.smtp(587) as client:
            client.starttls(context=self.suite.tls_context())
            client.ehlo()
            for _ in range(3):
                self.assertEqual(client.docmd("AUTH", "LOGIN")[0], 334)
                self.assertEqual(client.docmd("*")[0], 501)
            self.assertEqual(client.docmd("AUTH", "GSSAPI")[0], 504)
            self.assertEqual(client.login("dave", SECRET)[0], 235)

    def test_a_dead_server_is_a_temporary_failure(self):
        self.assertEqual(self.login("dave", SECRET), 235)
        self.dovecot.kill()
        self.assertEqual(self.login("dave", SECRET, "PLAIN"), 454)
        self.suite.wait_log(r"auth\[.*login put off \(authentication server unix:.*(refused|closed|No such file)")
        self.dovecot.start()
        self.assertEqual(self.login("dave", SECRET), 235)

    def test_by_network_filtered_and_without_tls(self):
        # What is offered without TLS is another list, and the filter has the last word.
        with Instance(main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_tls_auth_only": "no",
                            "smtpd_sasl_path": f"inet:localhost:{self.dovecot.port}",
                            "smtpd_sasl_security_options": "noanonymous, noplaintext",
                            "smtpd_sasl_tls_security_options": "mutual_auth",
                            "smtpd_sasl_mechanism_filter": "!scram-sha-1, static:rest"}) as suite:
            with suite.smtp(25) as client:
                client.ehlo()
                self.assertEqual(set(client.esmtp_features["auth"].split()), {"CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"})
                self.assertEqual(client.docmd("AUTH", "PLAIN AGNhcm9sAHNlY3JldA==")[0], 504)
                self.assertEqual(client.docmd("AUTH", "SCRAM-SHA-1")[0], 504)
                self.assertEqual(client.login("carol@example.test", "secret")[0], 235)
            with suite.smtp(587) as client:
                # Where all mail needs TLS, logins do.
                client.ehlo()
                self.assertNotIn("auth", client.esmtp_features)
                self.assertEqual(client.docmd("AUTH", "CRAM-MD5")[0], 530)
                client.starttls(context=suite.tls_context())
                client.ehlo()
                self.assertEqual(set(client.esmtp_features["auth"].split()), {"DIGEST-MD5", "SCRAM-SHA-256"})


class Liar(Server):
    """An authentication server that says what `script` says: lines for the greeting, then for each AUTH or CONT."""

    GREETING = b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"

    def __init__(self):
        self.greeting, self.answers = self.GREETING, None
        self.lines = []
        super().__init__()

    def serve(self, client):
        with client, client.makefile("rb") as lines, contextlib.suppress(OSError):
            client.sendall(self.greeting)
            for line in lines:
                word, *rest = line.rstrip(b"\n").split(b"\t")
                if word not in (b"AUTH", b"CONT"):
                    continue
                self.lines.append(line)
                answer = self.answers
                if answer is None:
                    answer = b"OK\t%d\tuser=carol\n"
                if not answer:
                    return
                client.sendall(answer.replace(b"%d", rest[0]))


class Lies(unittest.TestCase):
    def test_no_answer_is_a_login(self):
        liar = Liar()
        self.addCleanup(liar.close)
        plain = base64.b64encode(b"\0carol\0secret").decode()
        with Instance(main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_tls_auth_only": "no",
                            "auth_failures_max": "100", "smtpd_sasl_path": f"inet:127.0.0.1:{liar.port}"}) as suite:
            def attempt():
                with Talk("127.0.0.1", suite.port(25)) as talk:
                    talk.reply()
                    talk.ask("EHLO client.test\r\n")
                    reply = talk.ask(f"AUTH PLAIN {plain}\r\n").decode()
                    for _ in range(40):
                        if not reply.startswith("334"):
                            return reply[:9]
                        reply = talk.ask("YQ==\r\n").decode()
                    return reply
            self.assertEqual(attempt(), "235 2.7.0")
            self.assertIn(b"\tservice=smtp\tnologin\tlip=127.0.0.1\trip=127.0.0.1\tresp=" + plain.encode() + b"\n", liar.lines[0])
            # A right answer comes between the lies, to see that none of them spoils the next.
            for answers, wanted in (
                    (b"", "454 4.7.0"), (b"OK\t%d\n", "454 4.7.0"), (b"OK\t%d\tuser=\n", "454 4.7.0"),
                    (b"OK\t%d\tuser=a\001lb\n", "454 4.7.0"), (b"nonsense\nFAIL\t%d\n", "535 5.7.8"),
                    (b"OK\t99999\tuser=root\nFAIL\t%d\n", "535 5.7.8"), (b"FAIL\t%d\ttemp\n", "454 4.7.0"),
                    (b"FAIL\t%d\tcode=temp_fail\treason=busy\n", "454 4.7.0"), (b"FAIL\t%d\tuser_disabled\n", "535 5.7.8"),
                    (b"CONT\t%d\tYQ==\n", "535 5.7.8"), (b"CONT\t%d\t!!\n", "454 4.7.0"), (b"X" * 20000 + b"\n", "454 4.7.0"),
                    (b"COOKIE\t1\n" * 300, "454 4.7.0"), (b"OK\t%d\tuser=" + b"x" * 9000 + b"\n", "454 4.7.0")):
                with self.subTest(answers[:40]):
                    liar.answers = answers
                    self.assertEqual(attempt(), wanted)
                    liar.answers = None
                    self.assertEqual(attempt(), "235 2.7.0")
            for greeting in (b"", b"VERSION\t2\t0\n", b"MECH\tPLAIN\nDONE\n", b"VERSION\t1\t1\nSPID\t1\nDONE\n",
                             b"VERSION\t1\t1\n" + b"CUID\t1\n" * 300, b"220 mail.example.test ESMTP\r\n",
                             b"VERSION\t1\t1\n" + b"MECH\tX\n" * 100 + b"DONE\n"):
                with self.subTest(greeting[:40]):
                    liar.answers = b""  # ends the connection that is kept
                    attempt()
                    liar.greeting = greeting
                    liar.answers = None
                    self.assertEqual(attempt()[:3], "454")
                    liar.greeting = Liar.GREETING
                    self.assertEqual(attempt(), "235 2.7.0")
            suite.wait_log(r"auth\[.*what it says makes no sense")
            suite.wait_log(r"auth\[.*it has no mechanisms")


class AskingSaslauthd(unittest.TestCase):
    def test_names_and_passwords(self):
        server = Saslauthd()
        self.addCleanup(server.close)
        server.write("smtpd.conf", f"pwcheck_method: saslauthd\nmech_list: plain login\nsaslauthd_path: {server.path('mux')}\n")
        with Instance(main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "cyrus", "cyrus_sasl_config_path": server.path(),
                            "smtpd_sasl_local_domain": "site.test", "auth_failures_max": "100"}) as suite:
            def login(user, password, mechanism="PLAIN"):
                return AskingDovecot.login(unittest.mock.Mock(suite=suite), user, password, mechanism)
            for mechanism in ("PLAIN", "LOGIN"):
                self.assertEqual(login("erin@site.test", "secret", mechanism), 235)
                self.assertEqual(login("erin", "secret", mechanism), 235)
                self.assertEqual(login("erin", "wrong", mechanism), 535)
            self.assertEqual(login("erin", "x" * 300), 535)
            self.assertEqual(login("alice@example.test", "correct-horse-7"), 535)
            suite.wait_log(r"auth\[.*login: user=<erin@site\.test>, method=LOGIN")
            server.kill()
            self.assertEqual(login("erin", "secret"), 454)
            suite.wait_log(r"auth\[.*login put off \(saslauthd \(.*/mux\): ")
            server.start()
            self.assertEqual(login("erin", "secret"), 235)

    def test_what_the_file_says_and_is_not_done(self):
        peer = Peer()
        self.addCleanup(peer.close)
        peer.write("smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sql\n")
        with Instance(main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "cyrus",
                            "cyrus_sasl_config_path": peer.path()}) as suite:
            with suite.smtp(587) as client:
                client.starttls(context=suite.tls_context())
                client.ehlo()
                self.assertNotIn("auth", client.esmtp_features)
            suite.wait_log(r"auth\[.*smtpd_sasl_type = cyrus: pwcheck_method is not saslauthd")
            # And at the start, with the way out.
            suite.wait_log(r"auth\[.*smtpd_sasl_type = cyrus, smtpd_sasl_path = smtpd: nobody can log in by it: .*saslauthd -a sasldb")


if __name__ == "__main__":
    unittest.main()
