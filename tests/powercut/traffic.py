"""Mail that flows, and a record of what was promised when.

Times are CLOCK_MONOTONIC, as in the log of oplog.c. Each user's mailbox is changed by one client, so
that of what it asked for only the last can be under way when the power goes; deliveries come beside.
"""
import hashlib
import imaplib
import random
import re
import smtplib
import socketserver
import threading
import time

from posta import message

PATIENCE = 120  # seconds
FLAGS = (r"\Seen", r"\Answered", r"\Flagged", r"\Draft", "$Test")


def numbered(rng, tag):
    """A message that proves itself: (key, content)."""
    lines = rng.choice((1, 10, 100, 100, rng.randrange(1, 2500)))
    body = "".join(f"{tag} {rng.random()} {'x' * rng.randrange(40)}\r\n" for _ in range(lines))
    key = f"{tag}-{hashlib.sha256(body.encode()).hexdigest()[:16]}"
    return key, message(subject=f"cut {key} end", body=body)


def key_of(mail):
    """The key of a whole message, or None."""
    header, _, body = mail.partition(b"\r\n\r\n")
    match = re.search(rb"Subject: cut (\S+-([0-9a-f]{16})) end\r\n", header + b"\r\n")
    if not match or hashlib.sha256(body).hexdigest()[:16] != match[2].decode():
        return None
    return match[1].decode()


# ---- the other side of the relay ----

class SinkSession(socketserver.StreamRequestHandler):
    timeout = 60

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        recipients = []
        self.say("220 sink.test")
        while True:
            line = self.rfile.readline(4096)
            if not line:
                return
            verb = line[:4].upper()
            if verb == b"QUIT":
                return self.say("221 bye")
            if verb == b"RCPT" and b"<slow" in line and not self.server.sink.patient:
                self.say("450 4.2.0 later")
            elif verb == b"DATA":
                self.say("354 go")
                self.take(recipients)
                recipients = []
            else:
                if verb == b"RCPT":
                    recipients.append(line[line.index(b"<") + 1:line.index(b">")].decode())
                self.say("250 ok")

    def take(self, recipients):
        lines = []
        while (line := self.rfile.readline(65536)) != b".\r\n":
            if not line:
                return
            lines.append(line[1:] if line.startswith(b".") else line)
        self.say(self.server.sink.receive(b"".join(lines), recipients))


class Sink:
    """A mail server elsewhere, whose power stays on."""

    def __init__(self, seed):
        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 64
        self.server = Server(("127.0.0.1", 0), SinkSession)
        self.server.sink = self
        self.port = self.server.server_address[1]
        self.lock = threading.Lock()
        self.rng = random.Random(seed)
        self.received = []  # (time, (key, recipient))
        self.patient = False
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, content, recipients):
        with self.lock:
            if not self.patient and self.rng.random() < 0.2:
                return "451 4.3.0 try again"
            now, key = time.monotonic(), key_of(content)
            self.received += [(now, (key, recipient)) for recipient in recipients]
            return "250 2.0.0 taken"

    def since(self, count):
        with self.lock:
            return self.received[count:]

    def count(self):
        with self.lock:
            return len(self.received)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# ---- senders ----

class Event:
    """Something asked for at `began`; promised at `ended` (None: never answered well)."""

    def __init__(self, kind, **facts):
        self.kind = kind
        self.began = time.monotonic()
        self.ended = None
        self.__dict__.update(facts)

    def done_by(self, when):
        return self.ended is not None and self.ended <= when


class Traffic:
    RECIPIENTS = (["bob"], ["bob"], ["carol"], ["bob", "carol"], ["far@remote.test"],
                  ["slow@remote.test"], ["bob", "far@remote.test", "slow@remote.test"])

    def __init__(self, suite, seed):
        self.suite = suite
        self.seed = seed
        self.stop = threading.Event()
        self.sent = []  # Events of kind "send"
        self.mailboxes = {"bob": [], "carol": []}
        self.troubles = []

    def run(self, messages):
        """Until so many were sent, and a fair number of changes made by the readers."""
        threads = [threading.Thread(target=self.guard, args=(self.send, n)) for n in range(3)]
        threads += [threading.Thread(target=self.guard, args=(self.read, user)) for user in self.mailboxes]
        for thread in threads:
            thread.start()
        end = time.monotonic() + PATIENCE
        while not self.stop.wait(0.02) and time.monotonic() < end:
            if len(self.sent) >= messages and sum(map(len, self.mailboxes.values())) >= messages:
                break
        self.ended = time.monotonic()
        self.stop.set()
        for thread in threads:
            thread.join()
        if self.troubles:
            raise AssertionError(f"the traffic did not flow: {self.troubles[:3]}\n{self.suite.log_tail()}")

    def guard(self, work, argument):
        try:
            work(argument)
        except Exception as trouble:  # pylint: disable=broad-except
            self.troubles.append(f"{work.__name__} {argument}: {trouble!r}")
            self.stop.set()

    def send(self, number):
        rng = random.Random(f"{self.seed} send {number}")
        with self.suite.smtp(25) as client:
            count = 0
            while not self.stop.is_set():
                count += 1
                key, content = numbered(rng, f"smtp-{number}-{count}")
                recipients = rng.choice(self.RECIPIENTS)
                event = Event("send", key=key, recipients=recipients)
                self.sent.append(event)
                try:
                    client.sendmail("a@away.test", [self.suite.user(r) for r in recipients], content)
                    event.ended = time.monotonic()
                except smtplib.SMTPResponseException as refusal:
                    if not 400 <= refusal.smtp_code < 500:
                        raise
                self.stop.wait(rng.uniform(0, 0.08))

    # ---- a mailbox's client ----

    def read(self, user):
        rng = random.Random(f"{self.seed} read {user}")
        with self.suite.imap(user) as client:
            reader = Reader(client, rng, self.mailboxes[user], user)
            while not self.stop.is_set():
                reader.step()
                self.stop.wait(rng.uniform(0, 0.03))


def parse_fetch(parts):
    """[(uid, flags, content or None)]"""
    found = []
    for part in parts:
        text, content = part if isinstance(part, tuple) else (part, None)
        uid = re.search(rb"UID (\d+)", text or b"")
        flags = re.search(rb"FLAGS \(([^)]*)\)", text or b"")
        if uid and flags:
            names = frozenset(f for f in flags[1].decode().split() if f != r"\Recent")
            found.append((int(uid[1]), names, content))
    return found


class Reader:
    """Does one thing after another; each is an Event."""

    def __init__(self, client, rng, events, user):
        self.client, self.rng, self.events, self.user = client, rng, events, user
        self.selected = None
        self.folders = ["INBOX"]
        self.known = {}  # (folder, uid) -> (key, flags)
        self.count = 0
        # Flags are durable when they are told to who knows mod-sequences; for others a moment later, or when asked for.
        self.condstore = len(user) % 2 == 0
        if self.condstore:
            client.enable("CONDSTORE")

    def begin(self, kind, **facts):
        event = Event(kind, **facts)
        self.events.append(event)
        return event

    @staticmethod
    def end(event, result):
        if result[0] != "OK":
            raise AssertionError(f"{event.kind} {event.__dict__}: {result}")
        event.ended = time.monotonic()
        return result[1]

    def select(self, folder):
        event = self.begin("select", folder=folder)
        self.end(event, self.client.select(folder))
        event.uidvalidity = int(self.client.untagged_responses["UIDVALIDITY"][-1])
        self.selected = folder

    def look(self, folder):
        self.select(folder)
        event = self.begin("see", folder=folder, messages={})
        parts = self.end(event, self.client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        for uid, flags, content in parse_fetch(parts):
            match = re.search(rb"Subject: cut (\S+) end", content or b"")
            if not match:
                raise AssertionError(f"{self.user} {folder} {uid}: not a message of ours: {content!r}")
            event.messages[uid] = match[1].decode(), flags
            self.known[folder, uid] = event.messages[uid]

    def step(self):
        if self.count % 8 == 0:
            self.look(self.rng.choice(self.folders))
        self.count += 1
        self.rng.choice((self.append, self.append, self.store, self.store, self.store, self.move,
                         self.expunge, self.copy, self.manage))()

    def some(self, most):
        here = sorted(uid for folder, uid in self.known if folder == self.selected)
        return sorted(self.rng.sample(here, min(len(here), self.rng.randint(1, most))))

    def append(self):
        key, content = numbered(self.rng, f"append-{self.user}-{self.count}")
        folder = self.rng.choice(self.folders)
        flags = frozenset(self.rng.sample(FLAGS, self.rng.randint(0, 2)))
        event = self.begin("append", folder=folder, key=key, flags=flags, uid=None)
        data = self.end(event, self.client.append(folder, f"({' '.join(sorted(flags))})", None, content.encode()))
        event.uid = int(re.search(rb"APPENDUID \d+ (\d+)", data[0])[1])
        self.known[folder, event.uid] = key, flags

    def store(self):
        uids = self.some(4)
        if not uids:
            return
        flags = frozenset(self.rng.sample(FLAGS, self.rng.randint(1, 3)))
        how = self.rng.choice(("FLAGS", "+FLAGS", "-FLAGS"))
        self.change(uids, how, flags)

    def change(self, uids, how, flags):
        event = self.begin("store", folder=self.selected, uids=uids, how=how, flags=flags)
        result = self.client.uid("STORE", ",".join(map(str, uids)), how, f"({' '.join(sorted(flags))})")
        if result[0] == "OK" and not self.condstore:
            result = self.client.check()
        self.end(event, result)

    def move(self):
        self.transfer("MOVE")

    def copy(self):
        self.transfer("COPY")

    def transfer(self, verb):
        targets = [f for f in self.folders if f != self.selected]
        uids = self.some(3)
        if not uids or not targets:
            return
        target = self.rng.choice(targets)
        event = self.begin(verb.lower(), folder=self.selected, uids=uids, target=target, pairs=None)
        self.client.untagged_responses.pop("COPYUID", None)
        data = self.end(event, self.client.uid(verb, ",".join(map(str, uids)), target))
        text = b" ".join(x for x in data + (self.client.untagged_responses.get("OK") or []) +
                         (self.client.untagged_responses.get("COPYUID") or []) if x)
        pairs = re.search(rb"(?:COPYUID )?\d+ ([\d,:]+) ([\d,:]+)", text)
        if not pairs:
            raise AssertionError(f"{verb}: no COPYUID in {data} {self.client.untagged_responses}")
        event.pairs = dict(zip(spread(pairs[1]), spread(pairs[2])))
        for old, new in event.pairs.items():
            self.known[target, new] = self.known[self.selected, old]
            if verb == "MOVE":
                del self.known[self.selected, old]

    def expunge(self):
        uids = self.some(2)
        if not uids:
            return
        self.change(uids, "+FLAGS", frozenset([r"\Deleted"]))
        event = self.begin("expunge", folder=self.selected, uids=uids)
        self.end(event, self.client.uid("EXPUNGE", ",".join(map(str, uids))))
        for uid in uids:
            del self.known[self.selected, uid]

    def manage(self):
        """Makes a folder, or gives one another name."""
        movable = [f for f in self.folders if f not in ("INBOX", self.selected)]
        name = f"{self.user.title()}.F{self.count}"
        if len(self.folders) < 4:
            event = self.begin("create", folder=name)
            self.end(event, self.client.create(name))
            self.folders.append(name)
        elif movable:
            folder = self.rng.choice(movable)
            event = self.begin("rename", folder=folder, target=name)
            self.end(event, self.client.rename(folder, name))
            self.folders[self.folders.index(folder)] = name
            for place in [p for p in self.known if p[0] == folder]:
                self.known[name, place[1]] = self.known.pop(place)


def spread(uids):
    """"1:3,7" as numbers."""
    numbers = []
    for part in uids.decode().split(","):
        first, _, last = part.partition(":")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
