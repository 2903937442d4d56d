"""posta conf, map and alias, and the names of Postfix's commands, as people call them: test_commands.py BIN"""
import gzip
import json
import os
import re
import subprocess
import unittest

from tool_case import BIN, MAIN_CF, MASTER_CF, ToolCase


class Commands(ToolCase):
    # ---- conf ----

    def test_usual_site_loads(self):
        out, err = self.run_tool("postconf", "-n")
        self.assertEqual(err, "")
        self.assertIn("relayhost = [smtp.relay.test]:587\n", out)
        self.assertIn("smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated,"
                      " reject_unauth_destination, check_policy_service unix:private/policyd-spf\n",
                      out)
        self.assertNotIn("#", out)

    def test_show(self):
        self.assertEqual(self.run_tool("postconf", "-h", "-x", "mydestination")[0],
                         "mail.example.com, localhost.example.com, , localhost\n")
        self.assertEqual(self.run_tool("postconf", "mydomain")[0], "mydomain = example.com\n")
        self.assertEqual(self.run_tool("postconf", "-H", "mydomain")[0], "mydomain\n")
        self.assertEqual(self.run_tool("postconf", "-d", "append_at_myorigin")[0],
                         "append_at_myorigin = yes\n")
        self.assertEqual(self.run_tool("postconf", "-o", "relayhost=x", "relayhost")[0],
                         "relayhost = x\n")
        self.assertEqual(json.loads(self.run_tool("postconf", "--json", "relayhost")[0]),
                         {"relayhost": "[smtp.relay.test]:587"})
        self.assertIn("hash\n", self.run_tool("postconf", "-m")[0])
        self.assertGreater(self.run_tool("postconf", "-d")[0].count("\n"), 800)

    def test_unknown_names(self):
        self.assertIn("did you mean mydestination?",
                      self.run_tool("postconf", "mydestinaton")[1])
        self.assertEqual(self.run_tool("postconf", "smtp_destination_rate_delay")[0],
                         "smtp_destination_rate_delay = $default_destination_rate_delay\n")
        self.write("main.cf", MAIN_CF + "relayhots = x\n")
        self.assertIn("unused parameter: relayhots (did you mean relayhost?)",
                      self.run_tool("postconf", "-n")[1])

    def test_explain(self):
        out, _ = self.run_tool("posta", "conf", "explain", "relayhost")
        self.assertIn("set in main.cf, line 20", out)
        out, _ = self.run_tool("posta", "conf", "explain", "qmqpd_timeout")
        self.assertIn("not yet in force", out)
        self.run_tool("posta", "conf", "explain", "nonsense_entirely", status=1)
        out, _ = self.run_tool("posta", "conf", "explain", "message_reject_characters")
        self.assertIn(r" like \0, \r and \177", out)

    def test_edit(self):
        self.run_tool("postconf", "-e", "relayhost =", "smtpd_recipient_restrictions=reject",
                      "ipc_timeout = 5m")
        text = self.read("main.cf")
        self.assertIn("\nrelayhost =\n", text)
        self.assertIn("\nsmtpd_recipient_restrictions = reject\n# comment inside\npolicyd", text)
        self.assertTrue(text.endswith("\nipc_timeout = 5m\n"))
        self.run_tool("postconf", "-#", "biff")
        self.assertIn("\n#biff = no\n", self.read("main.cf"))
        self.run_tool("postconf", "-X", "readme_directory")
        self.assertNotIn("readme_directory", self.read("main.cf"))
        self.assertTrue(self.read("main.cf").startswith("# See /usr/share"))

    def test_edit_is_refused(self):
        before = self.read("main.cf")
        _, err = self.run_tool("postconf", "ipc_timeout=soon", status=1)
        self.assertIn("ipc_timeout: expected a time", err)
        self.run_tool("postconf", "-e", "relayhost", status=2)
        self.run_tool("postconf", "-X", "not_set_at_all", status=1)
        self.assertEqual(self.read("main.cf"), before)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["main.cf", "master.cf"])

    def test_errors_are_shown(self):
        self.write("main.cf", "ipc_timeout = soon\nno equals\n")
        out, err = self.run_tool("postconf", "-n")
        self.assertIn("main.cf, line 1: ipc_timeout: expected a time", err)
        self.assertIn("main.cf, line 2: expected name = value", err)
        self.assertIn("ipc_timeout = soon", out)
        os.unlink(self.path("main.cf"))
        self.assertIn("main.cf: No such file", self.run_tool("postconf", "-n", status=1)[1])

    def test_services(self):
        out, _ = self.run_tool("postconf", "-M", "submission/inet")
        self.assertEqual(out, "submission inet  n       -       y       -       -       smtpd"
                         " -o syslog_name=postfix/submission"
                         " -o smtpd_client_restrictions=$mua_client_restrictions\n")
        self.assertEqual(self.run_tool("postconf", "-Mf", "submission/inet")[0].splitlines()[1:],
                         ["    -o syslog_name=postfix/submission",
                          "    -o smtpd_client_restrictions=$mua_client_restrictions"])
        self.assertEqual(self.run_tool("postconf", "-P", "submission/inet/syslog_name")[0],
                         "submission/inet/syslog_name = postfix/submission\n")
        self.assertEqual(self.run_tool("postconf", "-F", "*/inet/chroot")[0],
                         "smtp/inet/chroot = y\nsubmission/inet/chroot = y\n")
        self.run_tool("postconf", "-P", "-e", "submission/inet/syslog_name=x",
                      "submission/inet/mynetworks=10.0.0.0/8, 127.0.0.0/8")
        self.run_tool("postconf", "-F", "-e", "*/*/chroot=n")
        self.run_tool("postconf", "-M", "-#", "policyd-spf/unix")
        self.run_tool("postconf", "-M", "-e", "smtps/inet=smtps inet n - n - - smtpd")
        text = self.read("master.cf")
        self.assertIn("    -o syslog_name=x\n", text)
        self.assertIn("    -o { mynetworks = 10.0.0.0/8, 127.0.0.0/8 }\n", text)
        self.assertIn("#policyd-spf", text)
        self.assertEqual(self.run_tool("postconf", "-h", "-F", "*/*/chroot")[0], "n\nn\nn\n")
        _, err = self.run_tool("postconf", "-F", "-e", "smtp/inet/wakeup=soon", status=1)
        self.assertIn("column \"wakeup\"", err)
        self.assertEqual(self.read("master.cf"), text)

    # ---- map and alias ----

    def test_map(self):
        self.write("map", "Alice@example.com one\n# comment\nbob two\n")
        table = "hash:" + self.path("map")
        self.run_tool("postmap", table)
        self.assertEqual(self.run_tool("postmap", "-q", "alice@EXAMPLE.com", table)[0], "one\n")
        self.assertEqual(self.run_tool("postmap", "-q", "carol", table, status=1)[0], "")
        self.assertEqual(self.run_tool("postmap", "-q", "-", table, stdin="bob\ncarol\n")[0],
                         "bob\ttwo\n")
        self.run_tool("postmap", "-i", table, stdin="carol three\n")
        self.run_tool("postmap", "-i", table, stdin="carol four\n")
        self.run_tool("postmap", "-i", "-r", table, stdin="carol four\n")
        self.run_tool("postmap", "-d", "bob", table)
        self.run_tool("postmap", "-d", "bob", table, status=1)
        rows = self.run_tool("postmap", "-s", table)[0].splitlines()
        self.assertEqual(sorted(rows), ["alice@example.com\tone", "carol\tfour"])
        # Without a type it is default_database_type.
        self.run_tool("postmap", self.path("map"))
        self.assertEqual(self.run_tool("postmap", "-q", "bob", self.path("map"))[0], "two\n")

    def test_map_with_bad_line(self):
        self.write("map", "a 1\n")
        table = "lmdb:" + self.path("map")
        self.run_tool("posta", "map", table)
        self.write("map", "a 2\nlonely\n")
        self.assertIn("map, line 2: expected a key",
                      self.run_tool("posta", "map", table)[1])
        self.assertEqual(self.run_tool("posta", "map", "-q", "a", table)[0], "2\n")

    def test_query_of_tables_without_index(self):
        self.write("re", "/^(.*)@old$/ $1@new\n")
        self.assertEqual(self.run_tool("postmap", "-q", "x@old", "pcre:" + self.path("re"))[0],
                         "x@new\n")
        self.run_tool("postmap", "-q", "x", "fail:always", status=75)

    def test_aliases(self):
        self.write("aliases", 'root: alice, "|cmd x"\n"Joe B": /file\n')
        self.run_tool("postconf", "-e", "alias_database=hash:" + self.path("aliases"))
        self.run_tool("newaliases")
        table = "hash:" + self.path("aliases")
        self.assertEqual(self.run_tool("postalias", "-q", "ROOT", table)[0], 'alice, "|cmd x"\n')
        self.assertEqual(self.run_tool("postalias", "-q", "joe b", table)[0], "/file\n")
        self.write("aliases", "root alice\nbob: carol\n")
        self.assertIn("aliases, line 1: expected name: value",
                      self.run_tool("newaliases")[1])
        self.assertEqual(self.run_tool("postalias", "-q", "bob", table)[0], "carol\n")

    def test_map_of_files(self):
        """postmap -F: what the files hold, in base64; decoded where it is asked for."""
        self.write("key.pem", "KEY\n")
        self.write("cert.pem", "CERT\n")
        self.write("sni", f"# names\nmx.example.test {self.path('key.pem')},\n  {self.path('cert.pem')}\n"
                          f"other.test {self.path('missing.pem')}\n")
        table = "hash:" + self.path("sni")
        os.chmod(self.path("sni"), 0o640)
        err = self.run_tool("postmap", "-F", table, status=1)[1]
        self.assertRegex(err, "sni, line 4: .*missing.pem")
        self.assertEqual(os.stat(self.path("sni.db")).st_mode & 0o777, 0o640)
        self.assertEqual(self.run_tool("postmap", "-q", "mx.example.test", table)[0], "S0VZCkNFUlQK\n")
        self.assertEqual(self.run_tool("postmap", "-F", "-q", "mx.example.test", table)[0], "KEY\nCERT\n\n")
        self.run_tool("postmap", "-q", "other.test", table, status=1)

    def test_map_entries_that_are_there(self):
        self.write("list", "a one\n")
        table = "hash:" + self.path("list")
        self.run_tool("postmap", table)
        err = self.run_tool("postmap", "-i", table, stdin="A two\nb three\nB four\n")[1]
        self.assertEqual(err, "".join(f'posta map: warning: {self.path("list")}: duplicate entry: "{key}"\n' for key in "AB"))
        self.assertEqual(sorted(self.run_tool("postmap", "-s", table)[0].splitlines()), ["a\tone", "b\tthree"])
        self.assertEqual(self.run_tool("postmap", "-i", "-w", table, stdin="a five\n")[1], "")
        self.run_tool("postmap", "-i", "-r", table, stdin="a six\n")
        self.assertEqual(self.run_tool("postmap", "-q", "a", table)[0], "six\n")

    # ---- Postfix's other commands ----

    def test_postconf_of_transports(self):
        self.write("master.cf", MASTER_CF + "smtp unix - - - - - smtp\nslow unix - - - - - smtp\n"
                   "dovecot unix - n n - - pipe flags=D user=x argv=/x\n")
        names = self.run_tool("postconf", "-d", "-H")[0].splitlines()
        for name in ("smtp_destination_concurrency_limit", "slow_destination_rate_delay", "dovecot_time_limit",
                     "policyd-spf_time_limit", "smtp_transport_rate_delay", "local_destination_recipient_limit"):
            self.assertEqual(names.count(name), 1, name)
        self.assertEqual(names, sorted(names))
        for name in ("smtp_time_limit", "policyd-spf_destination_rate_delay"):
            self.assertNotIn(name, names)
        self.assertEqual(self.run_tool("postconf", "-d", "slow_destination_concurrency_limit"),
                         ("slow_destination_concurrency_limit = $default_destination_concurrency_limit\n", ""))
        self.run_tool("postconf", "-e", "slow_destination_concurrency_limit=3")
        shown = self.run_tool("postconf")[0].splitlines()
        self.assertEqual([line for line in shown if line.startswith("slow_destination_concurrency_limit ")],
                         ["slow_destination_concurrency_limit = 3"])

    def test_postconf_about_the_software(self):
        self.assertEqual(self.run_tool("postconf", "-l")[0], "flock\nfcntl\ndotlock\n")
        self.assertEqual(self.run_tool("postconf", "-a")[0], "cyrus\ndovecot\nposta\n")
        self.assertEqual(self.run_tool("postconf", "-A")[0], "posta\n")
        self.assertRegex(self.run_tool("postconf", "-T", "run-version")[0], r"^OpenSSL 3\.")
        self.assertIn("rsa", self.run_tool("postconf", "-T", "public-key-algorithms")[0].split())
        self.run_tool("postconf", "-T", "nothing", status=2)
        for option in "tb":
            self.assertEqual(self.run_tool("postconf", "-" + option)[0], "")

    def test_postfix_postmulti_postlog(self):
        self.run_tool("postconf", "-e", "queue_directory=" + self.path("spool"), "maillog_file=" + self.path("log"))
        self.assertEqual(self.run_tool("postfix", "status", status=1)[1], "postfix: the Posta mail system is not running\n")
        self.run_tool("postfix", "nonsense", status=2)
        self.run_tool("postfix", status=2)
        self.run_tool("postfix", "start", "now", status=2)
        self.run_tool("postfix", "set-permissions")
        self.assertIn("not running", self.run_tool("postfix", "stop", status=1)[1])
        self.assertIn("mail system is down", self.run_tool("postfix", "flush", status=69)[1])
        self.assertEqual(self.run_tool("postmulti", "-l")[0], f"-               -               y         {self.folder.name}\n")
        self.assertIn("not running", self.run_tool("postmulti", "-i", "-", "-p", "status", status=1)[1])
        self.assertEqual(self.run_tool("postmulti", "-x", "sh", "-c", "echo $MAIL_CONFIG")[0], self.folder.name + "\n")
        self.run_tool("postmulti", "-i", "other", "-l", status=1)
        self.assertIn("log", self.run_tool("postlog", "x", status=1)[1])
        self.write("log", "")
        self.run_tool("postlog", "-t", "backup", "-p", "warn", "tape", "is\x1b full")
        self.run_tool("postlog", stdin="one\ntwo\n")
        with open(self.path("log")) as file:
            self.assertRegex(file.read(), r"^\S+ .* backup\[\d+\]: warning: tape is\? full\n.* postlog\[\d+\]: one\n.* postlog\[\d+\]: two\n$")
        self.run_tool("postlog", "-p", "loud", "x", status=1)

    def test_completion(self):
        """What bash offers: verbs, their options, parameters."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "conf", "posta.bash-completion")
        def offered(*words):
            quoted = " ".join(f"'{word}'" for word in words)
            done = subprocess.run(["bash", "-c", f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _posta; "
                                   'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, "PATH": BIN + ":" + os.environ["PATH"], "MAIL_CONFIG": self.folder.name})
            self.assertEqual(done.stderr, "")
            return done.stdout.split()
        self.assertLessEqual({"start", "status", "stop"}, set(offered("posta", "st")))
        self.assertEqual([word for word in offered("posta", "st") if not word.startswith("st")], [])
        self.assertEqual(offered("posta", "-c", "/x", "trac"), ["trace"])
        self.assertLessEqual({"--from", "--full"}, set(offered("posta", "trace", "--f")))
        self.assertLessEqual({"list", "top"}, set(offered("posta", "queue", "")))
        self.assertEqual(offered("posta", "conf", "-e", "message_size_l"), ["message_size_limit"])

    def test_installation_takes_no_names(self):
        """Of another MTA, neither by surprise nor when it is asked for."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tools", "install_names.cmake")
        def install(wanted):
            subprocess.run(["cmake", "-DPOSTA_NAMES=sendmail;postconf;mailq", f"-DPOSTA_POSTFIX_NAMES={wanted}",
                            "-DCMAKE_INSTALL_PREFIX=" + self.path("prefix"), "-P", script], check=True, capture_output=True)
            return sorted(name for name in os.listdir(self.path("prefix/bin")) if os.path.islink(self.path("prefix/bin/" + name)))
        os.makedirs(self.path("prefix/bin"))
        self.assertEqual(install("no"), [])
        self.assertEqual(install("yes"), ["mailq", "postconf", "sendmail"])
        self.assertEqual(os.readlink(self.path("prefix/sbin/sendmail")), "../bin/posta")
        os.unlink(self.path("prefix/bin/postconf"))
        os.unlink(self.path("prefix/bin/mailq"))
        self.write("prefix/bin/postconf", "Postfix's\n")
        self.assertEqual(install("free"), ["sendmail"])
        self.assertEqual(install("yes"), ["mailq", "sendmail"])
        with open(self.path("prefix/bin/postconf")) as file:
            self.assertEqual(file.read(), "Postfix's\n")

    # ---- what holds for every verb ----

    def verbs(self):
        return re.findall(r"^  ([a-z]+) +\S", self.run_tool("posta", "--help")[0], re.M)

    def test_help(self):
        self.assertGreaterEqual(set(self.verbs()), {
            "init", "start", "stop", "reload", "status", "conf", "map", "alias", "queue", "user",
            "mailbox", "check", "explain", "trace", "send"})
        for verb in self.verbs():
            with self.subTest(verb=verb):
                out, err = self.run_tool("posta", verb, "--help")
                self.assertRegex(out, rf"\Ausage: posta (\[-c CONFDIR\] )?{verb}\b")
                self.assertEqual(err, "")
                with open(os.path.join(BIN, "..", "doc", "man", f"posta-{verb}.1")) as file:
                    page = file.read()
                # The page says what --help says; only spaces, dashes and quotes are written otherwise.
                def plain(text):
                    return "".join(re.findall(r"[A-Za-z0-9]+", text))
                for line in out.splitlines()[1:]:
                    words = re.sub(r"\\\(?[a-z&]{0,2}", " ", page)
                    self.assertIn(plain(line), plain(words))
        for words in (("queue", "list"), ("user", "list"), ("mailbox", "status"), ("conf", "explain")):
            self.assertIn("usage: posta", self.run_tool("posta", *words, "--help")[0])
        for link in ("postconf", "postmap", "postalias", "newaliases", "postqueue", "postsuper",
                     "postcat", "mailq", "sendmail"):
            with self.subTest(link=link):
                self.assertIn("usage: posta", self.run_tool(link, "--help")[0])
                self.assertTrue(os.path.exists(os.path.join(BIN, "..", "doc", "man", link + ".1")))

    def test_wrong_usage(self):
        self.run_tool("posta", status=2)
        self.run_tool("posta", "nonsense", status=2)
        self.run_tool("posta", "-c", status=2)
        for verb in self.verbs():
            with self.subTest(verb=verb):
                _, err = self.run_tool("posta", verb, "--no-such-option", status=2)
                self.assertIn("--help", err)
        for words in (("map",), ("trace",), ("queue",), ("queue", "list", "a", "b"), ("queue", "hold"),
                      ("user", "add"), ("mailbox", "list"), ("explain", "--from", "a@b"), ("init", "x"),
                      ("conf", "-e", "noequals"), ("start", "x"), ("stop", "x"), ("reload", "x"),
                      ("status", "x"), ("check", "x"), ("send",), ("trace", "a", "b")):
            with self.subTest(words=words):
                self.run_tool("posta", *words, status=2)
        # Other programs know sysexits(3) from sendmail.
        self.run_tool("sendmail", "--no-such-option", status=64)

    def test_sendmail_options(self):
        """What is not understood never ends as if a message had been sent."""
        def status(*words):
            return subprocess.run([os.path.join(BIN, words[0]), *words[1:]], input=b"Subject: x\n" * 20000,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env={**os.environ, "MAIL_CONFIG": self.folder.name}).returncode
        # Taken, it comes to the message, whose header is too long: 65.
        self.run_tool("postconf", "-e", "message_header_limit=16384")
        to = "alice@example.com"
        for words in (("-eq",), ("-ep",), ("-em",), ("-e", "q"), ("-oem",), ("-odb", "-oi"), ("-om",),
                      ("-N", "never,failure"), ("-N", "sometimes"), ("-R", "all"), ("-Am",), ("-B8BITMIME",),
                      ("-B", "7bit"), ("-G", "-i"), ("-U",), ("-v",), ("-V", "ab"), ("-p", "SMTP"), ("-h", "3"),
                      ("-L", "x"), ("-O", "a=b"), ("-bm",), ("-x", "-c", "-m"), ("b@example.com c@example.com",)):
            with self.subTest(words=words):
                self.assertEqual(status("sendmail", *words, to), 65)
        for words in (("-e", "x", to), ("-e", to), ("-B", "x", to), ("-n", to), ("-X", "/tmp/x", to), ("-XV", to),
                      ("-XV+=", to), ("-V", "+=", to), ("-bs", to), ("-bv",), ("-bd",), ("-bl",), ("-bd", "-q30m"),
                      ("-q30m", to), ("-q", to), ("-q", "-t"), ("-bp", to), ("-I", to), ("-bi", to), ("-oQ", "/tmp"),
                      ("-oA",), ("-qI",), ("-b", "mx", to), ("-f", "a b", to)):
            with self.subTest(words=words):
                self.assertEqual(status("sendmail", *words), 64)
        self.write("aliases", "root: alice\n")
        self.run_tool("postconf", "-e", "alias_database=hash:" + self.path("aliases"))
        for words in (("-I",), ("-bi",), ("-bi", "-oA" + self.path("aliases"))):
            with self.subTest(words=words):
                self.assertEqual(status("sendmail", *words), 0)
                os.unlink(self.path("aliases.db"))

    def test_sendmail_while_the_suite_is_down(self):
        """A message is put off (75) where there is no maildrop yet; what lists or flushes says what postqueue says."""
        self.run_tool("postconf", "-e", "queue_directory=" + self.path("spool"))
        def run(*words, said=""):
            done = subprocess.run([os.path.join(BIN, words[0]), *words[1:]], input=said, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env={**os.environ, "MAIL_CONFIG": self.folder.name})
            return done.returncode, done.stdout, done.stderr
        self.assertEqual(run("sendmail", "-t", said="To: a@x b@y\n\nx\n")[0], 75)
        for words, like in ((("mailq", "-v"), ("postqueue", "-p")),
                            (("mailq", "-C", self.folder.name), ("postqueue", "-p")),
                            (("sendmail", "-bp"), ("postqueue", "-p")), (("sendmail", "-q"), ("postqueue", "-f")),
                            (("sendmail", "-qI4jZVqp5rzGzKJCbSlnH"), ("postqueue", "-i", "4jZVqp5rzGzKJCbSlnH")),
                            (("sendmail", "-qR", "example.com"), ("postqueue", "-s", "example.com"))):
            with self.subTest(words=words):
                done = run(*words)
                self.assertNotEqual((done[0], done[2]), (0, ""))
                self.assertEqual(done[0], run(*like)[0], done)

    def test_version(self):
        self.assertIn("posta 0.", self.run_tool("posta", "--version")[0])

    def test_listings_as_json(self):
        def objects(*words):
            return [json.loads(line) for line in self.run_tool(*words)[0].splitlines()]
        self.write("map", 'a "x\\y"\n')
        self.write("aliases", "root: alice\n")
        self.write("users", "alice@example.com:{PLAIN}x:5000:5000::/home/a::\n")
        self.run_tool("postmap", "hash:" + self.path("map"))
        self.run_tool("postalias", "hash:" + self.path("aliases"))
        self.run_tool("postconf", "-e", "mailbox_users=hash:" + self.path("users"))
        self.run_tool("posta", "user", "compile")
        self.assertEqual(objects("postmap", "-s", "--json", "hash:" + self.path("map"))[0]["value"], '"x\\y"')
        self.assertEqual(len(objects("postalias", "-s", "--json", "hash:" + self.path("aliases"))), 1)
        self.assertEqual(objects("posta", "user", "list", "--json")[0]["user"], "alice@example.com")
        self.assertGreater(len(objects("postconf", "--json")[0]), 800)
        services = objects("posta", "conf", "-M", "--json")
        self.assertEqual([s["service"] for s in services], ["smtp", "submission", "policyd-spf"])
        self.assertEqual(services[2]["command"], "spawn user=policyd-spf argv=/usr/bin/policyd-spf")
        self.assertEqual(objects("posta", "conf", "-P", "--json")[0],
                         {"service": "submission", "type": "inet", "name": "smtpd_client_restrictions",
                          "value": "$mua_client_restrictions"})
        self.assertIn({"service": "smtp", "type": "inet", "name": "chroot", "value": "y"},
                      objects("posta", "conf", "-F", "--json"))

    # ---- trace ----

    OLD = """Nov 20 10:00:00 mx posta/smtpd[5]: connect from mx.outside.test[192.0.2.9]
Nov 20 10:00:00 mx posta/smtpd[5]: 4aaaaaaaaa: client=mx.outside.test[192.0.2.9]
Nov 20 10:00:00 mx posta/cleanup[6]: 4aaaaaaaaa: message-id=<one@outside.test>
Nov 20 10:00:00 mx posta/qmgr[7]: 4aaaaaaaaa: from=<x@outside.test>, size=300, nrcpt=1 (queue active)
Nov 20 10:00:00 mx posta/smtpd[5]: 4zzzzzzzzz: client=other.test[192.0.2.10]
"""
    NEW = """Nov 21 10:00:01 mx posta/cleanup[6]: 4bbbbbbbbb: message-id=<one@outside.test>
Nov 21 10:00:01 mx posta/local[8]: 4aaaaaaaaa: to=<list@example.com>, status=sent (forwarded as 4bbbbbbbbb)
Nov 21 10:00:01 mx posta/qmgr[7]: 4bbbbbbbbb: from=<x@outside.test>, size=400, nrcpt=2 (queue active)
Nov 21 10:00:02 mx posta/qmgr[7]: 4aaaaaaaaa: removed
Nov 21 10:00:02 mx posta/smtp[8]: 4bbbbbbbbb: to=<y@far.test>, status=bounced (host said: 550 no)
Nov 21 10:00:02 mx posta/cleanup[6]: 4cccccccc: message-id=<two@mx>
Nov 21 10:00:02 mx posta/bounce[9]: 4bbbbbbbbb: sender non-delivery notification: 4cccccccc
Nov 21 10:00:02 mx posta/smtpd[5]: 4zzzzzzzzz: reject: queued as
"""

    def write_log(self):
        with gzip.open(self.path("mail.log.2.gz"), "wt") as file:
            file.write(self.OLD)
        os.utime(self.path("mail.log.2.gz"), (1, 1))
        self.write("mail.log", self.NEW)
        self.run_tool("postconf", "-e", "maillog_file=" + self.path("mail.log"))

    def test_trace(self):
        self.write_log()
        whole = self.run_tool("posta", "trace", "4aaaaaaaaa")[0]
        stories = whole.split("\n\n")
        self.assertEqual([s.splitlines()[0] for s in stories],
                         ["4aaaaaaaaa", "4bbbbbbbbb: forwarded from 4aaaaaaaaa",
                          "4cccccccc: non-delivery notification about 4bbbbbbbbb"])
        self.assertEqual(stories[0].splitlines()[1:],
                         ["  Nov 20 10:00:00  posta/smtpd[5]: client=mx.outside.test[192.0.2.9]",
                          "  Nov 20 10:00:00  posta/cleanup[6]: message-id=<one@outside.test>",
                          "  Nov 20 10:00:00  posta/qmgr[7]: from=<x@outside.test>, size=300, nrcpt=1"
                          " (queue active)",
                          "  Nov 21 10:00:01  posta/local[8]: to=<list@example.com>, status=sent"
                          " (forwarded as 4bbbbbbbbb)",
                          "  Nov 21 10:00:02  posta/qmgr[7]: removed",
                          "  => no longer in the queue: 1 delivered"])
        self.assertRegex(stories[1], "=> still in the queue, as far as the log goes: 1 returned to the sender(\n|$)")
        self.assertIn("=> it did not come into the queue", stories[2])
        self.assertNotIn("zzzz", whole)
        # From any of them, or by what the sender called it, it is the same story.
        for other in ("4bbbbbbbbb", "4cccccccc", "<one@outside.test>", "two@mx"):
            with self.subTest(id=other):
                self.assertEqual(self.run_tool("posta", "trace", other)[0], whole)

    def test_trace_counts_the_last_result_of_each_recipient(self):
        lines = [("a@far.test", "deferred (later)"), ("b@far.test", "sent (ok)"), ("c@far.test", "deferred (x)"),
                 ("a@far.test", "sent (ok)"), ("d@far.test", "bounced (no)"), ("e@far.test", "sent (ok)")]
        self.write("log", "".join(f"Nov 21 10:00:01 mx posta/smtp[8]: 4aaaaaaaaa: to=<{to}>, relay=none, status={what}\n"
                                  for to, what in lines))
        self.assertIn("queue, as far as the log goes: 3 delivered, 1 returned to the sender, 1 to be tried again\n",
                      self.run_tool("posta", "trace", "--log", self.path("log"), "4aaaaaaaaa")[0])

    def test_trace_as_json(self):
        self.write_log()
        out, _ = self.run_tool("posta", "trace", "--json", "4cccccccc")
        events = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(events), 10)
        self.assertEqual(events[0], {"queue_id": "4aaaaaaaaa", "time": "Nov 20 10:00:00", "host": "mx",
                                     "program": "posta/smtpd", "pid": 5, "level": "info",
                                     "text": "client=mx.outside.test[192.0.2.9]"})
        self.assertEqual([e["leads_to"] for e in events if "leads_to" in e], ["4bbbbbbbbb", "4cccccccc"])

    def test_trace_reads_what_it_is_given(self):
        self.write_log()
        out, _ = self.run_tool("posta", "trace", "--log", "-", "4zzzzzzzzz", stdin=self.OLD)
        self.assertIn("other.test", out)
        self.assertNotIn("reject", out)
        out, _ = self.run_tool("posta", "trace", "--log", self.path("mail.log.2.gz"), "--log",
                               self.path("mail.log"), "4zzzzzzzzz")
        self.assertIn("reject", out)
        self.assertIn("does not have 4yyyyyyyyy", self.run_tool("posta", "trace", "4yyyyyyyyy", status=1)[1])
        self.assertIn("nosuch.log", self.run_tool("posta", "trace", "--log", self.path("nosuch.log"),
                                                  "4zzzzzzzzz", status=1)[1])
        self.run_tool("posta", "trace", "not/an/id", status=2)
        # Long lines are cut, and the next one is whole again.
        out, _ = self.run_tool("posta", "trace", "--log", "-", "4zzzzzzzzz",
                               stdin="x" * 100000 + "4zzzzzzzzz\n" + self.OLD)
        self.assertEqual(out.count("\n"), 3)


if __name__ == "__main__":
    unittest.main()
