"""SASL mechanisms that are about the TLS connection, with clients that are not ours: gsasl, curl."""
import os
import subprocess
import tempfile
import unittest
from unittest import mock

from posta import Instance, PASSWORD, wait_until
from test_login import scram_client


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


if __name__ == "__main__":
    unittest.main()
