"""Passwords beside a user's own: app passwords with scope and last use, master users; tables of auth's that change."""
import contextlib
import imaplib
import json
import os
import poplib
import smtplib
import stat
import unittest
from unittest import mock

from posta import AS_ROOT, PASSWORD, Instance, Talk, wait_until
from test_login import scram_client

BOB, ALICE = "bob@example.test", "alice@example.test"


class Logins:
    def may(self, service, user, password, mechanism=None):
        """True, or False for a refusal; anything else is a failure of the test."""
        i = self.instance
        try:
            if service == "imap":
                with i.imap("x", login=False) as client:
                    client.login(f'"{user}"', password)
            elif service == "pop3":
                client = poplib.POP3_SSL("127.0.0.1", i.port(995), context=i.tls_context(), timeout=30)
                with contextlib.closing(client):
                    client.user(user)
                    client.pass_(password)
            else:
                with i.smtp(587) as client:
                    client.starttls(context=i.tls_context())
                    client.login(user, password)
            return True
        except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPAuthenticationError) as refused:
            self.assertRegex(str(refused), "AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|Wrong|535|disabled|-ERR", refused)
            return False

    def where(self, user, password):
        return [service for service in ("imap", "pop3", "smtp") if self.may(service, user, password)]

    def add(self, user, name, *options):
        text = self.instance.posta("user", "app-password", "add", user, name, *options).text.strip()
        self.assertRegex(text, r"^([a-z2-9]{5}-){4}[a-z2-9]{5}$")
        return text


class AppPasswords(Logins, unittest.TestCase):
    def setUp(self):
        self.instance = Instance(main={"auth_failures_max": "100", "auth_mechanisms": "plain, login, scram-sha-256"})
        self.addCleanup(self.instance.close)

    def test_each_alone(self):
        i = self.instance
        # There is no file before the first one, and it is seen at once.
        phone = self.add(BOB, "phone")
        laptop = self.add(BOB, "laptop", "--scope", "imap,smtp")
        self.assertNotEqual(phone, laptop)
        for file, mode in (("app-passwords", 0o600), ("app-passwords.db", 0o640 if AS_ROOT else 0o600)):
            path = os.path.join(i.conf, file)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode, file)
            with open(path, "rb") as stored:
                self.assertNotIn(phone.replace("-", "").encode(), stored.read())
        self.assertEqual(self.where(BOB, phone), ["imap", "pop3", "smtp"])
        self.assertEqual(self.where(BOB, PASSWORD), ["imap", "pop3", "smtp"])
        self.assertEqual(self.where(BOB, laptop), ["imap", "smtp"])
        i.wait_log(r"auth\[.*login: user=<bob@example\.test>, method=\S+, rip=127\.0\.0\.1, .*service=imap, secured, app_password=laptop, session=")
        i.wait_log(r"auth\[.*login failed \(the app password laptop is not for pop3\)")
        # As people type it.
        self.assertTrue(self.may("imap", BOB, phone.replace("-", " ").upper()))
        self.assertTrue(self.may("imap", BOB, phone.replace("-", "")))
        for wrong in (phone[:-1], phone + "a", phone[:-1] + ("a" if phone[-1] != "a" else "b")):
            self.assertFalse(self.may("imap", BOB, wrong))
        self.assertEqual(self.where(ALICE, phone), [])
        # Scopes and names are looked at, and a name is one password's.
        for words in (("phone",), ("x y",), ("a" * 65,), ("tv", "--scope", "impa"), ("tv", "--scope", "")):
            self.assertNotEqual(i.posta("user", "app-password", "add", BOB, *words, check=False).returncode, 0, words)
        self.assertNotEqual(i.posta("user", "app-password", "add", "nobody@example.test", "tv", check=False).returncode, 0)
        # When each was used last.
        rows = {row["name"]: row for row in map(json.loads, i.posta("user", "app-password", "list", BOB, "--json").text.splitlines())}
        self.assertEqual(rows["laptop"]["scope"], "imap,smtp")
        self.assertGreater(rows["phone"]["last_login"], rows["phone"]["made"] - 5)
        tv = self.add(BOB, "tv")
        text = i.posta("user", "app-password", "list").text
        self.assertRegex(text, r"(?m)^bob@example\.test\ttv\tscope=all\tnot used yet")
        self.assertRegex(text, r"(?m)^bob@example\.test\tlaptop\tscope=imap,smtp\tlast login 20\d\d-\d\d-\d\d \d\d:\d\d (imap|smtp) 127\.0\.0\.1$")
        text = i.posta("user", "list", "--logins").text
        self.assertRegex(text, r"(?m)^bob@.*\tlast login 20\d\d-.* 127\.0\.0\.1$")
        self.assertRegex(text, r"(?m)^alice@.*\tno login is known$")
        # One that is removed ends alone, with the sessions it may have opened.
        with i.imap("x", login=False) as client:
            client.login(BOB, phone)
            i.posta("user", "app-password", "remove", BOB, "phone")
            with self.assertRaises((imaplib.IMAP4.abort, OSError)):
                for _ in range(50):
                    client.noop()
        self.assertEqual(self.where(BOB, phone), [])
        self.assertEqual(self.where(BOB, laptop), ["imap", "smtp"])
        self.assertNotEqual(i.posta("user", "app-password", "remove", BOB, "phone", check=False).returncode, 0)
        # Last use is kept over a restart.
        i.stop()
        i.start()
        self.assertRegex(i.posta("user", "app-password", "list").text, r"laptop\tscope=imap,smtp\tlast login 20")
        self.assertTrue(self.may("imap", BOB, tv))
        # Who comes after a deleted user of that name has none.
        i.posta("user", "del", BOB)
        i.posta("user", "add", BOB, "--password", "another-2", "--keep-mail", check=False)
        self.assertEqual(self.where(BOB, tv), [])
        self.assertEqual(i.posta("user", "app-password", "list").text, "")

    def test_a_second_factor(self):
        """Where the main password does not count, app passwords do; SCRAM is by the main password."""
        i = self.instance
        i.posta("user", "passwd", ALICE, "--password", PASSWORD, "--scheme", "SCRAM-SHA-256")
        app = self.add(ALICE, "phone")

        def scram():
            with i.imap("x", login=False) as client:
                said = []

                def answer(challenge):
                    said.append(challenge)
                    words = []

                    def ask(line):
                        words.append(line)
                        if len(words) == len(said):
                            raise StopIteration
                        return said[len(words)]
                    try:
                        with mock.patch.object(os, "urandom", lambda n: b"x" * n):
                            scram_client(ask, ALICE, PASSWORD)
                    except StopIteration:
                        pass
                    return words[-1]
                try:
                    client.authenticate("SCRAM-SHA-256", answer)
                    return True
                except (imaplib.IMAP4.error, AssertionError):
                    return False
        self.assertTrue(scram())
        i.set(auth_app_password_services="imap, pop3")
        i.posta("reload")
        wait_until(lambda: self.where(ALICE, PASSWORD) == ["smtp"], what="the main password to open SMTP alone")
        self.assertEqual(self.where(ALICE, app), ["imap", "pop3", "smtp"])
        self.assertFalse(scram())
        i.wait_log(r"auth\[.*login failed \(only app passwords open imap\): user=<alice@example\.test>, method=SCRAM-SHA-256")
        i.set(auth_app_password_services="")
        i.posta("user", "set", ALICE, "--extra", "app_passwords_only")
        i.posta("reload")
        wait_until(lambda: self.where(BOB, PASSWORD) == ["imap", "pop3", "smtp"], what="the others' main passwords")
        self.assertEqual(self.where(ALICE, PASSWORD), [])
        self.assertEqual(self.where(ALICE, app), ["imap", "pop3", "smtp"])


class MasterUsers(Logins, unittest.TestCase):
    def test_as_others(self):
        self.instance = i = Instance(main={"auth_failures_max": "100"})
        self.addCleanup(i.close)
        i.posta("user", "add", "locked@example.test", "--password", PASSWORD, "--extra", "nologin")
        for name, *options in (("admin",), ("sender", "--scope", "smtp"), ("half", "--users", "alice@example.test, @other.test"),
                               ("far", "--allow-nets", "192.0.2.0/24")):
            i.posta("user", "master", "add", name, "--password", "master-" + name, *options)
        # Nobody has said that there are any.
        self.assertFalse(self.may("imap", BOB + "*admin", "master-admin"))
        i.set(auth_master_user_separator="*", auth_denied_users="inline:{ { locked@example.test = yes } }")
        i.posta("reload")
        wait_until(lambda: self.may("imap", BOB + "*admin", "master-admin"), what="a master user")
        i.wait_log(r"auth\[.*login: user=<bob@example\.test>, method=\S+, .*service=imap, secured, master=admin, session=")
        self.assertEqual(self.where("BOB@example.test*ADMIN", "master-admin"), ["imap", "pop3"])
        i.wait_log(r"auth\[.*login failed \(the master user may not log in to smtp as others\)")
        with i.imap("x", login=False) as client:
            client.authenticate("PLAIN", lambda _: b"bob@example.test\0admin\0master-admin")
            self.assertEqual(client.select()[0], "OK")
        # What each may not.
        self.assertEqual(self.where(BOB + "*sender", "master-sender"), ["smtp"])
        self.assertTrue(self.may("imap", ALICE + "*half", "master-half"))
        for user, password in ((BOB + "*half", "master-half"), (BOB + "*far", "master-far"), (BOB + "*admin", PASSWORD), ("admin", "master-admin"),
                               (BOB + "*nobody", "master-admin"), ("nobody@example.test*admin", "master-admin"), ("*admin", "master-admin"),
                               (BOB + "*", PASSWORD), (BOB + "*admin*admin", "master-admin"), (BOB, "master-admin"),
                               ("locked@example.test*admin", "master-admin")):
            with self.subTest(user):
                self.assertFalse(self.may("imap", user, password))
        # Its failures are its own, whoever it wants to be, and nobody else's.
        for n in range(6):
            self.assertFalse(self.may("imap", f"user{n}@example.test*ghost", "x"))
        held = i.posta("who", "--held").text
        self.assertRegex(held, r"account +\*ghost ")
        self.assertNotIn("user", held)
        i.posta("user", "master", "remove", "admin")
        self.assertFalse(self.may("imap", BOB + "*admin", "master-admin"))
        self.assertRegex(i.posta("user", "master", "list").text, r"(?m)^half\tusers=alice@example\.test,@other\.test$")

    def test_a_separator_that_addresses_need(self):
        for separator in ("@", "+*", "a", "."):
            with Instance(start=False, main={"auth_master_user_separator": separator}) as i:
                i.posta("start", check=False)
                i.wait_log(r"auth\[.*auth_master_user_separator: expected one character")


class Tables(Logins, unittest.TestCase):
    def test_who_is_denied_now(self):
        """A table of denied users that changes is read again, without a reload."""
        self.instance = i = Instance(start=False, main={"auth_failures_max": "100"})
        self.addCleanup(i.close)
        path = os.path.join(i.conf, "denied")

        def deny(*names):
            with open(path, "w") as file:
                file.write("".join(f"{name} yes\n" for name in names))
            i.posta("map", "hash:" + path)
        deny("somebody@example.test")
        i.set(auth_denied_users="hash:" + path)
        i.start()
        self.assertTrue(self.may("imap", BOB, PASSWORD))
        deny(BOB)
        self.assertFalse(self.may("imap", BOB, PASSWORD))
        i.wait_log(r"auth\[.*login failed \(auth_denied_users has bob@example\.test\)")
        self.assertTrue(self.may("imap", ALICE, PASSWORD))
        deny()
        self.assertTrue(self.may("imap", BOB, PASSWORD))


class InTheClear(Logins, unittest.TestCase):
    def test_networks_in_between_which_nobody_listens(self):
        """Passwords without TLS: from the very address that is asked, or one of login_trusted_networks."""
        self.instance = i = Instance(main={"auth_failures_max": "100", "login_trusted_networks": "127.0.0.8/31"})
        self.addCleanup(i.close)
        for source, good in (("127.0.0.1", True), ("127.0.0.9", True), ("127.0.0.10", False)):
            with self.subTest(source):
                with Talk("127.0.0.1", i.port(143), source=source) as talk:
                    self.assertEqual(b"LOGINDISABLED" not in talk.line(), good)
                    talk.send(f"a LOGIN {BOB} {PASSWORD}\r\n")
                    self.assertEqual(b"a OK" in talk.until(b"a "), good)
                with Talk("127.0.0.1", i.port(110), source=source) as talk:
                    talk.line()
                    talk.send(f"USER {BOB}\r\nPASS {PASSWORD}\r\n")
                    self.assertEqual(talk.line()[:3] == b"+OK" and talk.line()[:3] == b"+OK", good)


if __name__ == "__main__":
    unittest.main()
