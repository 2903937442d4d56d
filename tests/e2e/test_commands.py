"""Mail to commands, by a master.cf and a main.cf in Postfix's form: pipe, spawn, mailbox_command and
the transports of local(8), with programs that people use, and each dying in the middle."""
import glob
import os
import pwd
import re
import socket
import subprocess
import sys
import unittest

from peers import free_port
from posta import AS_ROOT, Instance, message, wait_until

POLICY = r"""
import os, sys
for line in sys.stdin:
    if line.startswith("recipient="):
        user = line[10:].split("@")[0]
    if line == "\n":
        if user == "die":
            sys.stdout.write("action=")
            sys.stdout.flush()
            os.kill(os.getpid(), 9)
        print("action=" + {"no": f"REJECT you are uid {os.getuid()}"}.get(user, "DUNNO"), end="\n\n", flush=True)
"""

# Reads a part of the message, and dies; the second time it is well.
SICK = """#!/bin/sh
head -c 40 >/dev/null
test -e "$1.well" || { : >"$1.well"; kill -9 $$; }
cat >"$1.mail"
"""

DOVECOT = """
protocols = lmtp
base_dir = {0}/run
state_dir = {0}/run
log_path = {0}/dovecot.log
ssl = no
mail_location = maildir:{0}/mail/%n
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
first_valid_uid = 1
auth_mechanisms = plain
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=daemon gid=daemon home={0}/mail/%n allow_all_users=yes
}}
service lmtp {{
  unix_listener {1} {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
"""

MASTER = """
maildrop unix - n n - - pipe flags=DRhu user=daemon argv=/usr/bin/maildrop {0}/mailfilter ${{user}}
several unix - n n - - pipe flags=Rq. user=daemon:daemon
    argv=/bin/sh -c {{ cat >{0}/daemon/several; echo "$$# $$*" }} x ${{nexthop}} ${{recipient}}
exits unix - n n - - pipe user=daemon argv=/bin/sh -c {{ echo "it was $$1"; exit $$1 }} x ${{user}}
sick unix - n n - 1 pipe flags=X user=daemon argv={0}/sick {0}/daemon/sick
slow unix - n n - - pipe user=daemon argv=/bin/sh -c {{ sleep 60 & sleep 60 }}
small unix - n n - - pipe size=2000 user=daemon argv=/bin/true
other unix - n n - - pipe flags=DOR user=daemon directory={0}/daemon argv=/usr/bin/tee other ${{original_recipient}}
unknown unix - n n - - pipe user=no-such-user argv=/bin/true
policy unix - n n - 0 spawn user=nobody argv={1} {0}/policy
{2} inet n n n - 0 spawn user=nobody argv={1} -c {{ from spf_engine.policyd_spf import main; main() }} {0}/spf.conf
"""


@unittest.skipUnless(AS_ROOT, "commands run as other users")
class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.suite = suite = Instance(start=False)
        cls.folder = folder = suite.dir
        for name in ("daemon", "news", "games", "man", "lp"):
            os.mkdir(os.path.join(folder, name))
            user = pwd.getpwnam(name)
            os.chown(os.path.join(folder, name), user.pw_uid, user.pw_gid)
        for name in ("forward", "dovecot", "dovecot/mail"):
            os.mkdir(os.path.join(folder, name))
        os.chown(os.path.join(folder, "dovecot/mail"), pwd.getpwnam("daemon").pw_uid, -1)
        cls.write("policy", POLICY)
        cls.write("sick", SICK, 0o755)
        cls.write("spf.conf", "debugLevel = 0\nskip_addresses = 127.0.0.0/8\n")
        cls.write("mailfilter", f'to "{folder}/daemon/maildrop"\n', 0o600, "daemon")
        cls.write("rc", f":0:\n{folder}/games/procmail\n")
        cls.write("lda.conf", f"mail_location = maildir:{folder}/%u/lda\nlog_path = {folder}/news/log\n")
        cls.write("forward/lp", "alice@example.test\n")
        with open(os.path.join(suite.conf, "master.cf"), "a") as file:
            file.write(MASTER.format(folder, sys.executable, cls.port))
        suite.set(**{
            "mydestination": "local.test", "recipient_delimiter": "+", "relay_domains": "regexp:{{/\\.pipe$$/ x}}",
            "transport_maps": "regexp:{{/@(.*)\\.pipe$$/ $$1:}}",
            "slow_time_limit": "1s", "minimal_backoff_time": "1s",
            "maildrop_destination_recipient_limit": "1", "exits_destination_recipient_limit": "1", "other_destination_recipient_limit": "1",
            "forward_path": f"{folder}/forward/$user", "default_privs": "daemon", "alias_maps": f"inline:{{{{aka=games}}, {{env=\"|/usr/bin/env >{folder}/daemon/env\"}}}}",
            "local_recipient_maps": "", "luser_relay": "$user+$local@example.test",
            "fallback_transport_maps": "inline:{{old=other:fallback.test}}",
            "mailbox_transport_maps": "inline:{{backup=lmtp:unix:private/dovecot-lmtp}}",
            "mailbox_command": f"{folder}/sick {folder}/man/$USER",
            "mailbox_command_maps": "inline:{"
            f"{{games=/usr/bin/procmail -m DEFAULT={folder}/games/d {folder}/rc}}, "
            f"{{news=/usr/lib/dovecot/dovecot-lda -c {folder}/lda.conf -f \"$$SENDER\" -a \"$$RECIPIENT\"}}, "
            f"{{lp=/bin/false}}, {{backup=/bin/false}}}}",
            "smtpd_recipient_restrictions": "check_policy_service unix:private/policy, permit_mynetworks, reject"})
        suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    @classmethod
    def write(cls, name, text, mode=0o644, owner="root"):
        path = os.path.join(cls.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        os.chown(path, pwd.getpwnam(owner).pw_uid, -1)

    def inject(self, recipients, body="Hello.\r\n", sender="alice@example.test"):
        self.suite.inject(sender, recipients, message(body=body))

    def file(self, name, text):
        """Waits for a file that has `text`, and returns all of it."""
        def content():
            for path in glob.glob(os.path.join(self.folder, name)):
                with open(path, errors="replace") as file:
                    content = file.read()
                if text in content:
                    return content
            return None
        try:
            return wait_until(content, 20, f"{name} with {text}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.suite.log_tail()}") from None

    def result(self, recipient, status):
        return self.suite.wait_log(rf"to=<{re.escape(recipient)}>.* status={status} \((.*)\)")[1]

    # ---- pipe ----

    def test_maildrop(self):
        self.inject(["Bob+x@maildrop.pipe"], "To maildrop.\r\n")
        text = self.file("daemon/maildrop", "To maildrop.")
        self.assertIn("Return-Path: <alice@example.test>\nDelivered-To: Bob+x@maildrop.pipe\n", text)
        self.assertNotIn("\r", text)
        self.assertIn("delivered via maildrop service", self.result("Bob+x@maildrop.pipe", "sent"))
        # D: what it has delivered before does not come again.
        self.suite.inject("alice@example.test", ["c@maildrop.pipe"], message(extra="Delivered-To: c@maildrop.pipe\r\n"))
        self.assertIn("loop", self.result("c@maildrop.pipe", "bounced"))

    def test_no_recipient_is_an_option(self):
        with self.suite.smtp() as client:
            client.ehlo()
            client.mail("alice@example.test")
            code, text = client.rcpt("-n@several.pipe")
            self.assertEqual((code // 100, b"5.1.3" in text), (5, True), text)

    def test_several_recipients_at_once(self):
        self.inject(["one@several.pipe", '"two words"@several.pipe'], ".dots\r\n")
        self.file("daemon/several", "..dots\n.\n")
        said = self.result("one@several.pipe", "sent")
        self.assertEqual(said, 'delivered via several service (3 several.pipe one@several.pipe "two words"@several.pipe)')
        self.assertEqual(said, self.result('"two words"@several.pipe', "sent"))

    def test_exit_statuses(self):
        self.inject(["67@exits.pipe", "75@exits.pipe", "1@exits.pipe"], sender="")
        self.assertIn("user unknown. Command output: it was 67", self.result("67@exits.pipe", "bounced"))
        self.assertIn("temporary failure", self.result("75@exits.pipe", "deferred"))
        self.result("1@exits.pipe", "bounced")

    def test_dies_in_the_middle(self):
        self.inject(["a@sick.pipe"], "x\r\n" * 100000 + "the end\r\n")
        self.assertIn("signal 9", self.result("a@sick.pipe", "deferred"))
        self.suite.posta("queue", "flush")
        self.assertIn("delivered via sick", self.result("a@sick.pipe", "sent"))
        self.assertTrue(self.file("daemon/sick.mail", "the end").endswith("the end\n"))

    def test_time_and_size(self):
        self.inject(["a@slow.pipe"], sender="")
        self.assertIn("time limit", self.result("a@slow.pipe", "bounced"))
        self.inject(["a@small.pipe"], "x" * 900 + "\r\n" + "y" * 900 + "\r\nz\r\n" * 100, sender="")
        self.assertIn("exceeds size limit", self.result("a@small.pipe", "bounced"))

    def test_line_that_cannot_be(self):
        self.inject(["a@unknown.pipe"])
        self.assertIn("configuration error", self.result("a@unknown.pipe", "deferred"))
        self.suite.wait_log("service unknown: there is no such user")
        self.suite.posta("queue", "delete", "ALL", check=False)

    # ---- spawn ----

    def test_policy_server(self):
        with self.suite.smtp() as client:
            client.ehlo()
            client.mail("alice@example.test")
            code, text = client.rcpt("no@example.test")
            self.assertEqual((code, text), (554, text))
            self.assertIn(f"you are uid {pwd.getpwnam('nobody').pw_uid}", text.decode())
            self.assertEqual(client.rcpt("alice@example.test")[0], 250)
            # It dies while it speaks: not now, and the next one is asked of another process.
            self.assertEqual(client.rcpt("die@example.test")[0], 451)
            self.assertEqual(client.rcpt("no@example.test")[0], 554)

    def test_spf_server_on_a_port(self):
        try:
            import spf_engine.policyd_spf  # noqa: F401
        except ImportError:
            self.skipTest("python3-spf-engine is not installed")
        with socket.create_connection(("127.0.0.1", self.port), 20) as client:
            client.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n"
                           b"client_address=127.0.0.1\nclient_name=localhost\nhelo_name=x\nsender=alice@example.test\n"
                           b"recipient=b@c.test\ninstance=1\n\n")
            self.assertTrue(client.recv(1000).startswith(b"action="))

    # ---- local(8) ----

    def test_procmail_through_an_alias(self):
        if not os.path.exists("/usr/bin/procmail"):
            self.skipTest("procmail is not installed")
        self.inject(["aka@local.test"], "To procmail.\r\n")
        text = self.file("games/procmail", "To procmail.")
        self.assertTrue(text.startswith("From alice@example.test "), text)
        self.assertIn("Delivered-To: ", text)

    def test_dovecot_lda(self):
        if not os.path.exists("/usr/lib/dovecot/dovecot-lda"):
            self.skipTest("dovecot-core is not installed")
        self.inject(["news+ext@local.test"], "To dovecot.\r\n")
        self.file("news/lda/new/*", "To dovecot.")
        self.assertIn("delivered to command: /usr/lib/dovecot/dovecot-lda", self.result("news+ext@local.test", "sent"))

    def test_mailbox_command_dies_in_the_middle(self):
        self.inject(["man@local.test"], "x\r\n" * 100000 + "the end\r\n")
        self.assertIn("signal 9", self.result("man@local.test", "deferred"))
        self.suite.posta("queue", "flush")
        self.file("man/man.mail", "the end")
        self.result("man@local.test", "sent")

    def test_environment(self):
        self.inject(["env@local.test"])
        text = self.file("daemon/env", "CLIENT_PROTOCOL=ESMTP\n")
        for line in ("CLIENT_ADDRESS=127.0.0.1", "CLIENT_HELO=client.test", "CLIENT_HOSTNAME=localhost",
                     "SENDER=alice@example.test", "RECIPIENT=env@local.test"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("SASL_USERNAME", text)

    def test_forward_comes_before_mailbox_command(self):
        self.inject(["lp@local.test"], "Forwarded.\r\n")
        self.suite.wait_mail("alice", text="Forwarded.")

    def test_nobody_of_that_name(self):
        self.inject(["Stranger+x@local.test"], "To nobody.\r\n")
        self.assertIn("forwarded as", self.result("Stranger+x@local.test", "sent"))
        self.suite.wait_log(r"to=<stranger\+stranger\+x@example.test>")
        self.inject(["old@local.test"], "To fallback.\r\n")
        text = self.file("daemon/other", "To fallback.")
        self.assertIn("X-Original-To: old@local.test\n", text)
        # The agent that it was handed to has written it, and nobody else.
        self.result("old@local.test", "sent")
        wait_until(lambda: "to=<old@" in self.suite.log(), what="a line")
        self.assertEqual(len(re.findall("to=<old@local.test>", self.suite.log())), 1)

    def test_dovecot_lmtp(self):
        if not os.path.exists("/usr/lib/dovecot/lmtp"):
            self.skipTest("dovecot-lmtpd is not installed")
        # Not there yet: it is tried again.
        self.inject(["backup@local.test"], "To LMTP.\r\n")
        self.result("backup@local.test", "deferred")
        place = os.path.join(self.folder, "dovecot")
        listener = os.path.join(self.suite.home, "queue", "sockets", "private", "dovecot-lmtp")
        self.write("dovecot/conf", DOVECOT.format(place, listener))
        server = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", os.path.join(place, "conf")],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        wait_until(lambda: os.path.exists(listener) or server.poll() is not None, 20, "Dovecot's socket")
        self.assertIsNone(server.poll(), server.poll() is None or server.stdout.read())
        self.suite.posta("queue", "flush")
        self.file("dovecot/mail/backup/new/*", "To LMTP.")
        self.result("backup@local.test", "sent")


if __name__ == "__main__":
    unittest.main()
