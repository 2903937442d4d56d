"""posta sieve: check and test, without an instance."""
import os
import subprocess
import sys
import tempfile
import unittest

POSTA = sys.argv.pop()
SCRIPT = """require ["fileinto", "variables", "imap4flags"];
if header :matches "List-Id" "*<*.lists.*" {
    addflag "\\\\Seen";
    fileinto "lists/${2}";
} else {
    redirect "a@b.test";
}
"""
MESSAGE = b"List-Id: Dev <dev.lists.example.org>\nSubject: x\n\nbody\n"


class Tool(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def script(self, text):
        path = os.path.join(self.folder.name, "script")
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_tool(self, *arguments, stdin=b""):
        done = subprocess.run([POSTA, "-c", self.folder.name, "sieve", *arguments], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        return done.returncode, done.stdout.decode()

    def test_check(self):
        path = self.script(SCRIPT)
        self.assertEqual(self.run_tool("check", path), (0, ""))
        path = self.script(SCRIPT.replace("fileinto ", "fileintoo "))
        self.assertEqual(self.run_tool("check", path),
                         (1, f"{path}, line 4, column 5: there is no fileintoo among the commands\n"))

    def test_warnings(self):
        path = self.script('stop;\nredirect "nobody";\nkeep;')
        self.assertEqual(self.run_tool("check", path), (0, f"{path}, line 2: warning: this is never reached\n"))
        path = self.script('redirect "nobody";')
        self.assertEqual(self.run_tool("check", path),
                         (0, f'{path}, line 1: warning: "nobody" is no address, which will be an error\n'))

    def test_test(self):
        path = self.script(SCRIPT)
        self.assertEqual(self.run_tool("test", path, stdin=MESSAGE),
                         (0, "line 4: fileinto lists/dev, flags \\Seen\n"))
        self.assertEqual(self.run_tool("test", path, stdin=b"Subject: x\n\n"),
                         (0, "line 6: redirect a@b.test\n"))
        mail = os.path.join(self.folder.name, "mail")
        with open(mail, "wb") as file:
            file.write(MESSAGE)
        self.assertEqual(self.run_tool("test", path, mail)[1], "line 4: fileinto lists/dev, flags \\Seen\n")
        self.assertEqual(self.run_tool("test", path, mail + "x")[0], 1)
        path = self.script("redirect text:\nnobody\n.\n;")
        status, text = self.run_tool("test", path, stdin=MESSAGE)
        self.assertEqual(status, 1)
        self.assertTrue(text.endswith("implicit: keep\n"), text)
        self.assertIn("line 1, column 1: redirect:", text)
        self.assertEqual(self.run_tool("test", self.script("discard;"), stdin=MESSAGE), (0, "discard\n"))

    def test_usage(self):
        self.assertEqual(self.run_tool()[0], 2)
        self.assertEqual(self.run_tool("check", "/nonexistent")[0], 1)
        self.assertIn("fileinto", self.run_tool("extensions")[1])


unittest.main()
