"""POP3 with programs that are not ours, and connections that end anywhere: nothing is deleted but by QUIT."""
import base64
import os
import socket
import subprocess
import tempfile
import unittest

from posta import Instance, PASSWORD, Talk, message, wait_until


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"disable_plaintext_auth": "no"})
        cls.addClassCleanup(cls.instance.close)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="posta-test-pop3-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.fill()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run_program(self, *words, codes=(0,), **environment):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              timeout=60, errors="replace", env={**os.environ, "HOME": self.folder, **environment})
        self.assertIn(done.returncode, codes, f"{words}\\n{done.stdout}\\n{self.instance.log_tail(10)}")
        return done.stdout

    def fill(self):
        """Three messages for alice, and no others."""
        with self.instance.imap("alice") as client:
            client.select()
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()
            for n in range(3):
                text = message(subject=f"number {n}", body=f".dot {n}\r\nlast\r\n")
                self.assertEqual(client.append("INBOX", None, None, text.encode())[0], "OK")

    def count(self):
        return len(self.instance.inbox("alice"))

    def maildir(self, name="in"):
        for part in ("", "/cur", "/new", "/tmp"):
            os.makedirs(self.path(name) + part, exist_ok=True)
        return self.path(name)

    def fetched(self, name="in"):
        found = []
        for part in ("cur", "new"):
            for file in os.listdir(os.path.join(self.path(name), part)):
                with open(os.path.join(self.path(name), part, file)) as mail:
                    found.append(mail.read())
        return found

    def storing_script(self):
        return self.write("store", f"#!/bin/sh\ncat > {self.maildir()}/new/$$\n", 0o700)

    def test_fetchmail(self):
        port = self.instance.port(995)
        script = self.storing_script()
        rc = self.write("rc", f"poll 127.0.0.1 service {port} protocol POP3 uidl\n"
                              f" user alice@example.test password {PASSWORD} ssl sslproto TLS1.2+ no sslcertck keep\n"
                              f" mda {script}\n")
        words = ("fetchmail", "-f", rc, "--pidfile", self.path("pid"), "-i", self.path("ids"))
        self.run_program(*words)
        self.assertEqual(len(self.fetched()), 3)
        self.assertTrue(all(".dot" in mail and "..dot" not in mail for mail in self.fetched()))
        # Kept on the server, and not fetched again.
        self.run_program(*words, codes=(1,))
        self.assertEqual((len(self.fetched()), self.count()), (3, 3))

    def test_mpop(self):
        rc = self.write("rc", "account x\nhost 127.0.0.1\n"
                              f"port {self.instance.port(110)}\nuser alice@example.test\npassword {PASSWORD}\n"
                              f"tls on\ntls_starttls on\ntls_certcheck off\nkeep off\nuidls_file {self.path('uidls')}\n"
                              f"delivery maildir {self.maildir()}\n")
        self.run_program("mpop", "-C", rc, "x")
        self.assertEqual((len(self.fetched()), self.count()), (3, 0))

    def test_getmail(self):
        os.makedirs(self.path("getmail"))
        rc = self.write("getmail/getmailrc", "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = 127.0.0.1\n"
                                     f"port = {self.instance.port(995)}\nusername = alice@example.test\n"
                                     f"password = {PASSWORD}\n[destination]\ntype = MDA_external\n"
                                     f"path = {self.storing_script()}\nallow_root_commands = true\n"
                                     "[options]\nread_all = false\ndelete = false\n")
        for _ in range(2):
            self.run_program("getmail", "--getmaildir", self.path("getmail"), "--rcfile", rc)
        self.assertEqual((len(self.fetched()), self.count()), (3, 3))

    def test_curl(self):
        url = f"pop3s://127.0.0.1:{self.instance.port(995)}/"
        words = ("curl", "-sSk", "-u", f"alice@example.test:{PASSWORD}")
        self.assertEqual(len(self.run_program(*words, url).split("\n")), 4)
        self.assertIn("Subject: number 1", self.run_program(*words, url + "2"))
        self.run_program(*words, "-X", "DELE", "-l", url + "2")
        self.assertEqual(self.count(), 2)

    def test_snapshot(self):
        """What IMAP does meanwhile moves no number, and removes nothing twice."""
        client = self.instance.pop3("alice")
        uidls = client.uidl()[1]
        with self.instance.imap("alice") as imap:
            imap.select()
            imap.store("1", "+FLAGS", "\\Deleted")
            imap.expunge()
            imap.append("INBOX", None, None, message(subject="late").encode())
        self.assertEqual(client.uidl()[1], uidls)
        self.assertEqual(client.stat()[0], 3)
        self.assertIn(b"Subject: number 2", client.retr(3)[1])
        client.dele(2)
        client.quit()
        subjects = b"".join(self.instance.inbox("alice"))
        self.assertNotIn(b"number 1", subjects)
        self.assertIn(b"number 2", subjects)
        self.assertIn(b"Subject: late", subjects)

    def test_cut_anywhere(self):
        script = (f"USER alice@example.test\r\nPASS {PASSWORD}\r\nRETR 1\r\nDELE 1\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n").encode()
        for end in range(len(script)):
            with Talk("127.0.0.1", self.instance.port(110)) as talk:
                talk.line()
                talk.send(script[:end])
                talk.socket.shutdown(socket.SHUT_WR)
                talk.rest()
        self.assertEqual(self.count(), 3)
        with Talk("127.0.0.1", self.instance.port(110)) as talk:
            talk.send(script)
            self.assertIn(b"messages deleted", talk.rest())
        self.assertEqual(self.count(), 0)

    def test_languages_and_utf8(self):
        with Talk("127.0.0.1", self.instance.port(110)) as talk:
            talk.line()
            talk.send("CAPA\r\n")
            capabilities = talk.until(b".").split(b"\r\n")
            for name in (b"UTF8", b"LANG", b"EXPIRE NEVER"):
                self.assertIn(name, capabilities)
            self.assertEqual(talk.ask("LANG EN\r\n")[:6], b"+OK en")
            self.assertEqual(talk.ask("LANG *\r\n")[:6], b"+OK en")
            self.assertEqual(talk.ask("LANG de\r\n")[:4], b"-ERR")
            talk.send("LANG\r\n")
            self.assertIn(b"\nen English\r\n.", talk.until(b"."))
            self.assertEqual(talk.ask("UTF8 x\r\n")[:4], b"-ERR")
            self.assertEqual(talk.ask("UTF8\r\n")[:3], b"+OK")
            talk.send(f"USER alice@example.test\r\nPASS {PASSWORD}\r\n")
            talk.line()
            self.assertIn(b"+OK", talk.line())
            self.assertEqual(talk.ask("LANG en\r\n")[:6], b"+OK en")
            # RFC 6856 2: not any more.
            self.assertEqual(talk.ask("UTF8\r\n")[:4], b"-ERR")
            talk.send("CAPA\r\n")
            self.assertIn(b"LANG\r\n", talk.until(b"."))
            self.assertEqual(talk.ask("QUIT\r\n")[:3], b"+OK")

    def test_sasl_and_codes(self):
        """RFC 5034: with an initial response, without, given up, what is none; RFC 3206 and 2449: why not."""
        def plain(password):
            return base64.b64encode(f"\0alice@example.test\0{password}".encode()).decode() + "\r\n"
        with Talk("127.0.0.1", self.instance.port(110)) as talk:
            talk.line()
            talk.send("AUTH\r\n")
            self.assertIn(b"\nPLAIN\r\n", talk.until(b"."))
            for unknown in ("AUTH NONE\r\n", "AUTH PLAIN !\r\n", "AUTH PLAIN =\r\n"):
                self.assertEqual(talk.ask(unknown)[:4], b"-ERR")
            self.assertEqual(talk.ask("AUTH PLAIN\r\n").strip(), b"+")
            self.assertEqual(talk.ask("*\r\n")[:4], b"-ERR")
            self.assertEqual(talk.ask("AUTH PLAIN " + plain("wrong"))[:11], b"-ERR [AUTH]")
            self.assertEqual(talk.ask("AUTH PLAIN\r\n").strip(), b"+")
            self.assertEqual(talk.ask(plain(PASSWORD))[:3], b"+OK")
            self.assertEqual(talk.ask("AUTH PLAIN " + plain(PASSWORD))[:4], b"-ERR")
            # Another session has removed it: the numbers stay.
            with self.instance.imap("alice") as client:
                client.select()
                client.store("2", "+FLAGS", "\\Deleted")
                client.expunge()
                client.logout()
            with Talk("127.0.0.1", self.instance.port(110)) as other:
                other.send("AUTH PLAIN " + plain(PASSWORD) + "STAT\r\nQUIT\r\n")
                self.assertIn(b"+OK 2 ", other.rest())
            self.assertEqual(talk.ask("STAT\r\n")[:6], b"+OK 3 ")


if __name__ == "__main__":
    unittest.main()
