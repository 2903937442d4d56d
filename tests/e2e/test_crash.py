"""Programs that are killed: what got a 250 (or an OK) is there, whole; nothing half-written is shown.

`tests/crash/long` runs the same with larger numbers (POSTA_CRASH_KILLS, POSTA_CRASH_STEP=1).
"""
import hashlib
import imaplib
import mmap
import os
import random
import re
import shutil
import signal
import smtplib
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from posta import PLAIN_BUILD, TOP, Instance, PASSWORD, message, wait_until
from test_confinement import running as programs

KILLS = int(os.environ.get("POSTA_CRASH_KILLS", "30"))
STEP = int(os.environ.get("POSTA_CRASH_STEP", "9"))  # of programs with many calls: each n-th of them


def numbered(tag):
    """A message whose content proves itself: its checksum stands in its subject."""
    body = "".join(f"{tag} {random.random()}\r\n" for _ in range(random.randrange(1, 200)))
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f"{tag}-{digest}", message(subject=f"crash {tag}-{digest} end", body=body)


def found(mails):
    """{key: count} of whole messages; fails on one that is not whole."""
    counts = {}
    for mail in mails:
        header, _, body = mail.partition(b"\r\n\r\n")
        match = re.search(rb"Subject: crash (\S+)-([0-9a-f]{16}) end\r\n", header + b"\r\n")
        if not match or hashlib.sha256(body).hexdigest()[:16] != match[2].decode():
            raise AssertionError(f"a message that is not whole: {mail[:300]!r}")
        key = f"{match[1].decode()}-{match[2].decode()}"
        counts[key] = counts.get(key, 0) + 1
    return counts


class Killer:
    """The preloaded library of tests/crash/killat.c and its shared state."""

    def __init__(self, program, sockets=False):
        self.dir = tempfile.mkdtemp(prefix="posta-killat-")
        os.chmod(self.dir, 0o755)
        self.library = os.path.join(self.dir, "killat.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.library,
                        os.path.join(TOP, "tests", "crash", "killat.c"), "-ldl"], check=True)
        path = os.path.join(self.dir, "state")
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(path, 0o666)
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.environment = (f"TZ MAIL_CONFIG LANG LD_PRELOAD={self.library} KILLAT_STATE={path} "
                            f"KILLAT_PROGRAM={program}" + (" KILLAT_SOCKETS=1" if sockets else ""))

    def arm(self, at):
        self.map[0:32] = struct.pack("<4Q", 0, 0, at, 0)
        self.map[0:8] = struct.pack("<Q", 1)

    def disarm(self):
        self.map[0:8] = struct.pack("<Q", 0)

    def send(self, suite, at, content, seconds):
        """A message for bob while the program is to be killed at that call. True: it was promised."""
        self.arm(at)
        try:
            suite.inject("a@b.test", ["bob@example.test"], content)
            promised = True
        except (smtplib.SMTPException, OSError):
            promised = False
        deadline = time.monotonic() + seconds
        while not self.killed and suite.queue_safe() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.disarm()
        return promised

    @property
    def killed(self):
        return struct.unpack("<Q", self.map[24:32])[0] != 0

    def close(self):
        self.map.close()
        self.file.close()
        shutil.rmtree(self.dir)


class EveryCall(unittest.TestCase):
    """One program killed at each of its calls that touch the queue or a mailbox."""

    def suite_with(self, killer, **main):
        return Instance(build=PLAIN_BUILD,
                        main={"export_environment": killer.environment, "service_throttle_time": "1s",
                              "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                              "queue_run_delay": "1s", "transport_retry_time": "1s", **main})

    def compare(self, program, calls, promised, counts):
        """Nothing that was promised is missing; says how many came twice."""
        print(f"{program}: killed at {calls} calls; {len(promised)} promised, "
              f"{sum(counts.values()) - len(counts)} duplicates")
        return {key: at for key, at in promised.items() if key not in counts}

    def deliveries(self, program):
        killer = Killer(program)
        try:
            with self.suite_with(killer) as suite:
                promised = {}
                suite.inject("a@b.test", ["bob@example.test"], message(subject="warm-up"))
                suite.wait_mail("bob", text="warm-up")
                with suite.imap("bob") as client:
                    client.select()
                    client.store("1:*", "+FLAGS", r"(\Deleted)")
                    client.expunge()
                for at in range(1, 100):
                    key, content = numbered(f"{program}-{at}")
                    if killer.send(suite, at, content, 3):
                        promised[key] = at
                    if not killer.killed:
                        break
                self.assertGreater(at, 2, f"{program} was never killed")
                self.assertLess(at, 99)
                suite.wait_queue_empty(60)
                counts = found(suite.inbox("bob"))
                lost = self.compare(program, at - 1, promised, counts)
                self.assertEqual(lost, {}, suite.log_tail())
                # A delivery that is done again finds itself.
                self.assertEqual({key: n for key, n in counts.items() if n > 1}, {}, suite.log_tail())
        finally:
            killer.close()

    def test_cleanup(self):
        self.deliveries("cleanup")

    def test_qmgr(self):
        self.deliveries("qmgr")

    def test_local_deliver(self):
        self.deliveries("local-deliver")

    def test_smtp(self):
        """The client, also at its calls on sockets; the next server has each message."""
        killer = Killer("smtp", sockets=True)
        try:
            with Instance(domain="two.test", users=("bob",), address="127.0.0.2",
                          build=PLAIN_BUILD) as other, \
                 self.suite_with(killer, relayhost=f"[{other.address}]:{other.port(25)}",
                                 smtp_connection_cache_on_demand="no") as suite:
                promised = {}
                suite.inject("a@b.test", ["bob@two.test"], message(subject="warm-up"))
                other.wait_mail("bob", text="warm-up")
                with other.imap("bob") as client:
                    client.select()
                    client.store("1:*", "+FLAGS", r"(\Deleted)")
                    client.expunge()
                kills = 0
                for at in range(1, 400, STEP):
                    key, content = numbered(f"smtp-{at}")
                    killer.arm(at)
                    suite.inject("a@b.test", ["bob@two.test"], content)
                    promised[key] = at
                    deadline = time.monotonic() + 5
                    while not killer.killed and suite.queue_safe() and time.monotonic() < deadline:
                        time.sleep(0.02)
                    killer.disarm()
                    if not killer.killed:
                        break
                    kills += 1
                self.assertGreater(kills, 2, "smtp was hardly killed")
                self.assertLess(at, 399 - STEP)
                suite.wait_queue_empty(60)
                lost = self.compare("smtp", kills, promised, found(other.inbox("bob")))
                self.assertEqual(lost, {}, suite.log_tail())
        finally:
            killer.close()

    def test_imap_session(self):
        """APPEND, STORE, MOVE and EXPUNGE, killed at each call; UIDs are never used twice."""
        killer = Killer("imapd-session")
        try:
            with self.suite_with(killer) as suite:
                with suite.imap("bob") as client:
                    client.create("Target")
                    validity = client.status("INBOX", "(UIDVALIDITY)")[1]
                appended = set()
                uids = {}
                kills = 0
                for at in range(1, 400, STEP):
                    key, content = numbered(f"imap-{at}")
                    killer.arm(at)
                    try:
                        with suite.imap("bob") as client:
                            kind, data = client.append("INBOX", None, None, content.encode())
                            if kind == "OK":
                                appended.add(key)
                                uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])
                                self.assertNotIn(uid, uids)
                                uids[uid] = key
                            client.select()
                            client.store("1:*", "+FLAGS", r"(\Flagged)")
                            if at % 3 == 0:
                                client._simple_command("MOVE", "1", "Target")
                            client.append("INBOX", r"(\Deleted)", None, b"Subject: trash\r\n\r\n")
                            client.select()
                            client.expunge()
                    except (imaplib.IMAP4.error, OSError):
                        pass
                    killer.disarm()
                    if not killer.killed:
                        break
                    kills += 1
                self.assertGreater(kills, 5)
                with suite.imap("bob") as client:
                    self.assertEqual(client.status("INBOX", "(UIDVALIDITY)")[1], validity)
                mails = [m for m in suite.inbox("bob") + suite.inbox("bob", "Target")
                         if b"Subject: trash" not in m]
                lost = self.compare("imapd-session", kills, dict.fromkeys(appended, 0), found(mails))
                self.assertEqual(lost, {}, suite.log_tail())
        finally:
            killer.close()


class AtRandom(unittest.TestCase):
    def test_any_program_under_load(self):
        """Any program but master killed again and again while mail comes in and is read."""
        rng = random.Random(1)
        with Instance(build=PLAIN_BUILD, processes="-",
                      main={"service_throttle_time": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
                            "queue_run_delay": "1s", "transport_retry_time": "1s"}) as suite:
            promised = set()
            stop = threading.Event()

            def load(number):
                sent = 0
                while not stop.is_set():
                    key, content = numbered(f"load-{number}-{sent}")
                    sent += 1
                    try:
                        suite.inject("a@b.test", ["bob@example.test"], content)
                        promised.add(key)
                    except (smtplib.SMTPException, OSError):
                        time.sleep(0.05)
            senders = [threading.Thread(target=load, args=(n,)) for n in range(3)]
            for sender in senders:
                sender.start()
            killed = {}
            try:
                while sum(killed.values()) < KILLS:
                    time.sleep(rng.uniform(0.02, 0.3))
                    candidates = [(name, pid) for name, pid, _ in programs(suite) if name != "master" and pid]
                    if not candidates:
                        continue
                    name, pid = rng.choice(candidates)
                    try:
                        os.kill(pid, signal.SIGKILL)
                        killed[name] = killed.get(name, 0) + 1
                    except ProcessLookupError:
                        pass
            finally:
                stop.set()
                for sender in senders:
                    sender.join()
            suite.wait_queue_empty(300)
            # What a cleanup that was killed could not announce is found by a scan soon after.
            for _ in range(5):
                counts = found(wait_until(lambda: self.read_all(suite), 30, "IMAP to answer again"))
                lost = [key for key in promised if key not in counts]
                if not lost:
                    break
                time.sleep(2)
            self.assertEqual(lost[:5], [], f"{len(lost)} lost of {len(promised)} promised\n" + suite.log_tail())
            print(f"killed {sum(killed.values())} times; {len(promised)} promised, "
                  f"{sum(counts.values()) - len(counts)} duplicates")
            self.assertEqual({key: n for key, n in counts.items() if n > 1}, {}, suite.log_tail())

    @staticmethod
    def read_all(suite):
        try:
            return suite.inbox("bob")
        except (imaplib.IMAP4.error, OSError):
            return None

    @staticmethod
    def list_that_ends_with(suite, status):
        listed = suite.posta("queue", "list", check=False)
        return listed if listed.returncode == status else None

    def test_the_queue_is_listed_whole(self):
        """A queue manager that has just begun knows nothing yet: that does not look like no mail."""
        waiting = 400
        with Instance(build=PLAIN_BUILD, main={"defer_transports": "smtp"}) as suite:
            with suite.smtp() as client:
                for number in range(waiting):
                    client.sendmail("a@b.test", ["someone@elsewhere.test"], message(subject=f"{number}"))
            for _ in range(3):
                pid = next(pid for name, pid, _ in programs(suite) if name == "qmgr")
                os.kill(pid, signal.SIGKILL)
                self.assertEqual(len(suite.queue()), waiting)
            # One that must leave messages on disk, those that are not due, says so.
            wait_until(lambda: {item["queue_name"] for item in suite.queue()} == {"deferred"},
                       20, "each message tried and put off")
            suite.set(qmgr_message_waiting_limit="100")
            suite.posta("reload")
            listed = wait_until(lambda: self.list_that_ends_with(suite, 75), 10, "an incomplete list")
            self.assertRegex(listed.text, "more messages are left on disk")
            self.assertEqual(listed.text.count("someone@"), 100)

    def test_master_killed_and_started_again(self):
        """Who gives work goes before who does it: what is under way is not put off by our end."""
        with Instance(build=PLAIN_BUILD) as suite:
            agents = [pid for name, pid, _ in programs(suite) if name == "local"]
            for pid in agents:
                os.kill(pid, signal.SIGSTOP)
            try:
                suite.inject("a@b.test", ["bob@example.test"], message(subject="before"))
                suite.wait_log("queue active")
                with open(os.path.join(suite.home, "queue", "pid", "master.pid")) as file:
                    os.kill(int(file.read()), signal.SIGKILL)
                suite.wait_log("/qmgr.*master is gone")
                suite.start()
            finally:
                for pid in agents:
                    os.kill(pid, signal.SIGCONT)
            suite.inject("a@b.test", ["bob@example.test"], message(subject="after"))
            suite.wait_mail("bob", text="before")
            suite.wait_mail("bob", text="after")
            self.assertNotIn("status=deferred", suite.log())


if __name__ == "__main__":
    unittest.main()
