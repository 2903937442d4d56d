"""Many clients at once: thousands of connections that do nothing while honest clients are served, many
that send at the same time, a day's mail with a slow and a dead destination among the others.

`tests/load/long` runs the same with the numbers of a large day and prints the figures.
"""
import glob
import os
import re
import subprocess
import threading
import time
import unittest

from posta import AS_ROOT, PASSWORD, PLAIN_BUILD, Instance, message, wait_until

LONG = os.environ.get("POSTA_LOAD") == "long"
CROWD, USERS, LOGGED_IN = (10000, 100, 1000) if LONG else (1000, 10, 50)
SENDERS, EACH = (200, 10) if LONG else (50, 2)
MESSAGES = int(os.environ.get("POSTA_LOAD_MESSAGES", "100000" if LONG else "2000"))
DEAD, SLOW = 100, 5  # of each 1000
OPEN = {"mynetworks": "127.0.0.1/32", "disable_plaintext_auth": "no", "export_environment": "TZ MAIL_CONFIG LANG",
        "smtpd_client_connection_count_limit": "1000", "imap_session_idle_exit": "2s"}


def program(name):
    return os.path.join(PLAIN_BUILD, "tests", "load_" + name)


def report(text):
    if LONG or os.environ.get("POSTA_LOAD_VERBOSE"):
        print("    " + text, flush=True)


class Helper:
    """One of our load programs; a line asked for a line answered."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen([program(name), *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)

    def line(self):
        return self.process.stdout.readline().split()

    def ask(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return self.line()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def processes(suite, name=""):
    """[pid] of an instance's processes, with the forked ones."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if suite.conf.encode() in words and os.path.basename(words[0]).startswith(name.encode()):
            found.append(int(path.split("/")[2]))
    return found


def memory(suite, name=""):
    """KiB of PSS of all processes of an instance, or those of one program."""
    total = 0
    for pid in processes(suite, name):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])
        except OSError:
            pass
    return total


def cpu(suite, name):
    """Seconds of CPU of a program's processes."""
    ticks = 0
    for pid in processes(suite, name):
        try:
            with open(f"/proc/{pid}/stat") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


class Crowds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.users = [f"u{n}" for n in range(USERS)]
        cls.suite = Instance(processes="-", build=PLAIN_BUILD, users=["bob", *cls.users], main=OPEN)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def serve_honest_clients(self, count=5):
        """Seconds that the slowest of some ordinary exchanges took."""
        slowest = 0
        for number in range(count):
            began = time.monotonic()
            tag = f"{self.id()}-{time.time_ns()}"
            self.suite.inject("a@b.test", ["bob@example.test"], message(subject=tag))
            self.suite.wait_mail("bob", text=tag)
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 60)
        return slowest

    def crowd(self, port, end, count, *talk, expect_open=True):
        """Seconds of the slowest honest exchange and KiB for each connection of the crowd."""
        name = {25: "smtpd", 143: "imapd"}[port]
        # Only what the crowd takes is to be counted: new processes, and none of a user that is about to end.
        self.suite.posta("reload")
        self.serve_honest_clients(2)
        wait_until(lambda: len(processes(self.suite, "imapd-session")) == 1, 30, "the users' processes to end")
        before = memory(self.suite)
        with Helper("crowd", self.suite.port(port), count, end, *talk) as crowd:
            _, opened, failed, seconds = crowd.line()
            self.assertEqual(int(failed), 0)
            used = memory(self.suite) - before
            connections = int(opened)
            if talk:  # one process for each user, however close together the logins came
                self.assertLessEqual(len(processes(self.suite, "imapd-session")), USERS + 2)
            busy = cpu(self.suite, name)
            slowest = self.serve_honest_clients()
            if end != "drip":
                time.sleep(1)
                self.assertLess(cpu(self.suite, name) - busy, 3, "a crowd that does nothing keeps us busy")
            still = int(crowd.ask()[1])
            if expect_open:
                self.assertEqual(still, connections)
            else:
                wait_until(lambda: int(crowd.ask()[1]) == 0, 20, "half-closed connections to end")
        each = used / connections
        report(f"{name}, {end}{', logged in' if talk else ''}: {connections} connections in {seconds} s, "
               f"{each:.1f} KiB each, slowest honest exchange {slowest:.2f} s")
        return each

    def test_smtpd_idle(self):
        self.assertLess(self.crowd(25, "idle", CROWD), 24)

    def test_smtpd_slow(self):
        self.crowd(25, "drip", CROWD)

    def test_smtpd_half_closed(self):
        self.crowd(25, "shut", CROWD, expect_open=False)

    def test_imapd_idle(self):
        self.assertLess(self.crowd(143, "idle", CROWD), 24)

    def test_imapd_slow(self):
        self.crowd(143, "drip", CROWD)

    def test_imapd_half_closed(self):
        self.crowd(143, "shut", CROWD, expect_open=False)

    def test_imap_logged_in(self):
        """LOGIN, SELECT, IDLE, then nothing: some users with several connections each."""
        each = self.crowd(143, "idle", f"{LOGGED_IN}/{USERS}", f"a LOGIN u%U@example.test {PASSWORD}|", "a OK",
                          "b SELECT INBOX|", "b OK", "c IDLE|", "+ ")
        self.assertLess(each, 400)

    def test_many_senders_at_once(self):
        """Each gets all its 250s, and all is delivered."""
        failures, barrier = [], threading.Barrier(SENDERS)

        def send(number):
            try:
                with self.suite.smtp() as client:
                    client.ehlo()
                    barrier.wait(60)
                    for turn in range(EACH):
                        client.sendmail("a@b.test", [f"{self.users[number % USERS]}@example.test"],
                                        message(subject=f"sender {number}-{turn} end"))
            except Exception as problem:  # whatever it is, the main thread is to show it
                failures.append(repr(problem))
        began = time.monotonic()
        threads = [threading.Thread(target=send, args=(n,)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - began
        self.assertEqual(failures, [])
        self.suite.wait_queue_empty(60)
        subjects = set()
        for name in self.users:
            for mail in self.suite.inbox(name):
                subjects.update(re.findall(rb"Subject: sender (\S+) end", mail))
        self.assertEqual(len(subjects), SENDERS * EACH)
        report(f"{SENDERS} senders at once, {EACH} messages each: all taken after {taken:.1f} s, "
               f"all delivered after {time.monotonic() - began:.1f} s")


class Limits(unittest.TestCase):
    @unittest.skipUnless(AS_ROOT, "starts as another user, for whom the limit of files holds")
    def test_more_clients_than_descriptors(self):
        """With 256 descriptors a process: who has done nothing gives way to a new client, and nothing spins."""
        clients = 96 * len(os.sched_getaffinity(0)) + 100
        suite = Instance(processes="-", build=PLAIN_BUILD, main=OPEN, start=False, as_user="nobody")
        try:
            tool = os.path.join(suite.dir, "limited")
            with open(tool, "w") as file:
                file.write(f'#!/bin/sh\nulimit -n 256\nexec {suite.tool} "$@"\n')
            os.chmod(tool, 0o755)
            suite.tool = tool
            suite.start()
            for port, name in ((25, "smtpd"), (143, "imapd")):
                with Helper("crowd", suite.port(port), clients, "idle") as crowd:
                    # Who has not logged in, nor sent MAIL.
                    suite.wait_log(rf"posta/{name}\[.*disconnected for a new client")
                    busy = cpu(suite, name)
                    time.sleep(2)
                    self.assertLess(cpu(suite, name) - busy, 0.5, f"{name} spins at its limit")
                    self.assertGreater(int(crowd.ask()[1]), 100)
                with suite.smtp() as client:
                    self.assertEqual(client.noop()[0], 250)
                suite.inject("a@b.test", ["bob@example.test"], message(subject=f"after {name}"))
                suite.wait_mail("bob", text=f"after {name}")
        finally:
            suite.close()


class Day(unittest.TestCase):
    def test_slow_and_dead_destinations(self):
        """The good destinations do not wait for the slow and the dead one, which later gets everything."""
        names = ["good1", "good2", "good3", "slow", "dead"]
        with Instance(processes="-", build=PLAIN_BUILD, start=False, main={
                "minimal_backoff_time": "20s" if LONG else "3s", "maximal_backoff_time": "20s" if LONG else "3s",
                "queue_run_delay": "2s", "smtp_tls_security_level": "none"}) as suite:
            ports = {name: suite.base + 800 + at for at, name in enumerate(names)}
            suite.set(transport_maps="inline:{%s}" % ", ".join(
                f"{name}.test=smtp:[127.0.0.1]:{port}" for name, port in ports.items()))
            suite.start()
            sinks = {name: Helper("sink", ports[name], 500 if name == "slow" else 0)
                     for name in names if name != "dead"}
            try:
                self.pour(suite, sinks, ports)
            finally:
                for sink in sinks.values():
                    sink.close()

    def pour(self, suite, sinks, ports):
        for sink in sinks.values():
            self.assertEqual(sink.line(), ["ready"])
        shares = [f"0:good1.test", f"{DEAD}:dead.test", f"{SLOW}:slow.test", "300:good2.test", "300:good3.test"]
        dead, slow = MESSAGES * DEAD // 1000, MESSAGES * SLOW // 1000
        good = MESSAGES - dead - slow
        began = time.monotonic()
        peak = [0]
        done = threading.Event()

        def watch():
            while not done.wait(1):
                peak[0] = max(peak[0], memory(suite, "qmgr"))
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            taken = subprocess.run([program("pour"), str(suite.port(25)), "50", str(MESSAGES), "4096", *shares],
                                   stdout=subprocess.PIPE, text=True, check=True).stdout.split()
            intake = time.monotonic() - began
            delivered = {}

            def good_done():
                delivered.update({name: int(sinks[name].ask()[1]) for name in sinks})
                return sum(delivered[name] for name in ("good1", "good2", "good3")) == good
            wait_until(good_done, 600 if LONG else 240, f"the good destinations to get {good}: {delivered}")
            took = time.monotonic() - began
            waiting = sum(len(files) for _, _, files in os.walk(os.path.join(suite.home, "queue", "incoming")))
            self.assertGreaterEqual(waiting, dead)
            with_waiting = memory(suite, "qmgr")
        finally:
            done.set()
            watcher.join()
        report(f"{MESSAGES} messages of 4 KiB: taken in {intake:.1f} s ({MESSAGES / intake:.0f}/s, {taken[2]} sent "
               f"again), {good} for good destinations delivered after {took:.1f} s, "
               f"{delivered['slow']} of {slow} to the slow one by then")
        report(f"qmgr: {with_waiting / 1024:.1f} MiB with {waiting} waiting, at most {peak[0] / 1024:.1f} MiB")
        # What is left are the dead and the slow: the good ones were done soon after the last was taken.
        self.assertLess(took, intake * 2 + 20)
        sinks["dead"] = Helper("sink", ports["dead"], 0)
        self.assertEqual(sinks["dead"].line(), ["ready"])
        risen = time.monotonic()
        wait_until(lambda: int(sinks["dead"].ask()[1]) == dead, 600 if LONG else 240, "the dead one to get all")
        report(f"dead destination: {dead} delivered {time.monotonic() - risen:.1f} s after it came up")
        wait_until(lambda: int(sinks["slow"].ask()[1]) == slow, 600 if LONG else 240, "the slow one to get all")
        suite.wait_queue_empty(60)
        counts = {name: sink.ask() for name, sink in sinks.items()}
        duplicates = sum(int(count[0]) - int(count[1]) for count in counts.values())
        self.assertEqual(duplicates, 0)
        report(f"all {MESSAGES} there after {time.monotonic() - began:.1f} s, {duplicates} duplicates")


if __name__ == "__main__":
    unittest.main()
