"""Connections that sleep: imapd keeps them while their user has no process, and nobody notices."""
import concurrent.futures
import contextlib
import json
import os
import pwd
import re
import signal
import socket
import ssl
import time
import unittest
import zlib

from posta import AS_ROOT, Instance, PASSWORD, message, wait_until
from test_access import packed

USERS = ("alice", "bob", "idler", "silent", "told", "popper", "pair", "deflate", "states", "partial",
         "ender", "locked", "forger")
SETTINGS = {"imap_hibernate_timeout": "1s", "imap_session_idle_exit": "1s", "login_client_connection_count_limit": "0"}


class Client:
    """Reads and writes lines of IMAP; what it was told of the mailbox is its model."""

    def __init__(self, suite, user="bob", tls=False, select="INBOX"):
        self.sock = socket.create_connection(("127.0.0.1", suite.port(993 if tls else 143)), timeout=20)
        if tls:
            self.sock = suite.tls_context().wrap_socket(self.sock, server_hostname="localhost")
        self.inflate = self.deflate = None
        self.buffer, self.seen = b"", []
        self.count = 0
        self.tag = 0
        self.line()
        self.ask(f"LOGIN {suite.user(user)} {PASSWORD}")
        if select:
            self.ask(f"SELECT {select}")

    def send(self, text):
        data = text.encode()
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                raise AssertionError(f"nothing came after {self.seen}") from None
            if not data:
                raise EOFError(self.buffer)
            self.buffer += self.inflate.decompress(data) if self.inflate else data
        line, self.buffer = self.buffer.split(b"\n", 1)
        line = line.decode().rstrip("\r")
        self.seen = self.seen[-10:] + [line]
        if match := re.match(r"\* (\d+) EXISTS", line):
            self.count = int(match[1])
        elif re.match(r"\* \d+ EXPUNGE", line):
            self.count -= 1
        return line

    def until(self, pattern):
        lines = [self.line()]
        while not re.match(pattern, lines[-1]):
            lines.append(self.line())
        return lines

    def ask(self, command, expect="OK"):
        self.tag += 1
        self.send(f"t{self.tag} {command}\r\n")
        lines = self.until(rf"t{self.tag} ")
        assert re.match(f"t{self.tag} {expect}", lines[-1]), lines
        return lines

    def compress(self):
        self.ask("COMPRESS DEFLATE")
        self.inflate, self.deflate = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)

    def idle(self):
        self.tag += 1
        self.send(f"t{self.tag} IDLE\r\n")
        return self.until(r"\+ ")

    def done(self):
        self.send("DONE\r\n")
        return self.until(rf"t{self.tag} OK")

    def close(self):
        self.sock.close()


class Tools(unittest.TestCase):
    """What the classes below share. Scenarios, each with a user of its own, run at the same time: they mostly wait."""

    def instance(self, **main):
        suite = Instance(users=USERS, main={**SETTINGS, **main})
        self.addCleanup(suite.close)
        return suite

    def at_once(self, scenarios):
        with concurrent.futures.ThreadPoolExecutor(len(scenarios)) as pool:
            futures = {pool.submit(each): each.__name__ for each in scenarios}
        for future, name in futures.items():
            with self.subTest(name):
                future.result()

    def parents(self):
        return [item["pid"] for item in status(self.suite) if item["program"] == "imapd-session"]

    def processes(self, user):
        """Of that user, by where it is; one that is not anywhere yet may be anybody's."""
        found = []
        for parent in self.parents():
            try:
                with open(f"/proc/{parent}/task/{parent}/children") as file:
                    children = [int(word) for word in file.read().split()]
            except OSError:
                continue
            for pid in children:
                with contextlib.suppress(OSError):
                    where = os.readlink(f"/proc/{pid}/cwd")
                    if f"/{user}/" in where or "/Maildir" not in where:
                        found.append(pid)
        return found

    def wait_asleep(self, user):
        wait_until(lambda: not self.processes(user), what=f"the end of {user}'s process")

    def wait_awake(self, user):
        wait_until(lambda: self.processes(user), what=f"a process of {user}")

    def client(self, *arguments, **options):
        client = Client(self.suite, *arguments, **options)
        self.addCleanup(client.close)
        return client

    def deliver(self, user="bob", subject="x"):
        self.suite.submit("alice", [user], message(subject=subject))

    def store(self, command, user="bob"):
        """By a session of the same user, which ends at once."""
        with contextlib.closing(Client(self.suite, user)) as other:
            other.ask(command)
            other.ask("LOGOUT")


class Hibernate(Tools):
    def test_scenarios(self):
        self.suite = self.instance()
        self.at_once([getattr(self, name) for name in dir(self) if name.startswith("scenario_")])

    def scenario_idle_is_kept_and_woken_by_a_delivery(self):
        for options in ({}, {"tls": True}):
            client = self.client("idler", **options)
            before = client.count
            self.assertEqual(client.idle(), ["+ idling"])
            self.wait_asleep("idler")
            # It is still somebody who is logged in.
            self.assertIn("idler@example.test", self.suite.posta("who").text)
            self.deliver("idler")
            self.assertIn(f"* {before + 1} EXISTS", client.until(rf"\* {before + 1} EXISTS"))
            self.wait_asleep("idler")
            self.assertEqual(client.done()[-1], f"t{client.tag} OK Idle completed.")
            self.assertEqual(client.ask("NOOP")[-1], f"t{client.tag} OK NOOP completed.")
            self.assertEqual(client.idle()[-1], "+ idling")
            # imapd has said all of that.
            self.assertEqual(self.processes("idler"), [])
            # Apple Mail: DONE and the next command in one segment.
            client.send(f"DONE\r\nx UID FETCH 1:* (FLAGS)\r\n")
            lines = client.until("x ")
            self.assertEqual(lines[0], f"t{client.tag} OK Idle completed.")
            self.assertEqual(len(lines), 2 + client.count, lines)
            self.assertEqual(lines[-1], "x OK Fetch completed.")
            client.close()

    def scenario_silence_sleeps_too(self):
        client = self.client("silent")
        self.wait_asleep("silent")
        self.deliver("silent")
        self.wait_awake("silent")
        # Nothing is said but in an answer.
        client.sock.settimeout(1.5)
        with self.assertRaises(AssertionError):
            client.line()
        client.sock.settimeout(20)
        self.wait_asleep("silent")
        lines = client.ask("NOOP")
        self.assertIn("* 1 EXISTS", lines)
        self.wait_asleep("silent")
        self.assertEqual(len(client.ask("UID SEARCH ALL")), 2)

    def scenario_what_others_do_is_told_exactly(self):
        for enable, uid in (("", False), ("ENABLE QRESYNC", True)):
            self.store("UID STORE 1:* +FLAGS.SILENT (\\Deleted)", "told")
            self.store("EXPUNGE", "told")
            with contextlib.closing(Client(self.suite, "told")) as other:
                for i in range(6):
                    text = message(subject=str(i))
                    other.send(f"a{i} APPEND INBOX (\\Seen) {{{len(text)}+}}\r\n{text}\r\n")
                    other.until(f"a{i} OK")
            client = self.client("told", select=None)
            if enable:
                client.ask(enable)
            client.ask("SELECT INBOX")
            uids = [int(re.search(r"UID (\d+)", line)[1]) for line in client.ask("FETCH 1:* UID")[:-1]]
            client.ask("SEARCH RETURN (SAVE) UID 1:*")
            self.assertEqual(len(uids), 6)
            client.idle()
            self.wait_asleep("told")
            # Not by a session: that would wake them first. As another Maildir program does it.
            folder = os.path.join(self.suite.home, "mail", "example.test", "told", "Maildir", "cur")
            names = sorted(os.listdir(folder), key=lambda name: int(re.search(r"U=(\d+)", name)[1]))
            os.unlink(os.path.join(folder, names[1]))
            os.rename(os.path.join(folder, names[4]), os.path.join(folder, names[4] + "F"))
            os.unlink(os.path.join(folder, names[3]))
            lines, flagged, gone = [], False, 0
            while not flagged or gone < 2:
                lines.append(client.line())
                flagged |= " FETCH " in lines[-1]
                gone += " EXPUNGE" in lines[-1]
                if match := re.match(r"\* VANISHED (\S+)", lines[-1]):
                    gone += len(match[1].split(","))
            self.assertEqual(any("VANISHED" in line for line in lines), uid, lines)
            client.done()
            flags = {line for line in client.ask("FETCH 1:* (UID FLAGS)")[:-1]}
            found = [int(re.search(r"UID (\d+)", line)[1]) for line in flags]
            self.assertEqual(sorted(found), [uids[0], uids[2], uids[4], uids[5]])
            self.assertEqual(sum("Flagged" in line for line in flags), 1)
            self.assertEqual(client.ask("UID SEARCH RETURN (COUNT) UID $")[0].split("COUNT ")[1], "4")
            client.close()

    def scenario_changes_by_a_pop3_session_renumber_rightly(self):
        client = self.client("popper")
        for _ in range(3):
            self.deliver("popper")
        wait_until(lambda: client.ask("NOOP") and client.count == 3, what="three messages")
        client.idle()
        self.wait_asleep("popper")
        pop = self.suite.pop3("popper")
        pop.dele(1)
        pop.dele(3)
        pop.quit()
        lines = client.until(r"\* 1 EXPUNGE")
        self.assertIn("* 3 EXPUNGE", lines)
        self.assertEqual(client.count, 1)
        client.done()
        self.assertEqual(client.ask("FETCH 1 UID")[0], "* 1 FETCH (UID 2)")

    def scenario_all_of_a_user_sleep_and_wake_together(self):
        one, two = self.client("pair"), self.client("pair", tls=True)
        one.idle()
        self.wait_awake("pair")
        two.ask("NOOP")
        self.wait_asleep("pair")
        two.ask("CREATE Other")
        two.ask("APPEND INBOX {1+}\r\nx")
        # The one that idles hears of what the other has just done.
        self.assertIn("* 1 EXISTS", one.until(r"\* 1 EXISTS"))
        two.ask("STORE 1 +FLAGS (\\Flagged)")
        self.assertRegex(one.until(r"\* 1 FETCH")[-1], "Flagged")
        self.wait_asleep("pair")
        three = self.client("pair")
        three.ask("STORE 1 +FLAGS (\\Deleted)")
        three.ask("EXPUNGE")
        self.assertEqual(one.until(r"\* 1 EXPUNGE")[-1], "* 1 EXPUNGE")
        self.assertIn("* 1 EXPUNGE", two.ask("NOOP"))
        one.done()

    def scenario_compress(self):
        for tls in (False, True):
            client = self.client("deflate", tls=tls)
            client.compress()
            client.ask("CAPABILITY")
            before = client.count
            client.idle()
            self.wait_asleep("deflate")
            self.deliver("deflate")
            client.until(rf"\* {before + 1} EXISTS")
            client.done()
            self.wait_asleep("deflate")
            # What it refers to was sent to another process.
            for _ in range(3):
                self.assertEqual(client.ask("CAPABILITY")[-1], f"t{client.tag} OK Capability completed.")
            client.send(f"i IDLE\r\n")
            client.until(r"\+ ")
            self.wait_asleep("deflate")
            client.send("DONE\r\ny NOOP\r\nz LOGOUT\r\n")
            self.assertIn("z OK Logout completed.", client.until("z OK"))

    def scenario_states_come_back(self):
        client = self.client("states", select=None)
        client.ask("CREATE Ordner.Zwei")
        client.ask("ENABLE UTF8=ACCEPT CONDSTORE")
        text = "Subject: x\r\n\r\nx"
        client.send(f"a APPEND Ordner.Zwei ($Own) {{{len(text)}+}}\r\n{text}\r\n")
        client.until("a OK")
        client.ask("EXAMINE Ordner.Zwei")
        self.wait_asleep("states")
        # Read-only, with mod-sequences and keywords, under another name.
        client.ask("STORE 1 +FLAGS (\\Seen)", "NO")
        other = self.client("states", select="Ordner.Zwei")
        other.ask("STORE 1 +FLAGS (\\Answered)")
        other.ask("RENAME Ordner.Zwei Ordner.Drei")
        self.assertRegex(client.ask("NOOP")[0], r"\* 1 FETCH .*\$Own.*MODSEQ|MODSEQ.*\$Own")
        self.wait_asleep("states")
        self.assertEqual(client.ask("UID SEARCH ALL")[0], "* SEARCH 1")
        other.ask("DELETE Ordner.Drei")
        with self.assertRaises((EOFError, AssertionError)):
            client.ask("NOOP")
        self.assertTrue(any("BYE" in line for line in client.seen), client.seen)

    def scenario_partial_lines_and_nonsense_are_for_the_session(self):
        client = self.client("partial")
        client.idle()
        self.wait_asleep("partial")
        for byte in "DONE\r\n":
            client.send(byte)
            time.sleep(0.05)
        client.until(rf"t{client.tag} OK")
        self.wait_asleep("partial")
        client.ask("IDLE now", "BAD")
        client.ask("NOSUCH", "BAD")
        self.wait_asleep("partial")
        client.send("l NOOP\nm NOOP\r\n")
        client.until("m OK")

    def scenario_the_end_of_a_sleeper(self):
        client, other = self.client("ender"), self.client("ender")
        client.idle()
        other.idle()
        self.wait_asleep("ender")
        client.close()
        self.suite.wait_log(r"disconnected: user=<ender@example.test>, rip=127.0.0.1, asleep")
        self.assertEqual(self.processes("ender"), [])
        self.assertIn("1 ended", self.suite.posta("kick", "ender@example.test").text)
        self.assertRegex(other.until(r"\* BYE")[-1], "administrator")
        with self.assertRaises(EOFError):
            other.line()
        wait_until(lambda: "ender" not in self.suite.posta("who", check=False).text, what="nobody")

    def scenario_a_locked_account_does_not_wake(self):
        client = self.client("locked")
        client.idle()
        self.wait_asleep("locked")
        # By the table alone, so that nobody is sent away.
        path = os.path.join(self.suite.conf, "users")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(re.sub(r"(?m)^(locked@.*)$", r"\1 nologin", text))
        self.suite.posta("user", "compile")
        self.assertRegex(client.until(r"\* BYE")[-1], "BYE")
        wait_until(lambda: "locked" not in self.suite.posta("who", check=False).text, what="nobody")


    def scenario_a_number_is_worth_nothing_to_others(self):
        """Somebody who has got hold of an imapd, and offers to keep sleepers, shows numbers of others."""
        if not AS_ROOT:
            return  # all programs are one user
        client = self.client("forger")
        client.idle()
        self.wait_asleep("forger")
        user = pwd.getpwnam(self.suite.posta("conf", "-h", "login_owner").text.strip())
        path = os.path.join(self.suite.home, "queue", "private", "imapd-session")
        ours, theirs = socket.socketpair()
        with ours, theirs, connected_as(user, path) as link:
            link.sendall(packed("sleep_offer", room=0))
            for number in range(0, 200):
                socket.send_fds(link, [packed("sleep_return", number=number, connection=1)], [theirs.fileno()])
                link.sendall(packed("sleep_over", number=number))
            theirs.close()
            # All were refused: nobody has our descriptor any more.
            ours.settimeout(10)
            self.assertEqual(ours.recv(100), b"")
            # By number: who offers to keep sleepers was heard, and still is.
            link.setblocking(False)
            self.assertRaises(BlockingIOError, link.recv, 100)
        self.assertEqual(self.processes("forger"), [])
        self.assertIn("forger@example.test", self.suite.posta("who").text)
        client.done()
        client.ask("FETCH 1:* UID", "(OK|BAD)")



class Limits(Tools):
    def test_limits(self):
        self.suite = self.instance(imap_hibernate_connection_limit="2", mail_max_userip_connections="2",
                                   imap_idle_notify_interval="1s", imap_idle_timeout="4s")
        one, two = self.client("alice"), self.client("alice")
        one.idle()
        self.wait_awake("alice")
        two.idle()
        self.wait_asleep("alice")
        # Two sleep; who has no place keeps a process.
        bob = self.client("bob")
        bob.idle()
        time.sleep(2)
        self.assertEqual(len(self.processes("bob")), 1)
        bob.close()
        # Those who sleep count, and the oldest that idles gives way.
        three = self.client("alice")
        self.assertIn("* BYE [LIMIT] Too many connections from your address.", one.until(r"\* BYE"))
        three.idle()
        self.wait_asleep("alice")
        # Who is silent for too long is sent away, and is told until then that the server is there.
        lines = three.until(r"\* BYE")
        self.assertIn("* OK Still here", lines)
        self.assertEqual(lines[-1], "* BYE Disconnected for inactivity.")


class Kills(Tools):
    """What is killed takes its sleepers along, or nothing; never more."""

    def pid(self, program):
        return next(int(item["pid"]) for item in status(self.suite) if item["program"] == program)

    def kill(self, program):
        pid = self.pid(program)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: any(item["program"] == program and int(item["pid"]) != pid
                               for item in status(self.suite)), what="another " + program)

    def test_kills_and_replacement(self):
        self.suite = self.instance()
        client, secured = self.client("idler"), self.client("silent", tls=True)
        client.idle()
        secured.idle()
        self.wait_asleep("idler")
        self.wait_asleep("silent")
        self.kill("anvil")
        self.deliver("idler")
        client.until(r"\* 1 EXISTS")
        self.wait_asleep("idler")
        # A reload leaves those who sleep where they are.
        self.suite.posta("reload")
        wait_until(lambda: len(self.parents()) == 2, what="another imapd-session")
        self.deliver("silent")
        secured.until(r"\* 1 EXISTS")
        other = self.client("told")
        other.idle()
        client.done()
        self.assertEqual(client.ask("UID SEARCH ALL")[0], "* SEARCH 1")
        client.close()
        secured.close()
        wait_until(lambda: len(self.parents()) == 1, what="the end of the old one")
        self.wait_asleep("told")
        self.kill("imapd-session")
        self.assertRegex(other.until(r"\* BYE")[-1], "BYE")
        other = self.client("told", tls=True)
        other.idle()
        self.wait_asleep("told")
        for item in status(self.suite):
            if item["program"] == "imapd":
                os.kill(int(item["pid"]), signal.SIGKILL)
        with self.assertRaises((EOFError, ConnectionError, ssl.SSLError)):
            other.until(r"\* BYE")
        wait_until(lambda: "told" not in self.suite.posta("who", check=False).text, what="nobody")
        last = self.client("told")
        last.ask("NOOP")



def status(suite):
    return [json.loads(line) for line in suite.posta("status", "--json").text.splitlines()
            if line.startswith("{")]


@contextlib.contextmanager
def connected_as(user, path):
    """A connection that another user has made."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([pwd.getpwnam("posta").pw_gid])
            os.setgid(pwd.getpwnam("posta").pw_gid)
            os.setuid(user.pw_uid)
            link = socket.socket(socket.AF_UNIX)
            link.connect(path)
            socket.send_fds(theirs, [b"x"], [link.fileno()])
        except OSError as problem:
            theirs.sendall(str(problem).encode())
        finally:
            os._exit(0)
    theirs.close()
    said, fds, _, _ = socket.recv_fds(ours, 100, 1)
    assert fds, said
    os.waitpid(child, 0)
    ours.close()
    with socket.socket(fileno=fds[0]) as link:
        yield link


if __name__ == "__main__":
    unittest.main()
