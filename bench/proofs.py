#!/usr/bin/python3
"""CPU a message that proofs of who it is from take, in running servers: Posta's own checks and signatures; the same by OpenDKIM
(with OpenDMARC) and rspamd as milters of the same suite; and Postfix with OpenDKIM, OpenDMARC and policyd-spf.

    bench/proofs.py [--messages 500] [--size 4096] [--rounds 3] [--build build] [--postfix FOLDER]

As root, on a quiet machine. Each setting gets the same messages over one connection, discarded after the queue; counted is the
CPU time of all processes of the server and of its milters, and what the same server without any check takes is subtracted. The DNS
is a server of the tests, the only one that there is in a network and with a resolv.conf of the bench's own; its time is not
counted. Settings take turns; the median of the rounds is printed, and the least and the most. What is not installed is left
out, by name. Postfix is the machine's, or an unpacked package: apt-get download postfix && dpkg -x postfix_*.deb FOLDER. For
policyd-spf: python3-spf-engine. It asks the DNS without a cache, as a Debian host without one of its own does.
"""
import argparse
import base64
import os
import pwd
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time

from processes import cpu_below, cpu_of

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
STRANGER = "127.0.0.5"
INSIDE = "POSTA_PROOFS_INSIDE"


def enter_network():
    """All that follows in a network and with a resolv.conf of its own, where the tests' name server is the only one."""
    if os.environ.get(INSIDE) is None:
        os.environ[INSIDE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w", prefix="posta-proofs-resolv-") as file:
        file.write("nameserver 127.0.0.1\n")
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", file.name, os.path.realpath("/etc/resolv.conf")], check=True)


class Bench:
    def __init__(self, options):
        os.environ["POSTA_BUILD"] = os.path.abspath(options.build)
        global dkim, posta, peers, milters
        import dkim  # pylint: disable=import-outside-toplevel
        import peers
        import posta
        import dnsserver
        self.options = options
        self.folder = tempfile.mkdtemp(prefix="posta-proofs-")
        os.chmod(self.folder, 0o755)
        self.processes = []
        self.rsa, public = self.key("rsa", ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"])
        self.record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        self.ed, _ = self.key("ed", ["-algorithm", "ed25519"])
        self.dns = dnsserver.DnsServer({
            "author.test": {"TXT": [f"v=spf1 ip4:{STRANGER} -all"], "A": [STRANGER], "MX": [(10, "author.test")]},
            "_dmarc.author.test": {"TXT": ["v=DMARC1; p=reject"]},
            "s._domainkey.author.test": {"TXT": [self.record]}, STRANGER: {"PTR": ["author.test"]}}, port=53)
        self.mails = [self.signed(number) for number in range(options.messages)]
        self.plain = [self.plain_mail(number) for number in range(options.messages)]

    def key(self, name, options):
        path = os.path.join(self.folder, name + ".pem")
        subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        return path, public

    def plain_mail(self, number, domain="author.test"):
        line = "A line of text that is like many others in a message of this size.\r\n"
        body = line * (self.options.size // len(line) + 1)
        return posta.message(f"a@{domain}", "bob@two.test", f"bench {number}", body[:self.options.size - 2] + "\r\n").encode()

    def signed(self, number):
        mail = self.plain_mail(number)
        with open(self.rsa, "rb") as file:
            return dkim.sign(mail, b"s", b"author.test", file.read(), canonicalize=(b"relaxed", b"relaxed")) + mail

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def spawn(self, words, port):
        with open(os.path.join(self.folder, os.path.basename(words[0]) + ".log"), "ab") as log:
            self.processes.append(subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder, start_new_session=True))
        posta.wait_until(lambda: posta.is_taken(port), 60, words[0])

    # ---- milters ----

    def opendkim(self):
        port = peers.free_port()
        conf = self.file("opendkim.conf", (
            "RequireSafeKeys no\nUserID opendkim\nSyslog no\nAuthservID mx.two.test\nBackground no\nMode v\nAlwaysAddARHeader yes\n"
            f"Socket inet:{port}@127.0.0.1\nInternalHosts {self.file('outside', '192.0.2.1')}\nNameservers 127.0.0.1\n"))
        self.spawn(["/usr/sbin/opendkim", "-f", "-x", conf], port)
        names = [f"inet:127.0.0.1:{port}"]
        if os.path.exists("/usr/sbin/opendmarc"):
            port = peers.free_port()
            conf = self.file("opendmarc.conf", (
                f"Socket inet:{port}@127.0.0.1\nSyslog false\nBackground false\nUserID opendmarc\nTrustedAuthservIDs mx.two.test\n"
                f"AuthservID mx.two.test\nSPFSelfValidate true\nSPFIgnoreResults true\n"))
            self.spawn(["/usr/sbin/opendmarc", "-f", "-c", conf], port)
            names.append(f"inet:127.0.0.1:{port}")
        return names, [os.path.join(self.folder, name) for name in ("opendkim.conf", "opendmarc.conf")]

    def opendkim_signer(self):
        port = peers.free_port()
        key = self.file("signer.pem", open(self.rsa).read())
        os.chown(key, pwd.getpwnam("opendkim").pw_uid, -1)
        conf = self.file("signer.conf", (
            "RequireSafeKeys no\nUserID opendkim\nSyslog no\nBackground no\nMode s\nDomain author.test\nSelector s\n"
            f"KeyFile {key}\nSocket inet:{port}@127.0.0.1\nInternalHosts {self.file('inside', STRANGER)}\n"))
        self.spawn(["/usr/sbin/opendkim", "-f", "-x", conf], port)
        return [f"inet:127.0.0.1:{port}"], [conf]

    def rspamd(self):
        port, user = peers.free_port(), "_rspamd"
        for name in ("db", "run", "log", "local"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
            shutil.chown(os.path.join(self.folder, name), user)
        conf = self.file("rspamd.conf", f"""
            options {{ filters = "dkim,spf"; dns {{ nameserver = "127.0.0.1:{self.dns.port}"; timeout = 1s; }} pidfile = "{self.folder}/run/pid"; }}
            logging {{ type = "console"; level = "warning"; }}
            actions {{ reject = 1500; }}
            dkim {{ }}
            spf {{ }}
            dmarc {{ }}
            arc {{ }}
            modules {{ path = "/usr/share/rspamd/lualib/"; path = "/usr/share/rspamd/plugins/dmarc.lua"; path = "/usr/share/rspamd/plugins/arc.lua"; }}
            worker "rspamd_proxy" {{ bind_socket = "127.0.0.1:{port}"; milter = yes; count = 1; timeout = 20s;
                upstream "local" {{ default = yes; self_scan = yes; }} }}
            """)
        self.spawn(["/usr/bin/rspamd", "-f", "-i", "-u", user, "-c", conf, f"--var=DBDIR={self.folder}/db", f"--var=RUNDIR={self.folder}/run",
                    f"--var=LOGDIR={self.folder}/log", f"--var=LOCAL_CONFDIR={self.folder}/local"], port)
        return [f"inet:127.0.0.1:{port}"], ["rspamd"]

    # ---- Postfix ----

    def postfix(self, parts):
        """Starts one; what it was started with, for stop."""
        home, top = os.path.join(self.folder, "postfix"), self.options.postfix
        conf, queue = os.path.join(home, "conf"), os.path.join(home, "queue")
        for name in ("conf", "queue", "queue/pid", "queue/etc", "data"):
            os.makedirs(os.path.join(home, name))
        owner = pwd.getpwnam("postfix" if top == "/" else "posta")
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private", "public", "saved", "trace"):
            os.makedirs(os.path.join(queue, name))
            os.chown(os.path.join(queue, name), owner.pw_uid, -1)
        os.chown(os.path.join(home, "data"), owner.pw_uid, -1)
        port = peers.free_port()
        with open(os.path.join(conf, "main.cf"), "w") as file:
            file.write(f"""compatibility_level = 3.6
queue_directory = {queue}
data_directory = {home}/data
daemon_directory = {os.path.join(top, "usr/lib/postfix/sbin")}
command_directory = {os.path.join(top, "usr/sbin")}
shlib_directory = {os.path.join(top, "usr/lib/postfix")}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
mail_owner = {owner.pw_name}
setgid_group = daemon
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
myhostname = mx.two.test
mydestination =
relay_domains = two.test
transport_maps = inline:{{two.test=discard:}}
mynetworks = 127.0.0.1/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
smtpd_peername_lookup = no
policyd-spf_time_limit = 3600s
""" + "".join(f"{name} = {value}\n" for name, value in parts.items()))
        with open(os.path.join(conf, "master.cf"), "w") as file:
            file.write(f"127.0.0.1:{port} inet n - n - - smtpd\n" + "".join(
                f"{name} unix {'n' if name in ('showq', 'cleanup', 'qmgr') else '-'} - n - {count} {command}\n" for name, count, command in (
                    ("cleanup", 0, "cleanup"), ("qmgr", 1, "qmgr"), ("rewrite", "-", "trivial-rewrite"), ("bounce", 0, "bounce"), ("defer", 0, "bounce"),
                    ("trace", 0, "bounce"), ("proxymap", "-", "proxymap"), ("anvil", 1, "anvil"), ("showq", "-", "showq"), ("discard", "-", "discard"))))
            file.write("postlog unix-dgram n - n - 1 postlogd\n")
            file.write(f"policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/python3 {self.file('policyd-spf', 'from spf_engine.policyd_spf import main; main()')}\n")
        environment = {**os.environ, "MAIL_CONFIG": conf, "LD_LIBRARY_PATH": os.path.join(top, "usr/lib/postfix")}
        master = subprocess.Popen([os.path.join(top, "usr/lib/postfix/sbin/master"), "-c", conf], env=environment, start_new_session=True)
        self.processes.append(master)
        posta.wait_until(lambda: posta.is_taken(port), 60, "Postfix")
        return port, queue

    def measure_postfix(self, mails, main, milter=None):
        names, words = milter() if milter else ([], [])
        try:
            port, queue = self.postfix({**main, "smtpd_milters": ", ".join(names)})
            master = self.processes[-1].pid
            self.send("127.0.0.1", port, mails[:20])
            before = cpu_below(master) + cpu_of(words)
            self.send("127.0.0.1", port, mails)
            posta.wait_until(lambda: not any(os.path.isfile(os.path.join(folder, name)) for kind in ("incoming", "active") for folder, _, files in
                                             os.walk(os.path.join(queue, kind)) for name in files), 60, "an empty queue")
            return (cpu_below(master) + cpu_of(words) - before) * 1000 / len(mails)
        finally:
            self.end_processes()
            shutil.rmtree(os.path.join(self.folder, "postfix"), ignore_errors=True)

    def end_processes(self):
        """Each is the first of a session of its own: what it has begun ends with it."""
        for process in self.processes:
            os.killpg(process.pid, 15)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
        self.processes = []

    # ---- one setting ----

    def measure(self, mails, main, milter=None):
        """ms of CPU a message."""
        names, words = milter() if milter else ([], [])
        suite = posta.Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{self.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "no", "junk_mailbox": "",
            "transport_maps": "inline:{{two.test=discard:}}", "smtpd_milters": ", ".join(names), "authserv_id": "mx.two.test", **main})
        try:
            suite.start()
            self.send(suite.address, suite.port(25), mails[:20])
            before = cpu_of([suite.conf, *words])
            self.send(suite.address, suite.port(25), mails)
            suite.wait_queue_empty(60)
            return (cpu_of([suite.conf, *words]) - before) * 1000 / len(mails)
        finally:
            suite.close()
            self.end_processes()

    @staticmethod
    def send(address, port, mails):
        with smtplib.SMTP(address, port, local_hostname="author.test", timeout=60, source_address=(STRANGER, 0)) as client:
            for mail in mails:
                client.sendmail("a@author.test", ["bob@two.test"], mail)

    def signing(self, key):
        keys = self.file("keys", f"k author.test:s:{key}\n")
        who = self.file("signing", "*@author.test k\n")
        return {"dkim_key_table": keys, "dkim_signing_table": f"refile:{who}", "dkim_signing_networks": f"{STRANGER}/32"}

    def settings(self):
        """(name, the name of the one that is subtracted, how it is measured, and with what)."""
        posta_alone, postfix_alone = "Posta: nothing", "Postfix: nothing"
        yield posta_alone, None, self.measure, self.mails, {}, None
        yield "Posta: SPF, DKIM, DMARC, ARC, iprev", posta_alone, self.measure, self.mails, {"mail_verification": "yes"}, None
        yield "Posta: signed, RSA 2048", posta_alone, self.measure, self.plain, self.signing(self.rsa), None
        yield "Posta: signed, Ed25519", posta_alone, self.measure, self.plain, self.signing(self.ed), None
        milters = "OpenDKIM" + (" and OpenDMARC" if has("/usr/sbin/opendmarc") else "")
        if has("/usr/sbin/opendkim"):
            yield f"Posta, {milters}: verified", posta_alone, self.measure, self.mails, {}, self.opendkim
            yield "Posta, OpenDKIM: signed, RSA 2048", posta_alone, self.measure, self.plain, {}, self.opendkim_signer
        if has("/usr/bin/rspamd"):
            yield "Posta, rspamd: DKIM, SPF, DMARC, ARC", posta_alone, self.measure, self.mails, {}, self.rspamd
        if has(os.path.join(self.options.postfix, "usr/lib/postfix/sbin/master")) and has("/usr/sbin/opendkim"):
            spf = {}
            if has("/usr/lib/python3/dist-packages/spf_engine"):
                spf = {"smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/policyd-spf"}
            yield postfix_alone, None, self.measure_postfix, self.mails, {}, None
            yield f"Postfix, {milters}{', policyd-spf' if spf else ''}: verified", postfix_alone, self.measure_postfix, self.mails, spf, self.opendkim
            yield "Postfix, OpenDKIM: signed, RSA 2048", postfix_alone, self.measure_postfix, self.plain, {}, self.opendkim_signer

    def close(self):
        self.dns.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def has(path):
    """What is not there is said once."""
    if not os.path.exists(path):
        missing.add(path)
    return os.path.exists(path)


missing = set()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--postfix", default="/", metavar="FOLDER", help="the root of an unpacked package of Postfix")
    options = parser.parse_args()
    options.postfix = os.path.abspath(options.postfix)
    enter_network()
    bench = Bench(options)
    figures = {}
    try:
        for _ in range(options.rounds):
            alone = {}
            for name, less, measure, mails, settings, milter in bench.settings():
                took = measure(mails, settings, milter)
                alone[name] = took
                figures.setdefault((name, less), []).append(took - alone.get(less, 0.0))
                time.sleep(0.5)
    finally:
        bench.close()
    print(f"{options.messages} messages of {options.size} bytes, {options.rounds} rounds; ms of CPU a message, median (least to most); + is more than nothing")
    for (name, less), took in figures.items():
        print(f"{name:60} {'+' if less else ' '}{statistics.median(took):.3f} ({min(took):.3f} to {max(took):.3f})")
    for path in sorted(missing):
        print(f"left out, as it is not there: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
