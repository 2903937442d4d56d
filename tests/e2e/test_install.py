"""The suite as it is installed, and as it is run by systemd, in a container and beside syslog."""
import contextlib
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from posta import AS_ROOT, PLAIN_BUILD, TOP, Instance, message, wait_until

LINKS = ("sendmail", "mailq", "newaliases", "postconf", "postmap", "postqueue", "postsuper", "postcat",
         "postalias", "qshape", "postfix", "postmulti", "postlog")
# Instances here run what is built without sanitizers: so it is installed.


def install(prefix=None, destdir=None):
    environment = dict(os.environ)
    environment.pop("DESTDIR", None)
    if destdir:
        environment["DESTDIR"] = destdir
    subprocess.run(["cmake", "--install", PLAIN_BUILD, *(["--prefix", prefix] if prefix else [])],
                   env=environment, check=True, stdout=subprocess.DEVNULL)


def files_below(folder):
    return {os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names}


def pid_of(suite):
    with open(os.path.join(suite.home, "queue", "pid", "master.pid")) as file:
        return int(file.read() or 0)


class Foreground(Instance):
    """Run by `posta start --foreground` below a command: an init system, a container."""

    def __init__(self, around=(), environment=None, **options):
        self.around, self.environment, self.process = around, environment, None
        super().__init__(build=PLAIN_BUILD, **options)

    def start(self):
        self.output = open(os.path.join(self.dir, "output"), "a+")
        self.process = subprocess.Popen(
            [*self.around, self.tool, "-c", self.conf, "start", "--foreground"],
            stdout=self.output, stderr=self.output, env={**os.environ, **(self.environment or {})})

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        if self.process is not None:
            self.output.close()
            self.process = None


class Installed(unittest.TestCase):
    """cmake --install into a prefix, and what is there then."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="posta-install-")
        os.chmod(cls.folder, 0o755)
        cls.prefix = os.path.join(cls.folder, "prefix")
        install(prefix=cls.prefix)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def path(self, *names):
        return os.path.join(self.prefix, *names)

    def test_programs(self):
        with open(self.path("share", "posta", "master.cf")) as file:
            programs = {line.split()[7] for line in file if re.match(r"\w", line)}
        self.assertGreater(len(programs), 10)
        for program in programs | {"master"}:
            self.assertTrue(os.access(self.path("libexec", "posta", program), os.X_OK), program)

    def test_links(self):
        for name in LINKS:
            with self.subTest(name=name):
                self.assertEqual(os.readlink(self.path("bin", name)), "posta")
                done = subprocess.run([self.path("bin", name), "--help"], stdout=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 0)
                self.assertIn("usage: posta", done.stdout)
        # Where programs look for it.
        self.assertTrue(os.path.samefile(self.path("sbin", "sendmail"), self.path("bin", "posta")))

    def test_man_pages(self):
        man = self.path("share", "man")
        listed = subprocess.run([self.path("bin", "posta"), "--help"], stdout=subprocess.PIPE, text=True).stdout
        verbs = re.findall(r"^  ([a-z]+) +\S", listed, re.M)
        pages = {f"man1/posta-{verb}.1" for verb in verbs} | {f"man1/{name}.1" for name in LINKS}
        pages |= {f"man8/posta-{program}.8" for program in os.listdir(self.path("libexec", "posta"))
                  if not program.endswith(".so")}
        pages |= {"man1/posta.1", "man5/posta.conf.5", "man5/posta-master.cf.5", "man5/posta-tables.5", "man5/posta-users.5"}
        self.assertEqual(files_below(man), pages)
        # man follows the pages of the other names to the one that they stand for.
        shown = subprocess.run(["man", "-M", man, "1", "mailq"], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "100"}, check=True).stdout
        self.assertIn("posta-queue", shown)

    def test_default_configuration(self):
        """main.cf, master.cf and aliases are a configuration that only lacks its tables and places."""
        conf = os.path.join(self.folder, "conf")
        tool = self.path("bin", "posta")
        shutil.copytree(self.path("share", "posta"), conf)
        for name in os.listdir(conf):
            if os.path.isfile(os.path.join(conf, name)):
                os.chmod(os.path.join(conf, name), 0o644)
        self.assertIn("posta-smtp.conf", os.listdir(os.path.join(conf, "fail2ban", "filter.d")))
        subprocess.run([tool, "-c", conf, "conf", "-e", f"alias_maps=hash:{conf}/aliases",
                        "alias_database=$alias_maps", f"queue_directory={self.folder}/queue",
                        "myhostname=mail.example.test", f"mailbox_users=hash:{conf}/users"], check=True)
        subprocess.run([self.path("bin", "newaliases")], env={**os.environ, "MAIL_CONFIG": conf}, check=True)
        subprocess.run([tool, "-c", conf, "user", "compile"], check=True)
        said = subprocess.run([tool, "-c", conf, "check"], stdout=subprocess.PIPE, text=True).stdout
        wrong = [line for line in said.splitlines() if line.startswith("error:")
                 # as root the suite's users are needed, which posta init makes
                 and "there is no user" not in line]
        self.assertEqual(wrong, [], said)
        self.assertNotIn("unused", said)
        self.assertNotIn("lacks services", said)
        self.assertRegex(said, r"asked [1-9]\d* times to relay")

    def test_unit(self):
        unit = self.path("lib", "systemd", "system", "posta.service")
        with open(unit) as file:
            text = file.read()
        self.assertIn(f"ExecStart={self.path('bin', 'posta')} start --foreground\n", text)
        self.assertIn(f"ExecReload={self.path('bin', 'posta')} reload\n", text)
        self.assertIn("Type=notify\n", text)
        for name, command in (("digest", "quarantine digest --since last"), ("reports", "report import")):
            timed = self.path("lib", "systemd", "system", f"posta-{name}.service")
            with open(timed) as file:
                self.assertIn(f"ExecStart={self.path('bin', 'posta')} {command}\n", file.read())
            if shutil.which("systemd-analyze"):
                done = subprocess.run(["systemd-analyze", "verify", timed, timed.replace(".service", ".timer")], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, env={**os.environ, "MANPATH": self.path("share", "man")})
                self.assertEqual((done.returncode, done.stdout.strip()), (0, ""))
        if shutil.which("systemd-analyze"):
            done = subprocess.run(["systemd-analyze", "verify", unit], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, "MANPATH": self.path("share", "man")})
            self.assertEqual((done.returncode, done.stdout.strip()), (0, ""))

    def test_destdir(self):
        """DESTDIR goes in front of every path, and into none of the files."""
        staged = os.path.join(self.folder, "staged")
        install(prefix="/opt/posta", destdir=staged)
        inside = os.path.join(staged, "opt", "posta")
        self.assertEqual(os.listdir(staged), ["opt"])
        self.assertEqual(files_below(inside), files_below(self.prefix))
        self.assertEqual(os.readlink(os.path.join(inside, "bin", "mailq")), "posta")
        with open(os.path.join(inside, "lib", "systemd", "system", "posta.service")) as file:
            self.assertIn("ExecStart=/opt/posta/bin/posta ", file.read())

    def test_life_without_the_build_tree(self):
        """init, start, a message, every traditional command, stop: from the installed tree alone."""
        hidden = {TOP, os.path.realpath(PLAIN_BUILD)}
        script = "".join(f"mount -t tmpfs none '{folder}' && " for folder in sorted(hidden, reverse=True))

        class Alone(Instance):
            """Each command, and so the suite, in a mount namespace without the source and build trees."""
            def command(self, arguments, **options):
                if not AS_ROOT:
                    return super().command(arguments, **options)
                words, self.tool = ["-m", "sh", "-c", script + 'exec "$@"', "hide", self.tool, *arguments], "unshare"
                try:
                    return super().command(words, **options)
                finally:
                    self.tool = words[5]

        with Alone(build=self.prefix) as suite:
            if AS_ROOT:
                with open(f"/proc/{pid_of(suite)}/mountinfo") as file:
                    self.assertIn(f" {TOP} ", file.read())
            for pid in [pid_of(suite), *map(int, subprocess.run(
                    ["pgrep", "-P", str(pid_of(suite))], stdout=subprocess.PIPE, text=True).stdout.split())]:
                self.assertTrue(os.readlink(f"/proc/{pid}/exe").startswith(self.prefix))
                with open(f"/proc/{pid}/maps") as file:
                    self.assertNotIn(TOP, file.read())

            def run(name, *arguments, folder="bin", **options):
                suite.tool = self.path(folder, name)
                try:
                    return suite.command(list(arguments), **options).text
                finally:
                    suite.tool = self.path("bin", "posta")
            os.environ["MAIL_CONFIG"] = suite.conf
            self.addCleanup(os.environ.pop, "MAIL_CONFIG", None)
            run("sendmail", "-f", "alice@example.test", "bob@example.test", folder="sbin",
                stdin="Subject: installed\n\nHello.\n")
            suite.wait_mail("bob", text="installed")
            self.assertIn("Mail queue is empty", run("mailq"))
            self.assertIn("Mail queue is empty", run("postqueue", "-p"))
            self.assertEqual(run("postconf", "-h", "mydomain").strip(), "example.test")
            aliases = "hash:" + os.path.join(suite.conf, "aliases")
            with open(os.path.join(suite.conf, "aliases"), "a") as file:
                file.write("installed: alice@example.test\n")
            run("newaliases")
            self.assertEqual(run("postalias", "-q", "installed", aliases).strip(), "alice@example.test")
            with open(os.path.join(suite.conf, "virtual"), "a") as file:
                file.write("away@example.test away@[127.0.0.1]:1\n")
            run("postmap", "hash:" + os.path.join(suite.conf, "virtual"))
            self.assertIn("away@", run("postmap", "-s", "hash:" + os.path.join(suite.conf, "virtual")))
            # One that stays, to be looked at and thrown away.
            run("postconf", "-e", "defer_transports=smtp")
            run("posta", "reload")
            run("sendmail", "-f", "alice@example.test", "x@elsewhere.test", stdin="Subject: stays\n\nHello.\n")
            queue_id = wait_until(lambda: [m["queue_id"] for m in suite.queue_safe() if m != "?"], 10,
                                  "a deferred message")[0]
            self.assertIn("Subject: stays", run("postcat", "-q", queue_id))
            self.assertIn("1 message", run("postsuper", "-d", queue_id))
            suite.wait_queue_empty()
            self.assertIn("removed by hand", run("posta", "trace", queue_id))
            suite.posta("stop")
            self.assertIn("does not run", suite.posta("status", check=False).text)


@unittest.skipUnless(AS_ROOT, "needs root")
class Init(unittest.TestCase):
    def test_folder_that_the_users_cannot_reach(self):
        """As root's home is: nobody's mail would arrive there."""
        with tempfile.TemporaryDirectory() as closed:  # mode 700
            home = os.path.join(closed, "mail")
            done = subprocess.run([os.path.join(PLAIN_BUILD, "bin", "posta"), "init", home, "--domain", "example.test"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, r"cannot be reached by the user vmail.*like /srv/mail")
            self.assertEqual(os.listdir(home), [])

    def test_made_password_international_domain_and_certificate(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            home = os.path.join(folder, "mail")
            tool = os.path.join(PLAIN_BUILD, "bin", "posta")
            said = subprocess.run([tool, "init", home, "--domain", "München.example", "--user", "alice", "--user",
                                   "bob@Müller.example:secret"], stdout=subprocess.PIPE, text=True, check=True).stdout
            self.assertNotIn("ünchen", said)
            self.assertIn("xn--mnchen-3ya.example. IN MX 10 mail.xn--mnchen-3ya.example.", said)
            password = re.search(r"(?m)^  user alice@xn--mnchen-3ya\.example, password ([a-z2-9]{19})$", said)[1]
            self.assertRegex(said, r"(?m)^  user bob@xn--mller-kva\.example$")
            with open(os.path.join(home, "conf", "users")) as file:
                users = dict(line.split(":")[:2] for line in file if not line.startswith("#") and ":" in line)
            for name, right in (("alice@xn--mnchen-3ya.example", password), ("bob@xn--mller-kva.example", "secret")):
                kept = re.sub(r"^\{\w+\}", "", users[name])
                done = subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", right, kept],
                                      stdout=subprocess.PIPE, text=True, check=True)
                self.assertEqual(done.stdout, kept)
            for wrong in ("x:", ":secret", "a b", "a@-.example"):
                done = subprocess.run([tool, "init", home + "2", "--domain", "example.test", "--user", wrong],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, 2, wrong)
            # Some count both ends: the last second too.
            dates = subprocess.run(["openssl", "x509", "-noout", "-dates", "-in",
                                    os.path.join(home, "conf", "tls", "server.pem")],
                                   stdout=subprocess.PIPE, text=True, check=True).stdout
            first, last = (datetime.datetime.strptime(line.split("=")[1], "%b %d %H:%M:%S %Y GMT")
                           for line in dates.splitlines())
            self.assertLess(last - first, datetime.timedelta(days=825))

    def test_a_start_without_warnings_is_silent(self):
        with Instance(build=PLAIN_BUILD, start=False) as suite:
            self.assertNotIn("warning:", suite.posta("start").text)


class Systemd(unittest.TestCase):
    """What Type=notify promises: sd_notify(3)."""

    @contextlib.contextmanager
    def listener(self, abstract):
        folder = tempfile.mkdtemp(prefix="posta-notify-")
        name = f"@posta-test-{os.getpid()}-{time.time_ns()}" if abstract else os.path.join(folder, "notify")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
                heard.bind(name.replace("@", "\0", 1))
                if not abstract:
                    os.chmod(name, 0o666)
                heard.settimeout(30)
                yield name, heard
        finally:
            shutil.rmtree(folder)

    def variables(self, heard):
        return dict(line.split("=", 1) for line in heard.recv(4096).decode().splitlines())

    def test_life(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract), self.listener(abstract) as (name, heard), \
                    Foreground(environment={"NOTIFY_SOCKET": name}) as suite:
                self.assertEqual(self.variables(heard), {"READY": "1"})
                # All of it is there at that moment.
                for port in (25, 110, 143, 465, 587, 993, 995):
                    socket.create_connection((suite.address, suite.port(port)), 5).close()
                states = [json.loads(line)["confinement"] for line in
                          suite.posta("status", "--json").text.splitlines()]
                self.assertGreater(len(states), 15)
                self.assertFalse([s for s in states if s.startswith("starting")])

                before = time.monotonic_ns() // 1000
                suite.posta("reload")
                reloading = self.variables(heard)
                self.assertEqual(reloading.pop("RELOADING"), "1")
                self.assertTrue(before <= int(reloading.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000)
                self.assertEqual(reloading, {})
                self.assertEqual(self.variables(heard), {"READY": "1"})
                # One that is refused ends too.
                suite.set(smtpd_banner="other")
                with open(os.path.join(suite.conf, "main.cf"), "a") as file:
                    file.write("smtpd_timeout = never\n")
                suite.posta("reload", check=False)
                self.assertIn("RELOADING", self.variables(heard))
                self.assertEqual(self.variables(heard), {"READY": "1"})

                suite.process.terminate()
                self.assertEqual(self.variables(heard), {"STOPPING": "1"})
                self.assertEqual(suite.process.wait(30), 0)

    def test_not_ready_when_a_program_cannot_start(self):
        with self.listener(False) as (name, heard), \
                Foreground(environment={"NOTIFY_SOCKET": name}, main={
                    "smtpd_tls_cert_file": "/nonexistent/cert.pem"}) as suite:
            self.assertNotEqual(suite.process.wait(30), 0)
            heard.settimeout(0.1)
            said = []
            with contextlib.suppress(TimeoutError):
                while True:
                    said.append(self.variables(heard))
            self.assertNotIn({"READY": "1"}, said)
            self.assertIn("/nonexistent/cert.pem", suite.said())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_unit_is_hardened(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = os.path.join(folder, "posta.service")
            with open(os.path.join(TOP, "conf", "posta.service")) as source, open(unit, "w") as copy:
                copy.write(source.read().replace("@POSTA_COMMAND@", "/bin/true"))
            said = subprocess.run(["systemd-analyze", "security", "--offline=yes", unit],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        self.assertLess(float(re.search(r"exposure level for posta.service: ([0-9.]+)", said)[1]), 4)

    def test_wrong_configuration_is_not_tried_again(self):
        with Foreground(start=False) as suite:
            with open(os.path.join(suite.conf, "main.cf"), "a") as file:
                file.write("smtpd_timeout = never\n")
            suite.start()
            with open(os.path.join(TOP, "conf", "posta.service")) as file:
                self.assertIn(f"RestartPreventExitStatus={suite.process.wait(30)}\n", file.read())

    def test_told_to_stop_before_it_is_ready(self):
        """A stop during the start is no failure."""
        with Foreground(start=False) as suite:
            suite.start()
            wait_until(lambda: "start: version" in suite.log(), 20, "the start")
            wait_until(lambda: os.path.exists(os.path.join(suite.home, "queue", "private", "cleanup")), 20,
                       "sockets")
            suite.process.terminate()
            self.assertEqual(suite.process.wait(30), 0, suite.said())


def can_unshare(*options):
    return AS_ROOT and subprocess.run(["unshare", *options, "true"], stderr=subprocess.DEVNULL).returncode == 0


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def descendants_of(pid):
    found = children_of(pid)
    for child in list(found):
        with contextlib.suppress(OSError):
            found += descendants_of(child)
    return found


def state_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return re.search(r"^State:\t(\S)", file.read(), re.M)[1]


@unittest.skipUnless(can_unshare("--pid", "--fork", "--mount-proc"), "needs root and PID namespaces")
class Container(unittest.TestCase):
    """posta start --foreground as process 1."""

    AROUND = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

    def master(self, suite):
        """Its number outside."""
        return wait_until(lambda: children_of(suite.process.pid), 20, "process 1")[0]

    def wait_ready(self, suite):
        wait_until(lambda: re.search(r"master\[1\]: ready$", suite.said(), re.M), 30, "a line that it is ready")

    def test_life(self):
        with Foreground(around=self.AROUND, main={"maillog_file": "/dev/stdout"}, start=False) as suite:
            mark, script = os.path.join(suite.dir, "mark"), os.path.join(suite.dir, "daemonize")
            os.mkdir(mark)
            os.chmod(mark, 0o777)
            with open(script, "w") as file:
                # Leaves a process after that has no parent, and one in a session of its own.
                file.write(f"#!/bin/sh\ncat >/dev/null\n(sleep 0.5; echo >{mark}/one) >/dev/null 2>&1 &\n"
                           f"setsid sh -c 'sleep 0.5; echo >{mark}/two; sleep 600' >/dev/null 2>&1 &\n")
            os.chmod(script, 0o755)
            with open(os.path.join(suite.conf, "aliases"), "a") as file:
                file.write(f'daemon: "|{script}"\n')
            suite.posta("alias", "hash:" + os.path.join(suite.conf, "aliases"))
            suite.start()
            self.wait_ready(suite)
            master = self.master(suite)
            suite.inject("x@outside.test", ["daemon@localhost"], message())
            # The orphans become process 1's, and leave nothing after.
            wait_until(lambda: len(os.listdir(mark)) == 2, 20, "both marks")
            wait_until(lambda: not [p for p in children_of(master) if state_of(p) == "Z"], 5, "no zombies")
            left = [p for p in descendants_of(master) if os.path.basename(os.readlink(f"/proc/{p}/exe")) == "sleep"]
            self.assertEqual(len(left), 1)
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="contained"))
            suite.wait_mail("bob", text="contained")

            # SIGTERM stops it in order: who is connected is told.
            everybody = descendants_of(master)
            client = suite.smtp(25)
            client.ehlo()
            os.kill(master, signal.SIGTERM)
            self.assertIn(b"421", client.sock.recv(1000))
            client.close()
            self.assertEqual(suite.process.wait(30), 0)
            self.assertRegex(suite.said(), r"master\[1\]: stopped\n\Z")
            self.assertEqual([p for p in everybody if os.path.exists(f"/proc/{p}")], [])

    def test_reload_by_signal(self):
        with Foreground(around=self.AROUND, main={"maillog_file": "/dev/stdout"}) as suite:
            self.wait_ready(suite)
            suite.set(smtpd_banner="$myhostname ESMTP after")
            os.kill(self.master(suite), signal.SIGHUP)

            def banner():
                with socket.create_connection((suite.address, suite.port(25)), 5) as client:
                    return client.recv(1000)
            wait_until(lambda: b"after" in banner(), 10, "the new banner")
            os.kill(self.master(suite), signal.SIGINT)
            self.assertEqual(suite.process.wait(30), 0)

    def test_status_of_a_failed_start(self):
        with Foreground(around=self.AROUND, start=False) as suite:
            with socket.socket() as taken:
                suite.set(smtpd_tls_cert_file="/nonexistent/cert.pem")
                suite.start()
                self.assertEqual(suite.process.wait(30), 78)  # a configuration error
            self.assertIn("/nonexistent/cert.pem", suite.said())


@unittest.skipUnless(can_unshare("-m"), "needs root and mount namespaces")
class Syslog(unittest.TestCase):
    """maillog_file is empty: lines go to /dev/log, which is a link here, as on a host with systemd."""

    DEVICES = """set -e
        mount -t tmpfs none "$1"
        for n in null zero full random urandom tty; do touch "$1/$n"; mount --bind "/dev/$n" "$1/$n"; done
        for n in pts shm; do mkdir "$1/$n"; mount --rbind "/dev/$n" "$1/$n"; done
        ln -s /proc/self/fd "$1/fd"
        ln -s "$2" "$1/log"
        mount --move "$1" /dev
        shift 2
        exec "$@" """

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="posta-syslog-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(os.path.join(self.folder, "dev"))
        self.path = os.path.join(self.folder, "log")
        self.lines, self.socket = [], None
        self.addCleanup(self.stop_daemon)

    def start_daemon(self):
        heard = self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(self.path)
        os.chmod(self.path, 0o666)

        def listen():
            while True:
                line = heard.recv(65536)
                if not line:
                    return
                self.lines.append(line.decode())
        self.thread = threading.Thread(target=listen, daemon=True)
        self.thread.start()

    def stop_daemon(self):
        if self.socket is not None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                last.sendto(b"", self.path)
            self.thread.join(5)
            self.socket.close()
            os.unlink(self.path)
            self.socket = None

    def instance(self, **options):
        test = self

        class Inside(Instance):
            def command(self, arguments, **options):
                tool = self.tool
                words = ["-m", "sh", "-c", test.DEVICES, "sh", os.path.join(test.folder, "dev"), test.path,
                         tool, *arguments]
                self.tool = "unshare"
                try:
                    return super().command(words, **options)
                finally:
                    self.tool = tool
        return Inside(build=PLAIN_BUILD, main={"maillog_file": ""}, **options)

    def heard(self, *patterns):
        def all_there():
            return all(any(re.search(p, line) for line in self.lines) for p in patterns)
        try:
            wait_until(all_there, 15, f"lines like {patterns}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n" + "\n".join(self.lines)) from None

    def message_is_heard(self, suite, subject):
        self.lines.clear()
        suite.inject("x@outside.test", ["bob@example.test"], message(subject=subject))
        # Three programs in two kinds of chroot, one in none.
        stamp = r"^<22>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d posta/"
        self.heard(stamp + r"smtpd\[\d+\]: \w+: client=", stamp + r"cleanup\[\d+\]: \w+: message-id=",
                   stamp + r"qmgr\[\d+\]: \w+: removed", stamp + r"local\[\d+\]: \w+: to=<bob@")

    def test_lines_and_a_daemon_that_starts_anew(self):
        self.start_daemon()
        with self.instance() as suite:
            self.heard(r"^<22>.* posta/master\[\d+\]: ready$")
            self.message_is_heard(suite, "one")
            programs = suite.posta("status", "--json").text
            self.stop_daemon()
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="unheard"))
            self.start_daemon()
            self.heard("connected to a syslog daemon")
            self.message_is_heard(suite, "two")
            # By the same processes.
            self.assertEqual({json.loads(line)["pid"] for line in programs.splitlines()},
                             {json.loads(line)["pid"] for line in suite.posta("status", "--json").text.splitlines()})
            # Those of before a reload stay connected too.
            with suite.smtp(25) as client:
                client.ehlo()
                suite.posta("reload")
                self.stop_daemon()
                self.start_daemon()
                self.heard("connected to a syslog daemon")
                self.lines.clear()
                client.mail("x@outside.test")
                client.rcpt("bob@example.test")
                client.data(message(subject="three"))
                self.heard(r"posta/smtpd\[\d+\]: \w+: client=")
            # A warning has the priority of one.
            suite.inject("x@outside.test", ["bob@example.test"], message())
            with open(os.path.join(suite.conf, "main.cf"), "a") as file:
                file.write("smtpd_timeout = never\n")
            suite.posta("reload", check=False)
            self.heard(r"^<19>.* posta/master\[\d+\]: error: reload: main.cf, line \d+: smtpd_timeout")

    def test_no_daemon_yet(self):
        with self.instance(start=False) as suite:
            said = suite.posta("start").text
            self.assertIn("no syslog daemon", said)
            self.assertIn("maillog_file", said)
            self.start_daemon()
            self.heard("connected to a syslog daemon")
            self.message_is_heard(suite, "late")


class Json(unittest.TestCase):
    """log_format = json: every line parses, whatever strangers say."""

    ODD = [b'"', b"\\", b'\\"', b"\x01\x02\x1b[31m", b"\x7f", b"\xff\xfe\xc3", "\u00e4\u20ac\U0001f4e7".encode(), b"\t", b"}{", b"\xe2\x80\xa8",
           b"a" * 400 + "\u00e4".encode() * 200]

    def test_odd_input(self):
        from posta import Talk
        with Instance(main={"log_format": "json", "mynetworks": "192.0.2.1",
                            "smtpd_hard_error_limit": "1000", "smtpd_soft_error_limit": "1000"}) as suite:
            for odd in self.ODD:
                with Talk(suite.address, suite.port(25)) as talk:
                    talk.reply()
                    talk.ask(b"HELO x" + odd + b"\r\n")
                    talk.ask(b"EHLO x\r\n")
                    talk.ask(b'MAIL FROM:<"' + odd + b'"@outside.test> SMTPUTF8\r\n')
                    talk.ask(b"RCPT TO:<" + odd + b"@elsewhere.test>\r\n")
                    talk.ask(b"MAIL FROM:<a@outside.test>\r\n")
                    talk.ask(b'RCPT TO:<"' + odd + b'"@elsewhere.test>\r\n')
                    talk.ask(b"RCPT TO:<bob@example.test>\r\n")
                    talk.ask(b"DATA\r\n")
                    self.assertIn(b"250", talk.ask(b"Message-ID: <" + odd + b"@x>\r\nSubject: " + odd
                                                   + b"\r\n\r\nHello.\r\n.\r\n"))
                    talk.ask(b"QUIT" + odd + b"\r\n")
                with Talk(suite.address, suite.port(143)) as talk:
                    talk.line()
                    talk.send(b"a LOGIN {%d}\r\n" % len(b"u" + odd))
                    talk.line()
                    talk.send(b"u" + odd + b" x\r\n")
                    talk.line()
            suite.wait_queue_empty()
            suite.posta("reload")
            suite.stop()
            with open(suite.log_file, "rb") as file:
                lines = file.read().splitlines()
        events = [json.loads(line.decode("utf-8")) for line in lines]
        for event in events:
            self.assertLessEqual({"time", "host", "program", "pid", "level", "message"}, set(event))
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        texts = [event["message"] for event in events]
        self.assertEqual(sum(1 for t in texts if "message-id=" in t and "@x>" in t), len(self.ODD), texts)
        for part in ('<"@x>', "\\", "}{", "\u00e4\u20ac\U0001f4e7"):
            self.assertTrue([t for t in texts if part in t], part)
        self.assertTrue([e for e in events if re.fullmatch(r"\w{10,}", e.get("id", "")) and
                         e["message"].startswith(e["id"] + ": ")])
        self.assertFalse([t for t in texts if re.search(r"[\x00-\x1f\x7f]", t)])


if __name__ == "__main__":
    unittest.main()
