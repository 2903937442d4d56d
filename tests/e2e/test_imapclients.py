"""What IMAP clients do before a login and around a delivery; their conversations after it are tests/unit/imap/clients."""
import base64
import os
import select
import unittest

from posta import Instance, PASSWORD, Talk, message

FILTER = 'require ["fileinto", "mailbox"];\nif header :is "subject" "list" { fileinto :create "Lists"; }\n'


class ImapClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(processes="-", start=False)
        path = os.path.join(cls.suite.dir, "before.sieve")
        with open(path, "w") as file:
            file.write(FILTER)
        cls.suite.set(sieve_before=path)
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def talk(self):
        talk = Talk("127.0.0.1", self.suite.port(143))
        self.assertRegex(talk.line(), rb"^\* OK \[CAPABILITY IMAP4rev1 .*\bSASL-IR\b")
        return talk

    @staticmethod
    def send(talk, text, bytewise):
        for piece in (text[i:i + 1] for i in range(len(text))) if bytewise else (text,):
            talk.send(piece)

    def ask(self, talk, tag, text, bytewise=False):
        self.send(talk, f"{tag} {text}\r\n", bytewise)
        return talk.until(f"{tag} ".encode())

    def test_id_before_login(self):
        """Outlook asks before it logs in, in all forms; what it is answered is always a list."""
        for bytewise in False, True:
            with self.talk() as talk:
                for words in ('("name" "Outlook")', "NIL", "()", '("NIL")', '("name" NIL "x" {3+}\r\nabc)'):
                    self.assertRegex(self.ask(talk, "a", f"ID {words}", bytewise),
                                     rb'^\* ID \("name" "[^"]+"\)\r\na OK ')
                self.assertRegex(self.ask(talk, "b", "capability", bytewise), rb"\* CAPABILITY IMAP4rev1 ")
                self.assertIn(b"c OK", self.ask(talk, "c", f'login "bob@example.test" "{PASSWORD}"', bytewise))

    def test_initial_response(self):
        """RFC 4959, and AUTH LOGIN with one, which nobody has defined and Outlook sends."""
        plain = base64.b64encode(f"\0bob@example.test\0{PASSWORD}".encode()).decode()
        name = base64.b64encode(b"bob@example.test").decode()
        secret = base64.b64encode(PASSWORD.encode()).decode()
        for bytewise in False, True:
            with self.talk() as talk:
                self.assertIn(b"a OK", self.ask(talk, "a", "AUTHENTICATE PLAIN " + plain, bytewise))
            with self.talk() as talk:
                self.send(talk, f"b AUTHENTICATE PLAIN\r\n", bytewise)
                self.assertEqual(talk.line(), b"+ \r\n")
                self.send(talk, plain + "\r\n", bytewise)
                self.assertIn(b"b OK", talk.until(b"b "))
            with self.talk() as talk:
                # eM Client gives up with another command.
                self.send(talk, "c AUTHENTICATE PLAIN\r\n", bytewise)
                talk.line()
                self.send(talk, "*\r\n", bytewise)
                self.assertRegex(talk.until(b"c "), rb"c (BAD|NO)")
                self.assertIn(b"d OK", self.ask(talk, "d", "AUTHENTICATE PLAIN " + plain, bytewise))
            with self.talk() as talk:
                self.send(talk, f"e AUTHENTICATE LOGIN {name}\r\n", bytewise)
                self.assertTrue(talk.line().startswith(b"+ "))
                self.send(talk, secret + "\r\n", bytewise)
                self.assertIn(b"e OK", talk.until(b"e "))

    def test_commands_after_the_login_in_one_piece(self):
        """Apple Mail and mbsync do not wait for the answer to LOGIN."""
        with self.talk() as talk:
            talk.send(f"A1 LOGIN bob@example.test {PASSWORD}\r\nA2 NAMESPACE\r\n"
                      'A3 LIST "" "*" RETURN (SPECIAL-USE)\r\nA4 SELECT INBOX\r\n')
            text = talk.until(b"A4 ")
            self.assertRegex(text, rb'(?s)A1 OK .*\* NAMESPACE \(\(.*A2 OK .*\* LIST .*"INBOX".*A3 OK .*A4 OK ')

    def test_done_and_the_next_command_over_tls(self):
        with self.suite.imap("bob") as client:
            client.select()
            for _ in range(3):
                client.send(b"i1 IDLE\r\n")
                self.assertTrue(client.readline().startswith(b"+"))
                client.send(b"DONE\r\ni2 NOOP\r\ni3 UID FETCH 1:* FLAGS\r\ni4 IDLE\r\n")
                lines = b""
                while b"\n+ " not in lines:
                    lines += client.readline()
                self.assertRegex(lines, rb"(?s)i1 OK .*i2 OK .*i3 OK .*\+ ")
                client.send(b"DONE\r\n")
                self.assertTrue(client.readline().startswith(b"i4 OK"))

    @staticmethod
    def news(client, until, seconds=15):
        """Lines that come unasked, up to one with `until`."""
        lines = b""
        client.sock.settimeout(seconds)
        while until not in lines.rpartition(b"\n")[0].rpartition(b"\n")[2]:
            lines += client.readline()
        return lines

    def test_notify_of_deliveries(self):
        """RFC 5465: a client that says nothing hears of what local delivers, in any folder."""
        with self.suite.imap("bob") as client:
            client.create("Lists")
            client.select()
            client.send(b"n NOTIFY SET (selected (MessageNew (uid body.peek[header.fields (subject)]) "
                        b"MessageExpunge)) (personal (MessageNew MessageExpunge MailboxName))\r\n")
            self.news(client, b"n OK")
            self.suite.submit("alice", ["bob"], message(subject="to inbox"))
            self.assertIn(b"* 1 FETCH (UID 1 ", self.news(client, b"Subject: to inbox"))
            self.assertEqual(self.news(client, b")"), b"\r\n)\r\n")
            self.suite.submit("alice", ["bob"], message(subject="list"))
            self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 1 UIDNEXT 2 ')
            # Another connection, in a process that is the same or not.
            with self.suite.imap("bob", "starttls") as other:
                other.create("Made")
                self.assertRegex(self.news(client, b"LIST"), rb'\* LIST \(\\HasNoChildren\) "." "?Made"?')
                other.select("Lists")
                other.store("1", "+FLAGS", r"(\Deleted)")
                other.expunge()
                self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 0 ')
                other.delete("Made")
                self.assertIn(b"\\NonExistent", self.news(client, b"LIST"))
            # IDLE says the same, and after it all is as before.
            client.send(b"i IDLE\r\n")
            self.news(client, b"+ ")
            self.suite.submit("alice", ["bob"], message(subject="list"))
            self.assertRegex(self.news(client, b"STATUS"), rb'\* STATUS "Lists" \(MESSAGES 1 UIDNEXT 3 ')
            client.send(b"DONE\r\n")
            self.news(client, b"i OK")
            client.send(b"x NOTIFY NONE\r\n")
            self.news(client, b"x OK")
            self.suite.submit("alice", ["bob"], message(subject="silence"))
            self.suite.wait_mail("bob", text="silence")
            self.assertEqual(select.select([client.sock], [], [], 1)[0], [])


if __name__ == "__main__":
    unittest.main()
