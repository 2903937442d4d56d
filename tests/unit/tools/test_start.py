"""What ./start says, with programs in its way that answer as told: test_start.py SOURCE"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = sys.argv.pop(1)

POSTA = """case "$*" in *"conf -h base_port"*) echo 10000 ;; *" status") exit 1 ;; esac
"""
# The mailbox has an earlier start's message, and the new one if "delivered" is there.
CURL = """case "$*" in
*--upload-file*) sed -n 's/^Message-ID: <\\(.*\\)>\\r$/\\1/p' build/demo/first-message >sent ;;
*"SEARCH SUBJECT Hello"*) echo "* SEARCH 1" ;;
*"SEARCH HEADER Message-ID "*) [ -e delivered ] && grep -q . sent && [[ "$*" = *"$(cat sent)"* ]] && echo "* SEARCH 2" || echo "* SEARCH" ;;
esac
"""


class Start(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        shutil.copy(os.path.join(SOURCE, "start"), self.path("start"))
        self.program("scripts/packages", "")
        self.program("build/bin/posta", POSTA)
        self.program("path/ninja", "")
        self.program("path/sleep", "")
        self.program("path/curl", CURL)
        for name, text in (("build/build.ninja", ""), ("build/demo/conf/main.cf", ""),
                           ("build/demo/passwords", "alice@example.test a\nbob@example.test b\n")):
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            with open(self.path(name), "w") as file:
                file.write(text)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def program(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write("#!/bin/bash\n" + text)
        os.chmod(self.path(name), 0o755)

    def start(self, *arguments, **environment):
        done = subprocess.run([self.path("start"), *arguments], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={
                                  **os.environ, "PATH": self.path("path") + ":" + os.environ["PATH"], **environment})
        return done.returncode, done.stdout

    def test_an_earlier_message_is_not_this_one(self):
        status, said = self.start()
        self.assertIn("did not arrive", said)
        self.assertNotIn("it arrived", said)
        self.assertEqual(status, 1)

    def test_this_message(self):
        with open(self.path("delivered"), "w"):
            pass
        self.assertIn("it arrived.", self.start()[1])

    def test_base_port(self):
        status, said = self.start(POSTA_BASE_PORT="20000")
        self.assertEqual(status, 2, said)
        self.assertIn("has base port 10000", said)
        for wrong in ("x", "-1", "100000", "1 2"):
            self.assertEqual(self.start(POSTA_BASE_PORT=wrong)[0], 2, wrong)
        with open(self.path("delivered"), "w"):
            pass
        self.assertIn("it arrived.", self.start(POSTA_BASE_PORT="10000")[1])
        self.assertIn("POSTA_BASE_PORT", self.start("--help")[1])


unittest.main()
