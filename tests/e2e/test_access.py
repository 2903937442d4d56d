"""Who may say what to whom: real processes of every user at every socket, with every message."""
import os
import pwd
import re
import select
import socket
import struct
import unittest

import programs
from posta import AS_ROOT, PLAIN_BUILD, TOP, Instance, message

PATIENCE = 5


def messages():
    """Names of the messages in the order of their numbers, which begin with 1."""
    with open(os.path.join(TOP, "lib/ipc/messages.def")) as file:
        return re.findall(r"^MESSAGE\((\w+)\)", file.read(), re.M)


def packed(name, **values):
    """A whole message as it goes over the wire; fields that are not given are empty or 0."""
    with open(os.path.join(TOP, "lib/ipc/messages.def")) as file:
        fields = re.search(rf"(?ms)^MESSAGE\({name}\)(.*?)^END\(", file.read())[1]
    body = b""
    for kind, field in re.findall(r"^(TEXT|U8|U32|U64|I64|FD)\((\w+)", fields, re.M):
        value = values.pop(field, "" if kind == "TEXT" else 0)
        if kind == "TEXT":
            body += struct.pack("!I", len(value)) + value.encode()
        else:
            body += struct.pack({"U32": "!I", "U64": "!Q", "I64": "!q"}.get(kind, "!B"), value)
    assert not values, values
    return struct.pack("!IH", len(body) + 2, messages().index(name) + 1) + body


def services(suite):
    """{socket: program} as master.cf says."""
    found = {}
    with open(os.path.join(suite.conf, "master.cf")) as file:
        for match in re.finditer(r"^([^\s#]\S*) +unix +(\S)(?: +\S+){4} +(\S+)[^\n]*?(?:\n +(also=\S+))?$", file.read(), re.M):
            name, private, program, also = match.groups()
            found[("public/" if private == "n" else "private/") + name] = program
            if also:
                found[also[5:]] = program
    return found


def read_answer(connection):
    """What came until the other side was silent or closed: (bytes, closed)."""
    data = b""
    while select.select([connection], [], [], 0.15 if not data else 0.02)[0]:
        try:
            piece = connection.recv(4096)
        except ConnectionResetError:
            return data, True
        if not piece:
            return data, True
        data += piece
    return data, False


def ask(path, number):
    """None: not let in; else whether the message was refused."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        if number is None:
            data, closed = read_answer(connection)
            return None if closed else False
        connection.sendall(struct.pack("!IH", 2, number))
        connection.shutdown(socket.SHUT_WR)
        data = b""
        try:
            while piece := connection.recv(4096):
                data += piece
        except (ConnectionResetError, socket.timeout):
            pass
        return b"not permitted" in data


def as_user(uid, gid, action):
    """Runs action() in a process of that user, and returns the lines that it gives."""
    ends = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([gid])
            os.setgid(gid)
            os.setuid(uid)
            os.write(ends[1], "\n".join(action()).encode())
        finally:
            os._exit(0)
    os.close(ends[1])
    with os.fdopen(ends[0]) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text.splitlines()


@unittest.skipUnless(AS_ROOT, "needs root")
class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(build=PLAIN_BUILD)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def difference(self, user_id, uid, gid):
        """What a process of that user is told, where it is not what programs.def says."""
        users, peers, _ = programs.table()
        sockets = services(self.suite)
        names = messages()
        top = os.path.join(self.suite.home, "queue")

        def look():
            wrong = []
            for path, program in sorted(sockets.items()):
                allowed = set()
                for kind, client, said in peers[program]:
                    if path.startswith(kind) and (client == "anybody" or
                                                  (user_id and users.get(client, "") == user_id)):
                        allowed |= said
                whole = os.path.join(top, path)
                if ask(whole, None) is None:
                    if allowed:
                        wrong.append(f"{path} does not let it in")
                    continue
                if not allowed:
                    wrong.append(f"{path} lets it in")
                    continue
                for number, name in enumerate(names, 1):
                    refused = ask(whole, number)
                    if refused == (name in allowed):
                        wrong.append(f"{path}: {name} is {'refused' if refused else 'taken'}")
            return wrong

        return as_user(uid, gid, look)

    def test_every_user_at_every_socket(self):
        _, _, parameters = programs.table()
        group = pwd.getpwnam("posta").pw_gid
        for user_id, parameter in [*parameters.items(), (None, "nobody")]:
            name = "nobody" if user_id is None else self.suite.posta("conf", "-h", parameter).text.strip()
            with self.subTest(user=name):
                self.assertEqual(self.difference(user_id, pwd.getpwnam(name).pw_uid, group), [])
        self.assertIn("refused: process", self.suite.log())
        self.suite.submit("alice", ["bob"], message(subject="still alive"))
        self.suite.wait_mail("bob", text="still alive")

    def test_strangers_do_not_come_to_private_sockets(self):
        nobody = pwd.getpwnam("nobody")

        def look():
            try:
                ask(os.path.join(self.suite.home, "queue/private/auth"), None)
            except PermissionError:
                return []
            return ["nobody came in"]

        self.assertEqual(as_user(nobody.pw_uid, nobody.pw_gid, look), [])


    def test_a_delivery_that_nobody_queued_leaves_a_line(self):
        """What is let in to local-deliver may deliver; that it did so, and what, is in the log."""
        agent = pwd.getpwnam("postaagent")
        bob, content = self.suite.user("bob"), "Subject: forged\r\n\r\nx\r\n"
        request = packed("mailbox_deliver", queue_id="4FORGED", user=bob, kind=1, sender="a@client.test",
                         recipient=bob, original=bob, content_size=len(content), content=content)

        def deliver():
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(os.path.join(self.suite.home, "queue/private/local-deliver"))
                connection.sendall(request)
                return [str(os.getpid()), repr(connection.recv(4096))]

        pid, answer = as_user(agent.pw_uid, pwd.getpwnam("posta").pw_gid, deliver)
        self.assertIn("delivered to maildir", answer)
        self.suite.wait_mail("bob", text="forged")
        self.suite.wait_log(rf"local-deliver\[\d+\]: 4FORGED: maildir /\S+, user={bob}, uid=\d+, "
                            rf"asked by process {pid} of uid {agent.pw_uid}: done")


@unittest.skipUnless(AS_ROOT, "needs root")
class OneUser(unittest.TestCase):
    """An instance that does not run as root."""

    def test_its_own_user_and_no_other(self):
        user = pwd.getpwnam("games")
        suite = Instance(build=PLAIN_BUILD, as_user="games")
        try:
            self.assertIn("as-all-programs", suite.posta("status", "--json").text)
            path = os.path.join(suite.home, "queue/private/auth")
            resolve = messages().index("resolve") + 1
            self.assertEqual(as_user(user.pw_uid, user.pw_gid,
                                     lambda: [str(ask(path, None)), str(ask(path, resolve))]),
                             ["False", "True"])
            os.chmod(os.path.join(suite.home, "queue/sockets/private"), 0o755)
            other = pwd.getpwnam("nobody")
            self.assertEqual(as_user(other.pw_uid, other.pw_gid, lambda: [str(ask(path, None))]),
                             ["None"])
        finally:
            suite.close()


if __name__ == "__main__":
    unittest.main()
