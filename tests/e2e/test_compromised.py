"""What an attacker gains in each program: code made to run *inside* it tries what an exploit wants.

The test is a debugger: it stops the process, lets it make a system call with the process's own
rights, filters, root and descriptors, and puts everything back. What comes out is the table in
doc/security.md, which is compared; `python3 test_compromised.py` prints it.
"""
import ctypes
import errno
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import unittest

from posta import AS_ROOT, PLAIN_BUILD, TOP, Instance

DOCUMENT = os.path.join(TOP, "doc", "security.md")
PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 12, 13, 16, 17
PTRACE_SINGLESTEP = 9
X86_64 = os.uname().machine == "x86_64"


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
        "fs_base gs_base ds es fs gs").split()]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


class Inside:
    """A process that makes the calls that it is told to."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        ptrace(PTRACE_ATTACH, self.pid)
        os.waitpid(self.pid, 0)
        self.saved = Registers()
        ptrace(PTRACE_GETREGS, self.pid, ctypes.byref(self.saved))
        self.memory = open(f"/proc/{self.pid}/mem", "r+b", buffering=0)
        self.instruction = self.find_syscall()
        self.place = (self.saved.rsp - 16384) & ~15
        self.bytes_saved = self.read(self.place, 8192)
        return self

    def __exit__(self, *_):
        self.write(self.place, self.bytes_saved)
        ptrace(PTRACE_SETREGS, self.pid, ctypes.byref(self.saved))
        self.memory.close()
        ptrace(PTRACE_DETACH, self.pid)

    def read(self, at, size):
        self.memory.seek(at)
        return self.memory.read(size)

    def write(self, at, data):
        self.memory.seek(at)
        self.memory.write(data)

    def find_syscall(self):
        with open(f"/proc/{self.pid}/maps") as maps:
            for line in maps:
                if "r-xp" in line and "libc.so" in line:
                    begin, end = (int(n, 16) for n in line.split()[0].split("-"))
                    return begin + self.read(begin, end - begin).index(b"\x0f\x05")
        raise AssertionError("no C library in the process")

    def call(self, number, *arguments):
        """The result, or a negative errno. Bytes become a pointer to them."""
        at, values = self.place, []
        for argument in arguments:
            if isinstance(argument, bytes):
                self.write(at, argument + b"\0")
                values.append(at)
                at += (len(argument) + 16) & ~15
            else:
                values.append(argument & (1 << 64) - 1)
        regs = Registers.from_buffer_copy(self.saved)
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values):
            setattr(regs, name, value)
        regs.rax, regs.rip = number, self.instruction
        regs.orig_rax = (1 << 64) - 1  # no call to be begun again
        ptrace(PTRACE_SETREGS, self.pid, ctypes.byref(regs))
        ptrace(PTRACE_SINGLESTEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        while os.WIFSTOPPED(status) and os.WSTOPSIG(status) != signal.SIGTRAP:
            ptrace(PTRACE_SINGLESTEP, self.pid)
            _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            raise AssertionError("the process died of the call")
        ptrace(PTRACE_GETREGS, self.pid, ctypes.byref(regs))
        return ctypes.c_longlong(regs.rax).value

    def close(self, fd):
        if fd >= 0:
            self.call(3, fd)


OPEN, KILL, SOCKET, CONNECT, FCNTL, CLONE, EXECVE, MMAP = 2, 62, 41, 42, 72, 56, 59, 9
PTRACE, SETUID, UNLINK, TRUNCATE = 101, 105, 87, 76


class Attempts:
    """Each: True where an attacker would have got what it wanted."""

    def __init__(self, suite, programs):
        self.suite, self.programs = suite, programs

    def opens(self, inside, path, flags=0):
        fd = inside.call(OPEN, path.encode(), flags, 0)
        inside.close(fd)
        return fd >= 0

    def has_in_memory(self, inside, secrets):
        """One of these byte strings is in what the process can read already."""
        with open(f"/proc/{inside.pid}/maps") as maps:
            for line in maps:
                if line.split()[1][0] != "r" or "[v" in line:
                    continue
                begin, end = (int(n, 16) for n in line.split()[0].split("-"))
                try:
                    content = inside.read(begin, end - begin)
                except OSError:
                    continue  # beyond the end of a file
                if any(secret in content for secret in secrets):
                    return True
        return False

    def hashes(self, inside):
        """Reads the password hashes: in files, or in its memory."""
        with open(os.path.join(self.suite.conf, "users"), "rb") as file:
            known = [match[-24:] for match in re.findall(rb"\}([^:\n]{24,})", file.read())]
        assert known
        return self.has_in_memory(inside, known) or any(self.opens(inside, os.path.join(self.suite.conf, name))
                   for name in os.listdir(self.suite.conf) if name.startswith("users"))

    def key(self, inside):
        """Has the TLS key: its file, or the number itself in its memory, in either order of bytes."""
        folder = os.path.join(self.suite.conf, "tls")
        numbers = []
        for name in os.listdir(folder):
            if "key" in name:
                text = subprocess.run(["openssl", "pkey", "-in", os.path.join(folder, name), "-noout",
                                       "-text"], stdout=subprocess.PIPE, text=True, check=True).stdout
                digits = re.search(r"(?:priv|prime1):\n((?:\s+[0-9a-f:]+\n)+)", text)[1]
                number = bytes.fromhex(re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
                numbers += [number, number[::-1]]
        assert numbers
        return self.has_in_memory(inside, numbers) or any(self.opens(inside, os.path.join(folder, name))
                   for name in os.listdir(folder) if "key" in name)

    def mail(self, inside):
        """Opens a user's mailbox."""
        return self.opens(inside, os.path.join(self.suite.home, "mail"), os.O_DIRECTORY)

    def log(self, inside):
        """Rewrites the log: by its name, or through a descriptor that does not only append."""
        if self.opens(inside, self.suite.log_file, os.O_WRONLY):
            return True
        wanted = os.path.realpath(self.suite.log_file)
        for fd in os.listdir(f"/proc/{inside.pid}/fd"):
            if os.path.realpath(f"/proc/{inside.pid}/fd/{fd}") == wanted and (
                    inside.call(FCNTL, int(fd), 4, 0) == 0 or inside.call(77, int(fd), 0) == 0):
                return True
        return False

    def network(self, inside):
        """Makes a socket of its own and connects to a port."""
        fd = inside.call(SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0)
        inside.close(fd)
        return fd >= 0

    def signals(self, inside):
        """Signals master, or a neighbour of its own user; asks the kernel to do so."""
        neighbours = [pid for _, pid in self.programs if pid != inside.pid]
        if any(inside.call(KILL, pid, 0) == 0 for pid in neighbours):
            return True
        fd = inside.call(SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        done = inside.call(FCNTL, fd, 8, neighbours[0]) == 0
        inside.close(fd)
        return done

    def processes(self, inside):
        """Runs a command, reads another process's memory, becomes root."""
        return (inside.call(EXECVE, b"/nonexistent", 0, 0) != -errno.EPERM
                or inside.call(PTRACE, 16, self.programs[0][1], 0, 0) != -errno.EPERM
                or inside.call(SETUID, 0) == 0)

    def code(self, inside):
        """Makes memory that can be written and run."""
        return inside.call(MMAP, 0, 4096, 7, 0x22, (1 << 64) - 1, 0) > 0

    def queue(self, inside):
        """Makes a file in the queue: forges or removes messages."""
        root = os.readlink(f"/proc/{inside.pid}/root")
        queue = os.path.join(self.suite.home, "queue", "incoming")
        path = queue if root == "/" else "/incoming"
        fd = inside.call(OPEN, (path + "/probe").encode(), os.O_WRONLY | os.O_CREAT, 0o600)
        inside.close(fd)
        if fd >= 0:
            os.unlink(os.path.join(queue, "probe"))
        return fd >= 0

    def connects(self, inside, name):
        """True where the server of that socket lets it in: it does not hang up at once."""
        if name in [program for program, pid in self.programs if pid == inside.pid]:
            return False  # its own socket
        root = os.readlink(f"/proc/{inside.pid}/root")
        queue = os.path.realpath(os.path.join(self.suite.home, "queue"))
        path = "/" + os.path.relpath(os.path.join(queue, "sockets", "private", name), root)
        fd = inside.call(SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        address = struct.pack("<H", socket.AF_UNIX) + path.encode() + b"\0"
        r = inside.call(CONNECT, fd, address, len(address))
        if r == 0:
            # poll: input or the end within 300 ms means that it hung up.
            inside.write(inside.place + 4096, struct.pack("<ihh", fd, 1, 0))
            r = -1 if inside.call(7, inside.place + 4096, 1, 300) > 0 else 0
        inside.close(fd)
        return r == 0

    def deliver(self, inside):
        """Is heard by local-deliver: mail into any mailbox."""
        return self.connects(inside, "local-deliver")

    def guess(self, inside):
        """Is heard by auth: guesses passwords."""
        return self.connects(inside, "auth")


WANTED = ["hashes", "key", "mail", "log", "network", "signals", "processes", "code", "queue",
          "deliver", "guess"]


def running(suite):
    items = [json.loads(line) for line in suite.posta("status", "--json").text.splitlines()
             if line.startswith("{")]
    return [(item["program"], item["pid"]) for item in items]


def table_of(suite):
    programs = running(suite)
    attempts = Attempts(suite, programs)
    rows = {}
    for program, pid in programs:
        if program in ("master", "imapd-session", "pop3d-session", "local-deliver") or program in rows:
            continue  # the first one of each; what is root gains root
        with Inside(pid) as inside:
            rows[program] = [getattr(attempts, name)(inside) for name in WANTED]
    lines = ["| program | " + " | ".join(WANTED) + " |", "|---" * (len(WANTED) + 1) + "|"]
    for program in sorted(rows):
        lines.append(f"| `{program}` | " + " | ".join("**yes**" if got else "no"
                                                     for got in rows[program]) + " |")
    return "\n".join(lines)


@unittest.skipUnless(AS_ROOT and X86_64, "needs root, and knows the registers of x86-64 only")
class Compromised(unittest.TestCase):
    maxDiff = None

    def test_the_table_is_what_the_document_says(self):
        with Instance(build=PLAIN_BUILD) as suite:
            suite.inject("a@client.test", [suite.user("bob")], "Subject: x\r\n\r\nx\r\n")
            table = table_of(suite)
            # Nobody was hurt by it.
            suite.inject("a@client.test", [suite.user("bob")], "Subject: after\r\n\r\nx\r\n")
            suite.wait_mail("bob", text="after")
        with open(DOCUMENT) as file:
            said = re.search(r"(?s)<!-- prober -->\n(.*?)\n<!-- end -->", file.read())[1]
        self.assertEqual(said.strip(), table)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--print":
        with Instance(build=PLAIN_BUILD) as instance:
            instance.inject("a@client.test", [instance.user("bob")], "Subject: x\r\n\r\nx\r\n")
            print(table_of(instance))
    else:
        unittest.main()
