"""What each running program is confined to, seen from outside in /proc."""
import json
import os
import pwd
import re
import signal
import unittest

import programs
from posta import AS_ROOT, PLAIN_BUILD, Instance, PASSWORD, message, wait_until
from test_access import services

KERNEL = tuple(int(part) for part in os.uname().release.split(".")[:2])

USERS = programs.system_users()
SOCKETS_ONLY = programs.with_root("EMPTY")
QUEUE_ROOT = programs.with_root("QUEUE")
CONNECTING = programs.with_calls("CALLS_NETWORK")
STRANGERS = {"smtpd", "imapd", "pop3d", "managesieved", "smtp", "resolver"}


def status_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def running(suite):
    """[(program, pid)] as `posta status --json` names them."""
    found = []
    for line in suite.posta("status", "--json").text.splitlines():
        if line.startswith("{"):
            item = json.loads(line)
            found.append((item["program"], item["pid"], item))
    return found


@unittest.skipUnless(AS_ROOT, "needs root")
class AsRoot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(build=PLAIN_BUILD)
        cls.programs = running(cls.suite)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def test_every_program_runs(self):
        named = set(services(self.suite).values()) | {"smtpd", "imapd", "pop3d", "managesieved", "postlogd"}
        self.assertEqual(named, {name for name, _, _ in self.programs} - {"master"})
        self.assertLessEqual(named, set(USERS))

    def test_what_reads_strangers_bytes_is_nobody_who_may_do_more(self):
        mighty = {USERS[name] for name in ("auth", "keys", "cleanup", "qmgr", "postlogd", "local-deliver")}
        for name in STRANGERS:
            with self.subTest(program=name):
                self.assertNotIn(USERS[name], mighty)
                self.assertIn(name, SOCKETS_ONLY)

    def test_users_and_groups(self):
        for name, pid, _ in self.programs:
            if name == "master":
                continue
            with self.subTest(program=name):
                status = status_of(pid)
                uid = pwd.getpwnam(USERS[name]).pw_uid
                self.assertEqual(set(status["Uid"].split()), {str(uid)})
                if uid != 0:
                    self.assertNotIn("0", status["Gid"].split())
                    self.assertNotIn("0", status["Groups"].split())
                    self.assertEqual(int(status["CapEff"], 16), 0)
                    self.assertEqual(int(status["CapPrm"], 16), 0)

    def test_seccomp_and_no_new_privileges(self):
        for name, pid, _ in self.programs:
            if name == "master":
                continue
            with self.subTest(program=name):
                status = status_of(pid)
                self.assertEqual(status["Seccomp"].strip(), "2")
                self.assertEqual(status["NoNewPrivs"].strip(), "1")

    def test_root_directories(self):
        queue = os.path.realpath(os.path.join(self.suite.home, "queue"))
        for name, pid, _ in self.programs:
            root = os.readlink(f"/proc/{pid}/root")
            with self.subTest(program=name, root=root):
                if name in SOCKETS_ONLY:
                    self.assertEqual(root, os.path.join(queue, "sockets"))
                    entries = os.listdir(f"/proc/{pid}/root")
                    self.assertEqual(sorted(entries), ["private", "public"])
                elif name in QUEUE_ROOT:
                    self.assertEqual(root, queue)

    def test_open_files(self):
        """What parses strangers' bytes has no descriptor that leads to mail, and none on a folder."""
        for name, pid, _ in self.programs:
            for number in os.listdir(f"/proc/{pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{pid}/fd/{number}")
                except OSError:
                    continue
                with self.subTest(program=name, fd=target):
                    # Or each account that is added would replace it by a successor.
                    self.assertNotIn(target, ("/etc/passwd", "/etc/group"))
                    if name not in SOCKETS_ONLY:
                        continue
                    self.assertFalse(os.path.isdir(target) and target.startswith("/"), target)
                    self.assertNotIn("/incoming/", target)
                    self.assertNotIn("/mail/", target.replace(self.suite.log_file, ""))
                    self.assertNotIn("shadow", target)

    def test_session_process_is_the_user_in_its_mail(self):
        self.suite.submit("alice", ["bob"], message(subject="confined"))
        self.suite.wait_mail("bob", text="confined")
        parent = [pid for name, pid, _ in self.programs if name == "imapd-session"][0]
        with self.suite.imap("bob") as client:
            client.select()
            with open(f"/proc/{parent}/task/{parent}/children") as file:
                children = file.read().split()
            self.assertTrue(children)
            for pid in children:
                status = status_of(pid)
                self.assertNotIn("0", status["Uid"].split())
                self.assertEqual(status["Seccomp"].strip(), "2")
                self.assertEqual(status["NoNewPrivs"].strip(), "1")
                self.assertEqual(int(status["CapEff"], 16), 0)
                self.assertNotEqual(os.readlink(f"/proc/{pid}/root"), "/")

    def test_commands_come_from_a_process_apart(self):
        """What may be run for a user needs more than local-deliver: who has it reads no messages."""
        parent = [pid for name, pid, _ in self.programs if name == "local-deliver"][0]

        def launchers():
            with open(f"/proc/{parent}/task/{parent}/children") as file:
                return [int(pid) for pid in file.read().split() if status_of(pid)["Uid"].split()[0] == "0"]
        launcher, = launchers()
        status = status_of(launcher)
        self.assertEqual(status["Seccomp"].strip(), "2")
        self.assertEqual(status["NoNewPrivs"].strip(), "0")  # commands may be set-gid programs
        makes_files = 1 << 0 | 1 << 1 | 1 << 3  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER
        self.assertEqual(int(status["CapEff"], 16) & makes_files, 0)
        self.assertNotEqual(int(status["CapBnd"], 16) & 1 << 21, 1 << 21)  # no CAP_SYS_ADMIN left
        sockets = [name for name in os.listdir(f"/proc/{launcher}/fd")
                   if int(name) > 2 and os.readlink(f"/proc/{launcher}/fd/{name}").startswith("socket:")]
        self.assertLessEqual(len(sockets), 2)  # the log, and local-deliver
        # Without it there are no commands: both are replaced.
        os.kill(launcher, signal.SIGKILL)
        wait_until(lambda: [pid for name, pid, _ in running(self.suite)
                            if name == "local-deliver" and pid != parent], what="a successor")
        type(self).programs = running(self.suite)

    def test_what_connects_has_sockets_of_the_network_and_nobody_else(self):
        """Landlock's part, where this kernel has it: what it is, is said."""
        for name, _, item in self.programs:
            if name == "master":
                continue
            limits = re.search(r"landlock=(\S+)", item["confinement"])[1].split("+")
            with self.subTest(program=name, limits=limits):
                if name in CONNECTING:
                    self.assertNotIn("network", limits)
                elif KERNEL >= (6, 7):
                    self.assertIn("network", limits)
                if KERNEL >= (6, 12):
                    self.assertIn("scopes", limits)
                if KERNEL >= (5, 19):
                    self.assertIn("programs", limits)

    def test_status_names_what_does_not_answer(self):
        pid = [pid for name, pid, _ in self.programs if name == "bounce"][0]

        def silent():
            return [name for name, _, item in running(self.suite)
                    if "DOES NOT ANSWER" in item["confinement"]]
        os.kill(pid, signal.SIGSTOP)
        try:
            self.assertIn("bounce", silent())
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: silent() == [], what="an answer of all programs")

    def test_status_says_it(self):
        for name, _, item in self.programs:
            if name in SOCKETS_ONLY:
                self.assertIn("seccomp", item["confinement"])
                self.assertIn("user=" + USERS[name], item["confinement"])


class AsOrdinaryUser(unittest.TestCase):
    def test_runs_on_high_ports_and_says_what_it_does_without(self):
        user = "nobody" if AS_ROOT else None
        with Instance(build=PLAIN_BUILD, as_user=user) as suite:
            suite.submit("alice", ["bob"], message(subject="unprivileged"))
            suite.wait_mail("bob", text="unprivileged")
            self.assertRegex(suite.log(), r"(?i)not (running as|started by) root|without root")
            for name, pid, _ in running(suite):
                if name == "master":
                    continue
                with self.subTest(program=name):
                    status = status_of(pid)
                    self.assertEqual(status["Seccomp"].strip(), "2")
                    self.assertNotIn("0", status["Uid"].split())


if __name__ == "__main__":
    unittest.main()
