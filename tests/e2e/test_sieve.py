"""Sieve at delivery: what a user's scripts say is done, once, also when a delivery is done again; and
the administrator's scripts around it."""
import email
import email.policy
import glob
import os
import unittest

from posta import PLAIN_BUILD, Instance, message

FILTER = r"""require ["fileinto", "mailbox", "imap4flags", "copy", "reject", "envelope", "subaddress",
  "variables", "special-use", "vacation", "mailboxid", "enotify"];
if header :is "subject" "flags" { addflag ["\\Seen", "$Label1"]; keep; stop; }
if header :is "subject" "new" { fileinto :create :flags "\\Flagged" "Lists.D&v"; }
if header :is "subject" "slash" { fileinto :create "Arch/2026"; }
if header :is "subject" "absent" { fileinto "Nowhere"; }
if header :is "subject" "umlaut" { fileinto :create "Müll"; }
if header :is "subject" "away" { discard; }
if header :is "subject" "no" { reject "Not
  wanted"; }
if header :is "subject" "forward" { redirect "bob@example.test"; }
if header :is "subject" "copy" { redirect :copy "bob@example.test"; }
if header :is "subject" "myself" { redirect "alice@example.test"; }
if header :is "subject" "junk" { fileinto :specialuse "\\Junk" "Other"; }
if allof (header :is "subject" "asks", mailboxexists "INBOX", not mailboxexists "Nowhere") {
  fileinto :create "asked"; }
if header :contains "subject" "tell" {
  notify :message "You have mail" "mailto:bob@example.test,alice@example.test?body=from%20the%20filter"; }
if envelope :detail "to" "news" { fileinto :create "News"; }
if header :contains "subject" "vacation" {
  vacation :subject "Weg über" :handle "v" "Ich bin weg. ü"; }
if header :is "subject" "both" { redirect "alice+back@example.test"; keep; }
"""


class Sieve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(users=("alice", "bob", "carol", "dave", "erin", "frank", "grace"), start=False)
        os.mkdir(cls.path("global"))
        cls.write("global/all.sieve", 'require "copy"; redirect :copy "frank@example.test";')
        cls.suite.set(recipient_delimiter="+", sieve_global_directory=cls.path("global"),
                      sieve_spamtest_header="X-Score", sieve_before="/nonexistent/%d, " + cls.path("before"),
                      sieve_after=cls.path("%d.after"))
        cls.write("before", 'require ["fileinto", "mailbox", "copy"];\n'
                  'if header :is "X-Spam" "yes" { fileinto :create "Junk"; stop; }\n'
                  'if header :is "X-Copy" "yes" { fileinto :copy :create "Copies"; keep; }\n')
        cls.write("example.test.after", 'require ["fileinto", "mailbox"];\n'
                  'if header :is "subject" "late" { fileinto :create "Late"; }\n')
        cls.suite.start()
        cls.script("alice", "main", FILTER)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.suite.dir, name)

    @classmethod
    def write(cls, name, text):
        with open(cls.path(name), "w") as file:
            file.write(text)
        return cls.path(name)

    @classmethod
    def script(cls, user, name, text):
        cls.sieve("put", cls.suite.user(user), name, cls.write("script", text))
        cls.sieve("activate", cls.suite.user(user), name)

    @classmethod
    def sieve(cls, *words, **options):
        """Without sanitizers: a process that has taken on a user's rights cannot be searched for leaks."""
        return cls.suite.command([os.path.join(PLAIN_BUILD, "bin", "posta"), "-c", cls.suite.conf, "sieve",
                                  *words], **options)

    def deliver(self, subject, to="alice@example.test", sender="carol@example.test", extra=""):
        self.suite.inject(sender, [to], message(sender, to, subject, extra=extra))
        self.suite.wait_queue_empty()

    def folder(self, name, user="alice"):
        try:
            return self.suite.inbox(user, name)
        except AssertionError:
            return []

    def subjects(self, name="INBOX", user="alice"):
        return [str(email.message_from_bytes(m)["Subject"]) for m in self.folder(name, user)]

    def test_files(self):
        before = len(self.folder("INBOX"))
        for subject, folder in (("new", '"Lists.D&-v"'), ("slash", "Arch.2026"), ("asks", "asked"),
                                ("umlaut", '"M&APw-ll"')):
            self.deliver(subject)
            self.assertEqual(self.subjects(folder), [subject])
        self.deliver("x", "alice+news@example.test")
        self.assertEqual(self.subjects("News"), ["x"])
        self.deliver("away")
        self.assertEqual(len(self.folder("INBOX")), before)
        self.deliver("absent")
        self.deliver("myself")
        self.assertEqual(len(self.folder("INBOX")), before + 2)
        with self.suite.imap("alice") as client:
            client.create("Spam", )
        self.deliver("junk")
        self.assertIn("junk", self.subjects("Spam") + self.subjects("Junk"))

    def test_flags(self):
        self.deliver("flags")
        with self.suite.imap("alice") as client:
            client.select("INBOX")
            found = client.search(None, "SUBJECT", "flags", "SEEN", "KEYWORD", "$Label1")[1][0]
            self.assertEqual(len(found.split()), 1)

    def test_around(self):
        self.deliver("new", extra="X-Spam: yes\r\n")
        self.assertEqual(self.subjects("Junk")[-1:], ["new"])
        self.deliver("late", extra="X-Copy: yes\r\n")
        self.assertEqual((self.subjects("Copies"), self.subjects("Late")), (["late"], ["late"]))
        self.assertNotIn("late", self.subjects())
        # Without a script of one's own the administrator's run all the same.
        self.deliver("late", "dave@example.test")
        self.assertEqual(self.subjects("Late", "dave"), ["late"])

    def test_reject(self):
        self.deliver("no", sender="bob@example.test")
        bounce = self.suite.wait_mail("bob", text="Not wanted")[0]
        self.assertIn(b"5.7.1", bounce)
        self.assertNotIn("no", self.subjects())

    def test_redirect(self):
        before = len(self.folder("INBOX", "bob"))
        self.deliver("forward")
        self.deliver("copy")
        got = self.suite.wait_mail("bob", before + 2)[before:]
        for mail in got:
            self.assertIn(b"Return-Path: <carol@example.test>", mail)
            self.assertIn(b"Delivered-To: alice@example.test", mail)
        self.assertEqual(self.subjects().count("copy"), 1)
        self.assertNotIn("forward", self.subjects())

    def test_redirected_once(self):
        """What comes again goes on once, so that users who redirect to each other make no avalanche of a message."""
        before = len(self.folder("INBOX", "bob"))
        for name in ("one", "one", "two"):
            self.suite.inject("x@outside.test", ["alice@example.test"],
                              f"From: x@outside.test\r\nSubject: forward\r\nMessage-ID: <{name}@again.test>\r\n\r\nx\r\n")
            self.suite.wait_queue_empty()
        self.assertEqual(len(self.folder("INBOX", "bob")), before + 2)
        self.assertIn("redirected to bob@example.test (went there before)", self.suite.log())

    def test_hostile(self):
        """A script that asks for too much: nothing of it is done, the mail is kept, the owner told where."""
        self.script("grace", "much", 'require ["fileinto", "mailbox", "copy"];\nfileinto :copy :create "Much";\n'
                    + "".join(f'redirect :copy "bob+{n}@example.test";\n' for n in range(5)))
        before = len(self.folder("INBOX", "bob"))
        self.deliver("hostile", "grace@example.test")
        self.assertIn("hostile", self.subjects(user="grace"))
        self.assertEqual((self.folder("Much", "grace"), len(self.folder("INBOX", "bob"))), ([], before))
        told = [m for m in self.folder("INBOX", "grace") if b"Your mail filter has an error" in m]
        self.assertEqual(len(told), 1)
        self.assertIn(b"line 7, column 1: more than 4 redirects", told[0])
        self.sieve("deactivate", "grace@example.test")
        self.sieve("delete", "grace@example.test", "much")

    def test_loop(self):
        """What comes back to whoever redirected it ends there."""
        self.script("dave", "loop", 'redirect "alice@example.test";')
        self.script("carol", "loop", 'redirect "dave@example.test"; redirect "carol@example.test";')
        self.sieve("put", "dave@example.test", "loop",
                         self.write("script", 'redirect "carol@example.test";'))
        try:
            self.deliver("loop", "carol@example.test", "bob@example.test")
            self.suite.wait_mail("bob", text="mail forwarding loop")
            self.assertEqual(self.subjects(user="carol").count("loop"), 1)
        finally:
            self.sieve("deactivate", "dave@example.test")
            self.sieve("deactivate", "carol@example.test")

    def test_notify(self):
        """Each address gets a message of its own, from nobody; and none is told of a notification."""
        bob = len(self.folder("INBOX", "bob"))
        self.deliver("tell", sender="dave@example.test")
        self.deliver("tell", sender="dave@example.test", extra="Auto-Submitted: auto-notified\r\n")
        told = self.suite.wait_mail("bob", bob + 1)[bob:]
        self.suite.wait_queue_empty()
        self.assertEqual(len(told), 1)
        mail = email.message_from_bytes(told[0], policy=email.policy.default)
        self.assertEqual((mail["Return-Path"], mail["From"], mail["To"], mail["Subject"]),
                         ("<>", "alice@example.test", "bob@example.test", "You have mail"))
        self.assertTrue(mail["Auto-Submitted"].startswith("auto-notified"))
        self.assertEqual(mail.get_content(), "from the filter\r\n")
        self.assertEqual(self.subjects().count("You have mail"), 1)
        self.assertEqual(self.subjects().count("tell"), 2)

    def test_vacation(self):
        before = len(self.folder("INBOX", "dave"))
        for _ in range(2):
            self.deliver("vacation", sender="dave@example.test", extra="References: <a@b>\r\n")
        self.deliver("vacation list", sender="dave@example.test", extra="List-Id: <x.y>\r\n")
        self.deliver("vacation auto", sender="dave@example.test", extra="Auto-Submitted: auto-replied\r\n")
        self.deliver("vacation", sender="<>")
        # Of what somebody else has sent on, the sender hears nothing.
        self.script("frank", "on", 'redirect "alice@example.test";')
        self.deliver("vacation", "frank@example.test", "bob@example.test")
        self.assertNotIn(b"Weg", b"".join(self.folder("INBOX", "bob")))
        self.sieve("deactivate", "frank@example.test")
        got = self.folder("INBOX", "dave")[before:]
        self.assertEqual(len(got), 1)
        answer = email.message_from_bytes(got[0], policy=email.policy.default)
        self.assertEqual(answer["Subject"], "Weg über")
        self.assertEqual(answer.get_content().strip(), "Ich bin weg. ü")
        self.assertEqual(answer["Auto-Submitted"], "auto-replied (vacation)")
        self.assertEqual(answer["Return-Path"], "<>")
        self.assertIn("<a@b>", answer["References"])
        self.assertIn(answer["In-Reply-To"], answer["References"])
        self.assertEqual(len([s for s in self.subjects() if s.startswith("vacation")]), 6)

    def test_wrong_script(self):
        folder = os.path.dirname(glob.glob(f"{self.suite.home}/**/bob/**/new", recursive=True)[0])
        self.script("bob", "x", "keep;")
        with open(os.path.join(folder, "sieve", "x.sieve"), "w") as file:
            file.write('require "fileinto";\nfileintoo "x";\n')
        for subject in ("first", "second"):
            self.deliver(subject, "bob@example.test")
        self.assertIn("second", self.subjects(user="bob"))
        told = [m for m in self.folder("INBOX", "bob") if b"Your mail filter has an error" in m]
        self.assertEqual(len(told), 1)
        self.assertIn(b"line 2, column 1: there is no fileintoo", told[0])
        self.sieve("deactivate", "bob@example.test")

    def test_newer(self):
        """What a script changes, remembers and includes."""
        self.script("erin", "part", 'require "editheader"; addheader "X-Seen" "\u00e4"; deleteheader "X-Gone";')
        self.script("erin", "main", 'require ["include", "duplicate", "fileinto", "mailbox", "spamtest", '
                    '"relational", "comparator-i;ascii-numeric", "copy"];\n'
                    'if duplicate :header "X-Id" { discard; stop; }\n'
                    'include "part"; include :global "all";\n'
                    'if spamtest :value "ge" :comparator "i;ascii-numeric" "8" { fileinto :create "Spam"; }\n')
        for _ in range(2):
            self.deliver("once", "erin@example.test", extra="X-Id: 7\r\nX-Gone: 1\r\nX-Score: 9.5\r\n")
        got = self.folder("Spam", "erin")
        self.assertEqual(len(got), 1)
        self.assertIn(b"\nX-Seen: =?utf-8?B?w6Q=?=\r\n", got[0])
        self.assertNotIn(b"X-Gone", got[0])
        self.assertEqual(self.subjects("INBOX", "erin"), [])
        self.assertEqual(len(self.folder("INBOX", "frank")), 1)
        # What goes on is the message as it is then.
        self.assertIn(b"X-Seen", self.folder("INBOX", "frank")[0])
        self.sieve("deactivate", "erin@example.test")
        for name in ("main", "part"):
            self.sieve("delete", "erin@example.test", name)

    def test_verbs(self):
        user = "erin@example.test"
        self.assertNotEqual(self.sieve("put", user, "bad", self.write("script", "keep"),
                                             check=False).returncode, 0)
        self.sieve("put", user, "good", self.write("script", "keep;"))
        self.sieve("put", user, "other", self.write("script", "discard;"))
        self.sieve("activate", user, "good")
        self.assertEqual(sorted(self.sieve("list", user).text.splitlines()),
                         ["good (active) 5 bytes", "other 8 bytes"])
        self.assertEqual(self.sieve("get", user, "other").text, "discard;")
        self.assertNotEqual(self.sieve("delete", user, "good", check=False).returncode, 0)
        self.assertNotEqual(self.sieve("put", user, "../x", self.path("script"),
                                             check=False).returncode, 0)
        self.sieve("deactivate", user)
        for name in ("good", "other"):
            self.sieve("delete", user, name)
        self.assertEqual(self.sieve("list", user).text, "")


if __name__ == "__main__":
    unittest.main()
