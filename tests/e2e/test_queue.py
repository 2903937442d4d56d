"""The queue as people see it: listing that costs the queue manager nothing, and the old commands' forms."""
import contextlib
import glob
import json
import os
import re
import socket
import struct
import subprocess
import time
import unittest

from posta import AS_ROOT, HERE, Instance, message, wait_until


def message_number(name):
    """The number of a message between programs is its place in messages.def."""
    with open(os.path.join(HERE, "..", "..", "lib", "ipc", "messages.def")) as file:
        return re.findall(r"(?m)^MESSAGE\((\w+)\)", file.read()).index(name) + 1


def queue_list(queue_id=b""):
    return struct.pack(">IHI", 6 + len(queue_id), message_number("queue_list"), len(queue_id)) + queue_id


def memory(pid):
    """Private pages of a process, KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(size) for size in re.findall(r"(?m)^Private_\w+: +(\d+)", file.read()))


def pid_of(suite, program):
    """Of the one process of that program in this instance."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            words = file.read().split(b"\0")
            if suite.conf.encode() in words and words[0].endswith(b"/libexec/posta/" + program.encode()):
                return int(path.split("/")[2])
    raise AssertionError(f"no {program}")


DEFER = {"transport_maps": "inline:{{later.test=retry:4.3.2 not today}}", "minimal_backoff_time": "1000s",
         "smtpd_reject_unlisted_recipient": "no", "smtpd_login_limit_exceptions": "alice@example.test"}


class Unread(unittest.TestCase):
    def test_lists_that_nobody_reads_cost_nothing(self):
        """Ten thousand requests of any local user, unread: qmgr stays as it is, mail flows, root lists."""
        with Instance(main=DEFER) as suite:
            many = [f"{'x' * 60}{number}@later.test" for number in range(900)]
            suite.submit("alice", many, message(subject="waits"))
            wait_until(lambda: len(suite.queue()[0]["recipients"]) == 900, what="all put off")
            qmgr, showq = pid_of(suite, "qmgr"), pid_of(suite, "showq")
            before, before_showq = memory(qmgr), memory(showq)
            script = ("import os,resource,socket,sys,time\n"
                      "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
                      "resource.setrlimit(resource.RLIMIT_NOFILE, (900, 900))\n"
                      "peers = []\n"
                      "for _ in range(500):\n"
                      " s = socket.socket(socket.AF_UNIX); s.setblocking(False)\n"
                      " try:\n  s.connect(sys.argv[1]); s.send(bytes.fromhex(sys.argv[2]) * 20)\n"
                      " except OSError: pass\n"
                      " peers.append(s)\n"
                      "print('asked', flush=True); sys.stdin.read()\n")
            path = os.path.join(suite.home, "queue", "public", "showq")
            with subprocess.Popen(["/usr/bin/python3", "-c", script, path, queue_list().hex()],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
                self.assertEqual(asker.stdout.readline(), "asked\n")
                # A program that would prepare the answers has done so by the time these are through.
                for number in range(5):
                    suite.submit("alice", ["bob@example.test"], message(subject=f"flows-{number}"))
                    suite.wait_mail("bob", text=f"flows-{number}")
                self.assertLess(memory(qmgr) - before, 8 * 1024)
                self.assertLess(memory(showq) - before_showq, 64 * 1024)
                # What root orders does not pass through where the others stand.
                suite.posta("queue", "flush")
                if AS_ROOT:
                    self.assertEqual(len(suite.queue()[0]["recipients"]), 900)
                asker.stdin.close()
            self.assertEqual((pid_of(suite, "qmgr"), pid_of(suite, "showq")), (qmgr, showq))

    def test_pages_join_without_seam(self):
        """More messages, and more recipients in one, than a page holds: each is listed once, the oldest first."""
        with Instance(main=DEFER) as suite:
            with suite.smtp(25) as client:
                for number in range(300):
                    client.sendmail("s@x.test", [f"one-{number}@later.test"], message(subject="one"))
            suite.submit("alice", [f"{'y' * 60}{number}@later.test" for number in range(999)], message(subject="many"))
            found = []

            def all_put_off():
                found[:] = suite.queue()
                return len(found) == 301 and all(item["queue_name"] == "deferred" for item in found)
            wait_until(all_put_off, what="all put off")
            self.assertEqual([item["queue_id"] for item in found], sorted(item["queue_id"] for item in found))
            ones = [to["address"] for item in found for to in item["recipients"] if to["address"].startswith("one-")]
            self.assertEqual(sorted(ones), sorted(f"one-{number}@later.test" for number in range(300)))
            large = [[to["address"] for to in item["recipients"]] for item in found if len(item["recipients"]) > 1]
            self.assertEqual(large, [[f"{'y' * 60}{number}@later.test" for number in range(999)]])


class Commands(unittest.TestCase):
    """The names that administrators and their scripts know."""

    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main=DEFER)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def run_as(self, name, *words, stdin="", uid=None):
        """(status, standard output, standard error)"""
        def become():
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
        done = subprocess.run([os.path.join(self.suite.build, "bin", name), *words], input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False, preexec_fn=become,
                              env=dict(os.environ, MAIL_CONFIG=self.suite.conf, TZ="UTC"))
        return done.returncode, done.stdout, done.stderr

    def fill(self):
        """Two that are put off and one on hold; returns their ids."""
        suite = self.suite
        self.run_as("postsuper", "-d", "ALL")
        suite.wait_queue_empty()
        suite.inject("s@x.test", ["a@later.test", "b@later.test"], message(subject="one"))
        suite.inject("", ["c@later.test"], message(subject="two"))
        suite.inject("h@y.test", ["d@later.test"], message(subject="held"))
        wait_until(lambda: [item["queue_name"] for item in suite.queue()] == ["deferred"] * 3, what="all put off")
        ids = [item["queue_id"] for item in suite.queue()]
        self.assertEqual(self.run_as("postsuper", "-h", ids[2]),
                         (0, "", f"postsuper: {ids[2]}: placed on hold\npostsuper: Placed on hold: 1 message\n"))
        return ids

    def expected(self, queue):
        """As Postfix 3.7 prints long queue IDs (compared with its own postqueue)."""
        text = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
        for item in queue:
            mark = "!" if item["queue_name"] == "hold" else ""
            when = time.strftime("%a %b %e %H:%M:%S", time.gmtime(item["arrival_time"]))
            text += "%-17s %8d %19.19s %s\n" % (item["queue_id"] + mark, item["message_size"], when,
                                              item["sender"] or "MAILER-DAEMON")
            text += "%*s(not today)\n" % (76 - len("not today"), "")
            for to in item["recipients"]:
                text += "%-17s %8s %-19s %s\n" % ("", "", "", to["address"])
            text += "\n"
        size = sum(item["message_size"] for item in queue) // 1024
        return text + f"-- {size} Kbytes in {len(queue)} Requests.\n"

    def test_forms_to_the_byte(self):
        self.fill()
        queue = self.suite.queue()
        for words in (("postqueue", "-p"), ("mailq",), ("mailq", "-v")):
            self.assertEqual(self.run_as(*words), (0, self.expected(queue), ""))
        lines = "".join(
            '{"queue_name": "%s", "queue_id": "%s", "arrival_time": %d, "message_size": %d, "forced_expire": false, '
            '"sender": "%s", "recipients": [%s]}\n' % (
                item["queue_name"], item["queue_id"], item["arrival_time"], item["message_size"],
                item["sender"] or "MAILER-DAEMON",
                ", ".join('{"address": "%s", "delay_reason": "not today"}' % to["address"] for to in item["recipients"]))
            for item in queue)
        self.assertEqual(self.run_as("postqueue", "-j"), (0, lines, ""))
        self.run_as("postsuper", "-d", "ALL")
        self.suite.wait_queue_empty()
        self.assertEqual(self.run_as("postqueue", "-p"), (0, "Mail queue is empty\n", ""))
        self.assertEqual(self.run_as("postqueue", "-j"), (0, "", ""))

    def test_a_narrow_order_stays_narrow(self):
        ids = self.fill()
        left = lambda: [item["queue_id"] for item in self.suite.queue()]
        self.assertEqual(self.run_as("postsuper", "-d", "ALL", "maildrop"), (0, "", "postsuper: Deleted: 0 messages\n"))
        self.assertEqual(self.run_as("postsuper", "-d", "ALL", "bogus"),
                         (1, "", "postsuper: fatal: invalid directory name: bogus\n"))
        self.assertEqual(self.run_as("postsuper", "-d", ids[2], "deferred")[2], "postsuper: Deleted: 0 messages\n")
        self.assertEqual(left(), ids)
        self.assertEqual(self.run_as("postsuper", "-r", "ALL", "deferred")[2], "postsuper: Requeued: 2 messages\n")
        self.assertEqual(self.suite.queue()[2]["queue_name"], "hold")
        self.assertEqual(self.run_as("postsuper", "-d", "ALL", "deferred", "incoming", "active")[2],
                         "postsuper: Deleted: 2 messages\n")
        wait_until(lambda: left() == ids[2:], what="the held one alone")
        self.assertEqual(self.run_as("postsuper", "-d", ids[0]), (0, "", "postsuper: Deleted: 0 messages\n"))
        # One that cannot be does not keep the others.
        ids = self.fill()
        self.assertEqual(self.run_as("postsuper", "-d", "-", stdin=f"{ids[0]}\nID!\n{ids[1]}\n"),
                         (0, "", f"postsuper: warning: invalid mail queue id: ID!\npostsuper: {ids[0]}: removed\n"
                          f"postsuper: {ids[1]}: removed\npostsuper: Deleted: 2 messages\n"))
        wait_until(lambda: left() == ids[2:], what="the held one alone")
        for words in (("-p", "x"), (), ("-p", "-j"), ("-i", "a!"), ("-s", "")):
            self.assertEqual(self.run_as("postqueue", *words)[0], 69, words)
        self.assertNotEqual(self.run_as("mailq", "x")[0], 0)

    def test_what_is_asked_for_is_listed(self):
        ids = self.fill()
        for words, expected in ((("--sender", "s@x.test"), ids[:1]), (("--sender", "<>"), ids[1:2]), (("--sender", "@y.test"), ids[2:]),
                                (("--recipient", "b@LATER.test"), ids[:1]), (("--site", "later.test"), ids),
                                (("--site", "other.test"), []), (("--reason", "NOT today"), ids), (("--reason", "full"), []),
                                (("--age", "1d"), []), (("--age", "0"), ids), ((ids[1],), ids[1:2])):
            listed = self.suite.posta("queue", "list", "--json", *words).text
            self.assertEqual([json.loads(line)["queue_id"] for line in listed.splitlines()], expected, words)
        for words in (("--age", "x"), ("--nosuch",), (ids[0], ids[1]), ("id!",)):
            self.assertEqual(self.suite.posta("queue", "list", *words, check=False).returncode, 2, words)
        top = self.suite.posta("queue", "top").text
        self.assertRegex(top, r"^3 messages, \d+ Kbytes: 0 incoming, 0 active, 2 deferred, 1 on hold\n")
        self.assertRegex(top, r"(?m)^ +4  later\.test$")
        self.assertRegex(top, r"(?m)^ +1  <>$")
        self.assertRegex(top, r"(?m)^ +4  not today$")
        self.assertEqual(self.run_as("qshape", "deferred")[1],
                         "".join("%*s%3d%3d%3d%3d%3d%3d%4d%4d%4d%5d%6d\n" % (39, name, 3, 3, *[0] * 9) if name else
                                 "%*s%3s%3s%3s%3s%3s%3s%4s%4s%4s%5s%6s\n" % (39, "", "T", *(5, 10, 20, 40, 80, 160, 320, 640, 1280), "1280+")
                                 for name in ("", "TOTAL", "later.test")))
        self.assertEqual(self.run_as("qshape")[1].splitlines()[1].split()[:2], ["TOTAL", "0"])

    def test_while_the_system_is_down(self):
        ids = self.fill()
        queue, forms = self.suite.queue(), self.expected(self.suite.queue())
        self.suite.stop()
        try:
            status, text, errors = self.run_as("postqueue", "-p")
            self.assertEqual((status, text), (0, forms))
            self.assertRegex(errors, r"^postqueue: warning: Mail system is down -- accessing queue directly \(")
            self.assertEqual([json.loads(line) for line in self.run_as("posta", "queue", "list", "--json")[1].splitlines()], queue)
            self.assertEqual(len(self.run_as("posta", "queue", "list", "--sender", "s@x.test", "--json")[1].splitlines()), 1)
            self.assertIn("Subject: one", self.run_as("postcat", "-q", ids[0])[1])
            (path,) = glob.glob(os.path.join(self.suite.home, "queue", "incoming", "*", ids[0]))
            self.assertIn("Subject: one", self.run_as("postcat", path)[1])
            self.assertEqual(self.run_as("postcat", "/etc/passwd")[0], 1)
            for words in (("-s", "x.test"), ("-f",), ("-i", ids[0])):
                self.assertEqual(self.run_as("postqueue", *words),
                                 (69, "", "postqueue: fatal: Cannot flush mail queue - mail system is down\n"))
            if AS_ROOT:
                status, text, errors = self.run_as("postqueue", "-p", uid=65534)
                self.assertEqual((status, text), (69, ""))
                self.assertRegex(errors, "Queue report unavailable - mail system is down")
        finally:
            self.suite.start()


class SlowCommands(unittest.TestCase):
    @unittest.skipUnless(AS_ROOT, "commands run as other users")
    def test_one_users_commands_leave_room_for_others(self):
        """A hundred commands of slow+1, slow+2, ... that wait for our word keep neither fast's mail nor a mailbox waiting."""
        with Instance(main={"recipient_delimiter": "+", "local_deliver_children": "30"}, start=False) as suite:
            done = os.path.join(suite.dir, "done")
            os.mkdir(done)
            os.chmod(done, 0o777)
            go, script = os.path.join(suite.dir, "go"), os.path.join(suite.dir, "slow")
            with open(script, "w") as file:
                file.write(f"#!/bin/sh\nfor i in $(seq 600); do test -e {go} && exit; sleep 0.1; done\n")
            os.chmod(script, 0o755)
            with open(os.path.join(suite.conf, "aliases"), "a") as file:
                file.write(f'slow: "|{script}"\nfast: "|touch {done}/fast"\n')
            suite.posta("alias", "hash:" + os.path.join(suite.conf, "aliases"))
            suite.start()
            suite.inject("x@outside.test", [f"slow+{number}@localhost" for number in range(100)], message())
            suite.inject("x@outside.test", ["fast@localhost", "bob@example.test"], message(subject="not kept"))
            wait_until(lambda: os.listdir(done) == ["fast"], what="the other command")
            suite.wait_mail("bob", text="not kept")
            waiting = [to["address"] for item in suite.queue() for to in item["recipients"]]
            self.assertEqual(len([address for address in waiting if address.startswith("slow+")]), 100)
            with open(go, "w"):
                pass
            suite.wait_queue_empty()


if __name__ == "__main__":
    unittest.main()
