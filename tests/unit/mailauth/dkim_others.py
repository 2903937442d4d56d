#!/usr/bin/python3
"""DKIM and ARC with other people's programs: what we sign they verify, and the other way, over messages that
are easy to get wrong.

    dkim_others.py FOLDER-OF-POSTA
"""
import base64
import itertools
import os
import re
import subprocess
import sys
import tempfile

import dkim

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
from dnsserver import DnsServer  # noqa: E402

POSTA = os.path.join(sys.argv[1], "posta")
ENVIRONMENT = dict(os.environ, MAIL_CONFIG="/nonexistent", PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
DOMAIN = "example.org"
CANONS = [f"{header}/{body}" for header in ("simple", "relaxed") for body in ("simple", "relaxed")]

PLAIN = b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\nDate: Sun, 29 Nov 2026 10:00:00 +0000\r\n"
HEADERS = {
    "plain": PLAIN,
    "folded": PLAIN.replace(b"hello", b"a\r\n  long \t subject\r\n\tof three lines ") + b"Cc:\r\n carol@example.net\r\n",
    "folded once": PLAIN.replace(b"hello", b"a\r\n long\r\n\tsubject"),
    "mixed case": PLAIN.replace(b"From", b"FROM").replace(b"Subject", b"sUBJECT") + b"mime-VERSION: 1.0\r\nX-Empty:\r\n",
    "repeated": b"Received: one\r\nReceived: two\r\n" + PLAIN + b"To: carol@example.net\r\nX-A: 1\r\nx-a: 2\r\nReferences: <a@b>\r\nREFERENCES: <c@d>\r\n",
    "8-bit": PLAIN.replace(b"hello", "grüße".encode()),
}
BODIES = {
    "none": b"",
    "empty lines": b"\r\n\r\n\r\n",
    "lines of blanks": b" \r\n\t\r\n  \r\n",
    "text": b"Hi  there \t\r\n\r\n bye\t \r\n",
    "no end of line": b"Hi\r\nlast",
    "blanks at the end": b"Hi \r\nlast \t",
    "8-bit": b"\xe4\xf6\xfc\r\n\xff\xfe\r\n\r\n\r\n",
    "long line": b"x" * 5000 + b"\r\n",
    "large": b"0123456789 abcdefghij \r\n" * 40000,
}

failures = []


def check(good, *what):
    if not good:
        failures.append(what)
        print("FAILED", *what)


def posta(arguments, message):
    return subprocess.run([POSTA, *arguments], input=message, stdout=subprocess.PIPE, env=ENVIRONMENT, timeout=60).stdout


def verified_by_posta(dns, message):
    """The results of all signatures."""
    first = posta(["verify", "dkim", "--dns", f"127.0.0.1:{dns.port}"], message).split(b"\n")[0].decode()
    return re.findall(r" dkim=(\w+)", first), first


def signed_by_posta(key, canon, message):
    return posta(["sign", "dkim", "--domain", DOMAIN, "--selector", key.selector, "--key", key.file, "--canon", canon], message)


class Key:
    def __init__(self, folder, selector, kind):
        self.selector, self.file, self.kind = selector, os.path.join(folder, selector + ".pem"), kind
        options = ["-algorithm", "ed25519"] if kind == "ed25519" else ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run(["openssl", "genpkey", *options, "-out", self.file], check=True, stderr=subprocess.DEVNULL)
        public = subprocess.run(["openssl", "pkey", "-in", self.file, "-pubout", "-outform", "DER"], check=True,
                                stdout=subprocess.PIPE).stdout
        self.record = f"v=DKIM1; k={kind}; p=" + base64.b64encode(public[-32:] if kind == "ed25519" else public).decode()
        # dkimpy takes the bare seed of an Ed25519 key.
        private = subprocess.run(["openssl", "pkey", "-in", self.file, "-outform", "DER"], check=True, stdout=subprocess.PIPE).stdout
        with open(self.file, "rb") as file:
            self.for_dkimpy = base64.b64encode(private[-32:]) if kind == "ed25519" else file.read()

    def sign_by_dkimpy(self, message, canon, length=False):
        field = dkim.sign(message, self.selector.encode(), DOMAIN.encode(), self.for_dkimpy,
                          canonicalize=tuple(canon.encode().split(b"/")), length=length,
                          signature_algorithm=b"ed25519-sha256" if self.kind == "ed25519" else b"rsa-sha256")
        return field + message


def with_dkimpy(keys, dns):
    records = {f"{key.selector}._domainkey.{DOMAIN}.".encode(): key.record.encode() for key in keys}

    def lookup(name, timeout=5):
        return records.get(name)

    for (head, header), (what, body) in itertools.product(HEADERS.items(), BODIES.items()):
        message = header + b"\r\n" + body
        for number, canon in enumerate(CANONS):
            # Each combination with one of the keys, so that all meet all in the end.
            key = keys[(number + len(head) + len(what)) % len(keys)]
            name = (head, what, canon, key.kind)
            check(dkim.verify(signed_by_posta(key, canon, message), dnsfunc=lookup), "dkimpy verifies", *name)
            if what == "blanks at the end" and canon.endswith("relaxed"):
                continue  # dkimpy keeps one of them, for no line end follows
            result, line = verified_by_posta(dns, key.sign_by_dkimpy(message, canon))
            check(result == ["pass"], "posta verifies dkimpy's", *name, line)
    message = PLAIN + b"\r\n" + BODIES["text"]
    both = signed_by_posta(keys[1], "relaxed/relaxed", signed_by_posta(keys[0], "simple/simple", message))
    for index in range(2):
        check(dkim.DKIM(both).verify(idx=index, dnsfunc=lookup), "dkimpy verifies both", index)
    check(verified_by_posta(dns, both)[0] == ["pass", "pass"], "posta verifies both")
    counted = keys[0].sign_by_dkimpy(message, "relaxed/simple", length=True)
    check(b"l=" in counted and verified_by_posta(dns, counted)[0] == ["pass"], "l= of the whole body")
    result, line = verified_by_posta(dns, counted + b"appended\r\n")
    check(result == ["policy"] and "l=" in line, "text after what was signed", line)
    bare = signed_by_posta(keys[0], "simple/simple", message.replace(b"\r\n", b"\n"))
    check(b"\r" not in bare and dkim.verify(bare.replace(b"\n", b"\r\n"), dnsfunc=lookup), "line ends stay")


def arc_with_dkimpy(key, dns):
    """A chain of three seals by turns, and a change after it."""
    records = {f"{key.selector}._domainkey.{DOMAIN}.".encode(): key.record.encode()}

    def lookup(name, timeout=5):
        return records.get(name)

    def found_by_posta(message):
        return posta(["verify", "arc", "--dns", f"127.0.0.1:{dns.port}"], message).split(b"\n")[0].decode()

    def sealed_by_posta(message, results):
        message = b"Authentication-Results: mx.test; " + results + b"\r\n" + message
        return posta(["sign", "arc", "--authserv-id", "mx.test", "--domain", DOMAIN, "--selector", key.selector, "--key", key.file], message)

    def sealed_by_dkimpy(message, results):
        message = b"Authentication-Results: other.test; " + results + b"\r\n" + message
        fields = dkim.arc_sign(message, key.selector.encode(), DOMAIN.encode(), key.for_dkimpy, b"other.test")
        return b"".join(fields) + message

    for first, second in ((sealed_by_posta, sealed_by_dkimpy), (sealed_by_dkimpy, sealed_by_posta)):
        message = HEADERS["folded"] + b"\r\n" + BODIES["text"]
        for seal, results in ((first, b"spf=pass"), (second, b"arc=pass"), (first, b"arc=pass")):
            message = seal(message, results)
            check(dkim.arc_verify(message, dnsfunc=lookup)[0] == b"pass", "dkimpy verifies the chain", seal.__name__, results)
            line = found_by_posta(message)
            check("arc=pass" in line and "header.oldest-pass=0" in line, "posta verifies the chain", seal.__name__, results, line)
        check("arc=fail" in found_by_posta(message + b"footer\r\n"), "a change after the last seal")
        changed = sealed_by_posta(message + b"footer\r\n", b"arc=fail")
        check("cv=fail" in changed.decode() and "arc=fail" in found_by_posta(changed), "a broken chain is sealed once")
        check(not sealed_by_posta(changed, b"arc=fail"), "and then no more")


def with_opendkim(key, dns, folder):
    """OpenDKIM signs and verifies as it does as a milter, but for its own test."""
    data = os.path.join(folder, "keys")
    settings = {"v": f"Mode v\nTestDNSData file:{data}\n", "s": f"Mode s\nDomain {DOMAIN}\nSelector {key.selector}\nKeyFile {key.file}\nRequireSafeKeys no\n"}
    with open(data, "w") as file:
        file.write(f"{key.selector}._domainkey.{DOMAIN} {key.record}\n")

    def run(mode, canon, message):
        configuration, path = os.path.join(folder, "conf"), os.path.join(folder, "message")
        with open(configuration, "w") as file:
            file.write(settings[mode] + f"Syslog no\nCanonicalization {canon}\n")
        with open(path, "wb") as file:
            file.write(message)
        return subprocess.run(["opendkim", "-x", configuration, "-t", path, "-vvv"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=ENVIRONMENT, timeout=60).stdout

    # Its test reads files with line ends of UNIX, and a body that is not empty.
    for (head, header), what in itertools.product(HEADERS.items(), ("text", "empty lines", "8-bit", "lines of blanks", "long line")):
        message = header + b"\r\n" + BODIES[what]
        # Blanks at the ends of a field do not come through its test.
        for canon in ("simple/simple", "relaxed/relaxed")[head == "folded":]:
            said = run("v", canon, signed_by_posta(key, canon, message).replace(b"\r\n", b"\n"))
            check(b"succeeded" in said, "OpenDKIM verifies", head, what, canon, said[-500:].decode(errors="replace"))
            said = run("s", canon, message.replace(b"\r\n", b"\n"))
            found = re.search(rb"hname='DKIM-Signature' hvalue='(.*?)'", said, re.S)
            check(found, "OpenDKIM signs", head, what, canon)
            if found:
                field = b"DKIM-Signature: " + found[1].replace(b"\n", b"\r\n") + b"\r\n"
                result, line = verified_by_posta(dns, field + message)
                check(result == ["pass"], "posta verifies OpenDKIM's", head, what, canon, line)


def main():
    with tempfile.TemporaryDirectory() as folder:
        keys = [Key(folder, "rsa", "rsa"), Key(folder, "ed", "ed25519")]
        zones = {f"{key.selector}._domainkey.{DOMAIN}": {"TXT": [key.record]} for key in keys}
        with DnsServer(zones) as dns:
            with_dkimpy(keys, dns)
            arc_with_dkimpy(keys[0], dns)
            with_opendkim(keys[0], dns, folder)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
