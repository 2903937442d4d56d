"""posta mailbox as people call it, on Maildirs of other users: test_mailbox.py BIN"""
import os
import subprocess
import sys
import tempfile
import unittest

BIN = sys.argv.pop(1)
ALICE = 5000 if os.getuid() == 0 else os.getuid()
MESSAGE = "Subject: {}\n\nHello.\n"


class Mailbox(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.home = self.path("home")
        os.mkdir(self.home)
        self.give(self.home)
        self.write("main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.com\n"
                              "virtual_mailbox_domains = example.com\nmailbox_users = hash:" + self.path("users") + "\n")
        self.write("master.cf", "")
        self.write("users", f"alice@example.com:{{PLAIN}}x:{ALICE}:{ALICE}::{self.home}::\n")
        self.tool("user", "compile")

    def tearDown(self):
        self.folder.cleanup()

    def path(self, *names):
        return os.path.join(self.folder.name, *names)

    def write(self, name, text):
        with open(self.path(name), "w", newline="") as file:
            file.write(text)

    def give(self, path):
        if os.getuid() == 0:
            os.chown(path, ALICE, ALICE)

    def tool(self, *arguments, status=0, stdin=""):
        done = subprocess.run([os.path.join(BIN, "posta"), *arguments], input=stdin.encode(),
                              capture_output=True, timeout=60,
                              env={**os.environ, "MAIL_CONFIG": self.folder.name})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def maildir(self, name, files):
        """A Maildir of alice's with these files: {path: text}."""
        root = self.path(name)
        for path, text in {"cur/": "", "new/": "", "tmp/": "", **files}.items():
            place = os.path.join(root, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if text:
                with open(place, "w", newline="") as file:
                    file.write(text)
        for folder, _, names in os.walk(root):
            for each in ["", *names]:
                self.give(os.path.join(folder, each))
        return root

    def export(self, *folders):
        return self.tool("mailbox", "export", "alice@example.com", *folders, "--mbox", "-")[0]

    # ---- import of Maildirs ----

    def test_a_letter_counts_once(self):
        source = self.maildir("old", {"cur/1.a.h:2," + "aab" * 70 + "S": MESSAGE.format("one"),
                                      "dovecot-keywords": "0 one\n1 two\n"})
        out, _ = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)
        self.assertIn("INBOX: 1 messages\n", out)
        self.assertIn("X-Keywords: one two\n", self.export("INBOX"))

    def test_what_is_no_message_does_not_stop_an_import(self):
        source = self.maildir("old", {
            "cur/1.a.h:2,Sa": MESSAGE.format("one"), "cur/2.d.h:2,/x": "no message", "new/3.b.h": MESSAGE.format("three"),
            "dovecot-keywords": "0 (no)atom\n1 fine\n", "cur/4.c.h:2,b": MESSAGE.format("four")})
        out, err = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)
        self.assertIn("INBOX: 3 messages, 1 left out\n", out)
        self.assertIn("2.d.h:2,: no regular file", err)
        self.assertIn("keyword (no)atom is no atom", err)
        self.assertEqual(self.export("INBOX").count("\nSubject: "), 3)

    @unittest.skipUnless(os.getuid() == 0, "what only root can be tricked into")
    def test_root_reads_only_what_the_owner_may(self):
        self.write("secret", "Subject: secret\n\nof root\n")
        os.chmod(self.path("secret"), 0o600)
        source = self.maildir("old", {"cur/1.a.h:2,S": MESSAGE.format("one"), "cur/2.b.h:2,S": MESSAGE.format("two")})
        os.symlink(self.path("secret"), os.path.join(source, "cur/3.c.h:2,S"))
        os.chown(os.path.join(source, "cur/2.b.h:2,S"), 0, 0)
        os.chmod(os.path.join(source, "cur/2.b.h:2,S"), 0o600)
        os.symlink(self.path(), os.path.join(source, ".Link"))
        out, err = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)
        self.assertIn("INBOX: 1 messages, 2 left out\n", out)
        self.assertIn("3.c.h:2,S: no regular file", err)
        self.assertIn("2.b.h:2,S: Permission denied", err)
        self.assertIn(".Link: ", err)
        self.assertNotIn("secret", self.export())

    @unittest.skipUnless(os.getuid() == 0, "what only root can be tricked into")
    def test_mbox_in_a_place_of_the_user(self):
        self.write("secret", "From x Sat Nov 21 23:58:21 2026\nSubject: secret\n\nof root\n")
        os.chmod(self.path("secret"), 0o600)
        os.symlink(self.path("secret"), os.path.join(self.home, "mbox"))
        self.tool("mailbox", "import", "alice@example.com", "X", "--mbox", os.path.join(self.home, "mbox"), status=1)
        os.symlink(self.folder.name, os.path.join(self.home, "up"))
        self.tool("mailbox", "import", "alice@example.com", "X", "--mbox", os.path.join(self.home, "up/secret"), status=1)
        # What the administrator keeps to themselves they may import.
        self.tool("mailbox", "import", "alice@example.com", "X", "--mbox", self.path("secret"))
        # What is made in a place of the user is the user's.
        os.symlink(self.path("new"), os.path.join(self.home, "out"))
        self.tool("mailbox", "export", "alice@example.com", "--mbox", os.path.join(self.home, "out"), status=1)
        self.assertFalse(os.path.exists(self.path("new")))
        self.tool("mailbox", "export", "alice@example.com", "--mbox", os.path.join(self.home, "saved"))
        self.assertEqual(os.stat(os.path.join(self.home, "saved")).st_uid, ALICE)

    def import_mbox(self, folder, text, said):
        out = self.tool("mailbox", "import", "alice@example.com", folder, "--mbox", "-", stdin=text)[0]
        self.assertEqual(out, f"{folder}: {said}\n")

    def files(self, folder):
        """Flags and content of the messages of a folder."""
        root = os.path.join(self.home, "Maildir", "." + folder)
        found = []
        for part in "new", "cur":
            for name in sorted(os.listdir(os.path.join(root, part))):
                with open(os.path.join(root, part, name), newline="") as file:
                    found.append((name.partition(":2,")[2], file.read()))
        return sorted(found)

    def test_a_second_import_takes_nothing_twice(self):
        source = self.maildir("old", {
            "cur/1.a.h,S=3:2,S": MESSAGE.format("one"), "new/2.b.h": MESSAGE.format("two"),
            "cur/3.same.h,U=1:2,": MESSAGE.format("three"), "cur/3.same.h,U=2:2,": MESSAGE.format("three"),
            ".A%B/cur/4.d.h:2,": MESSAGE.format("four"), "subscriptions": "A%B\n"})
        out = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)[0]
        self.assertEqual(out, "INBOX: 4 messages\nA_B: 1 messages\n")
        out = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)[0]
        self.assertEqual(out, "INBOX: 0 messages, 4 were there already\nA_B: 0 messages, 1 were there already\n")
        with open(os.path.join(source, "cur/5.e.h:2,"), "w") as file:
            file.write(MESSAGE.format("five"))
        self.give(os.path.join(source, "cur/5.e.h:2,"))
        out = self.tool("mailbox", "import", "alice@example.com", "--maildir", source)[0]
        self.assertIn("INBOX: 1 messages, 4 were there already\n", out)
        self.assertEqual(self.tool("mailbox", "list", "alice@example.com")[0], "INBOX\nA_B\tsubscribed\n")

    # ---- mbox files ----

    def test_export_and_import_are_a_pair(self):
        source = self.maildir("old", {
            "cur/1.a.h:2,FRSab": "Subject: one\n\nFrom here\n>From there\n>>From\nx\n",
            "cur/2.b.h:2,": "Subject: two\n\nno line end",
            "cur/3.c.h:2,DT": "Subject: three\n\nempty lines\n\n\n\n",
            "cur/4.d.h:2,S": "Subject: four\nno field\nX: y\n z\n\n",
            "cur/5.e.h:2,S": "Subject: five\r\n\r\na\rb\r\r\nFrom x Sat Nov 21 23:58:21 2026\r\n\r\n",
            "dovecot-keywords": "0 $Forwarded\n1 work\n"})
        os.utime(os.path.join(source, "cur/2.b.h:2,"), (0, 0))
        self.tool("mailbox", "import", "alice@example.com", "--maildir", source)
        mbox = self.export("INBOX")
        self.assertIn("From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n", mbox)
        self.assertIn("X-Keywords: $Forwarded work\n", mbox)
        self.import_mbox("Copy", mbox, "5 messages")
        self.assertEqual(self.export("Copy"), mbox)
        self.import_mbox("Copy", mbox, "0 messages, 5 were there already")
        self.import_mbox("Again", self.export("Copy"), "5 messages")
        self.tool("mailbox", "status", "alice@example.com")
        again = self.files("Again")
        self.assertEqual(again, self.files("Copy"))
        self.assertIn(("FRSab", "Subject: one\r\n\r\nFrom here\r\n>From there\r\n>>From\r\nx\r\n"), again)
        self.assertIn(("", "Subject: two\r\n\r\nno line end"), again)
        self.assertIn(("DT", "Subject: three\r\n\r\nempty lines\r\n\r\n\r\n\r\n"), again)
        self.assertIn(("S", "Subject: five\r\n\r\na\rb\r\r\nFrom x Sat Nov 21 23:58:21 2026\r\n\r\n"), again)

    def test_mbox_files_of_other_programs(self):
        self.import_mbox("A", "From - Sat Nov 21 23:58:21 2026\nX-Mozilla-Status: 1007\nX-Mozilla-Status2: 00000000\n"
                              "X-Mozilla-Keys: $label1 todo      \nSubject: thunderbird\n\nx\n\n"
                              "From a@b Sat Nov 21 23:58:21 2026\nSubject: mboxcl2\nContent-Length: 29\nStatus: RO\n\n"
                              "x\n\nFrom the start\n>From here\n\n"
                              "From a@b Sat Nov 21 23:58:21 2026\nSubject: wrong length\nContent-Length: 3\n\nlonger\n\n",
                         "3 messages")
        self.import_mbox("B", "From x\r\nSubject: dos\r\n\r\na\r\n\r\nFrom y\r\nSubject: second\r\n\r\nb\r\n", "2 messages")
        self.tool("mailbox", "status", "alice@example.com")
        self.assertEqual(self.files("A"), [
            ("", "Subject: wrong length\r\n\r\nlonger\r\n"),
            ("FRSabc", "Subject: thunderbird\r\n\r\nx\r\n"),
            ("S", "Subject: mboxcl2\r\n\r\nx\r\n\r\nFrom the start\r\n>From here\r\n")])
        self.assertEqual(self.files("B"), [("", "Subject: dos\r\n\r\na\r\n"), ("", "Subject: second\r\n\r\nb\r\n")])
        self.tool("mailbox", "import", "alice@example.com", "C", "--mbox", "-", stdin="no mbox\n", status=1)


if __name__ == "__main__":
    unittest.main()
