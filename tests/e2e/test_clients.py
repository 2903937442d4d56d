"""A first message that real clients submit and other real clients read, over every port."""
import os
import poplib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

from posta import Instance, PASSWORD, Talk, message, wait_until


def run(*words, stdin=None, timeout=60, env=None):
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout, errors="replace", env=env)
    return done.returncode, done.stdout


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(processes="-")
        cls.work = tempfile.mkdtemp(prefix="posta-clients-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.work, ignore_errors=True)
        cls.suite.close()

    def swaks(self, subject, *options):
        s = self.suite
        return run("swaks", "--server", s.address, "--from", "alice@example.test", "--to",
                   "bob@example.test", "--header", f"Subject: {subject}", *options)

    def test_swaks_starttls_auth(self):
        status, text = self.swaks("swaks-587", "-p", str(self.suite.port(587)), "-tls", "-a", "PLAIN",
                                  "-au", "alice@example.test", "-ap", PASSWORD)
        self.assertEqual(status, 0, text)
        self.suite.wait_mail("bob", text="swaks-587")

    def test_swaks_auth_login(self):
        status, text = self.swaks("swaks-login", "-p", str(self.suite.port(587)), "-tls", "-a", "LOGIN",
                                  "-au", "alice@example.test", "-ap", PASSWORD)
        self.assertEqual(status, 0, text)
        self.suite.wait_mail("bob", text="swaks-login")

    def test_swaks_tls_on_connect(self):
        status, text = self.swaks("swaks-465", "-p", str(self.suite.port(465)), "--tls-on-connect", "-a",
                                  "PLAIN", "-au", "alice@example.test", "-ap", PASSWORD)
        self.assertEqual(status, 0, text)
        self.suite.wait_mail("bob", text="swaks-465")

    def test_swaks_no_auth_without_tls(self):
        status, text = self.swaks("never", "-p", str(self.suite.port(587)), "-a", "PLAIN", "-au",
                                  "alice@example.test", "-ap", PASSWORD)
        self.assertEqual(status, 28, text)  # no AUTH

    def curl_submit(self, subject, url, *options):
        path = os.path.join(self.work, subject)
        with open(path, "w", newline="") as file:
            file.write(message(subject=subject))
        return run("curl", "-sS", "--cacert", self.suite.ca, "--url", url, "--user",
                   f"alice@example.test:{PASSWORD}", "--mail-from", "alice@example.test", "--mail-rcpt",
                   "bob@example.test", "-T", path, *options)

    def test_curl_submission(self):
        status, text = self.curl_submit("curl-587", f"smtp://localhost:{self.suite.port(587)}", "--ssl-reqd")
        self.assertEqual(status, 0, text)
        self.suite.wait_mail("bob", text="curl-587")

    def test_curl_submissions_checks_the_certificate(self):
        status, text = self.curl_submit("curl-465", f"smtps://localhost:{self.suite.port(465)}")
        self.assertEqual(status, 0, text)
        self.suite.wait_mail("bob", text="curl-465")

    def test_wrong_password(self):
        status, text = run("curl", "-sS", "--cacert", self.suite.ca, "--url",
                           f"imaps://localhost:{self.suite.port(993)}/", "--user",
                           "alice@example.test:zebra-crossing")
        self.assertEqual(status, 67, text)  # the login was refused
        self.assertNotIn("zebra", self.suite.log())

    def test_curl_reads_imap_and_pop3(self):
        self.suite.submit("alice", ["bob"], message(subject="curl-read"))
        self.suite.wait_mail("bob", text="curl-read")
        user = f"bob@example.test:{PASSWORD}"
        for url, option in ((f"imaps://localhost:{self.suite.port(993)}/INBOX", "--ssl"),
                            (f"imap://localhost:{self.suite.port(143)}/INBOX", "--ssl-reqd")):
            status, text = run("curl", "-sS", "--cacert", self.suite.ca, option, "--url", url, "--user", user,
                               "-X", "SEARCH SUBJECT curl-read")
            self.assertEqual(status, 0, text)
            self.assertRegex(text, r"\* SEARCH \d+")
        for url, option in ((f"pop3s://localhost:{self.suite.port(995)}/1", "--ssl"),
                            (f"pop3://localhost:{self.suite.port(110)}/1", "--ssl-reqd")):
            status, text = run("curl", "-sS", "--cacert", self.suite.ca, option, "--url", url, "--user", user)
            self.assertEqual(status, 0, text)
            self.assertIn("Subject:", text)

    def test_imaplib_over_every_port(self):
        self.suite.submit("alice", ["bob"], message(subject="imaplib"))
        self.suite.wait_mail("bob", text="imaplib")
        for port in (993, "starttls"):
            with self.suite.imap("bob", port) as client:
                client.select()
                kind, data = client.uid("SEARCH", "SUBJECT", "imaplib")
                self.assertEqual(kind, "OK")
                self.assertTrue(data[0].split())

    def test_imap_plain_port_refuses_passwords_until_tls(self):
        for source, disabled in (("127.0.0.2", True), ("127.0.0.1", False)):
            with Talk("127.0.0.1", self.suite.port(143), source=source) as talk:
                self.assertEqual(b"LOGINDISABLED" in talk.line(), disabled)
                talk.send(f"a LOGIN bob@example.test {PASSWORD}\r\n")
                self.assertIn(b"a NO" if disabled else b"a OK", talk.until(b"a "))
            # Nobody listens to what never leaves this host, as Dovecot has it.
            with Talk("127.0.0.1", self.suite.port(110), source=source) as talk:
                talk.line()
                self.assertEqual(talk.ask("USER bob@example.test\r\n")[:4], b"-ERR" if disabled else b"+OK\r")

    def test_imap_plain_login_where_configured(self):
        with Instance(main={"disable_plaintext_auth": "no"}) as suite:
            suite.submit("alice", ["bob"], message(subject="plain"))
            suite.wait_mail("bob", text="plain")
            with suite.imap("bob", 143) as client:
                client.select()
                self.assertEqual(client.search(None, "ALL")[1][0], b"1")
            client = suite.pop3("bob", 110)
            self.assertEqual(client.stat()[0], 1)
            client.quit()

    def test_poplib(self):
        self.suite.submit("alice", ["bob"], message(subject="poplib", body="line\r\n.dot\r\n..two\r\n"))
        self.suite.wait_mail("bob", text="poplib")
        for port in (995, "stls"):
            client = self.suite.pop3("bob", port)
            count, size = client.stat()
            self.assertGreater(count, 0)
            listing = client.list()[1]
            self.assertEqual(len(listing), count)
            self.assertEqual(len(client.uidl()[1]), count)
            found = False
            for number in range(1, count + 1):
                lines = client.retr(number)[1]
                stated = int(listing[number - 1].split()[1])
                self.assertEqual(stated, sum(len(line) + 2 for line in lines))
                found |= b"Subject: poplib" in lines and b".dot" in lines and b"..two" in lines
            self.assertTrue(found)
            self.assertLess(len(client.top(1, 0)[1]), len(client.retr(1)[1]))
            client.quit()
        with self.assertRaises(poplib.error_proto):
            self.suite.pop3("bob", 995, password="wrong")

    def test_pop3_delete(self):
        with Instance() as suite:
            for subject in ("one", "two"):
                suite.submit("alice", ["bob"], message(subject=subject))
            suite.wait_mail("bob", 2)
            client = suite.pop3("bob")
            client.dele(1)
            client.rset()
            client.dele(2)
            client.quit()
            client = suite.pop3("bob")
            self.assertEqual(client.stat()[0], 1)
            client.quit()
            self.assertEqual(len(suite.inbox("bob")), 1)

    def test_idle_sees_new_mail_at_once(self):
        import time
        with self.suite.imap("bob", login=False) as client:
            client.login("bob@example.test", PASSWORD)
            client.select()
            client.send(b"a1 IDLE\r\n")
            self.assertTrue(client.readline().startswith(b"+"))
            threading.Timer(0.3, self.suite.submit, ("alice", ["bob"], message(subject="idle"))).start()
            client.sock.settimeout(10)
            began = time.monotonic()
            lines = []
            while not any(b"EXISTS" in line for line in lines):
                lines.append(client.readline())
            self.assertLess(time.monotonic() - began, 8)
            client.send(b"DONE\r\n")
            line = b""
            while not line.startswith(b"a1 "):
                line = client.readline()
            self.assertTrue(line.startswith(b"a1 OK"), line)

    def test_mbsync(self):
        self.suite.submit("alice", ["bob"], message(subject="mbsync"))
        self.suite.wait_mail("bob", text="mbsync")
        with self.suite.imap("bob") as client:
            client.create("Work")
            client.append("Work", r"(\Seen)", None, message(subject="in-work").encode())
        home = tempfile.mkdtemp(dir=self.work)
        rc = os.path.join(home, "rc")
        with open(rc, "w") as file:
            file.write(f"""IMAPAccount posta
Host localhost
Port {self.suite.port(993)}
User bob@example.test
Pass {PASSWORD}
SSLType IMAPS
CertificateFile {self.suite.ca}

IMAPStore far
Account posta

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
        os.mkdir(os.path.join(home, "mail"))
        status, text = run("mbsync", "-c", rc, "-a", env=dict(os.environ, HOME=home))
        self.assertEqual(status, 0, text)
        found = subprocess.run(["grep", "-rl", "Subject: mbsync", home + "/mail"], stdout=subprocess.PIPE)
        self.assertTrue(found.stdout)
        self.assertTrue(os.path.isdir(home + "/mail/Work/cur"))
        # And the other way: a message put into the local folder goes up, flags too.
        path = home + "/mail/Work/cur/1.local:2,F"
        with open(path, "w", newline="") as file:
            file.write(message(subject="uploaded").replace("\r\n", "\n"))
        status, text = run("mbsync", "-c", rc, "-a", env=dict(os.environ, HOME=home))
        self.assertEqual(status, 0, text)
        with self.suite.imap("bob") as client:
            client.select("Work")
            self.assertTrue(client.search(None, "SUBJECT", "uploaded", "FLAGGED")[1][0])

    def test_default_folders(self):
        """posta init's mailbox_default_folders, by special use; not beside one that has the use already."""
        with self.suite.imap("alice") as client:
            listed = b"\n".join(client.list()[1])
            for name in b"Drafts", b"Sent", b"Junk", b"Trash", b"Archive":
                self.assertIn(rb"(\HasNoChildren \%s) " % name, listed)
            self.assertEqual(len(client.lsub()[1]), 5)
            client.delete("Sent")
            client.create('"Sent Items"')
        wait_until(lambda: "alice" not in self.suite.posta("who").text, what="end of the session")
        with self.suite.imap("alice") as client:
            self.assertIn(b'"Sent Items"', b"\n".join(client.list()[1]))

    def test_names_as_the_server_before_had_them(self):
        with Instance(processes="-", main={"imap_namespace_prefix": "INBOX/", "imap_namespace_separator": "/"}) as suite:
            with suite.imap("bob") as client:
                self.assertEqual(client.namespace()[1], [b'(("INBOX/" "/")) NIL NIL'])
                self.assertEqual(client.create("INBOX/Lists/posta")[0], "OK")
                self.assertEqual(client.create("Lists")[0], "NO")
                self.assertIn(rb'(\HasNoChildren) "/" "INBOX/Lists/posta"', client.list()[1])
            suite.stop()
            suite.set(imap_namespace_prefix="INBOX.")
            self.assertRegex(suite.posta("start", check=False).text, r"imapd-session: imap_namespace_prefix = INBOX\.: expected")

    def test_mutt(self):
        self.suite.submit("alice", ["bob"], message(subject="mutt-reads-this"))
        self.suite.wait_mail("bob", text="mutt-reads-this")
        home = tempfile.mkdtemp(dir=self.work)
        with open(os.path.join(home, ".muttrc"), "w") as file:
            file.write(f"""set folder=imaps://localhost:{self.suite.port(993)}/
set spoolfile=+INBOX
set imap_user=bob@example.test imap_pass={PASSWORD}
set certificate_file={self.suite.ca}
set ssl_verify_host=no
set copy=no mbox_type=mbox
""")
        saved = os.path.join(home, "saved")
        keys = f"<tag-pattern>~s mutt-reads-this<enter><tag-prefix><copy-message>{saved}<enter>y<exit>"
        with open(os.path.join(home, ".muttrc"), "a") as file:
            file.write(f"set confirmappend=no confirmcreate=no wait_key=no quit=yes\npush '{keys}'\n")
        env = dict(os.environ, HOME=home, TERM="xterm")
        pty = subprocess.run(["script", "-qec", "mutt", "/dev/null"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        try:
            with open(saved) as file:
                self.assertIn("mutt-reads-this", file.read())
        except FileNotFoundError:
            self.fail(pty.stdout[-2000:].decode(errors="replace"))

    def test_same_bytes_through_the_whole_suite(self):
        body = "".join(f"{n} \x80\xff bytes\r\n" if n % 3 else f".{n}\r\n" for n in range(500))
        content = message(subject="exact", body="").encode() + body.encode("latin-1") + b"no end"
        self.suite.submit("alice", ["bob"], content)
        (mail,) = self.suite.wait_mail("bob", text="Subject: exact")
        self.assertTrue(mail.endswith(body.encode("latin-1") + b"no end\r\n"), mail[-200:])
        self.assertIn(b"Received: from client.test", mail)
        self.assertIn(b"Return-Path: <alice@example.test>", mail)
        self.assertIn(b"Delivered-To: bob@example.test", mail)

    def test_sendmail_command(self):
        done = self.suite.posta("send", "-t", "-f", "alice@example.test",
                                stdin="To: bob@example.test\nSubject: from-sendmail\n\nHi.\n")
        self.assertEqual(done.returncode, 0, done.text)
        (mail,) = self.suite.wait_mail("bob", text="from-sendmail")
        self.assertRegex(mail, rb"(?m)^Message-I[Dd]: <.+@.+>\r$")
        self.assertRegex(mail, rb"(?m)^Date: ")
        self.assertRegex(mail, rb"(?m)^From: ")

    def test_new_user_works_at_once(self):
        self.suite.posta("user", "add", "carol@example.test", "--password", PASSWORD)
        self.suite.submit("alice", ["carol"], message(to="carol@example.test", subject="welcome"))
        self.suite.wait_mail("carol", text="welcome")
        self.suite.posta("user", "del", "carol@example.test")
        with Talk(self.suite.address, self.suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO x\r\n")
            talk.ask("MAIL FROM:<>\r\n")
            self.assertEqual(talk.ask("RCPT TO:<carol@example.test>\r\n")[:3], b"550")


if __name__ == "__main__":
    unittest.main()
