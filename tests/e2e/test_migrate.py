"""A trial of a Postfix site beside it: posta migrate postfix --to makes it, and it runs."""
import glob
import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest

from posta import AS_ROOT, BUILD, message, reserve_base_port, wait_until

MAIN_CF = """compatibility_level = 3.6
myhostname = mx.example.test
mydomain = example.test
mydestination = example.test, localhost
alias_maps = hash:$config_directory/aliases
alias_database = $alias_maps
inet_interfaces = all
mailbox_size_limit = 0
home_mailbox = Maildir/
recipient_delimiter = +
"""
MASTER_CF = """smtp      inet  n       -       y       -       -       smtpd
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
"""


@unittest.skipUnless(AS_ROOT, "system users get mail")
class Trial(unittest.TestCase):
    def files_of(self, site):
        found = {}
        for path in glob.glob(site + "/*"):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def read(self, path):
        with open(path) as file:
            return file.read()

    def posta(self, *words, check=True):
        done = subprocess.run([os.path.join(BUILD, "bin", "posta"), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_what_differs_on_purpose(self):
        with tempfile.TemporaryDirectory() as site:
            def said(main, master=""):
                for name, text in (("main.cf", MAIN_CF + main), ("master.cf", MASTER_CF + master)):
                    with open(os.path.join(site, name), "w") as file:
                        file.write(text)
                head, _, rest = self.posta("migrate", "postfix", site, check=False).partition("\nDiffers on purpose\n")
                return rest.partition("\n\n")[0].strip().split("\n")
            self.assertEqual(said("message_size_limit = 1000\n"), [""])
            self.assertEqual([line.split(":")[0].strip() for line in said(
                "mailbox_size_limit = 1000\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file =\n"
                "mine = reject_authenticated_sender_login_mismatch\n")],
                ["no certificate", "reject_sender_login_mismatch without smtpd_sender_login_maps",
                 "mailbox_size_limit is smaller than message_size_limit"])
            self.assertEqual(said("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = /x.pem\nsmtpd_sender_login_maps = static:x\n"
                                  "smtpd_sender_restrictions = reject_sender_login_mismatch\n"), [""])
            # A service with a table of its own, and nobody who gets mail from local.
            asks = "submission inet n - y - - smtpd\n  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n"
            self.assertEqual(len(said("", asks)[0].split(":")), 2)
            self.assertEqual(said("mydestination =\nmailbox_size_limit = 1000\n", asks + "  -o smtpd_sender_login_maps=static:x\n"), [""])

    def test_beside_the_site(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            site, trial = os.path.join(folder, "postfix"), os.path.join(folder, "trial")
            os.makedirs(os.path.join(site, "sub"))
            # A transport by another name, and more sockets of others than anybody has.
            sockets = "".join(f"mine_{n} = unix:private/x\n" for n in range(70)) + "default_transport = slow\n"
            for name, text in (("main.cf", MAIN_CF + sockets), ("master.cf", MASTER_CF + "slow      unix  -       -       y       -       -       smtp\n"), ("aliases", 'someone: "|cat >/dev/null"\n'), ("sub/x", "x\n")):
                with open(os.path.join(site, name), "w") as file:
                    file.write(text)
            self.posta("-c", site, "alias", "hash:" + site + "/aliases")
            before = self.files_of(site)
            base, lock = reserve_base_port()
            self.addCleanup(lock.close)
            # Half a copy is none.
            os.makedirs(os.path.join(site, "1/2/3/4/5"))
            self.assertIn("too deep", self.posta("migrate", "postfix", site, "--to", trial + "-deep", check=False))
            shutil.rmtree(os.path.join(site, "1"))
            said = self.posta("migrate", "postfix", site, "--to", trial, "--base-port", str(base))
            self.assertIn(f"base_port = {base}\n", said)
            self.assertEqual(before, self.files_of(site))
            self.assertTrue(os.path.exists(trial + "/conf/sub/x"))
            conf = ("-c", trial + "/conf")
            self.posta(*conf, "start")
            try:
                with smtplib.SMTP("127.0.0.1", base + 25, timeout=30) as client:
                    client.sendmail("x@outside.test", ["someone+tag@example.test"], message(subject="tried"))
                    client.sendmail("x@outside.test", ["away@elsewhere.test"], message(subject="stays"))
                wait_until(lambda: "away@elsewhere.test" in self.posta(*conf, "queue", "list"), what="mail for others in the queue")
                # Nobody was asked to take it.
                self.assertIn("(deferred transport)", self.posta(*conf, "queue", "list"))
                log = trial + "/log/mail.log"
                wait_until(lambda: "status=sent (delivered to command" in self.read(log), what="the local delivery")
                self.assertIn("stays", self.posta(*conf, "queue", "show", self.posta(*conf, "queue", "list", "--json").split('"queue_id": "')[1].split('"')[0]))
            finally:
                self.posta(*conf, "stop", check=False)
            # Nothing is written over.
            self.assertIn("is there already", self.posta("migrate", "postfix", site, "--to", trial, check=False))


if __name__ == "__main__":
    unittest.main()
