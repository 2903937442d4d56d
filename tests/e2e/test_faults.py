"""Calls that fail: memory, files, descriptors, sockets, at the n-th call in one delivery and one IMAP
session; a full disk, no inodes, no descriptors. Everybody gets success or a temporary error, what was
acknowledged is there byte for byte, and afterwards all goes on without help.

`tests/faults/long` fails every call once; here a fixed random choice is taken, for some seconds.
"""
import contextlib
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

from posta import AS_ROOT, PLAIN_BUILD, TOP, Instance, message, wait_until
from test_confinement import running as programs

ALL = os.environ.get("POSTA_FAULTS") == "all"
SECONDS = float(os.environ.get("POSTA_FAULTS_SECONDS", "5"))  # of each test, unless ALL
# Of a kind of call in a program. Of more (only memory, in new processes) every n-th fails.
TRIALS_MAX = int(os.environ.get("POSTA_FAULTS_TRIALS", "400"))
# As in tests/faults/failat.c.
KINDS = {"memory": 1, "files": 2, "descriptors": 4, "close": 8, "sockets": 16, "reads": 32, "processes": 64}
QUICK = {"service_throttle_time": "1s", "minimal_backoff_time": "1s", "maximal_backoff_time": "1s",
         "queue_run_delay": "1s", "transport_retry_time": "1s"}


class Failer:
    """The preloaded library of tests/faults/failat.c and its shared state."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="posta-failat-")
        os.chmod(self.dir, 0o755)
        library = os.path.join(self.dir, "failat.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library,
                        os.path.join(TOP, "tests", "faults", "failat.c"), "-ldl"], check=True)
        path = os.path.join(self.dir, "state")
        with open(path, "wb") as file:
            file.write(bytes(4096))
        os.chmod(path, 0o666)
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.environment = f"TZ MAIL_CONFIG LANG LD_PRELOAD={library} FAILAT_STATE={path}"

    def arm(self, program, kinds, at, failures=1):
        """Call number `at` (and the next ones) of these kinds fails; 0: they are only counted."""
        self.disarm()
        self.map[8:96] = struct.pack("<3Q64s", at, failures, 0, program.encode())
        self.map[96:152] = bytes(56)
        self.map[0:8] = struct.pack("<Q", kinds)

    def disarm(self):
        self.map[0:8] = struct.pack("<Q", 0)

    @property
    def counts(self):
        """{kind: calls} since it was armed."""
        return dict(zip(KINDS, struct.unpack("<7Q", self.map[96:152])))

    @property
    def failed(self):
        return struct.unpack("<Q", self.map[24:32])[0]

    def close(self):
        self.map.close()
        self.file.close()
        shutil.rmtree(self.dir)


def numbered(tag):
    """(key, content): content that the key proves to be whole."""
    body = "".join(f"{tag} {random.random()}\r\n" for _ in range(random.randrange(1, 50)))
    content = message(subject=f"fault {tag}", body=body)
    return f"{tag}-{hashlib.sha256(body.encode()).hexdigest()[:16]}", content


def key_of(mail):
    header, _, body = mail.partition(b"\r\n\r\n")
    match = re.search(rb"^Subject: fault (\S+)\r$", header + b"\r\n", re.M)
    return f"{match[1].decode()}-{hashlib.sha256(body).hexdigest()[:16]}" if match else None


def send(suite, content, to="bob@example.test"):
    """True when it was acknowledged, False after a temporary error; everything else is a failure."""
    try:
        suite.inject("a@b.test", [to], content)
        return True
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _ in refused.recipients.values()]
    except smtplib.SMTPResponseException as refused:
        codes = [refused.smtp_code]
    except (smtplib.SMTPServerDisconnected, OSError):
        return False
    if any(code // 100 != 4 for code in codes):
        raise AssertionError(f"a fault made a permanent error: {codes}\n{suite.log_tail(20)}")
    return False


def send_again(suite, content, seconds=15):
    """As a client does that was told to come back later; seconds until it was taken."""
    began = time.monotonic()
    wait_until(lambda: send(suite, content), seconds, "a message to be taken after the fault")
    return time.monotonic() - began


def check_mails(test, suite, promised):
    """All that was promised is in bob's mailbox, whole; returns the number of duplicates."""
    suite.wait_queue_empty(60)
    keys = [key_of(mail) for mail in suite.inbox("bob")]
    lost = [f"{key} ({how})" for key, how in promised.items() if key not in keys]
    test.assertEqual(lost, [], suite.log_tail())
    test.assertNotIn(None, keys)
    return len(keys) - len(set(keys))


class Faults(unittest.TestCase):
    """Every trial makes one call fail. `trial(n)` runs with the fault, `afterwards()` without."""

    def setUp(self):
        self.failer = Failer()
        self.addCleanup(self.failer.close)
        self.suite = Instance(build=PLAIN_BUILD, main=dict(
            QUICK, export_environment=self.failer.environment, disable_plaintext_auth="no"))
        self.addCleanup(self.suite.close)

    def count_calls(self, program, trial, afterwards):
        """{kind: calls} in a run that succeeds."""
        self.failer.arm(program, sum(KINDS.values()), 0)
        trial("count-" + program)
        self.failer.disarm()
        afterwards("count-" + program)
        return self.failer.counts

    def states(self, program):
        return {pid: item["confinement"] for name, pid, item in programs(self.suite) if name == program}

    def renew(self, program):
        """Processes that have no connections, buffers and threads yet."""
        def ready(others=()):
            good = [pid for pid, text in self.states(program).items()
                    if pid not in others and not text.startswith(("starting", "finishing"))]
            return good if len(good) >= self.wanted[program] else None
        before = wait_until(ready, 30, f"all processes of {program}")
        for pid in before:
            os.kill(pid, signal.SIGHUP)
        wait_until(lambda: ready(before), 30, f"other processes of {program}")

    def run_trials(self, names, trial, afterwards):
        """Fails the calls of these programs, warm and new; returns how many faults there were."""
        figures, plan = {}, []
        chosen = os.environ.get("POSTA_FAULTS_PROGRAMS", " ".join(names)).split()
        self.wanted = {program: len(self.states(program)) for program in names}
        for program in [name for name in names if name in chosen]:
            for new in (False, True):
                if new:
                    self.renew(program)
                else:
                    self.count_calls(program, trial, afterwards)  # the first time opens and allocates more
                for kind, calls in self.count_calls(program, trial, afterwards).items():
                    figures[program, kind, new] = [calls, 0, 0]
                    step = 1 + calls // TRIALS_MAX
                    if kind in os.environ.get("POSTA_FAULTS_KINDS", kind).split():
                        plan += [(program, kind, new, at) for at in range(1, calls + 1, step)]
        if not ALL:
            # Each kind of each program as often as the others, however many calls it has.
            rng = random.Random(1)
            rng.shuffle(plan)
            seen = {}
            for step in plan:
                seen.setdefault(step[:3], []).append(step)
            plan = [steps[i] for i in range(max(map(len, seen.values()))) for steps in seen.values()
                    if i < len(steps)]
        end = time.monotonic() + SECONDS
        for number, (program, kind, new, at) in enumerate(plan):
            if not ALL and time.monotonic() > end and number >= 10:
                break
            what = f"{program}-{'new-' if new else ''}{kind}-{at}"
            try:
                if new:
                    self.renew(program)
                self.failer.arm(program, KINDS[kind], at)
                trial(what)
                figures[program, kind, new][1] += 1
                figures[program, kind, new][2] += self.failer.failed > 0
                self.failer.disarm()
                afterwards(what)
                if os.environ.get("POSTA_FAULTS_VERBOSE"):
                    print(what, self.failer.failed, flush=True)
            except (AssertionError, smtplib.SMTPException, OSError, imaplib.IMAP4.error) as problem:
                raise AssertionError(f"with {what}: {problem!r}\n{self.suite.log_tail(40)}") from problem
        for (program, kind, new), (calls, trials, happened) in figures.items():
            if ALL and calls:
                print(f"{program}{', new' if new else ''}: {kind}: {calls} calls, {trials} trials, {happened} faults")
        by_program = {program: sum(figure[2] for key, figure in figures.items() if key[0] == program)
                      for program in names if program in chosen}
        self.assertGreater(sum(by_program.values()), 5, by_program)
        if ALL:  # a few random trials do not reach the calls of each
            self.assertNotIn(0, by_program.values(), by_program)
        return sum(by_program.values())

    def test_delivery(self):
        """SMTP, queue, local delivery."""
        suite, promised, slowest = self.suite, {}, [0]

        def trial(what):
            key, content = numbered(what)
            if send(suite, content):
                promised[key] = what
            end = time.monotonic() + 2
            while not self.failer.failed and suite.queue_safe() and time.monotonic() < end:
                time.sleep(0.01)

        def afterwards(what):
            key, content = numbered("after-" + what)
            slowest[0] = max(slowest[0], send_again(suite, content))
            promised[key] = "after " + what
            suite.wait_queue_empty(30)

        happened = self.run_trials(["smtpd", "cleanup", "qmgr", "local", "local-deliver"], trial, afterwards)
        duplicates = check_mails(self, suite, promised)
        if ALL:
            print(f"delivery: {happened} faults, {len(promised)} messages acknowledged, all there, "
                  f"{duplicates} duplicates, the next message taken after {slowest[0]:.1f} s at most")

    def test_imap_session(self):
        """LOGIN, SELECT, APPEND, STORE, MOVE, EXPUNGE."""
        suite = self.suite
        with suite.imap("bob") as client:
            client.create("Target")
        expected, acknowledged, uids = {}, [0], {"INBOX": {}, "Target": {}}

        def command(client, name, *arguments):
            kind, data = client._simple_command(name, *arguments)
            acknowledged[0] += kind == "OK"
            return kind == "OK"

        def talk(client, key, content, state):
            kind, data = client.append("INBOX", None, None, content.encode())
            state["appended"] = kind == "OK"
            if kind != "OK":
                return
            uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])
            self.assertNotIn(uid, uids["INBOX"], "a UID was used twice")
            uids["INBOX"][uid] = key
            if client.select()[0] != "OK":
                return
            stored = command(client, "UID", "STORE", str(uid), "+FLAGS.SILENT", r"(\Flagged)")
            # Flags are durable a moment later, or when that is asked for.
            state["flagged"] = stored and command(client, "CHECK")
            if state["flagged"]:
                state["moving"] = True
                state["moved"] = command(client, "UID", "MOVE", str(uid), "Target")
            if client.append("INBOX", r"(\Deleted)", None, b"Subject: trash\r\n\r\n" + key.encode())[0] == "OK":
                client.select()
                state["expunged"] = client.expunge()[0] == "OK"

        def trial(what):
            key, content = numbered(what)
            state = expected[key] = {}
            try:
                with suite.imap("bob", port=143) as client:
                    talk(client, key, content, state)
            except imaplib.IMAP4.abort:
                pass  # closed
            except imaplib.IMAP4.error as refused:
                text = str(refused)
                self.assertFalse("BAD" in text or "AUTHENTICATIONFAILED" in text, text)
            except OSError:
                pass

        def look(what):
            """{key: flags} of each folder, and the trash that is left."""
            seen = {}
            with suite.imap("bob", port=143) as client:
                for folder in ("INBOX", "Target"):
                    kind, data = client.select(folder)
                    self.assertEqual(kind, "OK", data)
                    seen[folder] = {}
                    parts = client.fetch("1:*", "(UID FLAGS BODY.PEEK[])")[1] if data[0] != b"0" else []
                    for part in parts:
                        if isinstance(part, tuple):
                            key = key_of(part[1]) or "trash " + part[1].partition(b"\r\n\r\n")[2].decode()
                            uid = int(re.search(rb"UID (\d+)", part[0])[1])
                            self.assertEqual(uids[folder].setdefault(uid, key), key, "a UID was used twice")
                            seen[folder][key] = part[0]
                    # Small mailboxes: what was checked goes.
                    if data[0] != b"0":
                        client.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
                        client.expunge()
            return seen

        def afterwards(what):
            def try_to():
                try:
                    return look(what)
                except (imaplib.IMAP4.error, OSError):
                    return None
            seen = wait_until(try_to, 15, "a session that works after the fault")
            key, state = list(expected.items())[-1]
            inbox, target = key in seen["INBOX"], key in seen["Target"]
            trouble = f"{state} {seen}"
            if state.get("appended"):
                self.assertTrue(inbox or target, trouble)
                self.assertFalse(inbox and target, trouble)
                self.assertFalse(inbox and state.get("moved"), trouble)
                self.assertFalse(target and not state.get("moving"), trouble)
                if state.get("flagged"):
                    self.assertIn(rb"\Flagged", seen["Target" if target else "INBOX"][key])
            self.assertFalse(state.get("expunged") and "trash " + key in seen["INBOX"], trouble)

        happened = self.run_trials(["imapd", "auth", "imapd-session"], trial, afterwards)
        if ALL:
            print(f"IMAP: {happened} faults, {acknowledged[0]} STORE and MOVE acknowledged, all done")


@unittest.skipUnless(AS_ROOT, "mounting a small file system needs root")
class Full(unittest.TestCase):
    """A file system without room, or without inodes, under the queue and under the mailboxes."""

    def setUp(self):
        self.suite = Instance(build=PLAIN_BUILD, main=dict(QUICK, disable_plaintext_auth="no"), start=False)
        self.addCleanup(self.suite.close)

    def mount(self, name, options):
        """A small file system in place of a folder of the instance, which is started then."""
        path = os.path.join(self.suite.home, name)
        owner = os.stat(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode={owner.st_mode & 0o7777:o},"
                        f"uid={owner.st_uid},gid={owner.st_gid}", "posta-test", path], check=True)
        self.addCleanup(subprocess.run, ["umount", path], check=True)
        self.addCleanup(self.suite.stop)
        self.suite.start()
        return path

    @staticmethod
    def fill_bytes(folder, leave=0):
        """Takes all room but `leave` bytes; returns what gives it back."""
        path = os.path.join(folder, "filler")
        with open(path, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            file.truncate(max(0, file.tell() - leave))
        return lambda: os.unlink(path)

    @staticmethod
    def fill_inodes(folder):
        path = os.path.join(folder, "fillers")
        os.mkdir(path)
        try:
            for number in range(100000):
                os.close(os.open(os.path.join(path, str(number)), os.O_CREAT | os.O_WRONLY))
        except OSError:
            pass
        return lambda: shutil.rmtree(path)

    def test_queue(self):
        suite, promised = self.suite, {}
        folder = self.mount("queue", "size=3m,nr_inodes=600")
        for fill in (self.fill_bytes, self.fill_inodes, self.fill_bytes):
            key, content = numbered(f"before-{len(promised)}")
            self.assertTrue(send(suite, content))
            promised[key] = "before"
            suite.wait_queue_empty()
            give_back = fill(folder)
            for number in range(5):
                key, content = numbered(f"full-{number}")
                self.assertFalse(send(suite, content + "x" * 70 + "\r\n"), "taken though there is no room")
            give_back()
            key, content = numbered(f"after-{len(promised)}")
            send_again(suite, content)
            promised[key] = "after"
        self.full_in_the_middle(folder, promised)
        self.assertEqual(check_mails(self, suite, promised), 0)

    def full_in_the_middle(self, folder, promised):
        """A message that is larger than the room, which it did not say; then one that fits."""
        give_back = self.fill_bytes(folder, leave=400 * 1024)
        _, large = numbered("large")
        key, small = numbered("small")
        with self.suite.smtp() as client:
            client.ehlo()
            for content, expected in ((large + ("x" * 70 + "\r\n") * 20000, 452), (small, 250)):
                self.assertEqual(client.docmd("MAIL FROM:<a@b.test>")[0], 250)
                self.assertEqual(client.docmd("RCPT TO:<bob@example.test>")[0], 250)
                code, text = client.data(content)
                self.assertEqual(code, expected, text)
        promised[key] = "small"
        give_back()

    def test_mailbox(self):
        suite, promised = self.suite, {}
        folder = self.mount("mail", "size=3m,nr_inodes=600")
        for turn, fill in enumerate((self.fill_bytes, self.fill_inodes)):
            key, content = numbered(f"before-{turn}")
            self.assertTrue(send(suite, content))
            promised[key] = "before"
            suite.wait_queue_empty()
            self.assertEqual(len(suite.inbox("bob")), len(promised))
            give_back = fill(folder)
            for number in range(3):
                key, content = numbered(f"full-{turn}-{number}")
                self.assertTrue(send(suite, content))
                promised[key] = "while the mailbox was full"
            wait_until(lambda: len(re.findall("to=<bob@example.test>.*status=deferred", suite.log())) > 3 * turn,
                       20, "a deferred message")
            # What is there can be read, also when the index has no room for a change of the folder.
            new = os.path.join(suite.home, "mail", "example.test", "bob", "Maildir", "cur", f"1.{turn}.x:2,")
            if fill == self.fill_bytes:
                open(new, "wb").close()
            with suite.imap("bob", port=143) as client:
                self.assertEqual(client.select()[0], "OK", suite.log_tail(10))
                self.assertEqual(client.fetch("1", "(BODY.PEEK[])")[0], "OK")
                kind, data = client.append("INBOX", None, None, numbered("append")[1].encode())
                self.assertEqual(kind, "NO", data)
                self.assertEqual(client.noop()[0], "OK")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
            give_back()
            with suite.imap("bob", port=143) as client:
                key, content = numbered(f"append-after-{turn}")
                kind, data = client.append("INBOX", None, None, content.encode())
                self.assertEqual(kind, "OK", data)
                promised[key] = "appended"
            self.assertEqual(check_mails(self, suite, promised), 0)


class NoDescriptors(unittest.TestCase):
    """A program that gets no more descriptors for a while waits or says so, and does not spin."""

    def cpu(self, program):
        """Seconds of CPU that all processes of a program have used."""
        ticks = 0
        for name, pid, _ in programs(self.suite):
            if name == program:
                with open(f"/proc/{pid}/stat") as file:
                    ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def test_each_program(self):
        failer = Failer()
        self.addCleanup(failer.close)
        self.suite = suite = Instance(build=PLAIN_BUILD, main=dict(
            QUICK, export_environment=failer.environment, disable_plaintext_auth="no"))
        self.addCleanup(suite.close)
        promised = {}
        for program in ("smtpd", "cleanup", "qmgr", "local", "local-deliver", "imapd", "auth", "imapd-session"):
            before = self.cpu(program)
            failer.arm(program, KINDS["descriptors"], 1, 1 << 60)
            timer = threading.Timer(1, failer.disarm)
            timer.start()
            while timer.is_alive():
                key, content = numbered(f"{program}-{len(promised)}")
                if send(suite, content):
                    promised[key] = f"{program} without descriptors"
                try:
                    with suite.imap("bob", port=143) as client:
                        self.assertIn(client.select()[0], ("OK", "NO"))
                except imaplib.IMAP4.error as refused:
                    self.assertFalse("BAD" in str(refused) or "AUTHENTICATIONFAILED" in str(refused))
                except OSError:
                    pass
                time.sleep(0.05)
            self.assertLess(self.cpu(program) - before, 0.7, f"{program} spins without descriptors")
            key, content = numbered(f"after-{program}")
            send_again(suite, content)
            promised[key] = f"after {program} had none"
        check_mails(self, suite, promised)


if __name__ == "__main__":
    unittest.main()
