"""ManageSieve: sieve-connect and Net_Sieve (what Roundcube speaks with) manage scripts, which deliveries then
run; what goes wrong is answered as RFC 5804 says, and nobody comes out of the own folder."""
import base64
import os
import re
import shutil
import subprocess
import unittest

from managesieve import Client, literal, quoted
from posta import AS_ROOT, Instance, PASSWORD, message, wait_until
from test_login import scram_client

FILE_AWAY = 'require ["fileinto", "mailbox"];\r\nfileinto :create "Away";\r\n'


class ManageSieve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob", "carol", "dave"), start=False, main={
            "auth_mechanisms": "plain, login, scram-sha-256", "mynetworks": "127.0.0.0/8", "auth_failure_delay": "0"})
        cls.addClassCleanup(cls.suite.close)
        cls.suite.posta("user", "passwd", "bob@example.test", "--password", PASSWORD, "--scheme", "SCRAM-SHA-256")
        cls.suite.start()

    def maildir(self, user):
        return os.path.join(self.suite.home, "mail", "example.test", user, "Maildir")

    def run_program(self, *words, stdin=None):
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, errors="replace", cwd=self.suite.dir)

    def deliver(self, subject, to):
        self.suite.inject("x@outside.test", [to], message("x@outside.test", to, subject))
        self.suite.wait_queue_empty()

    # ---- other people's clients ----

    def sieve_connect(self, *words, user="alice@example.test"):
        pass_file = os.path.join(self.suite.dir, "pass")
        with open(pass_file, "w") as file:
            file.write(PASSWORD)
        done = subprocess.run(["sieve-connect", "--server", "127.0.0.1", "--port", str(self.suite.port(4190)),
                               "--user", user, "--passwordfd", "3", "--notlsverify", *words],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, cwd=self.suite.dir, preexec_fn=lambda: os.dup2(os.open(pass_file, os.O_RDONLY), 3),
                              close_fds=False)
        return done.returncode, done.stdout

    def test_sieve_connect(self):
        for name, text in (("away", FILE_AWAY), ("wrong", "fileinto;")):
            with open(os.path.join(self.suite.dir, name + ".sieve"), "w", newline="") as file:
                file.write(text)
        status, said = self.sieve_connect("--localsieve", "away.sieve", "--remotesieve", "away", "--upload")
        self.assertEqual(status, 0, said)
        status, said = self.sieve_connect("--localsieve", "wrong.sieve", "--remotesieve", "wrong", "--upload")
        self.assertIn("line 1, column 1: fileinto needs", said)
        self.assertEqual(self.sieve_connect("--remotesieve", "away", "--activate")[0], 0)
        self.assertRegex(self.sieve_connect("--list")[1], r'"?away"?.*ACTIVE')
        self.deliver("one", "alice@example.test")
        self.assertEqual(len(self.suite.inbox("alice", "Away")), 1)
        self.assertEqual(self.sieve_connect("--remotesieve", "away", "--localsieve", "back.sieve", "--download")[0], 0)
        with open(os.path.join(self.suite.dir, "back.sieve"), newline="") as file:
            self.assertEqual(file.read(), FILE_AWAY)
        self.assertEqual(self.sieve_connect("--deactivate")[0], 0)
        self.assertEqual(self.sieve_connect("--remotesieve", "away", "--delete")[0], 0)
        self.deliver("two", "alice@example.test")
        self.assertEqual(len(self.suite.inbox("alice", "Away")), 1)

    def test_net_sieve(self):
        """Roundcube's managesieve plugin uses this library."""
        program = """<?php require "Net/Sieve.php";
            function must($r) { if ($r === true || is_string($r) || is_array($r)) return $r;
                echo is_object($r) ? $r->getMessage() : "false"; exit(1); }
            $s = new Net_Sieve();
            must($s->connect("127.0.0.1", PORT, ["ssl" => ["cafile" => "CA", "verify_peer_name" => false]], true));
            must($s->login("carol@example.test", "PASSWORD", "PLAIN", "", false));
            must($s->hasExtension("fileinto"));
            must($s->haveSpace("m\\u{fc}ll \\"1\\"", 100));
            must($s->installScript("m\\u{fc}ll \\"1\\"", "require \\"fileinto\\";\\r\\nkeep;\\r\\n", true));
            must($s->installScript("b", "keep;", false));
            $r = $s->installScript("c", "kep;", false);
            echo get_class($r), " ", $r->getMessage(), "\\n";
            echo json_encode($s->listScripts()), " ", $s->getActive(), " ", $s->getScript("b"), "\\n";
            must($s->setActive("b")); must($s->removeScript("m\\u{fc}ll \\"1\\""));
            echo json_encode($s->listScripts()), " ", $s->getActive(), "\\n";
            must($s->disconnect());"""
        for word, value in (("PORT", str(self.suite.port(4190))), ("PASSWORD", PASSWORD), ("CA", self.suite.ca)):
            program = program.replace(word, value)
        done = self.run_program("php", "-d", "error_reporting=E_ALL & ~E_DEPRECATED", stdin=program)
        self.assertEqual(done.returncode, 0, done.stdout + self.suite.log_tail(10))
        self.assertIn("PEAR_Error", done.stdout)
        self.assertIn("line 1, column 1: there is no kep among the commands", done.stdout)
        self.assertIn('["b"] b', done.stdout)
        self.assertIn('m\u00fcll "1" keep;', done.stdout)

    # ---- before the login ----

    def test_greeting_and_tls(self):
        client = Client(self.suite, tls=False)
        names = b"".join(client.greeting[0])
        self.assertIn(b'"STARTTLS"\r\n', names)
        self.assertRegex(names, rb'"SIEVE" "[^"]*\bfileinto ')
        self.assertTrue(client.ask(b"LISTSCRIPTS")[1].startswith(b"NO"))
        # What came in the clear after STARTTLS was not said by whom TLS proves.
        client.send(b"STARTTLS\r\nNOOP \"injected\"\r\n")
        self.assertTrue(client.answer()[1].startswith(b"OK"))
        client.socket = self.suite.tls_context().wrap_socket(client.socket)
        lines, last = client.answer()
        self.assertNotIn(b"STARTTLS", b"".join(lines))
        self.assertTrue(last.startswith(b"OK"), last)
        self.assertEqual(client.ask(b"NOOP", b'"mine"')[1], b'OK (TAG "mine") "Done."\r\n')
        self.assertTrue(client.ask(b"STARTTLS")[1].startswith(b"NO"))
        self.assertTrue(client.ask(b"LOGOUT")[1].startswith(b"OK"))
        self.assertEqual(client.socket.recv(10), b"")
        client.close()

    def test_login(self):
        with Client(self.suite) as client:
            ask = client.ask
            self.assertTrue(client.plain("alice@example.test", "wrong").startswith(b"NO"))
            self.assertTrue(ask(b"AUTHENTICATE", b'"NOSUCH"')[1].startswith(b"NO"))
            self.assertEqual(ask(b"AUTHENTICATE", b'"PLAIN"', b'"!"')[1], b'NO "Invalid base64, or string too long."\r\n')
            # An exchange, with an empty challenge; cancelled; and its response in a literal.
            client.send(b'AUTHENTICATE "PLAIN"\r\n')
            self.assertEqual(client.line(), b'""\r\n')
            client.send(b'"*"\r\n')
            self.assertEqual(client.answer()[1], b'NO "Authentication cancelled."\r\n')
            client.send(b'AUTHENTICATE "PLAIN"\r\n')
            self.assertEqual(client.line(), b'""\r\n')
            client.send(literal(base64.b64encode(f"\0alice@example.test\0{PASSWORD}".encode())) + b"\r\n")
            self.assertEqual(client.answer()[1], b'OK "Logged in."\r\n')
            self.assertTrue(ask(b"AUTHENTICATE", b'"PLAIN"')[1].startswith(b"NO"))
            names = b"".join(ask(b"CAPABILITY")[0])
            self.assertIn(b'"OWNER" "alice@example.test"', names)

    def test_scram(self):
        with Client(self.suite) as client:
            words = []

            def ask(data):
                first = not words
                words.append(data)
                client.send((b'AUTHENTICATE "SCRAM-SHA-256" ' if first else b"") + quoted(base64.b64encode(data)) + b"\r\n")
                line = client.line()
                found = re.fullmatch(rb'"([^"]*)"\r\n' if first else rb'OK \(SASL "([^"]*)"\) "Logged in."\r\n', line)
                self.assertIsNotNone(found, line)
                return base64.b64decode(found[1])
            # It checks that the server knows the password too.
            self.assertTrue(scram_client(ask, "bob@example.test", PASSWORD).startswith(b"v="))
            self.assertEqual(client.scripts(), {})

    def test_in_the_clear(self):
        """From another address than the server's a password is not taken without TLS."""
        import socket
        talk = Client.__new__(Client)
        talk.suite, talk.buffer = self.suite, b""
        talk.socket = socket.create_connection(("127.0.0.1", self.suite.port(4190)), 20, ("127.0.0.2", 0))
        self.assertIn(b'"SASL" ', b"".join(talk.answer()[0]))
        self.assertTrue(talk.plain("alice@example.test", PASSWORD).startswith(b"NO (ENCRYPT-NEEDED) "))
        talk.close()

    def test_strangers(self):
        for said in (b"AUTHENTICATE \"PLAIN\" {20000000+}\r\n", b"x" * 20000 + b"\r\n"):
            with Client(self.suite) as client:
                self.assertTrue(client.ask(said)[1].startswith(b"BYE"))
        with Client(self.suite) as client:
            # Too large, and passed over with what stands in it.
            data = b"LOGOUT\r\n" * 4000
            client.send(b'AUTHENTICATE "PLAIN" {%d+}\r\n' % len(data) + data + b"\r\nNOOP\r\n")
            self.assertTrue(client.answer()[1].startswith(b"NO"))
            self.assertEqual(client.answer()[1], b'OK "Done."\r\n')

    # ---- after it ----

    def test_byte_at_a_time(self):
        with Client(self.suite, "dave") as client:
            for byte in b"PUTSCRIPT " + quoted("slow") + b" " + literal(FILE_AWAY) + b"\r\nLISTSCRIPTS\r\n":
                client.send(bytes([byte]))
            self.assertTrue(client.answer()[1].startswith(b"OK"))
            self.assertEqual(client.answer()[0], [b'"slow"\r\n'])

    def test_names(self):
        names = ["M\u00fcll \"x\" \\ y", "\u65e5\u672c\u8a9e", "a b.c", "x" * 200]
        outside = os.listdir(self.maildir("dave"))
        with Client(self.suite, "dave") as client:
            for name in names:
                self.assertTrue(client.put(name, "keep;").startswith(b"OK"), name)
            for name in ("../x", "/etc/passwd", ".", "..", ".x", "a/b", "x" * 201, "a\u0085", "\u2028"):
                for answer in (client.put(name, "keep;"), client.ask(b"GETSCRIPT", quoted(name))[1],
                               client.ask(b"RENAMESCRIPT", quoted(names[0]), quoted(name))[1],
                               client.ask(b"DELETESCRIPT", quoted(name))[1], client.ask(b"SETACTIVE", quoted(name))[1]):
                    self.assertTrue(answer.startswith(b"NO"), (name, answer))
            # A link leads nowhere.
            folder = os.path.join(self.maildir("dave"), "sieve")
            os.symlink("/etc/hostname", os.path.join(folder, "link.sieve"))
            self.assertTrue(client.ask(b"GETSCRIPT", b'"link"')[1].startswith(b"NO"))
            self.assertLessEqual(set(names), set(client.scripts()))
            self.assertNotIn("link", client.scripts())
            os.unlink(os.path.join(folder, "link.sieve"))
            for name in names:
                self.assertTrue(client.ask(b"DELETESCRIPT", quoted(name))[1].startswith(b"OK"))
        self.assertEqual(set(os.listdir(self.maildir("dave"))) - {"sieve"}, set(outside) - {"sieve"})

    def test_two_connections(self):
        with Client(self.suite, "bob") as one, Client(self.suite, "bob") as two:
            self.assertTrue(one.put("a", "keep;").startswith(b"OK"))
            self.assertTrue(two.ask(b"SETACTIVE", b'"a"')[1].startswith(b"OK"))
            self.assertEqual(one.ask(b"DELETESCRIPT", b'"a"')[1][:11], b"NO (ACTIVE)")
            self.assertEqual(one.scripts(), {"a": True})
            self.assertRegex(self.suite.posta("who").text, r"bob@example\.test .*sieve")
            self.assertIn("2", self.suite.posta("kick", "bob@example.test").text)
            self.assertTrue(one.answer()[1].startswith(b"BYE (TRYLATER)"))
        with Client(self.suite, "bob") as client:
            client.ask(b"SETACTIVE", b'""'), client.ask(b"DELETESCRIPT", b'"a"')
            self.assertEqual(client.scripts(), {})

    def test_what_dovecot_has_left_runs_until_somebody_chooses(self):
        path = os.path.join(self.maildir("carol"), ".dovecot.sieve")
        with Client(self.suite, "carol") as client:
            for name in client.scripts():
                client.ask(b"SETACTIVE", b'""'), client.ask(b"DELETESCRIPT", quoted(name))
            shutil.rmtree(os.path.join(self.maildir("carol"), "sieve"), ignore_errors=True)
            with open(path, "w") as file:
                file.write('require ["fileinto", "mailbox"]; fileinto :create "Dovecot";')
            if AS_ROOT:
                status = os.stat(self.maildir("carol"))
                os.chown(path, status.st_uid, status.st_gid)
            self.assertTrue(client.put("mine", FILE_AWAY).startswith(b"OK"))
            self.deliver("one", "carol@example.test")
            self.assertEqual(len(self.suite.inbox("carol", "Dovecot")), 1)
            client.ask(b"SETACTIVE", b'"mine"')
            self.deliver("two", "carol@example.test")
            self.assertEqual(len(self.suite.inbox("carol", "Away")), 1)
            client.ask(b"SETACTIVE", b'""')
            self.deliver("three", "carol@example.test")
            self.assertEqual(len(self.suite.inbox("carol", "Dovecot")), 1)
        os.unlink(path)

    @unittest.skipUnless(AS_ROOT, "without root nobody can become the user")
    def test_who_answers_is_the_user_in_its_mail(self):
        with Client(self.suite, "alice"):
            def child():
                for pid in filter(str.isdigit, os.listdir("/proc")):
                    try:
                        with open(f"/proc/{pid}/cmdline") as file:
                            ours = "managesieved-session" in file.read()
                        if ours and os.path.realpath(f"/proc/{pid}/root") == os.path.realpath(self.maildir("alice")):
                            return pid
                    except OSError:
                        continue
                return None
            pid = wait_until(child, what="a process with the user's mail as its root")
            self.assertEqual(os.stat(f"/proc/{pid}").st_uid, os.stat(self.maildir("alice")).st_uid)


if __name__ == "__main__":
    unittest.main()
