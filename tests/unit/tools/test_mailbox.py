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
        done = subprocess.run([os.path.join(BIN, "posta"), *arguments], input=stdin, text=True,
                              capture_output=True, timeout=60,
                              env={**os.environ, "MAIL_CONFIG": self.folder.name})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout, done.stderr

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


if __name__ == "__main__":
    unittest.main()
