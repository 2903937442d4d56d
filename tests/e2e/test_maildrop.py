"""sendmail: mail that waits in the maildrop while the suite is down, SMTP on standard input (-bs), and -bv."""
import glob
import os
import re
import stat
import subprocess
import unittest

from posta import AS_ROOT, Instance, message, wait_until

NOBODY = 65534


class Sendmail(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(main={"message_size_limit": "200000"})
        cls.drop = os.path.join(cls.suite.home, "queue", "maildrop")
        cls.corrupt = os.path.join(cls.suite.home, "queue", "corrupt")

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def sendmail(self, *words, stdin="", uid=NOBODY):
        """(status, what was said)"""
        def become():
            if AS_ROOT and uid:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
        done = subprocess.run([os.path.join(self.suite.build, "bin", "sendmail"), *words], input=stdin, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False, preexec_fn=become,
                              env=dict(os.environ, MAIL_CONFIG=self.suite.conf))
        return done.returncode, done.stdout

    def mail(self, name, text):
        return self.suite.wait_mail(name, text=text)[0].decode()

    def down(self):
        self.suite.stop()
        self.addCleanup(self.suite.start)

    def start(self):
        self.doCleanups()

    def test_mail_waits_for_the_start(self):
        self.down()
        text = message(subject="kept")
        self.assertEqual(self.sendmail("-f", "sender@outside.test", "bob@example.test", "-oi", stdin=text), (0, ""))
        self.assertEqual(self.sendmail("-t", "-oi", stdin="To: bob\nSubject: kept-t\n\nHello.\n"), (0, ""))
        paths = glob.glob(self.drop + "/*")
        self.assertEqual(len(paths), 2)
        for path in paths:
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
            self.assertEqual(os.stat(path).st_gid, os.stat(self.drop).st_gid)
        # Which is as much as the program itself would refuse.
        self.assertEqual(self.sendmail("bob", stdin="Subject: big\n\n" + "x" * 76 * 3000),
                         (65, "sendmail: message file too big\n"))
        self.assertEqual(len(glob.glob(self.drop + "/*")), 2)
        self.start()
        self.assertIn("sender@outside.test", self.mail("bob", "Subject: kept\r\n"))
        self.mail("bob", "Subject: kept-t")
        self.assertEqual(glob.glob(self.drop + "/*"), [])
        self.assertRegex(self.suite.log(), rf"pickup\[\d+\]: \w+: uid={NOBODY if AS_ROOT else os.getuid()} "
                                           "from=<sender@outside.test>")

    @unittest.skipUnless(AS_ROOT, "needs two users")
    def test_who_may_what_in_the_maildrop(self):
        self.down()
        folder = os.stat(self.drop)
        self.assertEqual(stat.S_IMODE(folder.st_mode), 0o3733)
        self.assertEqual(self.sendmail("bob", stdin="Subject: mine\n\n"), (0, ""))
        (path,) = glob.glob(self.drop + "/*")
        script = ("import os, sys\nos.setgroups([]); os.setgid(7); os.setuid(7)\n"
                  "for what in (os.listdir, os.unlink, lambda p: open(p).read()):\n"
                  " try:\n  what(sys.argv[1] if what is os.listdir else sys.argv[2]); print('could')\n"
                  " except PermissionError: pass\n")
        said = subprocess.run(["/usr/bin/python3", "-c", script, self.drop, path], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(said.stdout, "")
        os.unlink(path)

    def test_what_others_put_there(self):
        """Nothing of it is followed, waited for or believed, and mail goes on."""
        self.down()
        secret = os.path.join(self.suite.dir, "secret")
        with open(secret, "w") as file:
            file.write("posta-maildrop 1\nsender a@x.test\nbody 7bit\nrcpt 0 bob@example.test\n\nSubject: secret\r\n\r\n")
        os.chmod(secret, 0o640)
        os.mkfifo(os.path.join(self.drop, "fifo"), 0o640)
        os.mkdir(os.path.join(self.drop, "folder"))
        os.symlink(secret, os.path.join(self.drop, "link"))
        with open(os.path.join(self.drop, "unfinished"), "w") as file:
            file.write("posta-maildrop 1\nsender a@x.test\n")
        os.chmod(os.path.join(self.drop, "unfinished"), 0o600)
        # The program that takes them could read its own user's.
        with open(os.path.join(self.drop, "mine"), "w") as file:
            file.write("posta-maildrop 1\nsender a@x.test\nbody 7bit\nrcpt 0 bob@example.test\n\nSubject: mine, unfinished\r\n\r\n")
        os.chown(os.path.join(self.drop, "mine"), os.stat(self.drop).st_uid, os.stat(self.drop).st_gid)
        os.chmod(os.path.join(self.drop, "mine"), 0o600)
        old = os.path.join(self.drop, "stale")
        with open(old, "w") as file:
            file.write("posta-maildrop 1\n")
        os.chmod(old, 0o600)
        os.utime(old, (1, 1))
        for name, text in (("b" * 255, "nonsense"), ("bad", "posta-maildrop 1\nuid 0\n\n"), ("endless", "posta-maildrop 1\nsender " + "x" * 100000),
                           ("twice", "posta-maildrop 1\nsender a@x.test\nbody 7bit\nrcpt 0 bob@example.test\n\nSubject: twice\r\n\r\n")):
            with open(os.path.join(self.drop, name), "w") as file:
                file.write(text)
            os.chmod(os.path.join(self.drop, name), 0o640)
            os.chown(os.path.join(self.drop, name), -1, os.stat(self.drop).st_gid)
        # Four TiB of nothing, which would be read for hours.
        with open(os.path.join(self.drop, "holes"), "w") as file:
            file.write("posta-maildrop 1\nsender a@x.test\nbody 7bit\nrcpt 0 bob@example.test\n\n")
            file.truncate(1 << 42)
        os.chmod(os.path.join(self.drop, "holes"), 0o640)
        os.chown(os.path.join(self.drop, "holes"), -1, os.stat(self.drop).st_gid)
        os.link(os.path.join(self.drop, "twice"), os.path.join(self.suite.dir, "twice"))
        self.assertEqual(self.sendmail("bob", stdin="Subject: last\n\n"), (0, ""))
        self.start()
        self.mail("bob", "Subject: last")
        wait_until(lambda: sorted(os.listdir(self.drop)) == ["fifo", "folder", "link", "mine", "twice", "unfinished"], what="the rest")
        aside = [os.path.join(self.corrupt, name) for name in os.listdir(self.corrupt) if name.startswith("maildrop-")]
        sizes = sorted(os.path.getsize(path) for path in aside)
        self.assertEqual(sizes, [len("nonsense"), len("posta-maildrop 1\nuid 0\n\n"), len("posta-maildrop 1\nsender ") + 100000, 1 << 42])
        for name in ("fifo", "link", "mine", "twice", "unfinished"):
            os.unlink(os.path.join(self.drop, name))
        os.rmdir(os.path.join(self.drop, "folder"))
        for text in ("secret", "twice", "mine, unfinished"):
            self.assertNotIn(f"Subject: {text}", b"".join(self.suite.inbox("bob")).decode())

    def test_what_is_refused_returns(self):
        self.down()
        self.assertEqual(self.sendmail("-f", "alice@example.test", "bob", stdin="Subject: later too big\n\n" + "x" * 7000), (0, ""))
        self.suite.set(message_size_limit="5000")
        self.start()
        said = self.mail("alice", "Mail that was not taken")
        self.assertIn("message file too big", said)
        self.assertIn("Subject: later too big", said)
        self.assertEqual(glob.glob(self.drop + "/*"), [])
        self.suite.set(message_size_limit="200000")
        self.suite.posta("reload")

    def test_what_cannot_be_taken_now_is_kept(self):
        """A table that does not answer is no reason to send a program away; the queue's list has what waits."""
        maps = self.suite.posta("conf", "-h", "virtual_alias_maps").stdout.strip()
        self.addCleanup(lambda: (self.suite.set(virtual_alias_maps=maps), self.suite.posta("reload")))
        self.suite.set(virtual_alias_maps="tcp:127.0.0.1:1")
        self.suite.posta("reload")
        said = []
        def kept():  # the processes of before take some yet
            said.append(self.sendmail("-f", "alice@example.test", "bob@example.test",
                                      stdin=f"Subject: kept for now {len(said)}.\n\nx\n"))
            return glob.glob(self.drop + "/*")
        self.assertTrue(wait_until(kept, 20))
        self.assertEqual(set(said), {(0, "")})
        if AS_ROOT:
            self.assertRegex(self.suite.posta("queue", "list", "--json").stdout, r'"maildrop".*"bob@example.test"')
        self.doCleanups()
        self.assertTrue(wait_until(lambda: not glob.glob(self.drop + "/*"), 20))
        self.suite.posta("queue", "flush")  # a program of before may have put it off
        self.mail("bob", f"Subject: kept for now {len(said) - 1}.")

    def test_conversation(self):
        """Commands sent ahead, doubled dots, a message refused in the middle of them."""
        commands = ("EHLO me\r\nMAIL FROM:<a@x.test> BODY=8BITMIME\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
                    "Subject: talked\r\n\r\n..dot\r\nline\r\n.\r\n"
                    "RCPT TO:<bob@example.test>\r\n"
                    "MAIL FROM:<>\r\nRCPT TO:<bob>\r\nRCPT TO:<>\r\nDATA\r\nSubject: too much\r\n\r\n"
                    + "x" * 300000 + "\r\n.\r\nBOGUS\r\nQUIT\r\n")
        status, said = self.sendmail("-bs", stdin=commands)
        self.assertEqual(status, 0, said)
        self.assertEqual(re.findall(r"(?m)^\d{3} (?:\d\.\d\.\d)?", said),
                         ["220 ", "250 ", "250 2.1.0", "250 2.1.5", "354 ", "250 2.0.0", "503 5.5.1", "250 2.1.0", "250 2.1.5",
                          "501 5.1.3", "354 ", "552 5.3.4", "500 5.5.2", "221 2.0.0"])
        found = self.mail("bob", "Subject: talked")
        self.assertIn("\r\n.dot\r\nline\r\n", found)
        # The end of input is no end of a message.
        status, said = self.sendmail("-bs", stdin="HELO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<bob>\r\nDATA\r\nSubject: half\r\n\r\nx\r\n")
        self.assertEqual(status, 74)
        self.assertIn("451", said)
        self.sendmail("bob", stdin="Subject: after half\n\n")
        self.mail("bob", "Subject: after half")
        self.assertNotIn("Subject: half", b"".join(self.suite.inbox("bob")).decode())

    def test_conversation_while_down(self):
        self.down()
        status, said = self.sendmail("-bs", stdin="HELO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<bob>\r\nDATA\r\nSubject: waited\r\n\r\nx\r\n.\r\nQUIT\r\n")
        self.assertEqual(status, 0)
        self.assertIn("250 2.0.0 Ok: kept until the mail system is started", said)
        self.start()
        self.mail("bob", "Subject: waited")

    def test_verify(self):
        status, said = self.sendmail("-bv", "bob@example.test", "nosuch@example.test", "x@elsewhere.test", uid=0)
        self.assertEqual(status, 67)
        self.assertRegex(said, r"(?m)^bob@example\.test\.\.\. deliverable: transport virtual, ")
        self.assertRegex(said, r"(?m)^nosuch@example\.test\.\.\. undeliverable: 5\.1\.1 ")
        self.assertRegex(said, r"(?m)^x@elsewhere\.test\.\.\. deliverable: transport smtp, ")
        self.assertEqual(self.sendmail("-bv", uid=0)[0], 64)


if __name__ == "__main__":
    unittest.main()
