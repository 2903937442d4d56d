"""Servers of other software that tests start: in a folder of their own, on loopback, ended with the test."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from posta import wait_until


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(where):
    """Somebody accepts connections at a port or at the path of a socket."""
    try:
        if isinstance(where, int):
            socket.create_connection(("127.0.0.1", where), 1).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(where)
        return True
    except OSError:
        return False


class Peer:
    """One process in the foreground; `where` (port or path) answers when it is ready."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="posta-peer-")
        os.chmod(self.dir, 0o755)
        self.process = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run(self, command, where, **options):
        self.output = open(self.path("output"), "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, start_new_session=True, **options)
        try:
            wait_until(lambda: self.process.poll() is not None or answers(where), 30, f"{command[0]} to answer")
        except AssertionError as late:
            self.kill()
            raise AssertionError(f"{late}\n{self.said()}") from None
        if self.process.poll() is not None:
            raise AssertionError(f"{command[0]} ended with {self.process.returncode}\n{self.said()}")

    def said(self):
        with open(self.path("output"), errors="replace") as file:
            return file.read()[-4000:]

    def kill(self, how=signal.SIGTERM):
        """It and all that it has started."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        self.output.close()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)
