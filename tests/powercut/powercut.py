#!/usr/bin/python3
"""The power is cut while mail flows: what was promised is there afterwards.

    tests/powercut/powercut.py [--points N] [--per-run N] [--messages N] [--jobs N] [--seed N]

A run starts the suite with oplog.c under all its programs and lets some messages flow. Then, for each
of its points, it puts onto the disk a state that a power cut there may have left (model.py), starts
the suite on it, lets the queue drain, and compares with what was promised until then (promises.py).
Prints figures; exit status 1 if anything was lost.
"""
import argparse
import bisect
import collections
import concurrent.futures
import contextlib
import copy
import os
import random
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

# pylint: disable=wrong-import-position
from model import Choice, Disk, Log
from posta import PLAIN_BUILD, Instance, reserve_base_port
from promises import check_keys, check_mailbox, check_relay
from traffic import Sink, Traffic, key_of, parse_fetch

LIBRARY = os.path.join(PLAIN_BUILD, "tests", "liboplog.so")
CLEANUP_WITHOUT_FSYNC = os.path.join(PLAIN_BUILD, "tests", "cleanup-without-fsync")
TOPS = ("queue", "mail", "data")
USERS = ("bob", "carol")
SERVICES = ["smtp inet", "imaps inet"] + [f"{name} unix" for name in (
    "cleanup", "qmgr", "showq", "bounce", "resolver", "auth", "keys", "anvil", "smtp", "local", "virtual", "local-deliver",
    "imapd-session")]
DRAIN = 60  # seconds for the queue to drain
LOST = 3  # seconds that a message may be missing once the queue is empty


def fast_folder():
    """Memory, where there is enough: what a disk does to data is done by model.py."""
    place = "/dev/shm"
    if os.path.isdir(place) and shutil.disk_usage(place).free > 1 << 30:
        return place
    return None


def programs_with(cleanup, folder):
    """The programs of the build with another cleanup."""
    real = os.path.join(PLAIN_BUILD, "libexec", "posta")
    os.mkdir(folder)
    for name in os.listdir(real):
        shutil.copy(cleanup if name == "cleanup" else os.path.join(real, name), os.path.join(folder, name))
    return folder


def keep_services(path):
    """What the test needs, one process of each: a suite is started for every point."""
    kept, keep = [], True
    with open(path) as file:
        for line in file:
            words = line.split()
            if line[:1].strip() and line[0] != "#":
                keep = f"{words[0]} {words[1]}" in SERVICES
                words[6] = "1"
                line = " ".join(words) + "\n"
            if keep:
                kept.append(line)
    with open(path, "w") as file:
        file.writelines(kept)


class Run:
    """One time of traffic, and cuts through it."""

    def __init__(self, seed, cleanup=None):
        self.seed = seed
        self.seen = {}  # user -> what read() found last
        self.rng = random.Random(f"cuts {seed}")
        self.base, self.lock = reserve_base_port()
        self.dir = tempfile.mkdtemp(prefix="posta-power-", dir=fast_folder())
        os.chmod(self.dir, 0o755)
        self.sink = Sink(seed)
        settings = {"relayhost": f"[127.0.0.1]:{self.sink.port}", "minimal_backoff_time": "1s",
                    "maximal_backoff_time": "1s", "queue_run_delay": "1s", "transport_retry_time": "1s"}
        if cleanup:
            settings["daemon_directory"] = programs_with(cleanup, os.path.join(self.dir, "programs"))
        before, tempfile.tempdir = tempfile.tempdir, self.dir
        try:
            self.suite = Instance(users=USERS, build=PLAIN_BUILD, base_port=self.base, start=False,
                                  main=settings)
        finally:
            tempfile.tempdir = before
        keep_services(os.path.join(self.suite.conf, "master.cf"))

    def record(self, messages):
        """Lets mail flow, and reads what was done to the files."""
        log = Log(os.path.join(self.dir, "oplog"))
        self.disk = Disk(self.suite.home, TOPS)
        self.suite.set(export_environment=f"TZ MAIL_CONFIG LANG LD_PRELOAD={LIBRARY} OPLOG={log.path}")
        os.environ.update(LD_PRELOAD=LIBRARY, OPLOG=log.path)
        try:
            self.suite.start()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["OPLOG"]
        self.traffic = Traffic(self.suite, self.seed)
        self.traffic.run(messages)
        self.received = self.sink.since(0)
        self.suite.stop()
        self.suite.set(export_environment="TZ MAIL_CONFIG LANG")
        self.records = log.records()
        os.unlink(log.path)
        self.sink.patient = True

    def points(self, count):
        """Half of them anywhere, half just when something had been promised: places in the log."""
        times = [r.time for r in self.records]
        first = bisect.bisect(times, int(min(e.began for e in self.traffic.sent) * 1e9))
        end = bisect.bisect(times, int(self.traffic.ended * 1e9))
        promised = [e.ended for e in self.traffic.sent + sum(self.traffic.mailboxes.values(), []) if e.ended]
        chosen = [self.rng.randrange(first, end) for _ in range(count - count // 2)]
        chosen += [bisect.bisect(times, int(self.rng.choice(promised) * 1e9)) for _ in range(count // 2)]
        return sorted(chosen)

    def cut(self, count, figures, until_loss=False, deaf=None):
        """
        Goes through `count` points, or up to the first loss; a list of what was wrong. `deaf`: the
        fsyncs of "files" or "directories" do nothing.
        """
        wrong, at = [], 0
        disk = copy.deepcopy(self.disk)
        disk.deaf = deaf
        for point in self.points(count):
            for record in self.records[at:point]:
                disk.feed(record)
            at = max(at, point)
            # Whatever was promised before the next call took effect.
            now = self.records[min(point, len(self.records) - 1)].time
            choice = Choice(self.rng)
            state = self.rng.getstate()
            disk.build(choice, now)
            bad = self.check(now / 1e9, figures)
            figures["points"] += 1
            figures["losses"] += len(bad)
            what = f"run {self.seed}, call {point} of {len(self.records)}, {choice.kind} age {choice.age}"
            wrong += [f"{what}: {text}" for text in bad]
            if bad:
                wrong += [f"{what}: {user}: {name} has {found}" for user in self.seen
                          for name, found in self.seen[user].items()]
            if bad and os.environ.get("POSTA_KEEP"):
                # As the power cut left it, for whoever wants to see what the suite makes of it.
                self.rng.setstate(state)
                disk.build(choice, now)
                wrong.append(f"{what}: the disk is in {self.suite.home}")
            if bad and (until_loss or os.environ.get("POSTA_KEEP")):
                break
        return wrong

    # ---- after the restart ----

    def check(self, when, figures):
        with contextlib.suppress(OSError):
            os.unlink(self.suite.log_file)
        seen = self.sink.count()
        self.suite.start()
        try:
            bad = self.wait_and_compare(when, seen, figures)
        except Exception as trouble:  # pylint: disable=broad-except
            bad = [f"after the restart: {trouble!r}\n{self.suite.log_tail()}"]
        finally:
            self.suite.stop()
        log = self.suite.log()
        figures["queue files set aside"] += log.count(": damaged, moved to the folder corrupt")
        figures["unfinished queue files"] += log.count(": removed: never completed")
        figures["indexes built again"] += log.count("is damaged: building it again")
        return bad

    def wait_and_compare(self, when, seen, figures):
        """The queue may look empty for a moment when the suite has just started."""
        end, late = time.monotonic() + DRAIN, None
        while True:
            queue = self.suite.queue_safe()
            now = time.monotonic()
            if queue and now < end:
                time.sleep(0.05)
                continue
            these = collections.Counter()
            bad = self.compare(when, seen, these)
            late = late or now + LOST
            if queue:
                bad.append(f"the queue does not drain: {queue}")
            if not bad or now > min(late, end):
                break
            time.sleep(0.2)
        figures.update(these)
        return bad

    def compare(self, when, seen, figures):
        bad = check_relay(self.traffic, when, self.received, self.sink.since(seen), figures)
        for user in USERS:
            folders = self.read(user)
            self.seen[user] = folders
            bad += [f"{user}: {text}" for text in
                    check_mailbox(self.traffic.mailboxes[user], when, folders, figures)]
            bad += check_keys(self.traffic, user, when, folders, figures)
        return bad

    def read(self, user):
        """{folder: (uidvalidity, uidnext, {uid: (key, flags)})}; the key of what is not whole is None."""
        folders = {}
        with self.suite.imap(user) as client:
            _, lines = client.list()
            for line in lines:
                name = line.rsplit(b" ", 1)[1].strip(b'"').decode()
                if rb"\Noselect" in line or rb"\NonExistent" in line:
                    continue
                kind, data = client.select(name, readonly=True)
                if kind != "OK":
                    raise AssertionError(f"select {name}: {data}")
                numbers = [int(client.untagged_responses[n][-1]) for n in ("UIDVALIDITY", "UIDNEXT")]
                messages = {}
                if data[0] != b"0":
                    kind, parts = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")
                    for uid, flags, content in parse_fetch(parts):
                        messages[uid] = key_of(content) if content is not None else None, flags
                folders[name] = (*numbers, messages)
        return folders

    def close(self):
        try:
            self.suite.close()
        finally:
            self.sink.close()
            self.lock.close()
            if not os.environ.get("POSTA_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)


def run(seed, points, messages, cleanup=None, until_loss=False):
    """(figures, what was wrong). `cleanup`: another program in its place."""
    figures = collections.Counter()
    one = Run(seed, cleanup)
    try:
        one.record(messages)
        figures["runs"] = 1
        figures["calls"] = len(one.records)
        figures["messages"] = len(one.traffic.sent)
        figures["changes by IMAP"] = sum(
            e.kind not in ("select", "see") for events in one.traffic.mailboxes.values() for e in events)
        wrong = one.cut(points, figures, until_loss)
    finally:
        one.close()
    return figures, wrong


def report(figures):
    return ", ".join(f"{figures[name]} {name}" for name in (
        "runs", "points", "calls", "messages", "changes by IMAP", "promises", "facts", "losses",
        "duplicates", "renumbered", "queue files set aside", "unfinished queue files",
        "indexes built again"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--per-run", type=int, default=50)
    parser.add_argument("--messages", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-fsync", action="store_true", help="with a cleanup that does not fsync")
    options = parser.parse_args()
    cleanup = CLEANUP_WITHOUT_FSYNC if options.without_fsync else None
    total, began, status = collections.Counter(), time.monotonic(), 0
    runs = (options.points + options.per_run - 1) // options.per_run
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run, options.seed + n, min(options.per_run, options.points - n * options.per_run),
                            options.messages, cleanup, options.without_fsync) for n in range(runs)]
        for job in concurrent.futures.as_completed(jobs):
            figures, wrong = job.result()
            total.update(figures)
            print("\n".join(wrong) + "\n" if wrong else "", end="")
            print(f"{time.monotonic() - began:.0f} s: {report(total)}", flush=True)
            status = 1 if wrong else status
    return status


if __name__ == "__main__":
    sys.exit(main())
