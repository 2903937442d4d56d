"""Other people's servers that judge clients and mail: policy servers, real ones and one that lies."""
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from peers import Server
from posta import Instance, Talk, message, wait_until


class PolicyServer(Server):
    """Answers what `answers` says for the recipient's local part: bytes, or None to close at once."""

    def __init__(self, answers):
        self.answers = answers
        self.questions = []
        super().__init__()

    def serve(self, client):
        data = b""
        with client:
            while True:
                while b"\n\n" not in data:
                    try:
                        more = client.recv(65536)
                    except OSError:
                        return
                    if not more:
                        return
                    data += more
                question, data = data.split(b"\n\n", 1)
                attributes = dict(line.split("=", 1) for line in question.decode().split("\n"))
                self.questions.append(attributes)
                answer = self.answers.get(attributes["recipient"].split("@")[0], b"action=DUNNO\n\n")
                if answer is None:
                    return
                client.sendall(answer)

    def close(self):
        self.socket.close()


WORDS = {
    "no": b"action=REJECT go away\n\n",
    "grey": b"action=DEFER_IF_PERMIT Greylisted\n\n",
    "mark": b"action=PREPEND X-Policy: seen\n\n",
    "closes": None,
    "nonsense": b"250 Ok\r\n\r\n",
    "two": b"action=DUNNO\naction=REJECT\n\n",
    "chatty": b"action=DUNNO\n\naction=REJECT\n\n",
    "long": b"action=" + b"x" * 100000 + b"\n\n",
    "silent": b"action=DUNNO\n",
    "nul": b"action=550 a\0b\n\n",
}


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PolicyServer(WORDS)
        cls.suite = Instance(main={
            "mynetworks": "192.0.2.99/32", "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000",
            "smtpd_recipient_restrictions":
                f"check_policy_service {{ inet:127.0.0.1:{cls.server.port}, timeout=2s, retry_delay=0s }}",
            "virtual_alias_maps": "inline:{%s}" % ", ".join(
                f"{name}@example.test=bob@example.test" for name in [*WORDS, "fine", "other"])})

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()
        cls.server.close()

    def rcpt(self, *names):
        with Talk("127.0.0.1", self.suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO client.test\r\n")
            talk.ask("MAIL FROM:<s@outside.test> SIZE=77\r\n")
            return [talk.ask(f"RCPT TO:<{name}@example.test>\r\n").decode().strip() for name in names]

    def test_answers(self):
        self.assertEqual(self.rcpt("fine", "no", "grey"), [
            "250 2.1.5 Ok",
            "554 5.7.1 <no@example.test>: Recipient address rejected: go away",
            "450 4.7.1 <grey@example.test>: Recipient address rejected: Greylisted"])

    def test_no_answer_is_the_default_action(self):
        for name in ("closes", "nonsense", "two", "long", "silent", "nul"):
            with self.subTest(name):
                self.assertEqual(self.rcpt(name, "fine"), [
                    f"451 4.3.5 <{name}@example.test>: Recipient address rejected: "
                    "Server configuration problem", "250 2.1.5 Ok"])
        self.suite.wait_log(r"policy server inet:127\.0\.0\.1:\d+: its answer is not one action")

    def test_what_nobody_asked_for_is_nobodys_answer(self):
        self.assertEqual(self.rcpt("chatty", "fine"), ["250 2.1.5 Ok", "250 2.1.5 Ok"])

    def test_the_connection_is_kept(self):
        self.rcpt("fine")
        before = self.server.connections
        self.rcpt("fine", "other")
        self.assertEqual(self.server.connections, before)
        one, two = self.server.questions[-2:]
        self.assertEqual(one["instance"], two["instance"])
        self.assertEqual((one["protocol_state"], one["client_address"], one["size"], one["helo_name"]),
                         ("RCPT", "127.0.0.1", "77", "client.test"))
        self.rcpt("fine")
        self.assertNotEqual(self.server.questions[-1]["instance"], one["instance"])

    def test_prepend(self):
        with self.suite.smtp(25) as client:
            client.sendmail("s@outside.test", ["mark@example.test"], message(subject="marked"))
        (mail,) = self.suite.wait_mail("bob", text="Subject: marked")
        self.assertIn(b"X-Policy: seen\r\n", mail)


class RealPolicyServers(unittest.TestCase):
    """postgrey on a UNIX socket, and the SPF policy server behind a small inetd."""

    def start(self, words, **options):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def spawn(self, words):
        """As Postfix's spawn(8): the command for each connection."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)

        def accept():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    subprocess.Popen(words, stdin=client, stdout=client, stderr=subprocess.DEVNULL)
        threading.Thread(target=accept, daemon=True).start()
        return server.getsockname()[1]

    def suite(self, server, **more):
        suite = Instance(main={"mynetworks": "192.0.2.99/32",
                               "smtpd_recipient_restrictions": f"check_policy_service {server}", **more})
        self.addCleanup(suite.close)
        return suite

    def send(self, suite, sender="s@outside.test"):
        with Talk("127.0.0.1", suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO client.test\r\n")
            talk.ask(f"MAIL FROM:<{sender}>\r\n")
            reply = talk.ask("RCPT TO:<bob@example.test>\r\n").decode().strip()
            if reply.startswith("250"):
                talk.ask("DATA\r\n")
                talk.ask("Subject: through\r\n\r\nx\r\n.\r\n")
            return reply

    @unittest.skipUnless(shutil.which("postgrey"), "postgrey is not installed")
    def test_postgrey(self):
        folder = tempfile.mkdtemp(prefix="posta-postgrey-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, "socket")
        whitelist = os.path.join(folder, "none")
        with open(whitelist, "w"):
            pass
        self.start(["postgrey", f"--unix={path}", f"--dbdir={folder}", "--delay=2", "--user=root",
                    "--group=root", f"--whitelist-clients={whitelist}", f"--whitelist-recipients={whitelist}"])
        wait_until(lambda: os.path.exists(path), what="postgrey's socket")
        os.chmod(path, 0o666)
        suite = self.suite(f"unix:{path}")
        self.assertRegex(self.send(suite), r"^450 4\.2\.0 <bob@example\.test>: Recipient address rejected: "
                                           "Greylisted")
        wait_until(lambda: self.send(suite).startswith("250"), what="the end of the greylisting")
        (mail,) = suite.wait_mail("bob", text="Subject: through")
        self.assertIn(b"X-Greylist: delayed", mail)

    def test_spf(self):
        try:
            import spf_engine.policyd_spf  # noqa: F401
        except ImportError:
            self.skipTest("python3-spf-engine is not installed")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write("debugLevel = 0\nHELO_reject = False\nMail_From_reject = Fail\nPermError_reject = False\n"
                       "TempError_Defer = False\nskip_addresses = 192.0.2.200\nHeader_Type = SPF\n")
            conf.flush()
            port = self.spawn([sys.executable, "-c", "from spf_engine.policyd_spf import main; main()", conf.name])
            suite = self.suite(f"inet:127.0.0.1:{port}")
            self.assertEqual(self.send(suite, "s@[192.0.2.1]"), "250 2.1.5 Ok")
            (mail,) = suite.wait_mail("bob", text="Subject: through")
            self.assertIn(b"Received-SPF: ", mail)


class Checks(unittest.TestCase):
    """header_checks for all mail, and others for one service alone, by a cleanup of its own."""

    def test_checks(self):
        with Instance(start=False, main={
                "header_checks": "regexp:{{/^Subject: spam/ REJECT no spam}, {/^Subject: held/ HOLD}}",
                "body_checks": "regexp:{{/secret word/ REPLACE [removed]}}"}) as suite:
            path = os.path.join(suite.conf, "master.cf")
            with open(path) as file:
                text = file.read()
            text = text.replace(
                "    -o smtpd_tls_wrappermode=yes\n",
                "    -o smtpd_tls_wrappermode=yes\n    -o cleanup_service_name=private-cleanup\n", 1)
            with open(path, "w") as file:
                file.write(text + "\nprivate-cleanup unix - - - - 1 cleanup\n"
                           "    -o { header_checks = regexp:{{/^X-Client:/ IGNORE}} }\n")
            suite.start()
            with self.assertRaises(smtplib.SMTPDataError) as refused:
                suite.inject("x@outside.test", ["bob@example.test"], message(subject="spam"))
            self.assertEqual(refused.exception.args, (550, b"5.7.1 no spam"))
            suite.wait_log(r"reject: header Subject: spam from localhost\[127\.0\.0\.1\]; from=<x@outside\.test>")
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="held"))
            self.assertEqual([item["queue_name"] for item in suite.queue()], ["hold"])
            suite.inject("x@outside.test", ["bob@example.test"],
                         message(subject="one", body="the secret word\r\n", extra="X-Client: me\r\n"))
            (mail,) = suite.wait_mail("bob", text="Subject: one")
            self.assertIn(b"X-Client: me", mail)
            self.assertTrue(mail.endswith(b"\r\n\r\n[removed]\r\n"), mail)
            suite.submit("alice", ["bob"], message(subject="spam", extra="X-Client: me\r\n"), port=465)
            (mail,) = suite.wait_mail("bob", text="Subject: spam")
            self.assertNotIn(b"X-Client", mail)


if __name__ == "__main__":
    unittest.main()
