"""Mail that is sent on, with return paths by which SPF lets it be ours (SRS): our own, and PostSRSd's."""
import base64
import hashlib
import hmac
import os
import re
import shutil
import smtplib
import socket
import subprocess
import time
import unittest

from dnsserver import DnsServer
from peers import Peer, free_port
from posta import Instance, message, reserve_base_port

ONE, MIDDLE, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
FORWARDS = "inline:{onward=alice@three.test, later=fails@mx.three.test}"


def return_path(mail):
    return re.search(rb"(?m)^Return-Path: <(.*)>\r$", mail)[1].decode()


class Sites(unittest.TestCase):
    """Of one.test to the middle, and on to three.test, which takes nothing that SPF does not let be."""

    @classmethod
    def setUpClass(cls):
        cls.base, cls.lock = reserve_base_port()
        cls.dns = DnsServer({
            "one.test": {"MX": [(10, "mx.one.test")], "TXT": [f"v=spf1 ip4:{ONE} -all"]}, "mx.one.test": {"A": [ONE]},
            "excluded.test": {"MX": [(10, "mx.one.test")], "TXT": [f"v=spf1 ip4:{ONE} -all"]},
            "two.test": {"MX": [(10, "mx.two.test")], "TXT": [f"v=spf1 ip4:{MIDDLE} -all"]}, "mx.two.test": {"A": [MIDDLE]},
            "srs.two.test": {"MX": [(10, "mx.two.test")], "TXT": [f"v=spf1 ip4:{MIDDLE} -all"]},
            "three.test": {"MX": [(10, "mx.three.test")]}, "mx.three.test": {"A": [THREE]},
        })
        cls.one = cls.instance("one.test", ONE)
        cls.middle = cls.instance("two.test", MIDDLE, **cls.settings())
        cls.three = cls.instance("three.test", THREE, mail_verification="yes", spf_fail_action="reject", smtpd_reject_unlisted_recipient="no",
                                 smtpd_relay_restrictions="reject_unauth_destination", alias_maps='inline:{ {fails = "|exit 67"} }')
        for suite in (cls.one, cls.middle, cls.three):
            suite.start()

    @classmethod
    def settings(cls):
        return {}

    @classmethod
    def instance(cls, domain, address, **settings):
        return Instance(domain, address=address, base_port=cls.base, start=False,
                        main={"mynetworks": f"{address}/32", "myhostname": f"mx.{domain}", "dns_servers": f"127.0.0.1:{cls.dns.port}", **settings})

    @classmethod
    def tearDownClass(cls):
        try:
            for suite in (cls.one, cls.middle, cls.three):
                suite.close()
        finally:
            cls.dns.close()
            cls.lock.close()

    def deliver(self, suite, sender, recipient, subject, source=ONE):
        with smtplib.SMTP(suite.address, suite.port(25), local_hostname="mx.one.test", timeout=60, source_address=(source, 0)) as client:
            client.sendmail(sender, [recipient], message("someone@else.test", recipient, subject))

    def rcpt(self, recipient, sender=""):
        with smtplib.SMTP(MIDDLE, self.middle.port(25), local_hostname="mx.three.test", timeout=60, source_address=(THREE, 0)) as client:
            client.ehlo()
            client.mail(sender)
            code, text = client.rcpt(recipient)
            return code, text.decode()

    def sent_on(self, sender, subject, recipient="onward@mx.two.test"):
        """The return path that it has in the end."""
        self.deliver(self.middle, sender, recipient, subject)
        (mail,) = self.three.wait_mail("alice", text=subject)
        return return_path(mail)


class BuiltIn(Sites):
    @classmethod
    def settings(cls):
        return {"srs_domain": "srs.two.test", "srs_exclude_domains": "excluded.test", "alias_maps": FORWARDS,
                "virtual_alias_maps": "inline:{ {both@mx.two.test = bob@two.test, alice@three.test} }",
                "transport_maps": "inline:{ {first.test = discard:} }"}

    def secret(self):
        with open(os.path.join(self.middle.home, "data", "srs_secret")) as file:
            return file.read().strip()

    def made(self, day, host, user, secret=None):
        """As libsrs2 does it."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
        when = letters[day >> 5 & 31] + letters[day & 31]
        mac = hmac.new((secret or self.secret()).encode(), (when + host + user).lower().encode(), hashlib.sha1).digest()
        return f"SRS0={base64.b64encode(mac).decode()[:4]}={when}={host}={user}@srs.two.test"

    def test_spf_lets_what_is_sent_on_be_ours(self):
        path = self.sent_on("alice@one.test", "sent-on-one")
        self.assertEqual(path.replace("-", "+").replace("_", "/"), self.made(int(time.time()) // 86400, "one.test", "alice"))
        self.middle.wait_log(r"sent on: from=<alice@one\.test> leaves as <SRS0=")
        (mail,) = self.three.wait_mail("alice", text="sent-on-one")
        self.assertRegex(mail, rb"spf=pass \(srs\.two\.test: ip4:127\.0\.0\.3 matches\)")

    def test_explain(self):
        for sender, said in (("alice@one.test", "leaves with a return path in that domain"), ("alice@excluded.test", "leaves with its sender as it is"),
                             ("bob@two.test", "leaves with its sender as it is")):
            text = self.middle.posta("explain", "--from", sender, "--to", "onward@mx.two.test", "--client", "192.0.2.1", check=False).text
            self.assertIn(said, text)

    def test_without_it_is_refused(self):
        """The same with a sender that is left alone: whom it was from hears of it."""
        self.deliver(self.middle, "alice@excluded.test", "onward@mx.two.test", "left-alone")
        self.middle.wait_log(r"to=<alice@three\.test>.*status=bounced .*SPF: .*excluded\.test")
        self.assertFalse([mail for mail in self.three.inbox("alice") if b"left-alone" in mail])

    def test_each_recipient_sees_what_is_for_it(self):
        """Who reads it here sees the sender, who reads it elsewhere the return path; our own stay as they are."""
        path = self.sent_on("alice@one.test", "for-both", "both@mx.two.test")
        self.assertTrue(path.startswith("SRS0="), path)
        (mail,) = self.middle.wait_mail("bob", text="for-both")
        self.assertEqual(return_path(mail), "alice@one.test")
        self.middle.submit("alice", ["alice@three.test"], message("alice@two.test", "alice@three.test", "our-own"))
        (mail,) = self.three.wait_mail("alice", text="our-own")
        self.assertEqual(return_path(mail), "alice@two.test")
        self.assertEqual(self.sent_on("bob@two.test", "own-domain"), "bob@two.test")

    def test_reports_go_back(self):
        """What fails there after it was taken: three.test reports to the return path, and alice hears of it."""
        self.deliver(self.middle, "alice@one.test", "later@mx.two.test", "fails-later")
        (mail,) = self.one.wait_mail("alice", text="fails-later", seconds=60)
        self.assertIn(b"multipart/report", mail)
        self.assertIn(b"fails@mx.three.test", mail)
        self.middle.wait_log(r"return path <SRS0=.*=one\.test=alice@srs\.two\.test> leads to <alice@one\.test>")

    def test_reports_alone(self):
        today = int(time.time()) // 86400
        good = self.made(today, "one.test", "alice")
        self.assertEqual(self.rcpt(good)[0], 250)
        self.assertEqual(self.rcpt(good.lower())[0], 250)
        self.assertEqual(self.rcpt(self.made(today - 21, "one.test", "alice"))[0], 250)
        for address, sender, code, text in (
                (good, "x@three.test", 550, "reports only"),
                (self.made(today - 22, "one.test", "alice"), "", 550, "has expired"),
                (self.made(today + 1, "one.test", "alice"), "", 550, "has expired"),
                (self.made(today, "one.test", "alice", "guessed"), "", 550, "no return path of ours"),
                (good.replace("one.test", "bank.test"), "", 550, "no return path of ours"),
                (good.replace("=one.test=alice", ""), "", 550, "no return path of ours"),
                ("alice@srs.two.test", "", 454, "Relay access denied"),
                (good.replace("@srs.two.test", "@other.test"), "", 454, "Relay access denied")):
            with self.subTest(address=address):
                answer = self.rcpt(address, sender)
                self.assertEqual((answer[0], text in answer[1]), (code, True), answer)
        # And where nobody asked smtpd.
        for sender, address, text in (("bob@two.test", good, "for reports only"), ("", good.replace("=alice", "=bob"), "no return path")):
            done = subprocess.run([os.path.join(self.middle.build, "bin", "sendmail"), "-C", self.middle.conf, "-f", sender or "<>", address],
                                  input="Subject: x\n\nx\n", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.middle.wait_log(rf"message refused .*{text}")
            self.assertNotEqual(done.returncode, 0, done.stdout)

    def test_a_report_is_sent_on_as_one(self):
        self.assertEqual(self.sent_on("", "null-sender"), "")

    def test_many_hops(self):
        """Who sent it on before us keeps the way back: it does not grow."""
        for sender in ("SRS0=AbCd=RA=far.test=user@first.test", "SRS1=WxYz=first.test==AbCd=RA=far.test=user@second.test"):
            path = self.sent_on(sender, "hop-" + sender[3])
            self.assertRegex(path, r"^SRS1=.{4}=first\.test==AbCd=RA=far\.test=user@srs\.two\.test$")
        self.deliver(self.middle, "", path, "back-to-the-first", THREE)
        self.middle.wait_log(r"to=<SRS0=AbCd=RA=far\.test=user@first\.test>.*relay=none|to=<SRS0=AbCd=RA=far\.test=user@first\.test>")

    def test_our_own_return_path_is_none_anew(self):
        path = self.made(int(time.time()) // 86400, "one.test", "alice")
        self.assertEqual(self.sent_on(path, "own-path"), path)

    def test_the_secret_is_for_keys_alone(self):
        state = os.stat(os.path.join(self.middle.home, "data", "srs_secret"))
        self.assertEqual(state.st_mode & 0o777, 0o600)
        self.assertGreaterEqual(len(self.secret()), 32)

    def test_another_secret(self):
        """The first one makes new ones, those of before are still known; one that others can read is none."""
        path = os.path.join(self.middle.home, "data", "srs_secret")
        old = self.made(int(time.time()) // 86400, "one.test", "old")
        with open(path) as file:
            before = file.read()
        self.middle.stop()
        with open(path, "w") as file:
            file.write("a new secret\n" + before)
        self.middle.start()
        try:
            self.assertEqual(self.rcpt(old)[0], 250)
            new = self.made(int(time.time()) // 86400, "one.test", "alice", "a new secret")
            self.assertEqual(self.sent_on("alice@one.test", "with-new").replace("-", "+").replace("_", "/"), new)
            self.middle.stop()
            os.chmod(path, 0o644)
            self.middle.posta("start", check=False)
            self.middle.wait_log("srs_secret_file.*others may read or write it")
            # Nor is one that somebody else's link leads to.
            os.chmod(path, 0o600)
            os.rename(path, path + ".other")
            os.symlink(path + ".other", path)
            self.middle.posta("start", check=False)
            self.middle.wait_log("srs_secret_file: read the secret .*Too many levels of symbolic links")
            os.rename(path + ".other", path)
        finally:
            os.chmod(path, 0o600)
            self.middle.stop()
            with open(path, "w") as file:
                file.write(before)
            self.middle.start()


@unittest.skipUnless(shutil.which("postsrsd"), "postsrsd is not installed")
class PostSRSd(Sites):
    """A site that has PostSRSd moves in with its settings; then with its secret alone."""

    @classmethod
    def settings(cls):
        cls.peer = Peer()
        cls.secret = cls.peer.write("secret", "postsrsd's own secret\n", 0o600)
        cls.forward, cls.reverse = free_port(), free_port()
        cls.peer.run(["postsrsd", "-s", cls.secret, "-d", "srs.two.test", "-f", str(cls.forward), "-r", str(cls.reverse), "-l", "127.0.0.1",
                      "-Xtwo.test", "-X.two.test"], cls.forward)
        return {"sender_canonical_maps": f"tcp:127.0.0.1:{cls.forward}", "sender_canonical_classes": "envelope_sender",
                "recipient_canonical_maps": f"tcp:127.0.0.1:{cls.reverse}", "recipient_canonical_classes": "envelope_recipient, header_recipient",
                "mydestination": "$myhostname localhost srs.two.test", "alias_maps": FORWARDS}

    @classmethod
    def tearDownClass(cls):
        try:
            super().tearDownClass()
        finally:
            cls.peer.close()

    def asked(self, port, key):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(f"get {key}\n".encode())
            return client.makefile().readline().strip()

    def test_moves_in(self):
        theirs = self.sent_on("alice@one.test", "by-postsrsd")
        self.assertTrue(theirs.startswith("SRS0="), theirs)
        self.assertEqual(self.rcpt(theirs)[0], 250)
        self.deliver(self.middle, "", theirs, "report-by-postsrsd", THREE)
        self.one.wait_mail("alice", text="report-by-postsrsd")
        # What it made is known without it, and it knows what we make.
        self.middle.stop()
        self.middle.set(sender_canonical_maps="", recipient_canonical_maps="", mydestination="$myhostname localhost", srs_domain="srs.two.test",
                        srs_secret_file=self.secret)
        self.middle.start()
        self.deliver(self.middle, "", theirs, "report-to-theirs", THREE)
        self.one.wait_mail("alice", text="report-to-theirs")
        ours = self.sent_on("alice@one.test", "by-ourselves")
        self.assertEqual(self.asked(self.reverse, ours.replace("-", "+").replace("_", "/")), "200 alice@one.test")
        again = self.sent_on("SRS0=AbCd=RA=far.test=user@first.test", "again")
        self.assertEqual(self.asked(self.reverse, again.replace("-", "+").replace("_", "/")), "200 SRS0=AbCd=RA=far.test=user@first.test")


if __name__ == "__main__":
    unittest.main()
