"""Instances of the suite for tests: made with `posta init`, run with `posta start`, looked at from
outside with programs that are not ours."""
import contextlib
import fcntl
import imaplib
import os
import poplib
import pwd
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("POSTA_BUILD", os.path.join(TOP, "build"))
PLAIN_BUILD = os.environ.get("POSTA_PLAIN_BUILD", BUILD)
AS_ROOT = os.geteuid() == 0
PASSWORD = "correct-horse-7"


def wait_until(condition, seconds=20, what="condition"):
    """Polls until condition() is true and returns its value; fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.05)


def is_taken(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def reserve_base_port():
    """A base port whose block of 1000 ports nobody else uses; returns (port, lock)."""
    for number in range(12, 50):
        lock = open(f"/tmp/posta-test-ports-{number}.lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if any(is_taken(number * 1000 + port) for port in (25, 110, 143, 465, 587, 993, 995, 4190)):
            lock.close()
            continue
        return number * 1000, lock
    raise AssertionError("no free block of ports")


class Instance:
    """One running suite. `main` are lines for main.cf, `users` names in `domain`, `processes` how
    many of each service that may have several run ("-": one for each core, as on a real site)."""

    def __init__(self, domain="example.test", users=("alice", "bob"), main=None, base_port=None,
                 address="127.0.0.1", build=None, start=True, as_user=None,
                 processes="1"):
        self.build = build or BUILD
        self.tool = os.path.join(self.build, "bin", "posta")
        self.domain = domain
        self.address = address
        self.lock = None
        self.as_user = as_user
        if base_port is None:
            base_port, self.lock = reserve_base_port()
        self.base = base_port
        self.dir = tempfile.mkdtemp(prefix="posta-test-")
        os.chmod(self.dir, 0o755)
        if as_user:
            os.chown(self.dir, pwd.getpwnam(as_user).pw_uid, -1)
        self.home = os.path.join(self.dir, "i")
        self.conf = os.path.join(self.home, "conf")
        arguments = ["init", self.home, "--domain", domain, "--base-port", str(self.base),
                     "--host", "localhost"]
        for user in users:
            arguments += ["--user", f"{user}:{PASSWORD}"]
        self.command(arguments)
        self.set_processes(processes)
        settings = {"inet_interfaces": address, "inet_protocols": "ipv4",
                    "mynetworks": "127.0.0.0/8", "smtp_tcp_port": str(self.base + 25),
                    "smtpd_error_sleep_time": "0", "auth_failure_delay": "0",
                    "smtp_bind_address": address, "service_throttle_time": "2s"}
        settings.update(main or {})
        self.set(**settings)
        if start:
            self.start()

    # ---- the administrator's tool ----

    def command(self, arguments, check=True, stdin=None, timeout=60):
        words = list(arguments) if arguments[0].startswith("/") else [self.tool, *arguments]
        if self.as_user:
            words = ["setpriv", f"--reuid={self.as_user}",
                     f"--regid={pwd.getpwnam(self.as_user).pw_gid}", "--clear-groups", *words]
        done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=timeout, errors="replace")
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout}"
                                 f"\n{self.log_tail()}")
        done.text = done.stdout
        return done

    def posta(self, *arguments, **options):
        return self.command(["-c", self.conf, *arguments], **options)

    def set(self, **settings):
        self.posta("conf", "-e", *[f"{name}={value}" for name, value in settings.items()])

    def set_processes(self, count):
        path = os.path.join(self.conf, "master.cf")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(re.sub(r"(?m)^(\w\S* +(?:inet|unix) .*) -( +\w+)$", rf"\1 {count}\2", text))

    def start(self):
        self.posta("start")

    def stop(self):
        self.posta("stop", check=False)

    def close(self):
        self.stop()
        problems = self.sanitizer_reports()
        if not os.environ.get("POSTA_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
        if self.lock:
            self.lock.close()
        if problems:
            raise AssertionError("sanitizer reports:\n" + problems)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what it did ----

    @property
    def log_file(self):
        return os.path.join(self.home, "log", "mail.log")

    def log(self):
        try:
            with open(self.log_file, errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def log_tail(self, lines=60):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, pattern, seconds=20):
        """Waits for a line that matches; returns the match."""
        try:
            return wait_until(lambda: re.search(pattern, self.log(), re.M), seconds,
                              f"a log line like {pattern}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log_tail()}") from None

    def sanitizer_reports(self):
        found = [line for line in self.log().splitlines()
                 if "AddressSanitizer" in line or "runtime error:" in line or "LeakSanitizer" in line]
        return "\n".join(found[:20])

    def queue(self):
        """Lines of JSON objects, one for each queued message."""
        import json
        text = self.posta("queue", "list", "--json").text
        return [json.loads(line) for line in text.splitlines() if line.strip().startswith("{")]

    def queue_safe(self):
        """The queue, or something that is not empty while it cannot be asked."""
        try:
            return self.queue()
        except AssertionError:
            return ["?"]

    def wait_queue_empty(self, seconds=20):
        try:
            wait_until(lambda: not self.queue_safe(), seconds, "an empty queue")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.posta('queue', 'list').text}\n{self.log_tail()}") from None

    # ---- clients ----

    @property
    def ca(self):
        return os.path.join(self.conf, "tls", "ca.pem")

    def tls_context(self):
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False  # tests connect by address; the name is checked elsewhere
        return context

    def port(self, number):
        return self.base + number

    def user(self, name):
        return name if "@" in name else f"{name}@{self.domain}"

    def smtp(self, port=25):
        kind = smtplib.SMTP_SSL if port == 465 else smtplib.SMTP
        options = {"context": self.tls_context()} if port == 465 else {}
        return kind(self.address, self.port(port), local_hostname="client.test", timeout=30, **options)

    def submit(self, sender, recipients, content, port=587, login=None):
        """Sends as a mail program would: TLS, then the password."""
        with self.smtp(port) as client:
            if port == 587:
                client.starttls(context=self.tls_context())
            client.login(self.user(login or sender), PASSWORD)
            return client.sendmail(self.user(sender), [self.user(r) for r in recipients], content)

    def inject(self, sender, recipients, content):
        """Plain SMTP on port 25 from mynetworks."""
        with self.smtp(25) as client:
            return client.sendmail(sender, recipients, content)

    @contextlib.contextmanager
    def imap(self, name, port=993, login=True, password=PASSWORD):
        if port == 993:
            client = imaplib.IMAP4_SSL(self.address, self.port(993), ssl_context=self.tls_context(),
                                       timeout=30)
        else:
            client = imaplib.IMAP4(self.address, self.port(143), timeout=30)
            if port == "starttls":
                client.starttls(ssl_context=self.tls_context())
        try:
            if login:
                client.login(self.user(name), password)
            yield client
        finally:
            with contextlib.suppress(Exception):
                client.logout()

    def pop3(self, name, port=995, password=PASSWORD):
        if port == 995:
            client = poplib.POP3_SSL(self.address, self.port(995), context=self.tls_context(), timeout=30)
        else:
            client = poplib.POP3(self.address, self.port(110), timeout=30)
            if port == "stls":
                client.stls(context=self.tls_context())
        client.user(self.user(name))
        client.pass_(password)
        return client

    def inbox(self, name, folder="INBOX"):
        """Raw content of every message in a folder."""
        with self.imap(name) as client:
            kind, data = client.select(folder, readonly=True)
            if kind != "OK":
                raise AssertionError(f"select {folder}: {data}")
            if data[-1] == b"0":
                return []
            kind, parts = client.fetch("1:*", "(BODY.PEEK[])")
            if kind != "OK":
                raise AssertionError(f"fetch from {folder}: {parts}")
            return [part[1] for part in parts if isinstance(part, tuple)]

    def wait_mail(self, name, count=1, text=None, seconds=20):
        """Waits until that many messages (containing `text`) are there; returns them."""
        wanted = text.encode() if isinstance(text, str) else text

        def found():
            mails = [m for m in self.inbox(name) if wanted is None or wanted in m]
            return mails if len(mails) >= count else None
        try:
            return wait_until(found, seconds, f"{count} messages for {name}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.log_tail()}") from None


def message(sender="alice@example.test", to="bob@example.test", subject="Test", body="Hello.\r\n",
            extra=""):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n{extra}"
            f"Message-ID: <{time.time_ns()}@client.test>\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\n" + body)


class Talk:
    """A raw connection, to say what no library would."""

    def __init__(self, address, port, timeout=20, source=None):
        self.socket = socket.create_connection((address, port), timeout,
                                               (source, 0) if source else None)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """One SMTP reply, all its lines; b"" when the other side has closed."""
        lines = b""
        while True:
            line = self.line()
            lines += line
            if not line or line[3:4] != b"-":
                return lines

    def ask(self, data):
        self.send(data)
        return self.reply()

    def until(self, start):
        """Lines until one that begins with `start`, inclusive."""
        lines = b""
        while True:
            line = self.line()
            lines += line
            if not line or line.startswith(start):
                return lines

    def rest(self):
        """Everything until the other side closes."""
        data, self.buffer = self.buffer, b""
        while True:
            more = self.socket.recv(65536)
            if not more:
                return data
            data += more

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
