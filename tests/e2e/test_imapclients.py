"""What IMAP clients do before a login and around a delivery; their conversations after it are tests/unit/imap/clients."""
import base64
import glob
import os
import re
import select
import shutil
import subprocess
import tempfile
import unittest

from posta import Instance, PASSWORD, Talk, message

OFFLINEIMAP = """[general]
accounts = bob
metadatadir = {home}/meta
ui = basic
[Account bob]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
ssl = yes
sslcacertfile = {ca}
remoteuser = carol@example.test
remotepass = {password}
"""

FILTER = 'require ["fileinto", "mailbox"];\nif header :is "subject" "list" { fileinto :create "Lists"; }\n'


class ImapClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob", "carol"), processes="-", start=False)
        path = os.path.join(cls.suite.dir, "before.sieve")
        with open(path, "w") as file:
            file.write(FILTER)
        cls.suite.set(sieve_before=path)
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self):
        talk = Talk("127.0.0.1", self.suite.port(143))
        self.assertRegex(talk.line(), rb"^\* OK \[CAPABILITY IMAP4rev1 .*\bSASL-IR\b")
        return talk

    @staticmethod
    def send(talk, text, bytewise):
        for piece in (text[i:i + 1] for i in range(len(text))) if bytewise else (text,):
            talk.send(piece)

    def ask(self, talk, tag, text, bytewise=False):
        self.send(talk, f"{tag} {text}\r\n", bytewise)
        return talk.until(f"{tag} ".encode())

    def test_id_before_login(self):
        """Outlook asks before it logs in, in all forms; what it is answered is always a list."""
        for bytewise in False, True:
            with self.talk() as talk:
                for words in ('("name" "Outlook")', "NIL", "()", '("NIL")', '("name" NIL "x" {3+}\r\nabc)'):
                    self.assertRegex(self.ask(talk, "a", f"ID {words}", bytewise),
                                     rb'^\* ID \("name" "[^"]+"\)\r\na OK ')
                self.assertRegex(self.ask(talk, "b", "capability", bytewise), rb"\* CAPABILITY IMAP4rev1 ")
                self.assertIn(b"c OK", self.ask(talk, "c", f'login "bob@example.test" "{PASSWORD}"', bytewise))

    def test_initial_response(self):
        """RFC 4959, and AUTH LOGIN with one, which nobody has defined and Outlook sends."""
        plain = base64.b64encode(f"\0bob@example.test\0{PASSWORD}".encode()).decode()
        name = base64.b64encode(b"bob@example.test").decode()
        secret = base64.b64encode(PASSWORD.encode()).decode()
        for bytewise in False, True:
            with self.talk() as talk:
                self.assertIn(b"a OK", self.ask(talk, "a", "AUTHENTICATE PLAIN " + plain, bytewise))
            with self.talk() as talk:
                self.send(talk, f"b AUTHENTICATE PLAIN\r\n", bytewise)
                self.assertEqual(talk.line(), b"+ \r\n")
                self.send(talk, plain + "\r\n", bytewise)
                self.assertIn(b"b OK", talk.until(b"b "))
            with self.talk() as talk:
                # eM Client gives up with another command.
                self.send(talk, "c AUTHENTICATE PLAIN\r\n", bytewise)
                talk.line()
                self.send(talk, "*\r\n", bytewise)
                self.assertRegex(talk.until(b"c "), rb"c (BAD|NO)")
                self.assertIn(b"d OK", self.ask(talk, "d", "AUTHENTICATE PLAIN " + plain, bytewise))
            with self.talk() as talk:
                self.send(talk, f"e AUTHENTICATE LOGIN {name}\r\n", bytewise)
                self.assertTrue(talk.line().startswith(b"+ "))
                self.send(talk, secret + "\r\n", bytewise)
                self.assertIn(b"e OK", talk.until(b"e "))

    def test_commands_after_the_login_in_one_piece(self):
        """Apple Mail and mbsync do not wait for the answer to LOGIN."""
        with self.talk() as talk:
            talk.send(f"A1 LOGIN bob@example.test {PASSWORD}\r\nA2 NAMESPACE\r\n"
                      'A3 LIST "" "*" RETURN (SPECIAL-USE)\r\nA4 SELECT INBOX\r\n')
            text = talk.until(b"A4 ")
            self.assertRegex(text, rb'(?s)A1 OK .*\* NAMESPACE \(\(.*A2 OK .*\* LIST .*"INBOX".*A3 OK .*A4 OK ')

    def test_done_and_the_next_command_over_tls(self):
        with self.suite.imap("bob") as client:
            client.select()
            for _ in range(3):
                client.send(b"i1 IDLE\r\n")
                self.assertTrue(client.readline().startswith(b"+"))
                client.send(b"DONE\r\ni2 NOOP\r\ni3 UID FETCH 1:* FLAGS\r\ni4 IDLE\r\n")
                lines = b""
                while b"\n+ " not in lines:
                    lines += client.readline()
                self.assertRegex(lines, rb"(?s)i1 OK .*i2 OK .*i3 OK .*\+ ")
                client.send(b"DONE\r\n")
                self.assertTrue(client.readline().startswith(b"i4 OK"))

    @staticmethod
    def news(client, until, seconds=15):
        """Lines that come unasked, up to one with `until`."""
        lines = b""
        client.sock.settimeout(seconds)
        while until not in lines.rpartition(b"\n")[0].rpartition(b"\n")[2]:
            lines += client.readline()
        return lines

    def test_notify_of_deliveries(self):
        """RFC 5465: a client that says nothing hears of what local delivers, in any folder."""
        with self.suite.imap("bob") as client:
            client.create("Lists")
            client.select()
            client.send(b"n NOTIFY SET (selected (MessageNew (uid body.peek[header.fields (subject)]) "
                        b"MessageExpunge)) (personal (MessageNew MessageExpunge MailboxName))\r\n")
            self.news(client, b"n OK")
            self.suite.submit("alice", ["bob"], message(subject="to inbox"))
            self.assertIn(b"* 1 FETCH (UID 1 ", self.news(client, b"Subject: to inbox"))
            self.assertEqual(self.news(client, b")"), b"\r\n)\r\n")
            self.suite.submit("alice", ["bob"], message(subject="list"))
            self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 1 UIDNEXT 2 ')
            # Another connection, in a process that is the same or not.
            with self.suite.imap("bob", "starttls") as other:
                other.create("Made")
                self.assertRegex(self.news(client, b"LIST"), rb'\* LIST \(\\HasNoChildren\) "." "?Made"?')
                other.select("Lists")
                other.store("1", "+FLAGS", r"(\Deleted)")
                other.expunge()
                self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 0 ')
                other.delete("Made")
                self.assertIn(b"\\NonExistent", self.news(client, b"LIST"))
            # IDLE says the same, and after it all is as before.
            client.send(b"i IDLE\r\n")
            self.news(client, b"+ ")
            self.suite.submit("alice", ["bob"], message(subject="list"))
            self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 1 UIDNEXT 3 ')
            client.send(b"DONE\r\n")
            self.news(client, b"i OK")
            client.send(b"x NOTIFY NONE\r\n")
            self.news(client, b"x OK")
            self.suite.submit("alice", ["bob"], message(subject="silence"))
            self.suite.wait_mail("bob", text="silence")
            self.assertEqual(select.select([client.sock], [], [], 1)[0], [])

    @staticmethod
    def contents(client):
        """{folder: sorted contents of its messages}, without the header that offlineimap adds."""
        found = {}
        for folder in "INBOX", "Work.2026":
            client.select(folder, readonly=True)
            parts = client.fetch("1:*", "(BODY.PEEK[])")[1]
            found[folder] = sorted(re.sub(rb"X-OfflineIMAP: .*\r\n", b"", part[1]) for part in parts if isinstance(part, tuple))
        return found

    @unittest.skipUnless(shutil.which("offlineimap"), "offlineimap3 is not installed")
    def test_offlineimap(self):
        """Both ways, message by message."""
        home = tempfile.mkdtemp(prefix="posta-offlineimap-")
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        with open(os.path.join(home, "rc"), "w") as file:
            file.write(OFFLINEIMAP.format(home=home, port=self.suite.port(993), ca=self.suite.ca, password=PASSWORD))

        def sync():
            done = subprocess.run(["offlineimap", "-c", os.path.join(home, "rc"), "-o"], env=dict(os.environ, HOME=home),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, errors="replace")
            self.assertEqual((done.returncode, "ERROR" in done.stdout), (0, False), done.stdout[-3000:])

        def near():
            found = {}
            for folder in "INBOX", "Work.2026":
                found[folder] = []
                for path in glob.glob(os.path.join(home, "mail", folder, "[cn][ue][rw]", "*")):
                    with open(path, "rb") as file:
                        text = re.sub(rb"X-OfflineIMAP: .*\n", b"", file.read())
                    found[folder].append(text.replace(b"\n", b"\r\n"))
                found[folder].sort()
            return found

        with self.suite.imap("carol") as client:
            client.create("Work.2026")
            for number in range(20):
                client.append("INBOX", None, None, message(subject=f"m{number}", body=f"{number}\r\n" * number).encode())
            client.append("Work.2026", r"(\Seen \Flagged)", None, message(subject="work").encode())
        sync()
        with self.suite.imap("carol") as client:
            self.assertEqual(near(), self.contents(client))
            self.assertEqual(len(glob.glob(os.path.join(home, "mail", "Work.2026", "cur", "*:2,FS"))), 1)
            # What changes on both sides.
            client.select("INBOX")
            client.store("1:5", "+FLAGS", r"(\Deleted)")
            client.expunge()
        with open(os.path.join(home, "mail", "Work.2026", "cur", "1.local:2,F"), "w") as file:
            file.write(message(subject="uploaded").replace("\r\n", "\n"))
        os.unlink(sorted(glob.glob(os.path.join(home, "mail", "INBOX", "new", "*,U=9,*")))[0])
        sync()
        with self.suite.imap("carol") as client:
            found = self.contents(client)
            self.assertEqual(near(), found)
            self.assertEqual([len(found["INBOX"]), len(found["Work.2026"])], [14, 2])
            client.select("Work.2026")
            self.assertTrue(client.search(None, "SUBJECT", "uploaded", "FLAGGED")[1][0])


if __name__ == "__main__":
    unittest.main()
