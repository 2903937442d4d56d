"""Passwords' hashes are in auth, and in no other program: not in a descriptor, not in memory. And what
clients send as passwords stays nowhere."""
import base64
import json
import os
import subprocess
import unittest

import managesieve
from posta import AS_ROOT, PLAIN_BUILD, Instance, PASSWORD, message, wait_until


def memory_has(pid, needles):
    """Those of `needles` that stand in the memory of a process."""
    found = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            # The sanitizers' shadow is terabytes of nothing; what is real there is small.
            if rights[0] != "r" or end - start > 1 << 30 or "[v" in line:
                continue
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            found.update(needle for needle in needles if needle in data)
    return found


def descriptors_have(pid, needles):
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{name}"
        try:
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        found.update(needle for needle in needles if needle in data)
    return found


def family(pid):
    """A process and all that come from it."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = [int(word) for word in file.read().split()]
    return [pid] + [one for child in children for one in family(child)]


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().split(b"\0")[0].decode().rsplit("/", 1)[-1]


@unittest.skipUnless(AS_ROOT, "only root may look into other processes")
class Hashes(unittest.TestCase):
    def setUp(self):
        # Not under sanitizers: they keep what was freed, and their memory is too large to search.
        self.instance = Instance(build=PLAIN_BUILD, main={"mail_max_userip_connections": "20"})
        self.addCleanup(self.instance.close)
        with open(os.path.join(self.instance.conf, "users")) as file:
            self.hashes = {line.split(":")[0]: line.split(":")[1].split("}")[-1].encode()
                           for line in file if "{" in line and not line.startswith("#")}

    def processes(self):
        status = self.instance.posta("status", "--json").text
        some = next(json.loads(line)["pid"] for line in status.splitlines() if '"auth"' in line)
        return family(parent_of(some))

    def test_no_program_but_auth_has_a_hash(self):
        i = self.instance
        needles = list(self.hashes.values())
        self.assertEqual(len(needles), 2)
        i.submit("alice", ["bob"], message())
        i.wait_mail("bob")
        with i.imap("alice") as one, i.imap("bob") as two:
            pop = i.pop3("alice")
            scripts = managesieve.Client(i, "alice")
            one.select(), two.select()
            pids = self.processes()
            commands = {pid: command_of(pid) for pid in pids}
            for name in ("imapd-session", "pop3d-session", "managesieved-session", "local-deliver"):
                self.assertGreater(list(commands.values()).count(name), 1, f"{name}: a child too")
            with_hash = {commands[pid] for pid in pids
                         if memory_has(pid, needles) or descriptors_have(pid, needles)}
            self.assertEqual(with_hash, {"auth"})
            # And a process that is one user has no line of the users' table.
            lines = [b"alice@example.test:x", b"bob@example.test:x"]
            for pid in pids:
                if commands[pid].endswith(("-session", "-deliver")) and parent_of(pid) != pids[0]:
                    self.assertEqual(memory_has(pid, lines), set(), commands[pid])
            pop.quit()
            pop.close()
            scripts.close()

    def test_no_program_keeps_what_was_sent_as_a_password(self):
        i = self.instance
        i.posta("user", "passwd", "bob@example.test", "--password", "bobs-own-secret-1")
        tried = {"right": "bobs-own-secret-1"}
        plain = lambda word: base64.b64encode(f"\0bob@example.test\0{word}".encode())
        needles = []

        def attempts(word):
            needles.extend([word.encode(), plain(word)[12:-8]])
            with i.smtp(465) as smtp:
                smtp.ehlo()
                yield smtp.docmd("AUTH", "PLAIN " + plain(word).decode())[0] == 235
            with i.smtp(465) as smtp:
                smtp.ehlo()
                smtp.docmd("AUTH", "PLAIN")
                yield smtp.docmd(plain(word).decode())[0] == 235
            for given in (True, False):
                with i.imap("bob", login=False) as imap:
                    imap.send(b"a AUTHENTICATE PLAIN" + (b" " + plain(word) if given else b"") + b"\r\n")
                    if not given:
                        imap.readline()
                        imap.send(plain(word) + b"\r\n")
                    yield imap.readline().startswith(b"a OK")
            with i.imap("bob", login=False) as imap:
                imap.send(f'a LOGIN bob@example.test "{word}"\r\n'.encode())
                yield imap.readline().startswith(b"a OK")

        self.assertEqual(list(attempts(tried["right"])), [True] * 5)
        self.assertEqual(list(attempts("a-wrong-secret-2")), [False] * 5)
        found = {command_of(pid): memory_has(pid, needles) for pid in self.processes()}
        self.assertEqual({name: what for name, what in found.items() if what}, {})

    def test_no_program_keeps_a_token(self):
        i = self.instance
        keys = os.path.join(i.conf, "oauth.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", keys + ".key"], check=True)
        subprocess.run(["openssl", "pkey", "-in", keys + ".key", "-pubout", "-out", keys], check=True)
        i.set(auth_mechanisms="plain, xoauth2", oauth_keys=keys, oauth_issuer="https://id.example.test",
              oauth_audience="mail.example.test")
        i.posta("reload")
        header = base64.urlsafe_b64encode(b'{"alg":"EdDSA"}').rstrip(b"=").decode()
        token = header + ".VGhpcy1pcy1ub3QtdG8tYmUta2VwdC1hbnl3aGVyZQ." + "c" * 85 + "A"
        said = base64.b64encode(f"user=bob@example.test\1auth=Bearer {token}\1\1".encode())
        with i.imap("bob", login=False) as imap:
            imap.send(b"a AUTHENTICATE XOAUTH2 " + said + b"\r\n")
            self.assertTrue(imap.readline().startswith(b"+ "))
            imap.send(b"\r\n")
            self.assertTrue(imap.readline().startswith(b"a NO"))
        i.wait_log("login failed .the token's signature is wrong")
        needles = [token[20:60].encode(), said[80:120]]
        found = {command_of(pid): memory_has(pid, needles) for pid in self.processes()}
        self.assertEqual({name: what for name, what in found.items() if what}, {})

    def test_both_tables_follow_each_change(self):
        i = self.instance

        def tables():
            return [i.posta("map", "-s", f"hash:{i.conf}/{name}").text for name in ("users", "passwords")]
        users, passwords = tables()
        self.assertIn("alice@example.test:x:", users)
        self.assertIn("alice@example.test:{CRYPT}", passwords)
        before = os.stat(f"{i.conf}/users.db").st_ino
        i.posta("user", "passwd", "alice@example.test", "--password", "another-one-8")
        self.assertEqual(os.stat(f"{i.conf}/users.db").st_ino, before, "others see no change")
        with i.imap("alice", password="another-one-8"):
            pass
        i.posta("user", "add", "carol@example.test", "--password", PASSWORD)
        self.assertEqual([t.count("carol@example.test:") for t in tables()], [1, 1])
        i.posta("user", "del", "carol@example.test")
        self.assertEqual([t.count("carol@example.test:") for t in tables()], [0, 0])
        self.assertEqual(os.stat(f"{i.conf}/passwords.db").st_mode & 0o007, 0)
        # What a crash has left half done, or an older version has made: the start completes it.
        i.stop()
        os.unlink(f"{i.conf}/passwords.db")
        i.start()
        wait_until(lambda: "alice@example.test:{" in tables()[1], what="the second table")
        with i.imap("bob"):
            pass


if __name__ == "__main__":
    unittest.main()
