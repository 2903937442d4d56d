"""Milters of other people, from Debian's packages: mail through each, and each dying in the middle."""
import base64
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import unittest

from peers import free_port
from posta import AS_ROOT, Instance, message, wait_until

EICAR = base64.b64decode(  # in no file of ours as it is: scanners of this tree would find it
    "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=").decode()
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def installed(*programs):
    missing = [p for p in programs if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin") is None]
    return unittest.skipIf(missing, "not installed: " + ", ".join(missing))


@unittest.skipUnless(AS_ROOT, "needs root")
class RealMilters(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="posta-milters-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        os.chmod(self.folder, 0o755)

    def file(self, name, text, mode=0o644, owner=None):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        if owner:
            os.chown(path, pwd.getpwnam(owner).pw_uid, -1)
        return path

    def directory(self, name, owner):
        path = os.path.join(self.folder, name)
        os.mkdir(path)
        os.chown(path, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
        return path

    def start(self, *words, port=None, path=None):
        with open(os.path.join(self.folder, os.path.basename(words[0]) + ".log"), "ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder,
                                       start_new_session=True)
        self.addCleanup(self.end, process)

        def ready():
            self.assertIsNone(process.poll(), f"{words[0]} has ended: " + self.said(words[0]))
            return answers(port) if port else os.path.exists(path)
        wait_until(ready, seconds=60, what=words[0])
        return process

    def said(self, program):
        with open(os.path.join(self.folder, os.path.basename(program) + ".log"), errors="replace") as log:
            return log.read()[-2000:]

    def end(self, process, how=signal.SIGKILL):
        """With the processes that it has made, which are in its session."""
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            pass
        process.wait()

    def suite(self, *milters, **settings):
        suite = Instance(main={"smtpd_milters": ", ".join(milters), "milter_default_action": "tempfail",
                               "milter_connect_timeout": "5s", **settings})
        self.addCleanup(suite.close)
        return suite

    def refused(self, suite, content):
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            suite.inject("alice@example.test", ["bob@example.test"], content)
        return refused.exception.smtp_code, refused.exception.smtp_error.decode()

    def dies(self, suite, process):
        """Killed while a message is under way: it is put off, and nobody else notices."""
        with suite.smtp(25) as client:
            client.mail("alice@example.test")
            client.rcpt("bob@example.test")
            self.end(process)
            self.assertEqual(client.data(message(subject="while it died"))[0], 451)
        suite.set(milter_default_action="accept")
        suite.posta("reload")
        wait_until(lambda: not self.puts_off(suite), what="mail without the milter")

    def puts_off(self, suite):
        try:
            suite.inject("alice@example.test", ["bob@example.test"], message(subject="without it"))
        except smtplib.SMTPException:
            return True
        return False

    @installed("opendkim", "opendkim-genkey")
    def test_opendkim(self):
        """One signs, and the next one finds its signature good: what the first has changed is shown as it is
        delivered."""
        subprocess.run(["opendkim-genkey", "-D", self.folder, "-d", "example.test", "-s", "sel"], check=True,
                       env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})
        os.chown(os.path.join(self.folder, "sel.private"), pwd.getpwnam("opendkim").pw_uid, -1)
        with open(os.path.join(self.folder, "sel.txt")) as record:
            key = "".join(part for part in record.read().split('"')[1::2])
        common = "RequireSafeKeys no\nUserID opendkim\nSyslog no\nAuthservID localhost\nBackground no\n"
        signer, verifier = os.path.join(self.directory("s", "opendkim"), "sock"), free_port()
        # opendkim opens its socket as root, before it becomes its user
        self.start("/usr/sbin/opendkim", "-f", "-x", self.file("sign.conf", common + (
            f"Socket local:{signer}\nMode s\nUMask 000\nDomain example.test\nSelector sel\n"
            f"KeyFile {self.folder}/sel.private\nInternalHosts {self.file('inside', '127.0.0.1')}\n")), path=signer)
        process = self.start("/usr/sbin/opendkim", "-f", "-x", self.file("verify.conf", common + (
            f"Socket inet:{verifier}@127.0.0.1\nMode v\nInternalHosts {self.file('outside', '192.0.2.1')}\n"
            f"TestPublicKeys {self.file('keys', f'sel._domainkey.example.test {key}')}\nAlwaysAddARHeader yes\n")),
            port=verifier)
        os.chown(os.path.dirname(signer), pwd.getpwnam("postaconnect").pw_uid, -1)
        os.chmod(os.path.dirname(signer), 0o700)
        suite = self.suite(f"unix:{signer}", f"inet:127.0.0.1:{verifier}")
        suite.inject("alice@example.test", ["bob@example.test"], message(subject="signed", extra="X-Two:  lines\r\n\there\r\n"))
        (mail,) = suite.wait_mail("bob", text="Subject: signed")
        self.assertIn(b"DKIM-Signature: v=1;", mail)
        self.assertRegex(mail, rb"Authentication-Results: localhost;\s+dkim=pass")
        self.dies(suite, process)

    @installed("rspamd")
    def test_rspamd(self):
        port, user = free_port(), "_rspamd"
        for name in ("db", "run", "log", "local"):
            self.directory(name, user)
        self.file("common.conf", "")
        conf = self.file("rspamd.conf", f"""
            options {{ filters = ""; dns {{ nameserver = "127.0.0.1:{free_port()}"; timeout = 0.2s; retransmits = 1; }}
                pidfile = "{self.folder}/run/pid"; }}
            logging {{ type = "console"; level = "warning"; }}
            actions {{ reject = 15; add_header = 6; }}
            worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{port}"; milter = yes; count = 1; timeout = 20s;
                upstream "local" {{ default = yes; self_scan = yes; }} }}
            """)
        process = self.start("/usr/bin/rspamd", "-f", "-i", "-u", user, "-c", conf, f"--var=DBDIR={self.folder}/db",
                             f"--var=RUNDIR={self.folder}/run", f"--var=LOGDIR={self.folder}/log",
                             f"--var=LOCAL_CONFDIR={self.folder}/local", port=port)
        suite = self.suite(f"inet:127.0.0.1:{port}")
        suite.inject("alice@example.test", ["bob@example.test"], message(subject="ham"))
        suite.wait_mail("bob", text="Subject: ham")
        self.assertEqual(self.refused(suite, message(body=GTUBE + "\r\n")), (554, "5.7.1 Gtube pattern"))
        self.dies(suite, process)

    @installed("clamd", "clamav-milter")
    def test_clamav(self):
        port, user = free_port(), "clamav"
        data = self.directory("db", user)
        signature = "EICAR-local:0:*:" + EICAR.encode().hex() + "\n"
        self.file("db/local.ndb", signature, owner=user)
        clamd, run = os.path.join(self.directory("run", user), "clamd"), os.path.join(self.folder, "run")
        self.start("/usr/sbin/clamd", "-F", "-c", self.file("clamd.conf", (
            f"LocalSocket {clamd}\nDatabaseDirectory {data}\nUser {user}\nForeground yes\nPidFile {run}/pid\n"
            f"TemporaryDirectory {run}\n")), path=clamd)
        process = self.start("/usr/sbin/clamav-milter", "-c", self.file("milter.conf", (
            f"MilterSocket inet:{port}@127.0.0.1\nClamdSocket unix:{clamd}\nUser {user}\nForeground yes\n"
            "OnInfected Reject\nRejectMsg infected: %v\nAddHeader Replace\nVirusAction /bin/true\n"
            f"TemporaryDirectory {run}\n").replace("VirusAction /bin/true\n", "")), port=port)
        suite = self.suite(f"inet:127.0.0.1:{port}")
        suite.inject("alice@example.test", ["bob@example.test"],
                     message(subject="clean", extra="X-Virus-Scanned: by somebody\r\n"))
        (mail,) = suite.wait_mail("bob", text="Subject: clean")
        self.assertEqual(mail.count(b"X-Virus-Scanned: "), 1)
        self.assertIn(b"X-Virus-Status: Clean", mail)
        self.assertNotIn(b"by somebody", mail)
        code, text = self.refused(suite, message(body=EICAR + "\r\n"))
        self.assertEqual((code, text.split(":")[0]), (550, "5.7.1 infected"))
        self.dies(suite, process)

    @installed("spamd", "spamass-milter", "spamc")
    def test_spamassassin(self):
        port, path = free_port(), os.path.join(self.folder, "sa")
        self.start("/usr/sbin/spamd", "-L", "-x", "-i", "127.0.0.1", "-p", str(port), port=port)
        process = self.start("/usr/sbin/spamass-milter", "-p", path, "-r", "15", "--", "-p", str(port), path=path)
        os.chmod(path, 0o666)
        suite = self.suite(f"unix:{path}")
        suite.inject("alice@example.test", ["bob@example.test"], message(subject="ham"))
        (mail,) = suite.wait_mail("bob", text="Subject: ham")
        self.assertRegex(mail, rb"X-Spam-Status: No, score=[\s\S]*\r\n\t")
        self.assertEqual(self.refused(suite, message(body=GTUBE + "\r\n"))[0], 550)
        self.dies(suite, process)


if __name__ == "__main__":
    unittest.main()
