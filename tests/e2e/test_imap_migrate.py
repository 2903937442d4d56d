"""posta migrate imap: mail of users at other IMAP servers comes here, once, under its UIDs, however often a run is
ended; what a hostile server says does no harm."""
import contextlib
import imaplib
import os
import poplib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock

from peers import DovecotMail, Server
from posta import Instance, PASSWORD, message, wait_until

SECRET = "secret"


def look(client, folders=None):
    """What a client knows of each folder: UIDVALIDITY, UIDNEXT, and UID, flags, date and content of each message."""
    seen = {}
    for line in client.list()[1]:
        attributes, _, rest = line.decode().partition(") ")
        if "\\noselect" in attributes.lower() or "\\nonexistent" in attributes.lower():
            continue
        name = rest.split(" ", 1)[1].strip('"')
        kind, data = client.select(f'"{name}"', readonly=True)
        assert kind == "OK", (name, data)
        key = name.replace("/", ".").removeprefix("INBOX.")
        validity, uidnext = client.response("UIDVALIDITY")[1][0], client.response("UIDNEXT")[1][0]
        messages = []
        parts = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1] if data[0] != b"0" else []
        for part in parts:
            if isinstance(part, tuple):
                date = time.mktime(imaplib.Internaldate2tuple(part[0]))
                flags = sorted(flag.decode() for flag in imaplib.ParseFlags(part[0]) if flag != rb"\Recent")
                messages.append((int(re.search(rb"UID (\d+)", part[0]).group(1)), flags, date, part[1]))
        seen[key] = (validity, uidnext, messages)
    return {name: seen[name] for name in seen if folders is None or name in folders}


def subscribed(client):
    names = [line.decode().partition(") ")[2].split(" ", 1)[1].strip('"') for line in client.lsub()[1] if line]
    return sorted(name.replace("/", ".").removeprefix("INBOX.") for name in names)


class Migration(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob", "carol"), main={"mailbox_default_folders": "", "pop3_session_idle_exit": "1s"})
        cls.tls = os.path.join(cls.suite.conf, "tls")
        # The tool works as the user, and the search for leaks needs the rights of before.
        leaks = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "detect_leaks=0")))
        cls.enterClassContext(unittest.mock.patch.dict(os.environ, ASAN_OPTIONS=leaks))

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="posta-imap-", dir=self.suite.dir)
        self.addCleanup(shutil.rmtree, self.work, True)

    def file(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def dovecot(self, users=("old",), **options):
        peer = DovecotMail(users, self.tls, **options)
        self.addCleanup(peer.close)
        return peer

    @contextlib.contextmanager
    def there(self, peer, user="old"):
        client = imaplib.IMAP4("127.0.0.1", peer.ports["imap"], timeout=30)
        client.login(user, SECRET)
        try:
            yield client
        finally:
            client.logout()

    def words(self, peer, *options, local="bob", port="imaps"):
        users = self.file("users.txt", f"# login, password, local user\nold\t{SECRET}\t{local}@example.test\n")
        return ["migrate", "imap", "--from", f"localhost:{peer.ports[port]}", "--users", users,
                "--ca-file", self.suite.ca, *options]

    def migrate(self, peer, *options, check=True, **others):
        return self.suite.posta(*self.words(peer, *options, **others), check=check, timeout=120)

    def new_user(self):
        """One without mail."""
        name = f"u{random.randrange(1 << 40):x}"
        self.suite.posta("user", "add", f"{name}@example.test", "--password", PASSWORD)
        return name

    def fill(self, client, separator):
        for name in ("Work", f"Work{separator}2026", "Entw&APw-rfe", "Gesendet", "a\"b"):
            client.create('"' + name.replace('"', '\\"') + '"')
        client.subscribe(f"Work{separator}2026")
        client.subscribe("Gesendet")
        for number in range(7):
            flags = (r"(\Seen \Answered $Forwarded)", r"(\Flagged todo)", "")[number % 3]
            client.append("INBOX", flags, f'"0{number + 1}-Feb-2020 03:04:05 +0100"',
                          message(subject=f"first {number}", body=f"line {number}\r\n.dot\r\n").encode())
        client.append(f"Work{separator}2026", r"(\Draft)", None, message(subject="work", body="x" * 5000 + "\r\n").encode())
        client.select("INBOX")
        client.store("2,7", "+FLAGS", r"(\Deleted)")
        client.expunge()

    def test_all_of_a_mailbox(self):
        peer, local = self.dovecot(separator="/"), self.new_user()
        with self.there(peer) as client:
            self.fill(client, "/")
            before, wishes = look(client), subscribed(client)
        said = self.migrate(peer, local=local).text
        self.assertIn("done: 6 messages", said)
        with self.suite.imap(local) as client:
            after = look(client)
            self.assertEqual(after, before)
            self.assertEqual(subscribed(client), wishes)
            self.assertIn(b"\\Sent", [line for line in client.list()[1] if b"Gesendet" in line][0])
        # The POP3 clients of that server know these messages.
        old = poplib.POP3("127.0.0.1", peer.ports["pop3"], timeout=30)
        old.user("old")
        old.pass_(SECRET)
        new = self.suite.pop3(local)
        self.assertEqual(new.uidl()[1], old.uidl()[1])
        old.quit()
        new.quit()

    def test_later_runs(self):
        peer, local = self.dovecot(), self.new_user()
        with self.there(peer) as client:
            self.fill(client, ".")
        self.migrate(peer, local=local)
        self.assertIn("done: 0 messages, 0 bytes, flags of 0", self.migrate(peer, local=local).text)
        with self.there(peer) as client:
            client.append("INBOX", r"(\Seen)", None, message(subject="later").encode())
            client.select("INBOX")
            client.store("1", "FLAGS", r"(\Flagged other)")
            client.store("2", "+FLAGS", r"(\Deleted)")
            client.expunge()
            client.create("New")
            before = look(client)
        said = self.migrate(peer, local=local).text
        self.assertIn("done: 1 messages", said)
        self.assertIn("flags of 1", said)
        with self.suite.imap(local) as client:
            self.assertEqual(len(look(client)["INBOX"][2]), 6)
            # What is removed or moved here stays so.
            client.select("INBOX")
            client.store("5", "+FLAGS", r"(\Deleted)")
            client.expunge()
        said = self.migrate(peer, "--expunge", local=local).text
        self.assertIn("done: 0 messages, 0 bytes, flags of 0, 1 removed", said)
        with self.suite.imap(local) as client:
            after = look(client)
        gone = before["INBOX"][2].pop(3)
        self.assertIn(b"first 5", gone[3])
        self.assertEqual(after, before)
        # Mail that is delivered here gets UIDs that nobody has had there.
        self.suite.inject("alice@example.test", [f"{local}@example.test"], message(subject="here"))
        self.suite.wait_mail(local, text="here")
        with self.suite.imap(local) as client:
            uids = [entry[0] for entry in look(client)["INBOX"][2]]
        self.assertEqual(uids[-1], int(before["INBOX"][1]))

    def test_where_mail_is_already(self):
        peer, local = self.dovecot(prefix="INBOX."), self.new_user()
        self.suite.inject("alice@example.test", [f"{local}@example.test"], message(subject="here"))
        self.suite.wait_mail(local, text="here")
        with self.there(peer) as client:
            client.create("INBOX.Sub")
            for number in range(3):
                client.append("INBOX", "", None, message(subject=f"there {number}").encode())
            client.append("INBOX.Sub", "", None, message(subject="sub").encode())
            uidls = [line.split()[1] for line in self.pop3_uidls(peer)]
        said = self.migrate(peer, local=local).text
        self.assertIn("it has messages already", said)
        self.assertIn("3 messages have got new UIDs", said)
        with self.suite.imap(local) as client:
            seen = look(client)
        self.assertEqual(sorted(seen), ["INBOX", "Sub"])
        self.assertEqual([entry[0] for entry in seen["INBOX"][2]], [1, 2, 3, 4])
        new = self.suite.pop3(local)
        self.assertEqual([line.split()[1] for line in new.uidl()[1]][1:], uidls)
        new.quit()
        self.assertIn("done: 0 messages", self.migrate(peer, local=local).text)

    def pop3_uidls(self, peer):
        old = poplib.POP3("127.0.0.1", peer.ports["pop3"], timeout=30)
        old.user("old")
        old.pass_(SECRET)
        lines = old.uidl()[1]
        old.quit()
        return lines

    def test_killed_again_and_again(self):
        peer, local = self.dovecot(), self.new_user()
        for part in "", "/cur", "/new", "/tmp":
            os.mkdir(peer.path("mail/old") + part)
        for number in range(2000):
            with open(peer.path(f"mail/old/cur/{1600000000 + number}.a.b:2,"), "w") as file:
                file.write(message(subject=f"number {number}", body="y" * 2000).replace("\r", ""))
        for folder, _, names in os.walk(peer.path("mail/old")):
            for name in [".", *names]:
                shutil.chown(os.path.join(folder, name), *peer.owner)
        with self.there(peer) as client:
            before = look(client)
        command = [self.suite.tool, "-c", self.suite.conf, *self.words(peer, local=local)]
        killed = 0
        for _ in range(6):
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(random.uniform(0.1, 0.5))
            if run.poll() is None:
                killed += 1
                # The process of the user goes with the one that waits for it.
                run.send_signal(signal.SIGKILL)
                run.wait()
        self.assertGreater(killed, 0)
        self.migrate(peer, local=local)
        with self.suite.imap(local) as client:
            self.assertEqual(look(client), before)
        self.suite.posta("mailbox", "check", f"{local}@example.test")

    def test_who_is_trusted(self):
        peer = self.dovecot(users=("old", "second"))
        with self.there(peer) as client:
            client.append("INBOX", "", None, message(subject="one").encode())
        wrong = self.file("wrong", f"old wrong-{SECRET} bob@example.test\n")
        done = self.suite.posta("migrate", "imap", "--from", f"localhost:{peer.ports['imaps']}", "--users", wrong,
                                "--ca-file", self.suite.ca, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NO", done.text)
        self.assertNotIn(SECRET, done.text)
        # A certificate of nobody who is trusted: no password is said.
        for options in (["--from", f"localhost:{peer.ports['imaps']}"], ["--from", f"localhost:{peer.ports['imap']}", "--starttls"],
                        # or of another name.
                        ["--from", f"127.1:{peer.ports['imaps']}", "--ca-file", self.suite.ca]):
            users = self.file("users", f"old {SECRET} bob@example.test\n")
            done = self.suite.posta("migrate", "imap", "--users", users, *options, check=False)
            self.assertEqual(done.returncode, 1, (options, done.text))
            self.assertIn("TLS", done.text)
        for options in (["--insecure"], ["--starttls", "--insecure"], ["--no-tls"]):
            port = "imaps" if options == ["--insecure"] else "imap"
            self.assertIn("INBOX: here INBOX", self.migrate(peer, "--list", *options, port=port).text)
        # One account, by the command for one user.
        done = self.suite.posta("mailbox", "import", f"{self.new_user()}@example.test", "--imap", f"localhost:{peer.ports['imaps']}",
                                "--login", "old", "--password-file", self.file("password", SECRET + "\n"), "--ca-file", self.suite.ca)
        self.assertIn("done: 1 messages", done.text)
        # Who may log in as all of them.
        masters = self.file("masters", "bossword\n")
        users = self.file("logins", f"old {self.new_user()}@example.test\nsecond {self.new_user()}@example.test\n")
        done = self.suite.posta("migrate", "imap", "--from", f"localhost:{peer.ports['imaps']}", "--users", users, "--jobs", "2",
                                "--ca-file", self.suite.ca, "--master", "boss", "--master-password-file", masters)
        self.assertIn("done: 1 messages", done.text)
        self.assertIn("2 of 2 users done", done.text)
        self.assertNotIn("bossword", done.text)

    def test_from_posta(self):
        local = self.new_user()
        with self.suite.imap("alice") as client:
            client.create("Sent")
            client.append("INBOX", r"(\Seen mine)", None, message(subject="of posta").encode())
            client.append("Sent", "", '"01-Feb-2020 03:04:05 +0100"', message(subject="sent").encode())
            before = look(client)
        users = self.file("users", f"alice@example.test {PASSWORD} {local}@example.test\n")
        self.suite.posta("migrate", "imap", "--from", f"localhost:{self.suite.port(993)}", "--users", users, "--ca-file", self.suite.ca)
        with self.suite.imap(local) as client:
            self.assertEqual(look(client), before)


class Site(Migration):
    """A whole site: POSTA_MIGRATE_USERS users (4; 50 as a command of its own), compared one by one. Clients that had
    synchronized with the server before fetch nothing again."""
    test_all_of_a_mailbox = test_later_runs = test_where_mail_is_already = test_killed_again_and_again = None
    test_who_is_trusted = test_from_posta = None

    def mbsync(self, user, port, secret):
        near = os.path.join(self.work, "near")
        os.makedirs(near, exist_ok=True)
        path = self.file("rc", f"IMAPAccount far\nHost localhost\nPort {port}\nUser {user}\nPass {secret}\nSSLType IMAPS\n"
                         f"CertificateFile {self.suite.ca}\n\nIMAPStore far\nAccount far\n\nMaildirStore near\nPath {near}/\n"
                         f"Inbox {near}/INBOX\nSubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\n"
                         "Create Both\nExpunge Both\nSyncState *\n")
        done = subprocess.run(["mbsync", "-c", path, "-a"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, env={**os.environ, "HOME": self.work})
        self.assertEqual(done.returncode, 0, done.stdout)
        return {os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_ino for folder, _, names in os.walk(near)
                for name in names if os.path.basename(folder) in ("cur", "new")}

    def fetchmail(self, user, port, secret, tls):
        """What it fetches, and leaves there."""
        secure = "ssl sslproto TLS1.2+ no sslcertck" if tls else "sslproto ''"
        rc = self.file("fetchmailrc", f"poll 127.0.0.1 service {port} protocol POP3 uidl\n user {user} password {secret} {secure} keep\n"
                       f" mda \"cat >>{self.work}/fetched\"\n")
        done = subprocess.run(["fetchmail", "-f", rc, "--pidfile", os.path.join(self.work, "pid"), "-i", os.path.join(self.work, "ids")],
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              env={**os.environ, "HOME": self.work})
        self.assertIn(done.returncode, (0, 1), done.stdout)
        with contextlib.suppress(OSError), open(os.path.join(self.work, "fetched")) as file:
            return file.read().count("Subject: ")
        return 0

    def test_users_move(self):
        count = int(os.environ.get("POSTA_MIGRATE_USERS", "4"))
        dice = random.Random(count)
        users = [f"{self.new_user()}@example.test" for _ in range(count)]
        peer, before = self.dovecot(users=users, separator="/"), {}
        for user in users:
            with self.there(peer, user) as client:
                for folder in ["INBOX", *dice.sample(["A", "A/B", "A/B/C", "Sent", "Entw&APw-rfe", "Lists"], 3)]:
                    client.create(folder)
                    if dice.random() < 0.5:
                        client.subscribe(folder)
                    for number in range(dice.randrange(6)):
                        flags = " ".join(dice.sample(["\\Seen", "\\Flagged", "\\Answered", "$Label1", "work"], 2))
                        client.append(folder, f"({flags})", None, message(subject=f"{folder} {number}").encode())
                client.append("INBOX", "", None, message(subject="last").encode())
                before[user] = look(client), subscribed(client)
        files = self.mbsync(users[0], peer.ports["imaps"], SECRET)
        fetched = self.fetchmail(users[0], peer.ports["pop3"], SECRET, False)
        self.assertGreater(fetched, 0)
        self.assertEqual(self.fetchmail(users[0], peer.ports["pop3"], SECRET, False), fetched)
        path = self.file("logins", "".join(f"{user}\t{SECRET}\t{user}\n" for user in users))
        done = self.suite.posta("migrate", "imap", "--from", f"localhost:{peer.ports['imaps']}", "--users", path, "--jobs", "4",
                                "--ca-file", self.suite.ca, timeout=600)
        self.assertIn(f"{count} of {count} users done", done.text)
        for user in users:
            with self.suite.imap(user) as client:
                self.assertEqual((look(client), subscribed(client)), before[user])
        self.assertEqual(self.mbsync(users[0], self.suite.port(993), PASSWORD), files)
        self.assertEqual(self.fetchmail(users[0], self.suite.port(995), PASSWORD, True), fetched)


class Liar(Server):
    """Says OK to everything, but what `answers` has (by the command's name, or a folder of it) instead."""

    def __init__(self, answers):
        self.answers = {b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n",
                        b"LIST": b'* LIST () "/" INBOX\r\n',
                        b"EXAMINE": b"* 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 30] x\r\n",
                        b"UID": b"* 1 FETCH (UID 3 RFC822.SIZE 5)\r\n* 2 FETCH (UID 9 RFC822.SIZE 5)\r\n", **answers}
        super().__init__()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            client.sendall(self.answers.get(b"greeting", b"* OK hello\r\n"))
            for line in client.makefile("rb"):
                tag, _, rest = line.strip().partition(b" ")
                name = rest.split(b" ")[0].upper()
                answer = self.answers.get(b"BODY" if b"BODY" in rest else name, b"")
                endless = isinstance(answer, tuple)
                client.sendall(answer[0] if endless else answer)
                if self.connections == 1 and b"BODY" in rest and self.answers.get(b"once"):
                    return
                while endless:
                    client.sendall(answer[1])
                client.sendall(tag + b" OK done\r\n")


class Hostile(Migration):
    test_all_of_a_mailbox = test_later_runs = test_where_mail_is_already = test_killed_again_and_again = None
    test_who_is_trusted = test_from_posta = None

    CASES = (
        ("a line without end", {b"LIST": (b"* LIST ", b"x" * 65536)}),
        ("parentheses without end", {b"UID": (b"* 1 FETCH (X ", b"(" * 65536)}),
        ("a literal without end", {b"LIST": b'* LIST () "/" {99999999999999}\r\nINBOX'}),
        ("a literal of 2^64", {b"BODY": b"* 1 FETCH (UID 3 BODY[] {18446744073709551616}\r\n"}),
        ("a message larger than may be", {b"BODY": b"* 1 FETCH (UID 3 BODY[] {2000000000}\r\n"}),
        ("no IMAP", {b"greeting": b"220 mail ESMTP\r\n"}),
        ("another tag", {b"CAPABILITY": b"x1 OK\r\n"}),
        ("numbers too large", {b"UID": b"* 1 FETCH (UID 99999999999)\r\n"}),
        ("a NUL", {b"LIST": b'* LIST () "/" IN\0BOX\r\n'}),
        ("it goes away", {b"UID": b"* BYE\r\n* 1 FETCH (UID"}),
    )

    def run_against(self, answers, *words, **options):
        server = Liar(answers)
        self.addCleanup(server.close)
        users = self.file("users", f"old {SECRET} {options.pop('local', 'carol')}@example.test\n")
        return self.suite.posta("migrate", "imap", "--from", f"127.0.0.1:{server.port}", "--no-tls", "--users", users,
                                "--tries", "2", *words, check=False, timeout=60)

    def test_what_is_no_imap(self):
        for what, answers in self.CASES:
            with self.subTest(what):
                done = self.run_against(answers)
                self.assertIn(done.returncode, (1, 75), done.text)
                self.assertNotIn("signal", done.text)
                self.assertNotIn("Sanitizer", done.text)
        self.assertEqual(self.suite.inbox("carol"), [])

    def test_no_name_reaches_the_terminal_as_it_is(self):
        """What stands in a prefix is no part of the name here, and so no reason to leave the folder out."""
        done = self.run_against({b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR NAMESPACE\r\n",
                                 b"NAMESPACE": b'* NAMESPACE (("\x1b[2J/" "/")) NIL NIL\r\n',
                                 b"LIST": b'* LIST () "/" "\x1b[2J/Work"\r\n'}, "--list")
        self.assertEqual(done.returncode, 0, done.text)
        self.assertIn("[2J/Work: here Work", done.text)
        self.assertNotIn("\x1b", done.text)

    def test_goes_on_after_the_connection_broke(self):
        local = self.new_user()
        body = b"* %d FETCH (UID %d FLAGS () BODY[] {6}\r\nA: %d\r\n)\r\n"
        done = self.run_against({b"BODY": body % (1, 3, 3) + body % (2, 9, 9), b"once": b"x"}, local=local)
        self.assertEqual(done.returncode, 0, done.text)
        self.assertIn("once more", done.text)
        self.assertEqual(self.suite.inbox(local), [b"A: 3\r\n", b"A: 9\r\n"])

    def test_what_nobody_asked_for(self):
        """Messages with UIDs that were not asked for, twice the same, names that lead elsewhere."""
        local = self.new_user()
        body = b"* %d FETCH (BODY[] {6}\r\nA: %d\r\n UID %d FLAGS (\\Seen \\Recent \\Odd ok))\r\n"
        answers = {b"LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" "../../x"\r\n* LIST () "/" "a/../b"\r\n* LIST () "/" {5}\r\na\r\nb"\r\n'
                   b'* LIST (\\All) "/" everything\r\n',
                   b"BODY": body % (1, 3, 3) + body % (1, 3, 3) + body % (4, 4, 4) + body % (2, 9, 9)}
        done = self.run_against(answers, local=local)
        self.assertNotIn("Sanitizer", done.text)
        with self.suite.imap(local) as client:
            seen = look(client)
        self.assertEqual([(entry[0], entry[1], entry[3]) for entry in seen["INBOX"][2]],
                         [(3, ["\\Seen", "ok"], b"A: 3\r\n"), (9, ["\\Seen", "ok"], b"A: 9\r\n")])
        self.assertEqual([name for name in seen if "/" in name], [])


if __name__ == "__main__":
    unittest.main()
