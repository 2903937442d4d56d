"""What a mailbox server answers to commands about messages that both have."""
import re
import socket

from servers import PASSWORD

MESSAGES = [
    b"From: a@x.test\r\nTo: b@y.test\r\nSubject: plain\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-Id: <1@x.test>\r\n\r\nhello\r\n",
    b"From x Mon Sep 17 00:00:00 2001\r\nFrom: a@x.test\r\nSubject: junk first\r\n\r\nbody\r\n",
    b"From: a@x.test\r\nno field here\r\nSubject: junk within\r\n\r\nbody\r\n",
    b"From: a@x.test\r\nTo: b@y.test\r\nTo: c@z.test\r\nSubject: two To\r\n\r\nbody\r\n",
    b"From: Name Without Address\r\nTo: undisclosed-recipients:;\r\nSubject: names\r\n\r\nbody\r\n",
    b"From: a@x.test\r\nSubject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe =\r\nsoft\r\n",
    b"From: a@x.test\r\nSubject: two parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b  \r\nContent-Type: text/html\r\n\r\n<p>two\r\n--b--junk\r\n--b--\r\nepilogue\r\n",
    b"From: a@x.test\r\nSubject: no parts\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\nnothing\r\n",
    b"From: a@x.test\r\nSubject: no boundary\r\nContent-Type: multipart/mixed\r\n\r\nnothing\r\n",
    b"From: a@x.test\r\nSubject: attached\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@d.test\r\nSubject: inner\r\n\r\ninner body\r\n",
    b"From: a@x.test\r\nSubject: fold\r\n\tand tab\r\nTo: (remark) b@y.test (other)\r\n\r\nbody\r\n",
    b"Subject: no newline at the end\r\n\r\nbody",
    b"\r\nonly a body\r\n",
    b"Subject: only a header\r\n",
    b"From: a@x.test\r\nSubject: base64\r\nContent-Transfer-Encoding: base64 (remark)\r\n\r\naGVsbG8gd29ybGQ=\r\n",
    b"From: a@x.test\r\nSubject: koi8\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n\xd0\xd2\xc9\xd7\xc5\xd4\r\n",
    b"From: \"Quoted \\\"Name\\\"\" <a@x.test>, =?utf-8?B?w6Q=?= <b@x.test>\r\nCc: g: m@x.test, n@x.test;\r\nSubject: addresses\r\n\r\nx\r\n",
    b"From: a@x.test\r\nSubject: \xe4 8-bit\r\n\r\n\xe4\r\n",
    b"From: a@x.test\r\nContent-Type: text/plain; name=\"a b\"; charset=us-ascii\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A4.txt\r\n"
    b"Content-Language: de, en\r\nContent-MD5: abc\r\nContent-Location: http://x/\r\nContent-Id: <i@x>\r\nSubject: fields\r\n\r\nx\r\n",
    b"From: a@x.test\r\nSubject: signed\r\nContent-Type: multipart/signed; boundary=s; micalg=x; protocol=\"a/b\"\r\n\r\n--s\r\n\r\none\r\n--s\r\n"
    b"Content-Type: multipart/alternative; boundary=t\r\n\r\n--t\r\n\r\ndeep\r\n--t--\r\n--s--\r\n",
]
EACH = ["FETCH {n} ENVELOPE", "FETCH {n} BODYSTRUCTURE", "FETCH {n} BODY", "FETCH {n} RFC822.SIZE", "FETCH {n} BODY.PEEK[]",
        "FETCH {n} BODY.PEEK[HEADER]", "FETCH {n} BODY.PEEK[TEXT]", "FETCH {n} BODY.PEEK[1]", "FETCH {n} BODY.PEEK[1.MIME]",
        "FETCH {n} BODY.PEEK[2]", "FETCH {n} BODY.PEEK[HEADER.FIELDS (SUBJECT TO)]", "FETCH {n} BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]",
        "FETCH {n} BODY.PEEK[]<3.5>", "FETCH {n} BODY.PEEK[1.1]", "FETCH {n} BODY.PEEK[1.HEADER]", "FETCH {n} BODY.PEEK[2.1]"]
ONCE = [
    "SEARCH ALL", "SEARCH TEXT hello", "SEARCH BODY world", "SEARCH SUBJECT gr\u00fc\u00dfe", "SEARCH CHARSET UTF-8 SUBJECT \u00fc",
    "SEARCH CHARSET X-NONE SUBJECT x", "SEARCH FROM a@x.test", "SEARCH TO c@z.test", "SEARCH TO b@y.test", "SEARCH HEADER Subject fold",
    "SEARCH SUBJECT \"fold and tab\"", "SEARCH OR SUBJECT plain SUBJECT koi8", "SEARCH NOT SUBJECT e", "SEARCH LARGER 300", "SEARCH 1:3",
    "SEARCH 100", "SEARCH UID 1:*", "SEARCH KEYWORD foo", "SEARCH HEADER To \"\"", "SEARCH SENTBEFORE 1-Jan-2027", "SEARCH", "SEARCH FOO",
    "SEARCH BODY inner", "SEARCH TEXT boundary", "SEARCH TEXT rfc822", "SEARCH FROM Quoted", "SEARCH CC m@x.test",
    "FETCH 100 FLAGS", "FETCH * UID", "FETCH 0 FLAGS", "FETCH 1:* (FLAGS", "FETCH 1 NOSUCH", "FETCH 1 BODY[1.2.3.4.5.6.7.8.9.10.11.12]",
    "FETCH 1 (UID  FLAGS)", "FETCH  1 FLAGS", "FETCH 1 FLAGS ", "STORE 100 +FLAGS (\\Seen)", "STORE 1 +FLAGS (\\Nosuch)", "STORE 1 +FLAGS foo",
    "STORE 1 FLAGS (\\Seen \\Recent)", "STORE 1 +FLAGS ()", "UID STORE 999 +FLAGS (\\Seen)", "UID FETCH 999 FLAGS", "COPY 1 Nosuch", "COPY 100 INBOX",
    "CREATE a/b/c", "CREATE INBOX", "CREATE \"\"", "CREATE a//b", "CREATE x/", "DELETE a", "DELETE INBOX", "DELETE nosuch", "RENAME nosuch y",
    "RENAME a z", "LIST \"\" *", "LIST \"\" %", "LIST \"\" \"\"", "LSUB \"\" *", "SUBSCRIBE nosuch", "UNSUBSCRIBE nosuch2",
    "STATUS INBOX (MESSAGES UNSEEN)", "STATUS INBOX ()", "STATUS nosuch (MESSAGES)", "STATUS INBOX (FOO)", "EXAMINE INBOX", "STORE 1 +FLAGS (\\Seen)",
    "SELECT nosuch", "FETCH 1 FLAGS", "SELECT INBOX", "CHECK", "NOOP x", "EXPUNGE", "CLOSE", "FETCH 1 FLAGS", "SELECT \"inbox\"", 
    "ENABLE CONDSTORE", "ENABLE FOO", "NAMESPACE", "FOO", "UID FOO", "UID", "", "LOGIN alice x", "AUTHENTICATE FOO", "STARTTLS", "UNSELECT",
    "RENAME INBOX old", "STATUS old (MESSAGES)",
]


class Client:
    def __init__(self, address, port):
        self.socket = socket.create_connection((address, port), 30)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.number = 0

    def response(self):
        """One line with its literals."""
        line = self.file.readline()
        while (match := re.search(rb"\{(\d+)\}\r\n$", line)) and line:
            line += self.file.read(int(match[1])) + self.file.readline()
        return line

    def command(self, text, literal=None):
        """(untagged responses, the word of the tagged one with its code)"""
        self.number += 1
        tag = b"t%d" % self.number
        data = tag + b" " + text.encode()
        if literal is not None:
            self.socket.sendall(data + b" {%d}\r\n" % len(literal))
            answer = self.response()
            if not answer.startswith(b"+"):
                return [], answer
            data = literal
        self.socket.sendall(data + b"\r\n")
        untagged = []
        while True:
            line = self.response()
            if not line:
                return untagged, b"closed"
            if line.startswith(tag + b" ") or line.startswith(b"* BYE") or (text == "" and line.startswith(b"* BAD")):
                return untagged, line
            untagged.append(line)


LATER = re.compile(rb"\[(HIGHESTMODSEQ|UIDVALIDITY|UIDNEXT|COPYUID|APPENDUID|NOMODSEQ|MAILBOXID|CAPABILITY)[^\]]*\]", re.I)


def shape(untagged, tagged):
    """What is compared: responses without numbers that are each server's own, and the kind of the end."""
    lines = []
    for line in untagged:
        line = re.sub(rb"\{\d+\}\r\n([^\r\n\"]*)$", rb'"\1"', line) if b"BODY[" not in line else line
        line = LATER.sub(lambda m: m[1].upper(), line.strip())
        line = re.sub(rb"^\* (OK|NO) (\[[A-Z]+\])?.*", rb"* \1 \2", line)
        line = re.sub(rb'^(\* (?:LIST|LSUB) .*) "[./]" "?([^" ]*)"?$', rb'\1 "/" "\2"', line)
        if line.startswith((b"* LIST", b"* LSUB")):
            line = line.replace(b".", b"/")
        line = re.sub(rb'^\* STATUS "?([^" ]+)"?', rb"* STATUS \1", line)
        line = re.sub(rb"(\[[0-9.A-Z]+\]) \{0\}\r\n", rb"\1 NIL", line)  # a part that is not there
        lines.append(line.decode(errors="backslashreplace"))
    match = re.match(rb"\S+ (OK|NO|BAD)(?: \[([A-Z-]+))?", tagged)
    code = match[2].decode() if match and match[2] and match[2] not in (b"CAPABILITY",) else ""
    end = f"{match[1].decode()} {code}".strip() if match else "closed"
    return lines + [end]


def observe(address, port):
    client = Client(address, port)
    client.command(f"LOGIN alice@here.test {PASSWORD}")
    seen = {}
    for number, message in enumerate(MESSAGES, 1):
        seen[f"APPEND {number}"] = shape(*client.command("APPEND INBOX \"28-Nov-2026 10:00:00 +0000\"", message))
    separator = re.search(rb'"([./])"', client.command("NAMESPACE")[0][0])[1].decode()
    client.command("SELECT INBOX")
    for number in range(1, len(MESSAGES) + 1):
        for text in EACH:
            command = text.format(n=number)
            seen[command] = shape(*client.command(command))
    for number, command in enumerate(ONCE):
        seen[f"{command or '(an empty line)'}" + (f" ({number})" if command in ONCE[:number] else "")] = \
            sorted(shape(*client.command(command.replace("/", separator))))
    return seen
