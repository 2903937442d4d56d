"""A milter for tests, written from the protocol's description: it does what a script says at each step,
and misbehaves where it is told to."""
import struct
import time

from peers import Server

NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADERS, NO_EOH = (1 << n for n in range(7))
SILENT_HEADERS, NO_UNKNOWN, NO_DATA, SKIP, REJECTED_TOO = (1 << n for n in range(7, 12))
SILENT = SILENT_HEADERS | sum(1 << n for n in range(12, 20))
LEADING_SPACE = 1 << 20
ALL_ACTIONS = 0x1ff


def frame(what, data=b""):
    return struct.pack(">I", len(data) + 1) + what + data


def strings(*texts):
    return b"".join(text + b"\0" for text in texts)


def add(name, value):
    return frame(b"h", strings(name, value))


def insert(index, name, value):
    return frame(b"i", struct.pack(">I", index) + strings(name, value))


def change(index, name, value):
    return frame(b"m", struct.pack(">I", index) + strings(name, value))


def reply(text):
    return frame(b"y", strings(text))


CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, PROGRESS = (frame(c) for c in (b"c", b"a", b"r", b"t", b"d", b"p"))


class Drip(bytes):
    """Said one byte after the other, with pauses between them."""


CLOSE, SILENCE = "close", "silence"  # instead of bytes: hang up; say nothing any more


class Milter(Server):
    """Each connection is served by `script`: step ("C", "H", "M", "R", "T", "L", "N", "B", "E", "U", "O") to
    bytes, CLOSE, SILENCE, a list of these, or a function of (milter session, data) that gives one of them.
    What is not in it goes on."""

    def __init__(self, script=None, steps=0, actions=ALL_ACTIONS, version=6, macros=None, path=None):
        self.script = script or {}
        self.steps, self.actions, self.version, self.macros = steps, actions, version, macros or {}
        self.heard = []  # (step, data) of all connections, macros as ("D", ...)
        super().__init__(path)
        self.name = "unix:" + path if path else f"inet:127.0.0.1:{self.port}"

    def read(self, client, length):
        data = b""
        while len(data) < length:
            more = client.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def options(self):
        wanted = b"".join(struct.pack(">I", stage) + strings(names) for stage, names in self.macros.items())
        return frame(b"O", struct.pack(">III", self.version, self.actions, self.steps) + wanted)

    def serve(self, client):
        with client:
            try:
                while True:
                    length = struct.unpack(">I", self.read(client, 4))[0]
                    data = self.read(client, length)
                    step, data = chr(data[0]), data[1:]
                    self.heard.append((step, data))
                    if step == "Q":
                        return
                    if not self.answer(client, step, data):
                        return
            except (OSError, EOFError):
                return

    def answer(self, client, step, data):
        say = self.script.get(step, self.options() if step == "O" else CONTINUE)
        if callable(say):
            say = say(self, data)
        if step in "DA":
            return True
        if step in self.silent_steps() and step not in self.script:
            return True
        for piece in say if isinstance(say, list) else [say]:
            if piece == CLOSE:
                return False
            if piece == SILENCE:
                while client.recv(65536):
                    pass
                return False
            if isinstance(piece, Drip):
                for byte in piece:
                    client.sendall(bytes([byte]))
                    time.sleep(0.2)
                continue
            client.sendall(piece)
        return True

    def silent_steps(self):
        pairs = {"L": 7, "C": 12, "H": 13, "M": 14, "R": 15, "T": 16, "U": 17, "N": 18, "B": 19}
        return [step for step, bit in pairs.items() if self.steps & 1 << bit]

    def steps_heard(self):
        return "".join(step for step, _ in self.heard)

    def data(self, step):
        return [data for name, data in self.heard if name == step]

    def macro(self, step, name):
        """The last value of a macro that came before that step."""
        for kind, data in reversed(self.heard):
            if kind == "D" and data[:1] == step.encode():
                words = data[1:].split(b"\0")
                values = dict(zip(words[0::2], words[1::2]))
                if name in values:
                    return values[name]
        return None
