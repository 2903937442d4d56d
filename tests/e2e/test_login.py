"""Before the login: SASL with programs that are not ours, and clients that wait and do nothing."""
import base64
import contextlib
import hashlib
import hmac
import os
import subprocess
import tempfile
import unittest

from posta import Instance, PASSWORD, Talk, message


def scram_client(ask, user, password, header=b"n,,", binding=b""):
    """SCRAM-SHA-256 as RFC 5802 has it; `ask` sends bytes and returns the server's next word."""
    nonce = base64.b64encode(os.urandom(12)).decode()
    bare = f"n={user},r={nonce}"
    first = ask(header + bare.encode()).decode()
    fields = dict(part.split("=", 1) for part in first.split(","))
    assert fields["r"].startswith(nonce)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]),
                                 int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without_proof = f"c={base64.b64encode(header + binding).decode()},r={fields['r']}"
    signed = ",".join((bare, first, without_proof)).encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
    final = ask(f"{without_proof},p={proof}".encode())
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    if final is not None:
        assert final == b"v=" + base64.b64encode(server), final
    return final


class Scram(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.instance = Instance(main={"auth_mechanisms": "plain, login, scram-sha-256"}, start=False)
        cls.addClassCleanup(cls.instance.close)
        cls.instance.posta("user", "passwd", "alice@example.test", "--password", PASSWORD,
                           "--scheme", "SCRAM-SHA-256")
        cls.instance.posta("user", "add", "clear@example.test", "--hash", "{PLAIN}in-clear-7")
        # As Dovecot writes it, of the password "pencil" (RFC 7677 3).
        cls.instance.posta("user", "add", "user@example.test", "--hash",
                           "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
                           "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
                           "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
        cls.instance.start()

    def imap(self, user, password):
        with self.instance.imap("x", login=False) as client:
            self.assertIn("AUTH=SCRAM-SHA-256", client.capabilities)
            words = []

            def answer(challenge):
                words.append(challenge)
                return self.next_response(words, user, password)
            return client.authenticate("SCRAM-SHA-256", answer)

    def next_response(self, words, user, password):
        """imaplib asks for each response by itself: the exchange is run again up to it."""
        class Enough(Exception):
            pass
        replies = iter(words[1:])
        sent = []
        os_urandom, os.urandom = os.urandom, lambda n: b"\7" * n

        def ask(data):
            sent.append(data)
            try:
                return next(replies)
            except StopIteration:
                raise Enough from None
        try:
            scram_client(ask, user, password)
            return b""
        except Enough:
            return sent[-1]
        finally:
            os.urandom = os_urandom

    def test_keys_and_passwords(self):
        for user, password in (("alice", PASSWORD), ("clear", "in-clear-7"), ("user", "pencil")):
            self.assertEqual(self.imap(f"{user}@example.test", password)[0], "OK", user)
            # What is stored for SCRAM proves a password that is sent too.
            with self.instance.imap(user, password=password):
                pass
        # bob's is stored in another way; nobody is not there; nobody says which.
        for user, password in (("alice", "bad"), ("bob", PASSWORD), ("nobody", "x")):
            with self.assertRaisesRegex(Exception, "AUTHENTICATIONFAILED"):
                self.imap(f"{user}@example.test", password)

    def test_pop3_and_smtp(self):
        i = self.instance
        client = i.pop3("user", password="pencil")
        client.quit()
        with i.smtp(465) as smtp:
            smtp.ehlo()

            def ask(data):
                code, text = smtp.docmd(base64.b64encode(data).decode())
                self.assertEqual(code, 334)
                return base64.b64decode(text)
            self.assertEqual(smtp.docmd("AUTH", "SCRAM-SHA-256")[0], 334)
            scram_client(ask, "alice@example.test", PASSWORD)
            self.assertEqual(smtp.docmd("")[0], 235)

    def test_mbsync(self):
        i = self.instance
        i.submit("alice", ["alice"], message(subject="by SCRAM"))
        i.wait_mail("alice", text="by SCRAM")
        with tempfile.TemporaryDirectory() as home:
            rc = os.path.join(home, "rc")
            os.makedirs(os.path.join(home, "mail"))
            with open(rc, "w") as file:
                file.write(f"IMAPAccount a\nHost localhost\nPort {i.port(993)}\n"
                           f"User alice@example.test\nPass {PASSWORD}\nSSLType IMAPS\n"
                           f"AuthMechs SCRAM-SHA-256\nCertificateFile {i.ca}\n\n"
                           "IMAPStore far\nAccount a\n\n"
                           f"MaildirStore near\nPath {home}/mail/\nInbox {home}/mail/INBOX\n\n"
                           "Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\n")
            done = subprocess.run(["mbsync", "-c", rc, "-a"], stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.STDOUT, timeout=60, env=dict(os.environ, HOME=home))
            self.assertEqual(done.returncode, 0, done.stdout + i.log_tail())
            found = subprocess.run(["grep", "-rl", "by SCRAM", home + "/mail"], stdout=subprocess.PIPE)
            self.assertTrue(found.stdout)
        self.assertIn("method=SCRAM-SHA-256", i.log())


class Crowd(unittest.TestCase):
    """Who has not logged in gives way, oldest first, to who comes."""

    def talk(self, instance, port=143):
        talk = Talk(instance.address, instance.port(port))
        self.addCleanup(talk.socket.close)
        return talk

    def test_of_one_address(self):
        with Instance(main={"login_client_connection_count_limit": "5",
                            "login_client_connection_limit_exceptions": "",
                            "disable_plaintext_auth": "no"}) as i:
            for port in (143, 110):
                crowd = []
                for _ in range(8):
                    crowd.append(self.talk(i, port))
                    self.assertRegex(crowd[-1].line(), rb"^(\* OK|\+OK)")
                for old in crowd[:3]:
                    self.assertRegex(old.line(), rb"^(\* BYE|-ERR)")
                    self.assertEqual(old.line(), b"")
                crowd[3].send("a NOOP\r\n" if port == 143 else "CAPA\r\n")
                self.assertRegex(crowd[3].line(), rb"OK")
                for talk in crowd:
                    talk.socket.close()
            # Those who have logged in are not counted any more.
            with contextlib.ExitStack() as stack:
                for _ in range(10):
                    stack.enter_context(i.imap("alice", port=143))

    def test_of_all(self):
        with Instance(main={"client_connection_limit": "10"}) as i:
            crowd = [self.talk(i) for _ in range(10)]
            for talk in crowd:
                self.assertRegex(talk.line(), rb"^\* OK")
            late = self.talk(i)
            self.assertRegex(late.line(), rb"^\* OK")
            self.assertRegex(crowd[0].line(), rb"^\* BYE")

    def test_smtp(self):
        """Of the network that has most, the oldest that has given no MAIL; nobody else's."""
        with Instance(main={"client_connection_limit": "10"}) as i:
            def talk(address):
                found = Talk(i.address, i.port(25), source=address)
                self.addCleanup(found.socket.close)
                self.assertRegex(found.reply(), rb"^220 ")
                return found
            alone = talk("127.0.0.2")
            works = talk("127.0.0.3")
            works.ask("EHLO client.test\r\n")
            self.assertRegex(works.ask("MAIL FROM:<a@client.test>\r\n"), rb"^250 ")
            crowd = [talk("127.0.0.3") for _ in range(8)]
            late = [talk(f"127.0.0.{4 + n}") for n in range(3)]
            for old in crowd[:3]:
                self.assertRegex(old.reply(), rb"^421 4\.3\.2 ")
                self.assertEqual(old.reply(), b"")
            for other in (alone, works, *crowd[3:], *late):
                self.assertRegex(other.ask("NOOP\r\n"), rb"^250 ")
            self.assertRegex(works.ask(f"RCPT TO:<{i.user('bob')}>\r\n"), rb"^250 ")
            i.wait_log(r"disconnected for a new client: \S*\[127\.0\.0\.3\]")


if __name__ == "__main__":
    unittest.main()
