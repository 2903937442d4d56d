"""The queue as people see it: listing that costs the queue manager nothing, and the old commands' forms."""
import contextlib
import glob
import json
import os
import re
import socket
import struct
import subprocess
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


DEFER = {"transport_maps": "inline:{{later.test=retry:4.3.2 not today}}", "minimal_backoff_time": "1000s"}


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
            for number in range(300):
                suite.inject("s@x.test", [f"one-{number}@later.test"], message(subject="one"))
            suite.submit("alice", [f"{'y' * 60}{number}@later.test" for number in range(999)], message(subject="many"))
            wait_until(lambda: len(suite.queue()) == 301 and
                       all(item["queue_name"] == "deferred" for item in suite.queue()), what="all put off")
            found = suite.queue()
            self.assertEqual([item["queue_id"] for item in found], sorted(item["queue_id"] for item in found))
            ones = [to["address"] for item in found for to in item["recipients"] if to["address"].startswith("one-")]
            self.assertEqual(sorted(ones), sorted(f"one-{number}@later.test" for number in range(300)))
            large = [[to["address"] for to in item["recipients"]] for item in found if len(item["recipients"]) > 1]
            self.assertEqual(large, [[f"{'y' * 60}{number}@later.test" for number in range(999)]])


class SlowCommands(unittest.TestCase):
    @unittest.skipUnless(AS_ROOT, "commands run as other users")
    def test_one_users_commands_leave_room_for_others(self):
        """A hundred sleeping commands of slow+1, slow+2, ... keep neither fast's mail nor a mailbox waiting."""
        with Instance(main={"recipient_delimiter": "+", "local_deliver_children": "30"}, start=False) as suite:
            done = os.path.join(suite.dir, "done")
            os.mkdir(done)
            os.chmod(done, 0o777)
            with open(os.path.join(suite.conf, "aliases"), "a") as file:
                file.write(f'slow: "|sleep 11"\nfast: "|touch {done}/fast"\n')
            suite.posta("alias", "hash:" + os.path.join(suite.conf, "aliases"))
            suite.start()
            suite.inject("x@outside.test", [f"slow+{number}@localhost" for number in range(100)], message())
            suite.inject("x@outside.test", ["fast@localhost", "bob@example.test"], message(subject="not kept"))
            wait_until(lambda: os.listdir(done) == ["fast"], 8, "the other command")
            suite.wait_mail("bob", text="not kept", seconds=8)
            self.assertIn("slow+", json.dumps(suite.queue()))


if __name__ == "__main__":
    unittest.main()
