"""SASL mechanisms that are about the TLS connection, with clients that are not ours: gsasl, curl."""
import os
import re
import subprocess
import tempfile
import time
import unittest
from unittest import mock

from posta import Instance, PASSWORD, TOP, wait_until
from test_login import scram_client
from test_oauth import OAuthServer


def run(*words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, errors="replace", **options)


class Authority:
    """A certification authority, and certificates by it."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.file = self.path("pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-subj", f"/CN={name}", "-keyout", self.path("key"), "-out", self.file)

    def path(self, kind):
        return os.path.join(self.folder, f"{self.name}.{kind}")

    def openssl(self, *words):
        done = run("openssl", *words)
        assert done.returncode == 0, done.stdout

    def certificate(self, name, email=None, days="10", usage="clientAuth"):
        """A file with key and certificate of a client."""
        file = os.path.join(self.folder, f"{self.name}-{name}.pem")
        extensions = file + ".ext"
        with open(extensions, "w") as out:
            out.write(f"extendedKeyUsage={usage}\n")
            if email:
                out.write("subjectAltName=" + ",".join(f"email:{e}" for e in email.split()) + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                     "-keyout", file, "-out", file + ".csr")
        self.openssl("x509", "-req", "-in", file + ".csr", "-CA", self.file, "-CAkey", self.path("key"), "-days", days,
                     "-extfile", extensions, "-out", file + ".crt")
        with open(file, "a") as out, open(file + ".crt") as crt:
            out.write(crt.read())
        return file


class ChannelBinding(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"auth_mechanisms": "scram-sha-256-plus, scram-sha-256, scram-sha-1-plus, "
                                                         "scram-sha-1, plain"}, start=False)
        cls.addClassCleanup(cls.instance.close)
        cls.instance.posta("user", "passwd", "alice@example.test", "--password", PASSWORD, "--scheme", "SCRAM-SHA-256")
        cls.instance.posta("user", "passwd", "bob@example.test", "--password", PASSWORD, "--scheme", "SCRAM-SHA-1")
        cls.instance.start()

    def gsasl(self, mechanism, user, password=PASSWORD, *more):
        i = self.instance
        return run("gsasl", "--imap", "--connect", f"127.0.0.1:{i.port(143)}", "--starttls", "--x509-ca-file=" + i.ca, "--hostname=localhost", "-m", mechanism,
                   "-a", user + "@example.test", "-z", "", "-p", password, *more)

    def test_announced(self):
        with self.instance.imap("x", login=False) as client:
            for name in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
                self.assertIn("AUTH=" + name, client.capabilities)
        with self.instance.imap("x", port=143, login=False) as client:
            self.assertNotIn("-PLUS", " ".join(client.capabilities))
            self.assertEqual(client._simple_command("AUTHENTICATE", "SCRAM-SHA-256-PLUS")[0], "NO")

    def test_gsasl(self):
        for version in ("NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"):
            for user, kind in (("alice", "256"), ("bob", "1")):
                for plus in ("-PLUS", ""):
                    mechanism = f"SCRAM-SHA-{kind}{plus}"
                    with self.subTest(version=version, mechanism=mechanism):
                        done = self.gsasl(mechanism, user, PASSWORD, "--priority=" + version,
                                          *([] if plus else ["--no-cb"]))
                        self.assertEqual(done.returncode, 0, done.stdout + self.instance.log_tail(5))
                        self.instance.wait_log(rf"login: user=<{user}@example.test>, method={mechanism},")
        self.assertNotEqual(self.gsasl("SCRAM-SHA-256-PLUS", "alice", "wrong").returncode, 0)
        # Keys of the other hash are no keys.
        self.assertNotEqual(self.gsasl("SCRAM-SHA-1-PLUS", "alice").returncode, 0)

    def test_somebody_between(self):
        """A client's exchange with somebody else, carried to us; and one that was told of no binding."""
        for mechanism, header, reason in (
                ("SCRAM-SHA-256-PLUS", b"p=tls-exporter,,", r"[^)]*"), ("SCRAM-SHA-256-PLUS", b"n,,", r"[^)]*"),
                ("SCRAM-SHA-256", b"p=tls-exporter,,", r"[^)]*"),
                ("SCRAM-SHA-256", b"y,,", "the client believes that there is no channel binding")):
            before = self.instance.log().count("login failed")
            with self.instance.imap("x", login=False) as imap:
                words = []

                def answer(challenge):
                    words.append(challenge)
                    said = []

                    def ask(line):
                        said.append(line)
                        if len(said) == len(words):
                            raise StopIteration
                        return words[len(said)]
                    try:
                        with mock.patch.object(os, "urandom", lambda n: b"x" * n):
                            scram_client(ask, "alice@example.test", PASSWORD, header, b"y" * 32)
                    except StopIteration:
                        pass
                    return said[-1]
                with self.assertRaises(imap.error):
                    imap.authenticate(mechanism, answer)
            wait_until(lambda: self.instance.log().count("login failed") == before + 1, what="one failed login more")
            self.instance.wait_log(rf"login failed \({reason}\): .*method={mechanism},")


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="posta-test-ca-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.ours, cls.other = Authority(cls.folder.name, "ours"), Authority(cls.folder.name, "other")
        cls.instance = Instance(main={"auth_mechanisms": "plain, external", "smtpd_sasl_mechanism_filter": "static:rest",
                                      "auth_client_certificate_CAfile": cls.ours.file})
        cls.addClassCleanup(cls.instance.close)

    def curl(self, url, certificate, user="alice@example.test"):
        words = ["curl", "-sS", "-k", url, "--login-options", "AUTH=EXTERNAL", "-u", user + ":"]
        if certificate:
            words += ["--cert", certificate]
        return run(*words)

    def test_external(self):
        i = self.instance
        good = self.ours.certificate("somebody", email="alice@example.test")
        urls = [f"imaps://127.0.0.1:{i.port(993)}/", f"pop3s://127.0.0.1:{i.port(995)}/"]
        for url in urls:
            done = self.curl(url, good)
            self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("user=<alice@example.test>, method=EXTERNAL", i.log())
        for certificate, user in (
                (None, "alice@example.test"),
                (good, "bob@example.test"),
                (self.other.certificate("x", email="alice@example.test"), "alice@example.test"),
                (self.ours.certificate("two", email="alice@example.test bob@example.test"), "alice@example.test"),
                (self.ours.certificate("server", email="alice@example.test", usage="serverAuth"), "alice@example.test"),
                (self.ours.certificate("nobody", email="nobody@example.test"), "nobody@example.test"),
                (self.ours.certificate("alice@example.test"), "alice@example.test")):
            for url in urls:
                self.assertNotEqual(self.curl(url, certificate, user).returncode, 0, (certificate, user))

    def test_smtp(self):
        i = self.instance
        context = i.tls_context()
        with i.smtp(587) as client:
            client.starttls(context=context)
            client.ehlo()
            self.assertNotIn("EXTERNAL", client.esmtp_features["auth"])
        context.load_cert_chain(self.ours.certificate("mail", email="bob@example.test"))
        with i.smtp(587) as client:
            client.starttls(context=context)
            client.ehlo()
            self.assertIn("EXTERNAL", client.esmtp_features["auth"])
            self.assertEqual(client.docmd("AUTH", "EXTERNAL =")[0], 235)


# Nobody in Debian speaks these by POP3; the exchange is auth's, and the same for all services.
WITHOUT_CLIENT = {("pop3", "SCRAM-SHA-256-PLUS"), ("pop3", "SCRAM-SHA-1-PLUS")}


class Every(unittest.TestCase):
    """Each mechanism that auth knows, in each service, by a client that is not ours."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="posta-test-ca-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.authority = Authority(cls.folder.name, "ours")
        cls.certificate = cls.authority.certificate("somebody", email="alice@example.test")
        cls.server = OAuthServer()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        cls.server.tokens["a-token"] = {"active": True, "username": "alice@example.test", "exp": int(time.time()) + 600}
        with open(os.path.join(cls.folder.name, "secret"), "w") as file:
            file.write("posta:s3cret\n")
        with open(os.path.join(TOP, "auth", "exchange.c")) as file:
            table = file.read().split("} mechanisms[] = {")[1].split("};")[0]
        cls.mechanisms = re.findall(r'"([A-Z0-9-]+)"', table)
        cls.instance = cls.started(cls.mechanisms)
        # curl takes OAUTHBEARER where it is offered, whatever it is told.
        cls.older = cls.started(["PLAIN", "XOAUTH2"])

    @classmethod
    def started(cls, mechanisms):
        i = Instance(start=False, main={
            "auth_mechanisms": ", ".join(mechanisms).lower(), "smtpd_sasl_mechanism_filter": "static:rest", "auth_failures_max": "100",
            "auth_client_certificate_CAfile": cls.authority.file, "oauth_introspection_url": cls.server.url("/introspect"),
            "oauth_user_claim": "username", "oauth_introspection_password_file": os.path.join(cls.folder.name, "secret")})
        cls.addClassCleanup(i.close)
        # What is stored in clear makes the keys of both kinds of SCRAM.
        i.posta("user", "passwd", "alice@example.test", "--hash", "{PLAIN}" + PASSWORD)
        i.start()
        return i

    def curl(self, service, mechanism, password):
        i = self.of(mechanism)
        url = {"imap": f"imaps://127.0.0.1:{i.port(993)}/", "pop3": f"pop3s://127.0.0.1:{i.port(995)}/",
               "smtp": f"smtps://127.0.0.1:{i.port(465)}/"}[service]
        words = ["curl", "-sS", "-k", url, "--login-options", "AUTH=" + mechanism]
        words += ["-u", "alice@example.test:" + ("" if mechanism in ("EXTERNAL", "OAUTHBEARER", "XOAUTH2") else password)]
        if mechanism == "EXTERNAL" and password == PASSWORD:
            words += ["--cert", self.certificate]
        elif mechanism in ("OAUTHBEARER", "XOAUTH2"):
            words += ["--oauth2-bearer", "a-token" if password == PASSWORD else password]
        return run(*words, *(["-X", "NOOP"] if service == "smtp" else []))

    def of(self, mechanism):
        return self.older if mechanism == "XOAUTH2" else self.instance

    def gsasl(self, service, mechanism, password):
        i = self.instance
        return run("gsasl", "--" + service, "--connect", f"127.0.0.1:{i.port({'imap': 143, 'smtp': 587}[service])}", "--starttls",
                   "--x509-ca-file=" + i.ca, "--hostname=localhost", "-m", mechanism, "-a", "alice@example.test", "-z", "", "-p", password,
                   *([] if mechanism.endswith("-PLUS") else ["--no-cb"]))

    def swaks(self, _, mechanism, password):
        return run("swaks", "--server", "127.0.0.1", "--port", str(self.instance.port(587)), "--tls", "--auth", mechanism,
                   "--auth-user", "alice@example.test", "--auth-password", password, "--quit-after", "AUTH")

    def mpop(self, _, mechanism, password):
        path = os.path.join(self.folder.name, "mpoprc")
        with open(path, "w") as file:
            file.write(f"account x\nhost 127.0.0.1\nport {self.instance.port(995)}\ntls on\ntls_starttls off\ntls_certcheck off\n"
                       f"auth {mechanism.lower()}\nuser alice@example.test\npassword {password}\ndelivery mda /bin/true\n")
        os.chmod(path, 0o600)
        return run("mpop", "-C", path, "--auth-only", "x")

    def test_all(self):
        clients = {("imap", "PLAIN"): self.curl, ("imap", "LOGIN"): self.curl, ("pop3", "PLAIN"): self.mpop, ("pop3", "LOGIN"): self.mpop,
                   ("smtp", "PLAIN"): self.swaks, ("smtp", "LOGIN"): self.swaks, ("pop3", "SCRAM-SHA-256"): self.mpop,
                   ("pop3", "SCRAM-SHA-1"): self.mpop}
        for service in ("imap", "pop3", "smtp"):
            clients.update({(service, name): self.curl for name in ("EXTERNAL", "OAUTHBEARER", "XOAUTH2")})
            if service != "pop3":
                clients.update({(service, "SCRAM-SHA-" + kind): self.gsasl for kind in ("256", "256-PLUS", "1", "1-PLUS")})
        self.assertEqual({(service, name) for service in ("imap", "pop3", "smtp") for name in self.mechanisms} - WITHOUT_CLIENT, set(clients))
        for (service, mechanism), client in clients.items():
            with self.subTest(service=service, mechanism=mechanism):
                before = len(self.of(mechanism).log())
                done = client(service, mechanism, PASSWORD)
                self.assertEqual(done.returncode, 0, done.stdout + self.of(mechanism).log_tail(5))
                line = rf"login: user=<alice@example\.test>, method={mechanism}, .*service={service}, secured"
                wait_until(lambda: re.search(line, self.of(mechanism).log()[before:]), what=line)
                self.assertNotEqual(client(service, mechanism, "wrong").returncode, 0)


if __name__ == "__main__":
    unittest.main()
