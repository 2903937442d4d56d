#!/usr/bin/python3
"""CPU a message that proofs of who it is from take, in running servers: Posta's own checks and signatures, and the same by
OpenDKIM (with OpenDMARC, where it is installed) and rspamd as milters of the same suite.

    bench/proofs.py [--messages 500] [--size 4096] [--rounds 3] [--build build]

As root, on a quiet machine. Each setting gets the same messages over one connection, discarded after the queue; counted is the
CPU time of all processes of the suite and of the milter, and what the setting without any check takes is subtracted. The DNS
is a server of the tests on loopback; its time is not counted. Settings take turns; the median of the rounds is printed, and the
least and the most.
"""
import argparse
import base64
import glob
import os
import pwd
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
STRANGER = "127.0.0.5"
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(words):
    """Seconds of all processes whose command line has one of these words, with those that they have waited for."""
    total = 0.0
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                line = file.read().decode(errors="replace")
            with open(os.path.dirname(path) + "/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if any(word in line for word in words):
            total += sum(map(int, fields[11:15])) / TICK
    return total


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
            "s._domainkey.author.test": {"TXT": [self.record]}, STRANGER: {"PTR": ["author.test"]}})
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
            f"Socket inet:{port}@127.0.0.1\nInternalHosts {self.file('outside', '192.0.2.1')}\n"
            f"TestPublicKeys {self.file('known', f's._domainkey.author.test {self.record}')}\n"))
        self.spawn(["/usr/sbin/opendkim", "-f", "-x", conf], port)
        names = [f"inet:127.0.0.1:{port}"]
        if os.path.exists("/usr/sbin/opendmarc"):
            port = peers.free_port()
            conf = self.file("opendmarc.conf", (
                f"Socket inet:{port}@127.0.0.1\nSyslog false\nBackground false\nUserID opendmarc\nTrustedAuthservIDs mx.two.test\n"
                f"AuthservID mx.two.test\nSPFSelfValidate true\nSPFIgnoreResults true\n"))
            self.spawn(["/usr/sbin/opendmarc", "-f", "-c", conf], port)
            names.append(f"inet:127.0.0.1:{port}")
        return names, [conf, "opendkim.conf"]

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

    # ---- one setting ----

    def measure(self, mails, main, milter=None):
        """ms of CPU a message."""
        names, words = milter() if milter else ([], [])
        suite = posta.Instance("two.test", start=False, main={
            "dns_servers": f"127.0.0.1:{self.dns.port}", "mynetworks": "127.0.0.1/32", "mail_verification": "no", "junk_mailbox": "",
            "transport_maps": "inline:{{two.test=discard:}}", "smtpd_milters": ", ".join(names), "authserv_id": "mx.two.test", **main})
        try:
            suite.start()
            self.send(suite, mails[:20])
            before = cpu_of([suite.conf, *words])
            self.send(suite, mails)
            suite.wait_queue_empty(60)
            return (cpu_of([suite.conf, *words]) - before) * 1000 / len(mails)
        finally:
            suite.close()
            for process in self.processes:
                process.kill()
                process.wait()
            self.processes = []

    def send(self, suite, mails):
        with smtplib.SMTP(suite.address, suite.port(25), local_hostname="author.test", timeout=60, source_address=(STRANGER, 0)) as client:
            for mail in mails:
                client.sendmail("a@author.test", ["bob@two.test"], mail)

    def signing(self, key):
        keys = self.file("keys", f"k author.test:s:{key}\n")
        who = self.file("signing", "*@author.test k\n")
        return {"dkim_key_table": keys, "dkim_signing_table": f"refile:{who}", "dkim_signing_networks": f"{STRANGER}/32"}

    def settings(self):
        yield "nothing", self.mails, {}, None
        yield "Posta: SPF, DKIM, DMARC, ARC, iprev", self.mails, {"mail_verification": "yes"}, None
        yield "Posta: signed, RSA 2048", self.plain, self.signing(self.rsa), None
        yield "Posta: signed, Ed25519", self.plain, self.signing(self.ed), None
        if os.path.exists("/usr/sbin/opendkim"):
            yield "OpenDKIM" + (" and OpenDMARC" if os.path.exists("/usr/sbin/opendmarc") else "") + ": verified", self.mails, {}, self.opendkim
            yield "OpenDKIM: signed, RSA 2048", self.plain, {}, self.opendkim_signer
        if os.path.exists("/usr/bin/rspamd"):
            yield "rspamd: DKIM, SPF, DMARC, ARC", self.mails, {}, self.rspamd

    def close(self):
        self.dns.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    bench = Bench(parser.parse_args())
    figures = {}
    try:
        for _ in range(bench.options.rounds):
            nothing = None
            for name, mails, settings, milter in bench.settings():
                took = bench.measure(mails, settings, milter)
                nothing = took if nothing is None else nothing
                figures.setdefault(name, []).append(took if name == "nothing" else took - nothing)
                time.sleep(0.5)
    finally:
        bench.close()
    print(f"{bench.options.messages} messages of {bench.options.size} bytes, {bench.options.rounds} rounds; ms of CPU a message, median (least to most)")
    for name, took in figures.items():
        print(f"{name:45} {'' if name == 'nothing' else '+'}{statistics.median(took):.3f} ({min(took):.3f} to {max(took):.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
