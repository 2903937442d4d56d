"""Whatever a local user does at the public sockets, others and root are served."""
import contextlib
import os
import pwd
import resource
import socket
import stat
import subprocess
import sys
import unittest

from posta import AS_ROOT, PLAIN_BUILD, Instance, message, wait_until

# Holds as many connections as it may, and says how many are still there.
HOLD = """
import socket, sys, time
held = []
for number in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    try:
        s.connect(sys.argv[1])
        if len(sys.argv) > 3:
            s.sendall(bytes.fromhex(sys.argv[3]))
        held.append(s)
    except OSError as problem:
        s.close()
print(len(held), flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(path, count, user="nobody", said=""):
    """A process of that user with so many connections; they were all accepted or refused."""
    words = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups",
             sys.executable, "-c", HOLD, path, str(count), *([said] if said else [])]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        process.held = int(process.stdout.readline())
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def runs(pid):
    """Not one that has ended and that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@unittest.skipUnless(AS_ROOT, "needs root")
class Lockout(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        cls.suite = Instance(build=PLAIN_BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def path(self, name):
        return os.path.join(self.suite.home, "queue/public", name)

    def as_nobody(self, *words, stdin=None):
        return subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                               self.suite.tool, "-c", self.suite.conf, *words], input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)

    def send(self, subject):
        return self.suite.posta("send", "-f", "root@example.test", "bob@example.test",
                                stdin=message(subject=subject))

    def test_master_talks_to_root_alone(self):
        mode = os.stat(self.path("master"))
        self.assertEqual(stat.S_IMODE(mode.st_mode), 0o600)
        self.assertEqual(mode.st_uid, 0)
        with holding(self.path("master"), 32) as process:
            self.assertEqual(process.held, 0)
        for verb in ("reload", "stop"):
            done = self.as_nobody(verb)
            self.assertEqual(done.returncode, 1)
            self.assertIn("not permitted", done.stdout)

    def test_anybody_sees_the_status(self):
        mine = self.suite.posta("status", "--long").text
        theirs = wait_until(lambda: self.as_nobody("status", "--long").stdout, 10, "an answer")
        programs = lambda text: sorted(line.split()[:3] for line in text.splitlines()[1:])
        self.assertIn("qmgr", theirs)
        self.assertEqual(programs(mine), programs(theirs))

    def test_idle_connections_at_status(self):
        with holding(self.path("status"), 500, said="000000020001"):
            with holding(self.path("status"), 500):
                self.assertIn("qmgr", self.suite.posta("status", "--long").text)
                self.suite.posta("reload")
                with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
                    client.connect(self.path("status"))  # root itself is let in there

    def test_thousands_at_submit(self):
        with holding(self.path("submit"), 3000) as process:
            self.assertGreater(process.held, 1000)
            self.send("in spite of nobody")
            self.suite.wait_mail("bob", text="in spite of nobody")
            self.assertEqual(self.suite.posta("queue", "list").returncode, 0)
            # Another user has places of its own.
            done = subprocess.run(["setpriv", "--reuid=games", "--regid=games", "--clear-groups",
                                   self.suite.tool, "-c", self.suite.conf, "send", "bob@example.test"],
                                  input=message(subject="by another"), text=True, timeout=60)
            self.assertEqual(done.returncode, 0)
            self.suite.wait_mail("bob", text="by another")
        self.assertRegex(self.suite.log(), r"refused: process \d+ \(uid \d+\) may not have so many connections on public/submit")

    def test_more_than_there_are_places_wait(self):
        """One user may send a hundred messages at once: some wait for a place, none is lost."""
        begin = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", self.suite.tool,
                 "-c", self.suite.conf, "send", "alice@example.test"]
        running = []
        for number in range(40):
            process = subprocess.Popen(begin, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
            process.stdin.write(message(subject=f"one of many {number}"))
            running.append(process)
        for process in running:
            process.communicate(timeout=60)
        self.assertEqual([process.returncode for process in running], [0] * len(running))
        self.suite.wait_mail("alice", count=len(running), text="one of many")


@unittest.skipUnless(AS_ROOT, "needs root")
class Stop(unittest.TestCase):
    def test_stop_with_full_sockets(self):
        suite = Instance(build=PLAIN_BUILD, main={"service_stop_time": "2s"})
        try:
            with open(os.path.join(suite.home, "queue/pid/master.pid")) as file:
                master = int(file.read())
            top = os.path.join(suite.home, "queue/public")
            with holding(os.path.join(top, "status"), 200), holding(os.path.join(top, "submit"), 200):
                self.assertEqual(suite.posta("stop").returncode, 0)
                self.assertFalse(runs(master))
        finally:
            suite.close()


if __name__ == "__main__":
    unittest.main()
