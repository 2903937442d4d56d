"""Programs that are killed and calls that fail while mail is signed: nothing that was taken is lost, and nothing is there
that should be signed and is not. `tests/crash/long` and `tests/faults/long` take more of both."""
import base64
import os
import re
import smtplib
import subprocess
import time
import unittest

import dkim

from posta import PLAIN_BUILD, Instance, message, wait_until
from test_crash import STEP, Killer, found, numbered
from test_faults import QUICK, Failer, send, send_again

CALLS_MAX = 400


class Signed(unittest.TestCase):
    """One instance that signs by two keys what its users send; bob gets it."""

    def suite_with(self, environment):
        suite = Instance(build=PLAIN_BUILD, start=False, main=dict(QUICK, export_environment=environment))
        self.addCleanup(suite.close)
        self.records, keys = {}, ""
        for selector, options in (("rsa", ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024"]), ("ed", ["-algorithm", "ed25519"])):
            path = os.path.join(suite.dir, selector + ".pem")
            subprocess.run(["openssl", "genpkey", *options, "-out", path], check=True, stderr=subprocess.DEVNULL)
            public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
            public = public if selector == "rsa" else public[-32:]
            kind = "rsa" if selector == "rsa" else "ed25519"
            self.records[f"{selector}._domainkey.b.test.".encode()] = b"v=DKIM1; k=%s; p=%s" % (kind.encode(), base64.b64encode(public))
            keys += f"{selector} b.test:{selector}:{path}\n"
        for name, text in (("keys", keys), ("signing", "*@b.test rsa\n*@b.test ed\n")):
            with open(os.path.join(suite.dir, name), "w") as file:
                file.write(text)
        suite.set(dkim_key_table=f"{suite.dir}/keys", dkim_signing_table=f"refile:{suite.dir}/signing")
        suite.start()
        return suite

    def signed(self, mail):
        """Both signatures are there, and good."""
        verifier = dkim.DKIM(mail)
        count = len(re.findall(rb"(?m)^DKIM-Signature:", mail))
        return count == 2 and all(verifier.verify(idx=i, dnsfunc=lambda name, timeout=5: self.records.get(name)) for i in range(2))

    def check(self, suite, promised):
        suite.wait_queue_empty(60)
        mails = suite.inbox("bob")
        for mail in mails:
            self.assertTrue(self.signed(mail), mail)
        counts = found(mails)
        self.assertEqual({key: at for key, at in promised.items() if key not in counts}, {}, suite.log_tail())

    def content(self, tag):
        key, content = numbered(tag)
        return key, content.replace("From: alice@example.test", "From: a@b.test")

    def kills(self, program, sockets):
        killer = Killer(program, sockets=sockets)
        self.addCleanup(killer.close)
        suite = self.suite_with(killer.environment)
        promised, kills = {}, 0
        for at in range(1, CALLS_MAX, STEP if sockets else max(STEP // 3, 1)):
            key, content = self.content(f"{program}-{at}")
            if killer.send(suite, at, content, 1):
                promised[key] = at
            if not killer.killed:
                break
            kills += 1
        self.assertGreater(kills, 1, f"{program} was hardly killed")
        key, content = self.content(f"{program}-after")
        wait_until(lambda: send(suite, content), 30, "mail to be taken again")
        promised[key] = "after"
        print(f"{program}: killed at {kills} calls; {len(promised)} promised, all signed")
        self.check(suite, promised)

    def test_cleanup_is_killed(self):
        self.kills("cleanup", False)

    def test_keys_is_killed(self):
        self.kills("keys", True)

    def test_calls_fail(self):
        """Memory, files, sockets of cleanup and keys: what cannot be signed is put off."""
        failer = Failer()
        self.addCleanup(failer.close)
        suite = self.suite_with(failer.environment)
        promised, faults = {}, 0
        key, content = self.content("warm-up")
        self.assertTrue(send(suite, content))
        promised[key] = "warm-up"
        for program, kind in (("cleanup", 1), ("cleanup", 2), ("cleanup", 16), ("keys", 1), ("keys", 16)):
            for at in (1, 2, 3, 5, 8, 13, 21):
                key, content = self.content(f"{program}-{kind}-{at}")
                failer.arm(program, kind, at)
                if send(suite, content):
                    promised[key] = at
                faults += failer.failed > 0
                failer.disarm()
                if not failer.failed and at > 1:
                    break
        self.assertGreater(faults, 5)
        key, content = self.content("after")
        send_again(suite, content, 30)
        promised[key] = "after"
        self.check(suite, promised)


if __name__ == "__main__":
    unittest.main()
