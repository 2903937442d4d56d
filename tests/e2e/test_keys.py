"""Private keys: they are in no other program's memory, and a renewed certificate is served at once."""
import imaplib
import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import unittest

from posta import AS_ROOT, PASSWORD, PLAIN_BUILD, Instance, wait_until
from test_confinement import running as programs


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


def secrets_of(path):
    """What of a key is secret, as bytes in either order of memory: {name: needle}."""
    text = openssl("pkey", "-in", path, "-noout", "-text")
    found = {}
    for name in ("priv", "privateExponent", "prime1", "prime2"):
        match = re.search(rf"^{name}:\n((?:    [0-9a-f:]+\n)+)", text, re.M)
        if match:
            number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", match.group(1))).lstrip(b"\0")
            # 24 bytes are enough to know it by; numbers lie in memory with the lowest word first.
            found[name] = number[:24]
            found[name + " reversed"] = number[::-1][:24]
    with open(path) as file:
        lines = file.read().split("\n")
    found["PEM"] = lines[2 if len(lines) > 4 else 1][:40].encode()
    return found


def memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[v" in line:
                continue
            start, end = (int(number, 16) for number in match.groups())
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, OverflowError, ValueError):
                continue


def holds(pid, needles):
    """The names of those that stand in the process's memory."""
    found = set()
    for piece in memory_of(pid):
        found |= {name for name, needle in needles.items() if needle in piece}
    return found


def make_certificate(directory, name, kind, *options):
    key, cert = os.path.join(directory, name + ".key"), os.path.join(directory, name + ".pem")
    openssl("req", "-x509", "-newkey", kind, *options, "-nodes", "-keyout", key, "-out", cert,
            "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost")
    os.chmod(key, 0o600)
    return key, cert


def handshake(suite, port, **options):
    """(version, the server's certificate) as Python's ssl sees it on a TLS port."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        if name == "ciphers":
            context.set_ciphers(value)
        else:
            setattr(context, name, value)
    with socket.create_connection((suite.address, suite.base + port), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.recv(1)
            return tls.version(), tls.getpeercert(binary_form=True)


def der_of(path):
    with open(path) as file:
        return ssl.PEM_cert_to_DER_cert(re.search(r"-----BEGIN CERT.*?-----END CERTIFICATE-----",
                                                  file.read(), re.S).group(0))


@unittest.skipUnless(AS_ROOT, "reads the memory of others")
class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = suite = Instance(build=PLAIN_BUILD, start=False)
        cls.tls = os.path.join(suite.conf, "tls")
        cls.key, cls.cert = make_certificate(cls.tls, "rsa", "rsa:2048")
        cls.ec_key, cls.ec_cert = make_certificate(cls.tls, "ec", "ec", "-pkeyopt",
                                                   "ec_paramgen_curve:P-256")
        # One file with both, so that those who need the certificate cannot but read the key.
        cls.both = os.path.join(cls.tls, "both.pem")
        with open(cls.both, "w") as file:
            for path in (cls.key, cls.cert, cls.ec_key, cls.ec_cert):
                with open(path) as part:
                    file.write(part.read())
        os.chmod(cls.both, 0o600)
        # And a key for a name that clients ask for, in a table as postmap -F makes it.
        cls.sni_key, cls.sni_cert = make_certificate(cls.tls, "sni", "rsa:2048")
        with open(os.path.join(suite.conf, "names"), "w") as file:
            file.write(f"sni.test {cls.sni_key}, {cls.sni_cert}\n")
        os.chmod(os.path.join(suite.conf, "names"), 0o600)
        suite.posta("map", "-F", f"hash:{suite.conf}/names")
        suite.set(tls_server_sni_maps=f"hash:{suite.conf}/names")
        suite.set(smtpd_tls_chain_files=cls.both, smtp_tls_chain_files=cls.both,
                  smtpd_tls_cert_file="", smtpd_tls_key_file="")
        suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def test_keys_alone_has_them(self):
        rsa = {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}
        for port in (465, 993, 995):
            self.assertEqual(handshake(self.suite, port)[0], "TLSv1.3")
            self.assertEqual(handshake(self.suite, port, **rsa), ("TLSv1.2", der_of(self.cert)))
            self.assertEqual(names_of(self.suite, port, "sni.test"), "sni")
        needles = {f"rsa {name}": value for name, value in secrets_of(self.key).items()}
        needles |= {f"sni {name}": value for name, value in secrets_of(self.sni_key).items()}
        needles |= {f"ec {name}": value for name, value in secrets_of(self.ec_key).items()}
        self.assertGreaterEqual(len(needles), 10)
        seen = set()
        context = ssl.create_default_context(cafile=self.cert)
        context.load_verify_locations(cafile=self.ec_cert)
        with imaplib.IMAP4_SSL("localhost", self.suite.base + 993, ssl_context=context) as client:
            client.login(f"bob@{self.suite.domain}", PASSWORD)
            client.select()
            children = subprocess.run(["pgrep", "-f", self.suite.conf], stdout=subprocess.PIPE,
                                      text=True).stdout.split()
            running = {pid: name for name, pid, _ in programs(self.suite)}
            running |= {int(pid): "another" for pid in children if int(pid) not in running}
            for pid, name in running.items():
                found = holds(pid, needles)
                if name == "keys":
                    seen |= found
                else:
                    with self.subTest(program=name, pid=pid):
                        self.assertEqual(found, set())
        self.assertIn("rsa prime1 reversed", seen)
        self.assertIn("sni prime1 reversed", seen)
        self.assertIn("ec priv reversed", seen)

    def test_keys_user_and_files(self):
        """A site's key belongs to root, mode 0600: keys runs as somebody who cannot read it."""
        pids = [pid for name, pid, _ in programs(self.suite) if name == "keys"]
        self.assertEqual(os.stat(self.key).st_uid, 0)
        for pid in pids:
            self.assertEqual(os.stat(f"/proc/{pid}").st_uid in (0, pwd.getpwnam("postakeys").pw_uid), True)
            for number in os.listdir(f"/proc/{pid}/fd"):
                with open(f"/proc/{pid}/fdinfo/{number}") as file:
                    flags = file.read()
                target = os.readlink(f"/proc/{pid}/fd/{number}")
                if target.startswith(self.tls):
                    # A place to look whether it has changed (O_PATH), not one to read from.
                    self.assertRegex(flags, r"flags:\s+0?12[0-7]*00000")


def names_of(suite, port, servername, *options):
    """The subject of the certificate that openssl s_client is shown, or None: no handshake."""
    arguments = ["s_client", "-connect", f"{suite.address}:{suite.base + port}", *options]
    arguments += ["-servername", servername] if servername else ["-noservername"]
    done = subprocess.run(["openssl", *arguments], input="", stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=30, errors="replace")
    found = re.search(r"^subject=\s*CN\s*=\s*(\S+)", done.stdout, re.M)
    return found and found.group(1)


class Names(unittest.TestCase):
    """tls_server_sni_maps: the certificate is that of the name that the client asks for."""

    @classmethod
    def setUpClass(cls):
        cls.suite = suite = Instance(start=False)
        cls.tls = os.path.join(suite.conf, "tls")
        cls.made = {}
        for name, kind in (("first", ["ed25519"]), ("second", ["rsa:2048"]),
                           ("third", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
            cls.made[name] = cls.chain(name, kind)
        cls.table("stored", f"first.test {cls.made['first']}\n.second.test {cls.made['second']}\n")
        cls.table("files", f"third.test {cls.made['third']}\nbroken.test /nonexistent.pem\n")
        suite.posta("map", "-F", f"hash:{cls.tls}/stored")
        suite.set(tls_server_sni_maps=f"hash:{cls.tls}/stored, texthash:{cls.tls}/files",
                  smtpd_tls_loglevel="1")
        suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    @classmethod
    def table(cls, name, text):
        with open(os.path.join(cls.tls, name), "w") as file:
            file.write(text)
        os.chmod(os.path.join(cls.tls, name), 0o600)

    @classmethod
    def chain(cls, name, kind):
        path = os.path.join(cls.tls, name + ".chain")
        with open(path, "w") as file:
            for part in make_certificate(cls.tls, name, *kind):
                with open(part) as one:
                    file.write(one.read())
        os.chmod(path, 0o600)
        return path

    def test_each_listener(self):
        own = names_of(self.suite, 465, None)
        self.assertNotIn(own, (None, "first", "second", "third"))
        for port, options in ((465, ()), (993, ()), (995, ()), (25, ("-starttls", "smtp")),
                              (143, ("-starttls", "imap")), (110, ("-starttls", "pop3"))):
            for asked, shown in (("first.test", "first"), ("FIRST.test", "first"),
                                 ("a.second.test", "second"), ("third.test", "third"),
                                 ("other.test", own), ("second.test", own)):
                with self.subTest(port=port, asked=asked):
                    self.assertEqual(names_of(self.suite, port, asked, *options), shown)
        self.suite.wait_log(r"TLS connection established from \S+ to third\.test: TLSv1\.3")

    def test_older_tls(self):
        for asked, shown in (("first.test", "first"), ("a.second.test", "second")):
            self.assertEqual(names_of(self.suite, 465, asked, "-tls1_2"), shown)

    def test_only_its_own(self):
        """Nothing of the server's other certificates is shown for a name, whatever the client likes."""
        self.assertIsNone(names_of(self.suite, 465, "third.test", "-sigalgs", "RSA-PSS+SHA256"))
        self.assertEqual(names_of(self.suite, 465, "third.test", "-sigalgs", "ECDSA+SHA256"), "third")

    def test_what_cannot_be_read(self):
        self.assertIsNone(names_of(self.suite, 465, "broken.test"))
        self.suite.wait_log(r"broken\.test: no TLS for who asks for it: .*nonexistent\.pem")
        self.assertRegex(self.suite.posta("check", check=False).text, r"broken\.test: .*nonexistent\.pem")

    def test_renewal(self):
        self.table("late", "x.test -")
        shutil.copy(self.made["first"], os.path.join(self.tls, "late.chain"))
        before = names_of(self.suite, 465, "late.test")
        self.table("files", f"third.test {self.made['third']}\nbroken.test /nonexistent.pem\n"
                            f"late.test {self.tls}/late.chain\n")
        self.assertNotEqual(before, "first")
        wait_until(lambda: names_of(self.suite, 993, "late.test") == "first", what="the new name")
        os.rename(self.chain("renewed", ["ed25519"]), os.path.join(self.tls, "late.chain"))
        wait_until(lambda: names_of(self.suite, 465, "late.test") == "renewed", what="the new file")


class Renewal(unittest.TestCase):
    def test_over_symbolic_links(self):
        """As certbot does it: live/x.pem is a link into an archive, which is made anew."""
        with Instance(build=PLAIN_BUILD, start=False) as suite:
            archive = os.path.join(suite.conf, "archive")
            os.mkdir(archive)
            first = make_certificate(archive, "first", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
            second = make_certificate(archive, "second", "ed25519")
            live = [os.path.join(suite.conf, name) for name in ("live.key", "live.pem")]
            for target, link in zip(first, live):
                os.symlink(os.path.relpath(target, suite.conf), link)
            suite.set(smtpd_tls_key_file=live[0], smtpd_tls_cert_file=live[1])
            suite.start()
            self.assertEqual(handshake(suite, 465)[1], der_of(first[1]))
            for target, link in zip(second, live):
                os.symlink(target, link + ".new")
                os.rename(link + ".new", link)

            def renewed():
                return all(handshake(suite, port)[1] == der_of(second[1])
                           for port in (465, 993, 995))

            wait_until(renewed, what="the new certificate everywhere")
            self.assertNotIn("no TLS", suite.log())

    def test_check_names_a_key_that_others_can_read(self):
        with Instance(build=PLAIN_BUILD, start=False) as suite:
            both = os.path.join(suite.conf, "both.pem")
            with open(both, "w") as file:
                for path in make_certificate(suite.conf, "x", "ed25519"):
                    with open(path) as part:
                        file.write(part.read())
            suite.set(smtpd_tls_chain_files=both)
            os.chmod(both, 0o600)
            self.assertNotIn("others can read the key", suite.posta("check", check=False).text)
            os.chmod(both, 0o644)
            self.assertIn("others can read the key", suite.posta("check", check=False).text)

    def test_wrong_key_stops_the_start(self):
        with Instance(build=PLAIN_BUILD, start=False) as suite:
            other, _ = make_certificate(suite.conf, "other", "rsa:2048")
            suite.set(smtpd_tls_key_file=other)
            done = suite.posta("start", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("not that of the certificate", done.text)
            self.assertNotEqual(suite.posta("check", check=False).returncode, 0)


if __name__ == "__main__":
    unittest.main()
