#!/usr/bin/python3
"""posta dkim: a key signs once its record is seen, and its successor takes over.

    dkim_tool.py FOLDER-OF-POSTA
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
from dnsserver import DnsServer  # noqa: E402

POSTA = os.path.join(sys.argv.pop(1), "posta")


class Keys(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.conf = os.path.join(self.folder.name, "conf")
        os.makedirs(os.path.join(self.conf, "dkim"))
        with open(os.path.join(self.conf, "main.cf"), "w") as file:
            file.write(f"myhostname = host.test\nqueue_directory = {self.folder.name}/queue\n")
        with open(os.path.join(self.conf, "master.cf"), "w") as file:
            file.write("")
        self.dns = DnsServer()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.dns.close)

    def dkim(self, *arguments, status=0):
        done = subprocess.run([POSTA, "-c", self.conf, "dkim", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def check(self, status=0):
        return self.dkim("check", "--dns", f"127.0.0.1:{self.dns.port}", status=status)

    def states(self):
        entries = [json.loads(line) for line in self.dkim("list", "--json").splitlines()]
        return {e["selector"]: (e["algorithm"], e["state"]) for e in entries}

    def publish(self, text):
        for name, pieces in re.findall(r"(\S+)\. IN TXT \((.*)\)", text):
            self.dns.zones[name] = {"TXT": [re.findall(r'"([^"]*)"', pieces)]}

    def read(self, name):
        with open(os.path.join(self.conf, name)) as file:
            return file.read()

    def test_life_of_a_key(self):
        added = self.dkim("add", "example.org", "--selector", "one")
        self.assertIn("one._domainkey.example.org. IN TXT", added)
        self.assertEqual(self.states(), {"one": ("rsa-sha256", "pending")})
        self.assertIn("there is no record", self.check())
        self.assertEqual(self.read("dkim/signing"), "")
        self.assertNotIn("dkim_signing_table", self.read("main.cf"))
        self.assertEqual(os.stat(os.path.join(self.conf, "dkim", "one.example.org.key")).st_mode & 0o77, 0)

        self.publish(added)
        self.assertIn("it signs from now on", self.check())
        self.assertEqual(self.states(), {"one": ("rsa-sha256", "active")})
        self.assertEqual(self.read("dkim/signing"), "*@example.org one.example.org\n")
        self.assertIn("one.example.org example.org:one:/", self.read("dkim/keys"))
        self.assertRegex(self.read("main.cf"), r"dkim_signing_table ?= ?refile:/.*/dkim/signing")
        self.assertIn("its record is right", self.check())

        rotated = self.dkim("rotate", "example.org")
        (successor,) = [s for s in self.states() if s != "one"]
        self.assertEqual(self.states()[successor], ("rsa-sha256", "pending"))
        self.check()
        self.assertEqual(self.states()["one"][1], "active")
        self.publish(rotated)
        self.assertIn("one: retired", self.check())
        self.assertEqual(self.states(), {"one": ("rsa-sha256", "retired"), successor: ("rsa-sha256", "active")})
        self.assertEqual(self.read("dkim/signing"), f"*@example.org {successor}.example.org\n")
        self.assertIn("its record must stay for a week", self.check())
        keys = re.sub(r"# retired \S+", "# retired 2020-01-01", self.read("dkim/keys"))
        with open(os.path.join(self.conf, "dkim", "keys"), "w") as file:
            file.write(keys)
        self.assertIn("its record may be removed", self.check())

    def test_both_kinds(self):
        self.publish(self.dkim("add", "example.org", "--algorithm", "both"))
        self.check()
        self.assertEqual(sorted(self.states().values()), [("ed25519-sha256", "active"), ("rsa-sha256", "active")])
        self.assertEqual(len(self.read("dkim/signing").splitlines()), 2)

    def test_a_wrong_record(self):
        added = self.dkim("add", "example.org", "--selector", "one")
        other = self.dkim("add", "other.test", "--selector", "one")
        self.publish(added)
        self.check()
        self.publish(other.replace("other.test", "example.org"))
        self.assertIn("the record has another key", self.check(status=1))
        self.dns.zones["one._domainkey.example.org"] = {"SERVFAIL": True}
        self.assertIn("no answer now", self.check(status=1))

    def test_usage(self):
        self.dkim("add", "not a domain", status=2)
        self.dkim("add", "example.org", "--selector", "../x", status=2)
        self.dkim("add", "example.org", "--algorithm", "dsa", status=2)
        self.dkim("rotate", "example.org", status=1)
        self.dkim("add", "example.org", "--selector", "one")
        self.dkim("add", "example.org", "--selector", "one", status=1)
        self.dkim(status=2)


if __name__ == "__main__":
    unittest.main()
