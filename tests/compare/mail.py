"""What a mail transfer agent does with inputs: replies, and what is in which mailbox afterwards."""
import email
import glob
import os
import re
import socket
import threading

import servers

SINK = []


class Sink(threading.Thread):
    """The next hop of all that goes out: takes everything, remembers MAIL and RCPT and the content."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.9", 2525))

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.socket.accept()[0],), daemon=True).start()

    def serve(self, connection):
        file = connection.makefile("rb")
        said = []
        connection.sendall(b"220 sink\r\n")
        for line in file:
            verb = line[:4].upper()
            if verb == b"EHLO":
                connection.sendall(b"250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 SIZE 0\r\n")
                continue
            if verb in (b"MAIL", b"RCPT"):
                # BODY, NOTIFY and ORCPT are compared where the input is about them.
                said.append(re.sub(rb" (SIZE|ENVID|NOTIFY|ORCPT)=\S+", b"", line.strip()).decode(errors="replace"))
            if verb == b"DATA":
                connection.sendall(b"354 go\r\n")
                content = b""
                for text in file:
                    if text == b".\r\n":
                        break
                    content += text[1:] if text.startswith(b".") else text
                SINK.append((said, content))
                said = []
            connection.sendall(b"250 2.0.0 ok\r\n" if verb != b"QUIT" else b"221 bye\r\n")
            if verb == b"QUIT":
                break
        connection.close()


def read_reply(file):
    code = ""
    while True:
        line = file.readline().decode(errors="replace")
        if not line:
            return code or "closed"
        code = " ".join(re.match(r"(\d{3})[ -]?(\d\.\d+\.\d+)?", line).groups(default="")).strip()
        if line[3:4] != "-":
            return code


def dialogue(mta, lines, content=None):
    """Codes of the replies from EHLO on; `content` after DATA."""
    codes = []
    with socket.create_connection((mta.address, 25), 20, source_address=(mta.address, 0)) as connection:
        connection.settimeout(20)
        file = connection.makefile("rb")
        codes.append(read_reply(file))
        for line in ("EHLO client.test", *lines):
            connection.sendall(line.encode("utf-8", "surrogateescape") + b"\r\n")
            codes.append(read_reply(file))
        if content is not None and codes[-1].startswith("2"):
            connection.sendall(b"DATA\r\n")
            codes.append(read_reply(file))
            if codes[-1].startswith("354"):
                connection.sendall(content + b"\r\n.\r\n")
                codes.append(read_reply(file))
    return codes[2:]


NOT_COMPARED = ("received", "message-id", "date", "x-mailer", "user-agent", "x-posta", "x-postfix")


def report(message):
    """What a delivery status notification says, without its free text."""
    said = []
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            for block in part.get_payload():
                for name in ("Final-Recipient", "Original-Recipient", "Action", "Status"):
                    if block[name]:
                        said.append(f"{name}: {re.sub('; *', ';', block[name])}")
        elif not part.is_multipart():
            said.append(f"part {part.get_content_type()}")
    return said


def fields_of(raw):
    message = email.message_from_bytes(raw)
    if message.get_content_type() == "multipart/report":
        return report(message)
    lines = []
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    for field in re.split(rb"\n(?![ \t])", head):
        if field.partition(b":")[0].lower().decode(errors="replace") in NOT_COMPARED:
            lines.append(field.partition(b":")[0].decode(errors="replace").capitalize())
        else:
            lines.append(field.decode(errors="backslashreplace"))
    return lines + ["body " + body.decode(errors="backslashreplace")[:300].strip()]


def delivered():
    """Sorted lines: who got what."""
    lines = []
    for name in servers.USERS:
        for path in sorted(glob.glob(f"/home/{name}/Maildir/*/*")):
            with open(path, "rb") as file:
                lines += [f"{name} got {line}" for line in fields_of(file.read())]
    for said, content in SINK:
        lines += [f"out {line}" for line in said + fields_of(content)]
    return sorted(lines)


def after(mta, codes):
    mta.wait_idle()
    lines = [f"reply {code}" for code in codes] + delivered()
    queue = mta.command("postqueue", "-p")[1]
    reasons = [line.strip() for line in queue.splitlines() if line.strip().startswith("(")]
    lines += [f"kept: {re.sub('[0-9A-F]{8,}|/[^ ]*', '*', reason)}" for reason in reasons]
    mta.command("postsuper", "-d", "ALL")
    servers.empty_homes()
    SINK.clear()
    return lines


PLAIN = b"From: a@client.test\r\nTo: x@here.test\r\nSubject: s\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-Id: <1@client.test>\r\n\r\nhello"


def to(*recipients, sender="<a@client.test>", options=""):
    return [f"MAIL FROM:{sender}{options}", *(f"RCPT TO:{recipient}" for recipient in recipients)]


# name: (lines of the dialogue, content or None)
MESSAGES = {
    "alias with blanks between addresses": (to("<blanks@here.test>"), PLAIN),
    "list with a remark after a member and a refused command": (to("<list@here.test>"), PLAIN),
    "virtual alias with blanks": (to("<one@v.test>"), PLAIN),
    "alias loop": (to("<loop@here.test>"), PLAIN),
    "command that says 4.2.2 and ends with 69": (to("<unknownmail@here.test>"), PLAIN),
    "command that is not there": (to("<nocommand@here.test>"), PLAIN),
    "command that ends with 78": (to("<config78@here.test>"), PLAIN),
    "command that ends with 73": (to("<cant73@here.test>"), PLAIN),
    "command that says two lines": (to("<twolines@here.test>"), PLAIN),
    "recipient whose transport is error:": (to("<closed@here.test>"), PLAIN),
    "recipient whose transport is retry:": (to("<later@here.test>"), PLAIN),
    "recipient who has moved": (to("<gone@here.test>"), PLAIN),
    "postmaster alone": (to("<postmaster>"), PLAIN),
    "double-bounce": (to("<double-bounce@here.test>"), PLAIN),
    "content that begins with a From_ line": (to("<alice@here.test>"), b"From x Mon Sep 17 00:00:00 2001\r\n" + PLAIN),
    "8-bit field without BODY=": (to("<x@out.test>"), PLAIN.replace(b"Subject: s", b"Subject: \xc3\xa4")),
    "8-bit body with BODY=8BITMIME": (to("<x@out.test>", options=" BODY=8BITMIME"), PLAIN + b" \xe4"),
    "line of 2000 octets, sent on": (to("<x@out.test>"), PLAIN + b"\r\n" + b"x" * 2000),
    "To in capitals": (to("<alice@here.test>"), PLAIN.replace(b"To: x@here.test", b"To: ALICE@Here.TEST")),
    "no Date, no Message-Id, no From": (to("<alice@here.test>"), b"Subject: s\r\n\r\nx"),
    "addresses without a domain in fields": (to("<alice@here.test>"), b"From: bob\r\nTo: alice, carl\r\nSubject: s\r\n\r\nx"),
    "Bcc field": (to("<alice@here.test>"), b"Bcc: secret@x.test\r\n" + PLAIN),
    "Return-Path and Delivered-To of others": (to("<alice@here.test>"), b"Return-Path: <z@z.test>\r\nDelivered-To: q@q.test\r\n" + PLAIN),
    "its own Delivered-To (a loop)": (to("<alice@here.test>"), b"Delivered-To: alice@here.test\r\n" + PLAIN),
    "quoted local part": (to('<"q q"@v.test>'), PLAIN),
    "quoted local part, sent on": (to('<"a b"@out.test>'), PLAIN),
    "extension": (to("<alice+ext@here.test>"), PLAIN),
    "unknown extension of an alias": (to("<blanks+ext@here.test>"), PLAIN),
    "same recipient twice": (to("<alice@here.test>", "<ALICE@here.test>"), PLAIN),
    "dots": (to("<alice@here.test>"), PLAIN + b"\r\n..\r\n...x"),
    "no empty line after the header": (to("<alice@here.test>"), b"Subject: s\r\nno field\r\nbody"),
    "empty message": (to("<alice@here.test>"), b""),
    "NUL in the body": (to("<alice@here.test>"), PLAIN + b"\0x"),
    "bare CR in the body": (to("<alice@here.test>"), PLAIN + b"\rx"),
    "DSN asked for success": (to("<alice@here.test> NOTIFY=SUCCESS"), PLAIN),
    "DSN never, unknown command": (to("<config78@here.test> NOTIFY=NEVER"), PLAIN),
    "SMTPUTF8": (to("<\u00e4@out.test>", options=" SMTPUTF8"), PLAIN),
    "ORCPT": (to("<config78@here.test> ORCPT=rfc822;x+20y@out.test"), PLAIN),
    "null sender bounces nowhere": (to("<config78@here.test>", sender="<>"), PLAIN),
    "fold with a tab": (to("<alice@here.test>"), PLAIN.replace(b"Subject: s", b"Subject: s\r\n\tt")),
    "very long field": (to("<alice@here.test>"), PLAIN.replace(b"Subject: s", b"Subject: " + b"y" * 3000)),
}
DIALOGUES = {
    "unknown user": to("<nosuch@here.test>"),
    "relay domain": to("<x@relay.test>"),
    "address without a domain": to("<alice>"),
    "source route": to("<@x.test:alice@here.test>"),
    "percent": to("<alice%x.test@here.test>"),
    "bang": to("<x!alice@here.test>"),
    "no brackets": ["MAIL FROM:a@client.test", "RCPT TO:alice@here.test"],
    "blank after the colon": ["MAIL FROM: <a@client.test>", "RCPT TO: <alice@here.test>"],
    "MAIL twice": ["MAIL FROM:<a@client.test>", "MAIL FROM:<a@client.test>"],
    "RCPT before MAIL": ["RCPT TO:<alice@here.test>"],
    "DATA without a recipient": ["MAIL FROM:<a@client.test>", "DATA"],
    "SIZE twice, the same": ["MAIL FROM:<a@client.test> SIZE=5 SIZE=5"],
    "SIZE too large": ["MAIL FROM:<a@client.test> SIZE=999999999"],
    "unknown parameter": ["MAIL FROM:<a@client.test> FOO=BAR"],
    "BODY of no known kind": ["MAIL FROM:<a@client.test> BODY=9BIT"],
    "empty local part": ["MAIL FROM:<@client.test>"],
    "domain that begins with a dot": ["MAIL FROM:<a@.client.test>"],
    "two at signs": ["MAIL FROM:<a@b@client.test>"],
    "address of 300 octets": ["MAIL FROM:<" + "a" * 300 + "@client.test>"],
    "VRFY": ["VRFY alice"],
    "EXPN": ["EXPN alice"],
    "HELP": ["HELP"],
    "NOOP with words": ["NOOP a b"],
    "RSET with words": ["RSET x"],
    "QUIT with words": ["QUIT x"],
    "ETRN": ["ETRN here.test"],
    "unknown command": ["FOO"],
    "empty line": [""],
    "HTTP": ["GET / HTTP/1.0"],
    "EHLO again": ["EHLO other.test", *to("<alice@here.test>")],
    "EHLO without a name": ["EHLO"],
    "recipient with a space": to("<al ice@here.test>"),
    "recipient with a trailing dot": to("<alice@here.test.>"),
    "address literal": to("<alice@[127.0.0.1]>"),
    "address literal of nobody": to("<alice@[192.0.2.77]>"),
    "8-bit address without SMTPUTF8": to("<\u00e4@out.test>"),
    "NOTIFY of no known word": to("<alice@here.test> NOTIFY=SOMETIMES"),
    "NOTIFY=NEVER,FAILURE": to("<alice@here.test> NOTIFY=NEVER,FAILURE"),
}
COMMANDS = [
    ("postconf", "nosuch"), ("postconf", "-h", "myhostname"), ("postconf", "-n", "nosuch"), ("postconf", "-x", "mydestination"),
    ("postconf", "-d", "mail_name"), ("postconf", "-M", "smtp/inet"), ("postconf", "smtp_destination_concurrency_limit"),
    ("postmap", "-q", "one@v.test", "virtual"), ("postmap", "-q", "nobody", "virtual"), ("postmap", "-q", "x", "nosuch"),
    ("postqueue", "-s", "here.test"), ("postqueue", "-p"), ("postqueue", "-j"), ("postqueue", "-x"), ("postqueue",),
    ("postsuper", "-d", "GONE1234"), ("postsuper", "-d", "ALL", "deferred"), ("postsuper", "-h", "NO!"), ("postsuper", "-d"),
    ("postcat", "-q", "GONE1234"), ("postcat", "/etc/passwd"), ("postalias", "-q", "loop", "aliases"),
    ("sendmail",), ("sendmail", "-N", "sometimes", "alice"), ("mailq",),
    ("sendmail", "-I"), ("newaliases",), ("postlog", "-t", "x", "hello"), ("postmulti", "-l"), ("qshape", "deferred"),
]
SENDMAIL = {
    "sendmail: recipients with a comma and a blank": (["a@x.test, foo bar"], "Subject: s\n\nx\n"),
    "sendmail -t: To with a blank between addresses": (["-t"], "To: a@x.test b@y.test\nSubject: s\n\nx\n"),
    "sendmail -t: Bcc": (["-t"], "To: alice\nBcc: bob\nSubject: s\n\nx\n"),
    "sendmail -t with an address": (["-t", "carl"], "To: alice\nSubject: s\n\nx\n"),
    "sendmail -f, -F": (["-f", "me@x.test", "-F", "My Name", "alice"], "Subject: s\n\nx\n"),
    "sendmail -i: a dot": (["-i", "alice"], "Subject: s\n\nx\n.\ny\n"),
    "sendmail: a dot ends": (["alice"], "Subject: s\n\nx\n.\ny\n"),
    "sendmail -eq": (["-eq", "alice"], "Subject: s\n\nx\n"),
    "sendmail -N never,failure": (["-N", "never,failure", "alice"], "Subject: s\n\nx\n"),
    "sendmail: From_ line": (["alice"], "From x Mon Sep 17 00:00:00 2001\nSubject: s\n\nx\n"),
    "sendmail: 8 bits": (["x@out.test"], "Subject: s\n\n\u00e4\n"),
}


def observe(mta):
    if not SINK and not any(thread.name == "sink" for thread in threading.enumerate()):
        sink = Sink()
        sink.name = "sink"
        sink.start()
    seen = {}
    for name, lines in DIALOGUES.items():
        seen[f"SMTP: {name}"] = [f"{line[:40]}: {code}" for line, code in zip(lines, dialogue(mta, lines))]
    for name, (lines, content) in MESSAGES.items():
        seen[f"mail: {name}"] = after(mta, dialogue(mta, lines, content))
    for name, (words, content) in SENDMAIL.items():
        status = mta.command("sendmail", *words, stdin=content, user="bob")[0]
        seen[name] = after(mta, [f"status {status}"])
    for words in COMMANDS:
        paths = [f"hash:{mta.conf}/{word}" if word in ("virtual", "aliases", "nosuch") and words[0] != "postconf" else word
                 for word in words]
        status, out, _ = mta.command(*paths, stdin="")
        text = out.replace(mta.conf, "CONF").replace(mta.address, "ADDRESS").strip()
        seen["command: " + " ".join(words)] = [f"status {status}", *text.splitlines()[:5]]
    return seen


os.environ["LC_ALL"] = "C.UTF-8"
