"""Two instances and a Postfix with OpenDKIM between them: what is signed and sealed by the one is believed by the other.

Postfix is not installed for this: POSTA_POSTFIX names a folder with Debian's package as a file (apt-get download postfix), which is
unpacked over a copy of this system that only the Postfix of the test sees.
"""
import glob
import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from dnsserver import DnsServer
from posta import AS_ROOT, message, reserve_base_port, wait_until
import test_chain
from test_chain import MIDDLE, ONE, THREE
from test_mailauth import results_of
from test_realmilters import installed

PACKAGES = glob.glob(os.path.join(os.environ.get("POSTA_POSTFIX", "/nowhere"), "postfix_*.deb"))
STRANGER = "127.0.0.5"

ROOT = """set -e
mount --make-rprivate /
mount -t tmpfs -o size=512m,mode=755 tmpfs "$1"; cd "$1"; mkdir u w m deb
mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w m
dpkg -x "$2" deb
for library in deb/lib/*; do [ -d "$library" ] && cp -a "$library" m/usr/lib/; done; rm -rf deb/lib; cp -a deb/. m/
mount -t proc proc m/proc; mount --rbind /dev m/dev
grep -q ^postfix: m/etc/passwd || echo 'postfix:x:60103:60109::/var/spool/postfix:/usr/sbin/nologin' >>m/etc/passwd
grep -q ^postfix: m/etc/group || printf 'postfix:x:60109:\\npostdrop:x:60110:\\n' >>m/etc/group
echo 'options timeout:1 attempts:1' >m/etc/resolv.conf
cp "$3/main.cf" "$3/master.cf" m/etc/postfix/; cp m/usr/share/postfix/postfix-files m/etc/postfix/ 2>/dev/null || true
touch m/etc/postfix/dynamicmaps.cf m/var/log/postfix.log; mount --bind "$3/postfix.log" m/var/log/postfix.log
chown 60103 m/var/lib/postfix; chgrp 60110 m/usr/sbin/postdrop m/usr/sbin/postqueue; chmod g+s m/usr/sbin/postdrop m/usr/sbin/postqueue
exec chroot m /usr/sbin/postfix start-fg"""

MAIN = """compatibility_level = 3.6
myhostname = mx.middle.test
mydestination = mx.middle.test
inet_interfaces = {middle}
inet_protocols = ipv4
mynetworks = {one}/32 {middle}/32
smtp_bind_address = {middle}
smtp_dns_support_level = disabled
disable_dns_lookups = yes
transport_maps = inline:{{ three.test=smtp:[{three}]:{port} }}
alias_maps = inline:{{ onward=alice@three.test, list=alice@three.test }}
alias_database =
local_recipient_maps =
smtpd_milters = inet:127.0.0.1:{milter}
header_checks = regexp:{{{{/^Subject: (.*-for-the-list)/ REPLACE Subject: [list] $$1}}}}
maillog_file = /var/log/postfix.log
smtpd_tls_security_level = none
smtp_tls_security_level = none
"""
MASTER = """{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@unittest.skipUnless(AS_ROOT, "needs root")
@unittest.skipUnless(PACKAGES, "POSTA_POSTFIX names no folder with postfix_*.deb")
@installed("opendkim")
class PostfixBetween(unittest.TestCase):
    instance, key, sign, file, start_opendkim = (classmethod(getattr(test_chain.Chain, name).__func__) for name in ("instance", "key", "sign", "file", "start_opendkim"))

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="posta-postfix-")
        os.chmod(cls.folder, 0o755)
        cls.base, cls.lock = reserve_base_port()
        zones = {}
        for domain, address, policy in (("one.test", ONE, "reject"), ("middle.test", MIDDLE, "reject"), ("three.test", THREE, "reject"), ("honest.test", STRANGER, "reject")):
            zones[domain] = {"MX": [(10, "mx." + domain)], "TXT": [f"v=spf1 ip4:{address} -all"]}
            zones["mx." + domain] = {"A": [address]}
            zones[address] = {"PTR": ["mx." + domain]}
            zones["_dmarc." + domain] = {"TXT": ["v=DMARC1; p=" + policy]}
        cls.dns = DnsServer(zones)
        cls.one = cls.instance("one.test", ONE, mail_verification="yes", alias_maps="inline:{friends=onward@mx.middle.test, listed=list@mx.middle.test}")
        cls.three = cls.instance("three.test", THREE, mail_verification="yes", arc_trusted_sealers="one.test")
        cls.sign(cls.one, "one.test", "rsa", "dkim_signing_table")
        cls.one.set(arc_sealing_key="rsa")
        cls.opendkim = cls.start_opendkim()
        cls.postfix = cls.start_postfix()
        for suite in (cls.one, cls.three):
            suite.start()

    @classmethod
    def start_postfix(cls):
        main = MAIN.format(one=ONE, middle=MIDDLE, three=THREE, port=cls.three.port(25), milter=cls.opendkim_port)
        cls.file("main.cf", main)
        cls.file("master.cf", MASTER.format(port=f"{MIDDLE}:{cls.base + 25}"))
        root = os.path.join(cls.folder, "root")
        os.mkdir(root)
        # Postfix looks at its interfaces for what is its own.
        subprocess.run(["ip", "address", "add", f"{MIDDLE}/8", "dev", "lo"], check=False, stderr=subprocess.DEVNULL)
        with open(os.path.join(cls.folder, "postfix.log"), "ab") as log:
            process = subprocess.Popen(["unshare", "-m", "-p", "--kill-child=SIGKILL", "--fork", "bash", "-c", ROOT, "bash", root, PACKAGES[0], cls.folder],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

        def ready():
            if process.poll() is not None:
                raise AssertionError(f"postfix ended\n{cls.said()}")
            try:
                with smtplib.SMTP(MIDDLE, cls.base + 25, timeout=30) as client:
                    return client.noop()[0] == 250
            except OSError:
                return False
        wait_until(ready, 60, "postfix")
        return process

    @classmethod
    def said(cls):
        with open(os.path.join(cls.folder, "postfix.log"), errors="replace") as file:
            return file.read()[-6000:]

    @classmethod
    def tearDownClass(cls):
        try:
            for suite in (cls.one, cls.three):
                suite.close()
        finally:
            for process in (cls.postfix, cls.opendkim):
                process.kill()
                process.wait()
            subprocess.run(["ip", "address", "delete", f"{MIDDLE}/8", "dev", "lo"], check=False, stderr=subprocess.DEVNULL)
            cls.dns.close()
            cls.lock.close()
            shutil.rmtree(cls.folder, ignore_errors=True)

    def arrived(self, subject):
        try:
            (mail,) = self.three.wait_mail("alice", text=subject)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.said()}") from None
        return mail

    def by_a_stranger(self, to, subject):
        with smtplib.SMTP(ONE, self.one.port(25), local_hostname="mx.honest.test", timeout=60, source_address=(STRANGER, 0)) as client:
            client.sendmail("x@honest.test", [to], message("x@honest.test", to, subject))

    def test_signed_and_forwarded_as_it_is(self):
        """OpenDKIM finds our signature good, and so does who gets it in the end."""
        self.one.submit("alice", ["onward@mx.middle.test"], message("alice@one.test", "onward@mx.middle.test", "signed-by-one"))
        mail = self.arrived("signed-by-one")
        self.assertRegex(mail, rb"Authentication-Results: opendkim\.middle\.test;\s+dkim=pass[^;]*header\.d=one\.test")
        results = results_of(mail)[0][0]
        self.assertRegex(results, r"dkim=pass .*header\.d=one\.test")
        self.assertIn("dmarc=pass (p=reject dis=none) header.from=one.test", results)

    def test_changed_as_a_list_does(self):
        """The signature is broken, and nobody who is trusted has sealed it: DMARC is obeyed."""
        self.one.submit("alice", ["list@mx.middle.test"], message("alice@one.test", "list@mx.middle.test", "signed-for-the-list"))
        self.three.wait_log(r"550 5\.7\.1 .*one\.test does not let this mail be its own")
        self.assertFalse([mail for mail in self.three.inbox("alice") if b"signed-for-the-list" in mail])

    def test_their_signature(self):
        with smtplib.SMTP(MIDDLE, self.base + 25, local_hostname="client.test", timeout=60, source_address=(MIDDLE, 0)) as client:
            client.sendmail("bob@middle.test", ["alice@three.test"], message("bob@middle.test", "alice@three.test", "signed-by-opendkim"))
        results = results_of(self.arrived("signed-by-opendkim"))[0][0]
        self.assertRegex(results, r"dkim=pass \(2048-bit key\) header\.d=middle\.test .*header\.s=theirs")
        self.assertIn("dmarc=pass", results)

    def test_sealed_and_believed(self):
        """A stranger's, proven by SPF alone, goes by the one and the Postfix to the other."""
        self.by_a_stranger("friends@mx.one.test", "sealed-by-one")
        mail = self.arrived("sealed-by-one")
        results = results_of(mail)[0][0]
        self.assertIn("arc=pass (i=1 d=one.test s=rsa)", results)
        self.assertIn("dmarc=fail (p=reject dis=reject)", results)
        self.three.wait_log("a trusted sealer vouches for it")

    def test_sealed_and_changed_later(self):
        """What the seal says is of the message as it was."""
        self.by_a_stranger("listed@mx.one.test", "sealed-for-the-list")
        self.three.wait_log(r"550 5\.7\.1 .*honest\.test does not let this mail be its own")
        self.assertFalse([mail for mail in self.three.inbox("alice") if b"sealed-for-the-list" in mail])


if __name__ == "__main__":
    unittest.main()
