"""What an attacker gains in each program: code made to run *inside* it tries what an exploit wants.

The test is a debugger: it stops the process, lets it make a system call with the process's own
rights, filters, root and descriptors, and puts everything back. What comes out is the table in
doc/security.md, which is compared; `python3 test_compromised.py --write` writes it.
"""
import contextlib
import ctypes
import errno
import glob
import json
import os
import re
import pwd
import signal
import socket
import stat
import struct
import subprocess
import sys
import unittest

import managesieve
import programs
from posta import AS_ROOT, PLAIN_BUILD, TOP, Instance
from test_access import services

TABLE = r"(?s)<!-- prober -->\n(.*?)\n<!-- end -->"
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
SETUID, WRITE, POLL, CLOSE_RANGE, READ_MEMORY = 105, 1, 7, 436, 310
CLONE_SIGHAND = 0x800  # without CLONE_VM it is EINVAL, where no filter says EPERM first
CONNECTIONS = 60  # client_connection_limit here: so that nobody needs to make ten thousand


def is_heard(path):
    """Somebody accepts our connection and answers what we say (with its end: it is nonsense)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(path)
        connection.sendall(b"\0" * 6)
        try:
            connection.recv(1)
        except ConnectionResetError:
            pass
        except socket.timeout:
            return False
        return True


class Attempts:
    """Each: True where an attacker would have got what it wanted."""

    def __init__(self, suite, processes):
        self.suite, self.programs = suite, processes
        parameters = programs.table()[2]
        names = suite.posta("conf", "-h", *parameters.values()).text.split()
        self.uids = {user: pwd.getpwnam(name).pw_uid for user, name in zip(parameters, names)}

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
        files = [path for path in glob.glob(self.suite.conf + "/*") if os.path.isfile(path)
                 and any(one in open(path, "rb").read() for one in known)]
        assert known and files
        return self.has_in_memory(inside, known) or any(self.opens(inside, path) for path in files)

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
        neighbours = self.neighbours(inside)
        if any(inside.call(KILL, pid, 0) == 0 for pid in neighbours):
            return True
        # The kernel looks later whether the signal may be sent: to those of the same user.
        equals = [pid for pid in neighbours if user_of(pid) == user_of(inside.pid)]
        fd = inside.call(SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        done = equals != [] and inside.call(FCNTL, fd, 8, equals[0]) == 0
        inside.close(fd)
        return done

    def processes(self, inside):
        """Runs a command, reads another process's memory, becomes root."""
        return (inside.call(EXECVE, b"/nonexistent", 0, 0) not in (-errno.EPERM, -errno.EACCES)
                or self.reads_memory(inside, self.neighbours(inside)[0])
                or inside.call(SETUID, 0) == 0)

    def reads_memory(self, inside, pid):
        """Eight bytes of a program's own code."""
        with open(f"/proc/{pid}/maps") as maps:
            begin = int(maps.readline().split("-")[0], 16)
        inside.write(inside.place, struct.pack("<QQQQ", inside.place + 64, 8, begin, 8))
        return inside.call(READ_MEMORY, pid, inside.place, 1, inside.place + 16, 1, 0) == 8

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

    def neighbours(self, inside):
        return [pid for _, pid in self.programs if pid != inside.pid]

    def connect(self, inside, path):
        """The descriptor of a connection to that socket below the queue, or a negative errno."""
        root = os.readlink(f"/proc/{inside.pid}/root")
        queue = os.path.realpath(os.path.join(self.suite.home, "queue"))
        path = "/" + os.path.relpath(os.path.join(queue, "sockets", path), root)
        fd = inside.call(SOCKET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
        address = struct.pack("<H", socket.AF_UNIX) + path.encode() + b"\0"
        r = inside.call(CONNECT, fd, address, len(address))
        if r == 0:
            return fd
        inside.close(fd)
        return r

    def hung_up(self, inside, fd, patience):
        inside.write(inside.place + 4096, struct.pack("<ihh", fd, 1, 0))
        return inside.call(POLL, inside.place + 4096, 1, patience) > 0

    def connects(self, inside, name):
        """True where the server of that socket lets it in: it does not hang up at once."""
        if name in [program for program, pid in self.programs if pid == inside.pid]:
            return user_of(inside.pid) == 0  # its own socket: to be asked by root it needs none
        fd = self.connect(inside, "private/" + name)
        if fd < 0:
            return False
        let_in = not self.hung_up(inside, fd, 300)
        inside.close(fd)
        return let_in

    def deliver(self, inside):
        """Is heard by local-deliver: mail into any mailbox."""
        return self.connects(inside, "local-deliver")

    def guess(self, inside):
        """Is heard by auth: guesses passwords."""
        return self.connects(inside, "auth")

    def freeze(self, inside):
        """
        Makes another program stop: stops it with a signal, or writes to the brim into everything
        that it can write to. Whether that was enough is seen when it is over.
        """
        for pid in self.neighbours(inside):
            if inside.call(KILL, pid, signal.SIGSTOP) == 0:
                os.kill(pid, signal.SIGCONT)
                return True
        for name in os.listdir(f"/proc/{inside.pid}/fd"):
            try:
                mode = os.stat(f"/proc/{inside.pid}/fd/{name}").st_mode
            except OSError:
                continue
            if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
                self.fill(inside, int(name))
        return False

    def fill(self, inside, fd):
        at, size = inside.place + 4096, 1024
        inside.write(inside.place, b"\0" * (size - 1) + b"\n")  # its own lines to master stay lines
        for _ in range(300):
            inside.write(at, struct.pack("<ihh", fd, 4, 0))
            if inside.call(POLL, at, 1, 0) != 1 or struct.unpack("<ihh", inside.read(at, 8))[2] != 4:
                return
            if inside.call(WRITE, fd, inside.place, size) <= 0:
                return

    def exhaust(self, inside):
        """Makes processes without number, or takes all connections of a program that lets it in."""
        if inside.call(CLONE, CLONE_SIGHAND, 0, 0, 0, 0) != -errno.EPERM:
            return True
        return any(self.takes_all(inside, path) for path in self.sockets_for(inside))

    def sockets_for(self, inside):
        users, peers, _ = programs.table()
        own = {user for user, uid in self.uids.items() if uid == user_of(inside.pid)}
        return [path for path, program in sorted(services(self.suite).items())
                if any(path.startswith(kind) and (client == "anybody" or users.get(client) in own)
                       for kind, client, _ in peers[program])]

    def takes_all(self, inside, path):
        """Nobody else is heard any more, not even root, who is never counted."""
        if inside.pid in [pid for program, pid in self.programs
                          if program == services(self.suite)[path]]:
            return False  # that is the one which we have stopped
        taken = [fd for fd in (self.connect(inside, path) for _ in range(2 * CONNECTIONS)) if fd >= 0]
        heard = is_heard(os.path.join(self.suite.home, "queue", path))
        for fd in taken:
            inside.close(fd)
        return not heard


WANTED = ["hashes", "key", "mail", "log", "network", "signals", "processes", "code", "queue",
          "deliver", "guess"]
WANTED_LAST = ["exhaust", "freeze"]  # what they do to their program is not undone


def running(suite):
    items = [json.loads(line) for line in suite.posta("status", "--json").text.splitlines()
             if line.startswith("{")]
    return [(item["program"], item["pid"]) for item in items]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def user_of(pid):
    return os.stat(f"/proc/{pid}").st_uid


def rows_of(suite):
    """[(name in the table, pid)]: the first process of each kind, parents and children apart."""
    rows = {}
    for program, pid in running(suite):
        rows.setdefault(f"`{program}`", pid)
        forks = program.endswith("-session") or program == "local-deliver"
        for child in children(pid) if forks else []:
            if user_of(child) != 0:
                rows.setdefault(f"`{program}`, as a user", child)
                continue
            rows.setdefault(f"`{program}`, launcher", child)
            for command in children(child):
                rows.setdefault(f"`{program}`, for commands", command)
    return sorted(rows.items())


def silent(suite):
    """Programs that do not answer master."""
    items = [json.loads(line) for line in suite.posta("status", "--json").text.splitlines()
             if line.startswith("{")]
    return {item["pid"] for item in items if "DOES NOT ANSWER" in item["confinement"]}


def table_of(suite):
    attempts = Attempts(suite, running(suite))
    rows = rows_of(suite)
    gained = {}
    for row, pid in rows:
        with Inside(pid) as inside:
            gained[row] = [getattr(attempts, name)(inside) for name in WANTED]
    # Children first: they may end with their parents.
    for row, pid in sorted(rows, key=lambda row: "," not in row[0]):
        with Inside(pid) as inside:
            gained[row] += [getattr(attempts, name)(inside) for name in WANTED_LAST]
        # What was written to the brim is read by now, or somebody still waits for it to be.
        gained[row][-1] |= bool(silent(suite) - {pid})
    wanted = WANTED + WANTED_LAST
    lines = ["| program | " + " | ".join(wanted) + " |", "|---" * (len(wanted) + 1) + "|"]
    lines += [f"| {row} | " + " | ".join("**yes**" if got else "no" for got in gained[row]) + " |"
              for row in sorted(gained)]
    return "\n".join(lines)


def instance():
    return Instance(build=PLAIN_BUILD, main={"client_connection_limit": str(CONNECTIONS),
                                             "local_deliver_idle": "10m"}, start=False)


@contextlib.contextmanager
def busy(suite):
    """The suite with a process of every kind: somebody is logged in, and a command has run."""
    with open(os.path.join(suite.conf, "master.cf"), "a") as file:
        file.write("command unix - n n - - pipe user=nobody argv=/bin/true\n"
                   "server unix - n n - 0 spawn user=nobody argv=/bin/true\n"
                   "dovecot-auth unix n - - - 1 sasl\n")
    with open(os.path.join(suite.conf, "aliases"), "a") as file:
        file.write('command: "|cat >/dev/null"\n')
    suite.posta("alias", os.path.join(suite.conf, "aliases"))
    suite.start()
    for name in ("bob", "command@localhost"):
        suite.inject("a@client.test", [suite.user(name)], "Subject: x\r\n\r\nx\r\n")
    suite.wait_log(r"delivered to command")
    suite.wait_mail("bob")
    with suite.imap("bob"), managesieve.Client(suite, "alice"):
        pop3 = suite.pop3("alice")
        yield
        pop3.close()


@unittest.skipUnless(AS_ROOT and X86_64, "needs root, and knows the registers of x86-64 only")
class Compromised(unittest.TestCase):
    maxDiff = None

    def test_the_table_is_what_the_document_says(self):
        with instance() as suite, busy(suite):
            found = table_of(suite)
            # Nobody was hurt by it.
            suite.inject("a@client.test", [suite.user("bob")], "Subject: after\r\n\r\nx\r\n")
            suite.wait_mail("bob", text="after")
        with open(DOCUMENT) as file:
            said = re.search(TABLE, file.read())[1]
        self.assertEqual(said.strip(), found)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        with instance() as made, busy(made):
            written = table_of(made)
        with open(DOCUMENT) as document:
            text = document.read()
        with open(DOCUMENT, "w") as document:
            document.write(re.sub(TABLE, lambda _: f"<!-- prober -->\n{written}\n<!-- end -->", text))
    else:
        unittest.main()
