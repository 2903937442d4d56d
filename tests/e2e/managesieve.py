"""A client of ManageSieve (RFC 5804) for the tests: it says what it is told, and reads any answer."""
import base64
import re
import socket

from posta import PASSWORD


def quoted(text):
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text if isinstance(text, bytes) else text.encode()) + b'"'


def literal(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"{%d+}\r\n" % len(data) + data


class Client:
    """Under TLS from the start unless `tls` is false; logged in if a name is given."""

    def __init__(self, suite, name=None, tls=True, password=PASSWORD):
        self.suite, self.buffer = suite, b""
        self.socket = socket.create_connection((suite.address, suite.port(4190)), 20)
        self.greeting = self.answer()
        if tls:
            assert self.ask(b"STARTTLS")[1].startswith(b"OK")
            self.socket = suite.tls_context().wrap_socket(self.socket)
            self.greeting = self.answer()
        if name is not None:
            said = self.plain(suite.user(name), password)
            assert said.startswith(b"OK"), said

    def read(self, enough):
        while not enough():
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.buffer)
            self.buffer += more

    def take(self, size):
        self.read(lambda: len(self.buffer) >= size)
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def line(self):
        """With the literals in it, whole."""
        self.read(lambda: b"\r\n" in self.buffer)
        line = self.take(self.buffer.index(b"\r\n") + 2)
        size = re.search(rb"\{(\d+)\}\r\n$", line)
        return line if size is None else line + self.take(int(size[1])) + self.line()

    def answer(self):
        """(lines before, the last one)."""
        lines = []
        while True:
            line = self.line()
            if re.match(rb"(?i)(OK|NO|BYE)\b", line):
                return lines, line
            lines.append(line)

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, command, *arguments):
        self.send(b" ".join([command, *arguments]) + b"\r\n")
        return self.answer()

    def plain(self, user, password):
        return self.ask(b"AUTHENTICATE", b'"PLAIN"',
                        quoted(base64.b64encode(b"\0%s\0%s" % (user.encode(), password.encode()))))[1]

    def put(self, name, script):
        return self.ask(b"PUTSCRIPT", quoted(name), literal(script))[1]

    def scripts(self):
        """{name: whether it is the active one}."""
        found = {}
        for line in self.ask(b"LISTSCRIPTS")[0]:
            name, active = re.fullmatch(rb'"((?:[^"\\]|\\.)*)"( ACTIVE)?\r\n', line).groups()
            found[re.sub(rb"\\(.)", rb"\1", name).decode()] = active is not None
        return found

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
