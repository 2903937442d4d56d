"""The examples of the handbook and of posta(1) are run as they stand, but for the folder and the ports."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from posta import BUILD, TOP, reserve_base_port

HANDBOOK = os.path.join(TOP, "doc", "handbook.md")
PAGE = os.path.join(TOP, "doc", "man", "posta.1.in")


class Examples(unittest.TestCase):
    def setUp(self):
        self.base, lock = reserve_base_port()
        self.addCleanup(lock.close)
        self.folder = tempfile.mkdtemp(prefix="posta-handbook-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.addCleanup(self.stop)

    def stop(self):
        subprocess.run([os.path.join(BUILD, "bin", "posta"), "-c", self.folder + "/mail/conf", "stop"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def run_block(self, block):
        """What it said; a command that fails, in a pipe too, fails the block."""
        block = re.sub(r"(posta init \S+)", rf"\1 --base-port {self.base}", block).replace("/srv", self.folder)
        done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", block], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": os.path.join(BUILD, "bin") + ":" + os.environ["PATH"]})
        self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout}")
        return done.stdout

    def settle(self):
        """Loopback is enough here."""
        posta = [os.path.join(BUILD, "bin", "posta"), "-c", self.folder + "/mail/conf"]
        subprocess.run([*posta, "conf", "-e", "inet_interfaces=127.0.0.1", "inet_protocols=ipv4"], check=True)

    def test_handbook(self):
        with open(HANDBOOK) as file:
            text = file.read()
        blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", text)
        self.assertGreaterEqual(len(blocks), 9)
        self.assertEqual(set(re.findall(r"(?m)^```(\w+)$", text)), {"sh", "text"})
        first, *rest = blocks
        said = self.run_block(first.splitlines()[0])
        self.settle()
        self.assertIn("password", said)
        said = self.run_block("\n".join(first.splitlines()[1:]))
        self.assertIn("nothing wrong is seen", said)
        for block in rest:
            self.run_block(block)
        # What is installed is what the list has for a build.
        [packages] = re.findall(r"apt-get install \$\((.*)\)", text)
        said = subprocess.run(packages, shell=True, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        with open(os.path.join(TOP, "debian-packages")) as file:
            self.assertEqual(said, [name for use, name in (line.split() for line in file if line[0] not in "#\n") if use == "build"])
        self.assertIn("gcc", said)
        # Every verb that it names is one.
        verbs = set(re.findall(r"^  ([a-z]+) +\S", self.run_block("posta --help"), re.M))
        named = set(re.findall(r"`posta (?:-c \S+ )?([a-z]+)", text))
        self.assertEqual(named - verbs, set())

    def test_man_page(self):
        with open(PAGE) as file:
            page = file.read().replace("\\-", "-")
        lines = re.search(r"\.SH EXAMPLES\n\.nf\n(.*?)\.fi", page, re.S)[1].splitlines()
        for line in lines:
            if " trace " in line:
                continue  # the message is not there
            self.run_block(line)
            if " init " in line:
                self.settle()
            if " start" in line:
                self.run_block("posta -c /srv/mail/conf send alice@example.test </dev/null")
        trace = next(line for line in lines if " trace " in line)
        with open(self.folder + "/mail/log/mail.log") as file:
            queue_id = re.search(r"(\w+): uid=", file.read())[1]
        self.assertIn("uid=", self.run_block(re.sub(r"trace \w+", "trace " + queue_id, trace)))


if __name__ == "__main__":
    unittest.main()
