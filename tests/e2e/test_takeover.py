"""To Posta and back: Dovecot has the mailboxes, Posta takes them over, Dovecot gets them again, and a client that
knows the messages by their UIDs (mbsync) transfers nothing anew."""
import contextlib
import imaplib
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest
import unittest.mock

from posta import Instance, PASSWORD, message, wait_until

DOVECOT = "/usr/lib/dovecot/imap"


class Takeover(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.suite = Instance(users=("bob",), main={"imap_session_idle_exit": "1s", "mailbox_default_folders": ""})
        self.work = tempfile.TemporaryDirectory(prefix="posta-takeover-", dir=self.suite.dir)
        os.chmod(self.work.name, 0o755)
        self.maildir = self.find_maildir()
        owner = os.stat(self.maildir)
        self.uid, self.gid = owner.st_uid, owner.st_gid
        with open(self.path("dovecot.conf"), "w") as file:
            file.write(f"protocols =\nssl = no\nlog_path = {self.path('dovecot.log')}\nfirst_valid_uid = 1\n"
                       f"mail_location = maildir:{self.maildir}\nmail_uid = {self.uid}\nmail_gid = {self.gid}\n"
                       f"base_dir = {self.path('run')}\nstate_dir = {self.path('state')}\n")
        for name in "run", "state", "near":
            os.mkdir(self.path(name))
        for name in "", "run", "state", "near":
            os.chown(self.path(name), self.uid, self.gid)

    def tearDown(self):
        self.work.cleanup()
        self.suite.close()

    def find_maildir(self):
        """Where bob's mail is; made by a login, and then as if Posta had never been there."""
        with self.suite.imap("bob"):
            pass
        self.sessions_end()
        for folder, names, _ in os.walk(os.path.join(self.suite.home, "mail")):
            if "posta.index" in names:
                shutil.rmtree(folder)
                os.mkdir(folder, 0o700)
                shutil.chown(folder, os.stat(os.path.dirname(folder)).st_uid, os.stat(os.path.dirname(folder)).st_gid)
                return folder
        self.fail("no Maildir")

    def path(self, name):
        return os.path.join(self.work.name, name)

    def as_owner(self, *words):
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *words] \
            if os.geteuid() == 0 else list(words)

    def dovecot_words(self):
        return self.as_owner("env", "USER=bob", f"HOME={self.work.name}", DOVECOT, "-c", self.path("dovecot.conf"))

    @contextlib.contextmanager
    def dovecot(self):
        client = imaplib.IMAP4_stream(" ".join(self.dovecot_words()))
        try:
            yield client
        finally:
            client.logout()

    def mbsync(self, far):
        with open(self.path("rc"), "w") as file:
            file.write(f"IMAPAccount far\n{far}\nIMAPStore far\nAccount far\n\nMaildirStore near\nPath {self.path('near')}/\n"
                       f"Inbox {self.path('near')}/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\n"
                       "Patterns *\nCreate Both\nExpunge Both\nSyncState *\n")
        done = subprocess.run(["mbsync", "-c", self.path("rc"), "-a"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, env={**os.environ, "HOME": self.work.name})
        self.assertEqual(done.returncode, 0, done.stdout)
        return self.near_files()

    def near_files(self):
        found = {}
        for folder, _, names in os.walk(self.path("near")):
            if os.path.basename(folder) in ("cur", "new"):
                for name in names:
                    found[os.path.join(folder, name)] = os.stat(os.path.join(folder, name)).st_ino
        return found

    def posta(self):
        return (f"Host localhost\nPort {self.suite.port(993)}\nUser bob@example.test\nPass {PASSWORD}\n"
                f"SSLType IMAPS\nCertificateFile {self.suite.ca}\n")

    def look(self, client):
        """What a client knows: UIDVALIDITY, UIDs, flags, Message-IDs of every folder; the subscriptions."""
        seen = {}
        for line in client.list()[1]:
            if rb"\noselect" in line.lower() or rb"\nonexistent" in line.lower():
                continue
            name = line.decode().rpartition(' "." ')[2].strip('"')
            client.select(name, readonly=True)
            validity = client.response("UIDVALIDITY")[1]
            messages = []
            kind, parts = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            self.assertEqual(kind, "OK")
            for part in parts:
                if isinstance(part, tuple):
                    flags = set(imaplib.ParseFlags(part[0])) - {rb"\Recent"}
                    messages.append((part[0].split(b"UID ")[1].split()[0], flags, part[1]))
            seen[name] = (validity, messages)
        return seen, sorted(line.rpartition(b' "." ')[2].strip(b'"') for line in client.lsub()[1] if line)

    def sessions_end(self):
        """No process has the mailboxes open any more."""
        def none():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    if any("posta.index/data.mdb" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")):
                        return False
            return True
        wait_until(none, 30, "end of sessions")

    def release(self, **options):
        # The tool works as the user, and the search for leaks needs the rights of before.
        leaks = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))
        with unittest.mock.patch.dict(os.environ, ASAN_OPTIONS=leaks):
            return self.suite.posta("mailbox", "release", "bob@example.test", **options)

    def test_there_and_back(self):
        with self.dovecot() as client:
            client.create("Work.2026")
            client.create("Entw&APw-rfe")
            client.subscribe("Work.2026")
            for number in range(5):
                client.append("INBOX", r"(\Seen $Forwarded)" if number % 2 else "", None,
                              message(subject=f"first {number}").encode())
            client.append("Work.2026", r"(\Flagged todo)", None, message(subject="work").encode())
            client.select("INBOX")
            client.store("2", "+FLAGS", r"(\Deleted)")
            client.expunge()
            before = self.look(client)
        files = self.mbsync(f"Tunnel \"{' '.join(self.dovecot_words())}\"\n")
        self.assertEqual(len(files), 5)
        # Posta shows the same, and the client transfers nothing.
        with self.suite.imap("bob") as client:
            self.assertEqual(self.look(client), before)
        self.assertEqual(self.mbsync(self.posta()), files)
        with self.suite.imap("bob") as client:
            client.append("INBOX", r"(\Answered)", None, message(subject="with posta").encode())
            client.select("INBOX")
            client.store("1", "+FLAGS", "(second)")
            client.copy("1", "INBOX")
            client.store("3", "+FLAGS", r"(\Deleted)")
            client.expunge()
            client.create("New")
            client.subscribe("New")
            changed = self.look(client)
        self.suite.submit("bob", ["bob"], message(subject="delivered"))
        self.suite.wait_mail("bob", text="delivered")
        with self.suite.imap("bob") as client:
            changed = self.look(client)
        files = self.mbsync(self.posta())
        with self.suite.imap("bob"):
            done = self.release(check=False)
            self.assertIn("a session of the user is open", done.text)
        self.sessions_end()
        said = self.release().text
        self.assertIn("INBOX: 6 messages\n", said)
        # And Dovecot again.
        with self.dovecot() as client:
            self.assertEqual(self.look(client), changed)
        self.assertEqual(self.mbsync(f"Tunnel \"{' '.join(self.dovecot_words())}\"\n"), files)

    def test_the_same_answers(self):
        """SORT, THREAD and SEARCH of a mailbox that is as odd as mail is: what Dovecot says, Posta says."""
        rng = random.Random(5256)
        subjects = ["Hello", "Re: Hello", "re: [x] Hello", "[list] Hello (fwd)", "Fwd: [fwd: Hello]", "", "Re:", "hello  world",
                    "RE: FW: hello world", "=?utf-8?q?=C3=84pfel?=", "Re: =?iso-8859-1?q?=C4pfel?=", "[a][b] Re[2]: Hello",
                    "zz", "Re : Hello", "[only a blob]", "Aw: Hello"]
        names = ["Alice <alice@example.test>", "bob@example.test", "=?utf-8?q?J=C3=B6rg?= <j@x.test>", '"Zoe, Z." <zoe@a.test>']
        chains = []
        with self.dovecot() as client:
            for number in range(200):
                lines = [f"Subject: {rng.choice(subjects)}", f"From: {rng.choice(names)}", f"To: {rng.choice(names)}"]
                # Each answers one before it, or nothing; some of those that are spoken of never came.
                parent = rng.randrange(number) if number and rng.random() < 0.7 else None
                chain = chains[parent] + [f"<{parent}@x>"] if parent is not None else []
                chains.append(chain)
                if rng.random() < 0.2:
                    continue
                if rng.random() < 0.95:
                    lines.append(f"Message-ID: <{number}@x>")
                if rng.random() < 0.8:
                    lines.append(f"Date: {rng.randrange(1, 28)} Nov 2026 {rng.randrange(24):02}:00:00 +0{rng.randrange(3)}00")
                if chain and rng.random() < 0.8:
                    lines.append("References: " + "\r\n ".join(chain[-rng.randrange(1, 8):]))
                elif chain:
                    lines.append(f"In-Reply-To: {chain[-1]}")
                client.append("INBOX", rng.choice(["", r"(\Seen)", r"(\Flagged)"]),
                              imaplib.Time2Internaldate(1795900000 + rng.randrange(100000)),
                              ("\r\n".join(lines) + "\r\n\r\n" + "x" * rng.randrange(100) + "\r\n").encode())
        questions = [("SORT", f"({criteria})", "UTF-8", "ALL") for criteria in (
            "SUBJECT", "REVERSE DATE", "FROM SUBJECT", "TO REVERSE ARRIVAL", "SIZE DATE", "DISPLAYFROM DATE",
            "REVERSE DISPLAYTO SUBJECT REVERSE SIZE")]
        questions += [("THREAD", algorithm, "UTF-8", keys) for algorithm in ("REFERENCES", "ORDEREDSUBJECT")
                      for keys in ("ALL", "SEEN", "1:50")]
        questions += [("SEARCH", keys) for keys in ("SENTSINCE 10-Nov-2026 FROM zoe", "OR SUBJECT hello NOT FLAGGED",
                                                    "SINCE 28-Nov-2026 LARGER 200", "RETURN (MIN MAX COUNT) TO alice")]

        def ask(client):
            client.select("INBOX", readonly=True)
            answers = []
            for question in questions:
                kind, data = client.uid(*question)
                self.assertEqual(kind, "OK", question)
                more = client.response("ESEARCH")[1][0]
                answers.append((question, re.sub(rb"^\(TAG \S+\) ", b"", more or data[-1] or b"")))
            return answers
        with self.dovecot() as client:
            wanted = ask(client)
        with self.suite.imap("bob") as client:
            found = ask(client)
        for one, other in zip(found, wanted):
            self.assertEqual(one, other)


if __name__ == "__main__":
    unittest.main()
