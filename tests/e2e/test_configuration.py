"""Configurations: a usual Postfix site loads, a wrong one stops with file, line and advice."""
import glob
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
import unittest

from posta import BUILD, HERE, PASSWORD, TOP, Instance, Talk, message, wait_until

POSTFIX_SITE = r"""
# `postconf -n` of a usual Postfix site
alias_database = hash:/etc/aliases
alias_maps = hash:/etc/aliases
append_dot_mydomain = no
biff = no
broken_sasl_auth_clients = yes
compatibility_level = 3.6
content_filter =
disable_vrfy_command = yes
header_checks = pcre:/etc/postfix/header_checks
inet_interfaces = all
inet_protocols = all
mailbox_size_limit = 0
message_size_limit = 52428800
milter_default_action = accept
milter_protocol = 6
mydestination = $myhostname, localhost.$mydomain, localhost
mydomain = example.org
myhostname = mail.example.org
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
myorigin = $mydomain
non_smtpd_milters = $smtpd_milters
policyd-spf_time_limit = 3600
postscreen_access_list = permit_mynetworks
postscreen_dnsbl_sites = zen.spamhaus.org*2
postscreen_expansion_filter = abc
    bl.spamcop.net
readme_directory = no
recipient_delimiter = +
relayhost = [smtp.example.net]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt
smtp_tls_loglevel = 1
smtp_tls_security_level = encrypt
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtpd_banner = $myhostname ESMTP $mail_name
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
smtpd_milters = inet:127.0.0.1:11332
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated,
  reject_unauth_destination,
  reject_unknown_recipient_domain
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_path = private/auth
smtpd_sasl_type = dovecot
smtpd_sender_login_maps = hash:/etc/postfix/sender_login
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file = /etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1
smtpd_tls_security_level = may
smtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache
virtual_alias_domains = alias.example.org
virtual_alias_maps = hash:/etc/postfix/virtual
virtual_gid_maps = static:5000
virtual_mailbox_base = /var/mail/vhosts
virtual_mailbox_domains = example.org, example.com
virtual_mailbox_maps = hash:/etc/postfix/vmailbox
virtual_minimum_uid = 100
virtual_transport = virtual
virtual_uid_maps = static:5000
"""


class Configuration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(start=False)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def folder(self, text):
        folder = os.path.join(tempfile.mkdtemp(prefix="posta-conf-"), "conf")
        self.addCleanup(shutil.rmtree, os.path.dirname(folder))
        shutil.copytree(self.suite.conf, folder)
        with open(os.path.join(folder, "main.cf"), "w") as file:
            file.write(text)
        return folder

    def conf(self, folder, *options, check=True):
        return self.suite.command(["-c", folder, "conf", *options], check=check).text

    def test_a_usual_postfix_site_loads(self):
        folder = self.folder(POSTFIX_SITE)
        shown = self.conf(folder, "-n")
        for line in ("relayhost = [smtp.example.net]:587", "virtual_mailbox_domains = example.org, example.com",
                     "smtpd_sasl_auth_enable = yes", "recipient_delimiter = +"):
            self.assertIn(line, shown)
        self.assertEqual(self.conf(folder, "-h", "myorigin").strip().splitlines()[-1], "$mydomain")
        self.assertIn("example.org", self.conf(folder, "-xh", "myorigin"))
        said = self.suite.command(["-c", folder, "check"], check=False).text
        self.assertRegex(said, "postscreen_expansion_filter is known but not yet in force")
        self.assertNotIn("postscreen_dnsbl_sites", said)
        self.assertNotIn("unused parameter: relayhost", said)

    def test_postconf_name(self):
        link = os.path.join(self.suite.build, "bin", "postconf")
        done = subprocess.run([link, "-c", self.suite.conf, "-d", "maximal_queue_lifetime"],
                              stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout.strip(), "maximal_queue_lifetime = 5d")

    def test_wrong_values_stop_the_start_all_at_once(self):
        with open(os.path.join(self.suite.conf, "main.cf")) as file:
            good = file.read()
        folder = self.folder(good + "\nsmtpd_timeout = soon\ndisable_vrfy_command = perhaps\n"
                             "smtpd_recipient_limit = -5\n")
        done = self.suite.command(["-c", folder, "start"], check=False)
        self.assertNotEqual(done.returncode, 0)
        lines = good.count("\n") + 1
        for offset, name in enumerate(("smtpd_timeout", "disable_vrfy_command", "smtpd_recipient_limit")):
            self.assertRegex(done.text, f"main.cf, line {lines + offset + 1}.*{name}")

    def test_misspelt_parameter_gets_the_nearest_name(self):
        with open(os.path.join(self.suite.conf, "main.cf")) as file:
            good = file.read()
        folder = self.folder(good + "\nrelayhots = [x.test]\n")
        said = self.suite.command(["-c", folder, "check"], check=False).text
        self.assertRegex(said, "relayhots.*relayhost")

    def test_misspelt_restriction_stops_its_service(self):
        """And no other: submission has restrictions of its own."""
        with open(os.path.join(self.suite.conf, "main.cf")) as file:
            good = file.read()
        folder = self.folder(good + "\nsmtpd_recipient_restrictions = permit_mynetwork, reject_unauth_destination\n")
        done = self.suite.command(["-c", folder, "start"], check=False)
        self.addCleanup(self.suite.command, ["-c", folder, "stop"], check=False)
        self.assertEqual(done.returncode, 0, done.text)
        self.assertRegex(done.text, "warning: master.cf, line [0-9]+: service smtp inet: smtpd: "
                         "smtpd_recipient_restrictions: .*did you mean permit_mynetworks")
        # Who comes is let go at once, and not left waiting.
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            self.suite.smtp()
        self.suite.smtp(587).quit()

    def test_master_cf_errors(self):
        folder = self.folder(POSTFIX_SITE)
        with open(os.path.join(folder, "master.cf"), "a") as file:
            file.write("broken inet n\n")
        done = self.suite.command(["-c", folder, "start"], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.text, r"master\.cf, line \d+")

    def test_bad_users_line_keeps_the_old_table(self):
        path = os.path.join(self.suite.conf, "users")
        with open(path, "a") as file:
            file.write("this is no user\n")
        done = self.suite.posta("user", "add", "dave@example.test", "--password", "x" * 10, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.text, r"users.*line \d+")
        self.assertIn("alice@example.test", self.suite.posta("map", "-q", "alice@example.test",
                                                              "hash:" + path).text)


class Edited(unittest.TestCase):
    def test_conf_edit_and_reload_keep_connections(self):
        with Instance() as suite:
            client = suite.smtp(25)
            client.ehlo()
            suite.posta("conf", "-e", "smtpd_banner=$myhostname ESMTP changed")
            suite.posta("reload")

            def banner():
                with Talk(suite.address, suite.port(25)) as talk:
                    return talk.reply()
            wait_until(lambda: b"changed" in banner(), 10, "the new banner")
            self.assertEqual(client.sendmail("x@outside.test", ["bob@example.test"], message(subject="kept")), {})
            client.quit()
            suite.wait_mail("bob", text="kept")

    def test_wrong_reload_is_refused_and_the_old_goes_on(self):
        with Instance() as suite:
            with open(os.path.join(suite.conf, "main.cf"), "a") as file:
                file.write("\nsmtpd_timeout = never\n")
            done = suite.posta("reload", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("smtpd_timeout", done.text)
            suite.submit("alice", ["bob"], message(subject="still"))
            suite.wait_mail("bob", text="still")


class Sites(unittest.TestCase):
    """The configurations of whole Postfix sites, in sites/. What postconf 3.7 prints for them is there
    too (postconf -n, -M, -P)."""

    SITES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(HERE, "sites", "*")))

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="posta-sites-")
        # Debian reads the domain from there.
        mailname = os.path.join(cls.folder, "mailname")
        with open(mailname, "w") as file:
            file.write("example.org\n")
        for site in cls.SITES:
            shutil.copytree(os.path.join(HERE, "sites", site), os.path.join(cls.folder, site))
            with open(cls.path(site, "main.cf")) as file:
                text = file.read().replace("/etc/mailname", mailname)
            with open(cls.path(site, "main.cf"), "w") as file:
                file.write(text)
        cls.mailname = mailname

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    def read(self, *names):
        with open(self.path(*names)) as file:
            return file.read()

    def tool(self, name, site, *arguments, status=0):
        done = subprocess.run([os.path.join(BUILD, "bin", name), "-c", self.path(site), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr)
        return done

    def test_there_are_some(self):
        self.assertGreaterEqual(len(self.SITES), 3)

    def test_postconf_prints_what_postfix_does(self):
        for site in self.SITES:
            with self.subTest(site=site):
                done = self.tool("postconf", site, "-n")
                unused = re.findall(r"unused parameter: (\S+)", done.stderr)
                # Postfix keeps what nobody uses to itself; here it is shown, and named on standard error.
                ours = [line for line in done.stdout.splitlines() if line.split(" ")[0] not in unused]
                theirs = [line.replace("/etc/mailname", self.mailname)
                          for line in self.read(site, "postconf-n").splitlines()
                          if line.split(" ")[0] not in unused]
                self.assertEqual(ours, theirs)
                for option in ("-M", "-P"):
                    self.assertEqual(self.tool("postconf", site, option).stdout,
                                     self.read(site, "postconf" + option))

    def settings(self, site):
        """{name: line} of main.cf."""
        found = {}
        for number, line in enumerate(self.read(site, "main.cf").splitlines(), 1):
            match = re.match(r"([^\s#=]+)\s*=", line)
            if match:
                found[match[1]] = number
        return found

    def test_check_names_what_is_not_in_force(self):
        with open(os.path.join(TOP, "lib", "conf", "later.def")) as file:
            later = dict(map(reversed, re.findall(r"^PARAM_(LATER|GUARD)\((\w+)", file.read(), re.M)))
        self.assertGreater(len(later), 100)
        kinds = {"LATER": "warning", "GUARD": "error"}
        for site in self.SITES:
            with self.subTest(site=site):
                said = self.tool("posta", site, "check", status=None).stdout
                expected = {f"{kinds[later[name]]}: main.cf, line {line}: {name} is known but not yet in force"
                            for name, line in self.settings(site).items() if name in later}
                found = {re.sub(": what it is for.*", "", line) for line in said.splitlines()
                         if re.search(": main.cf.*is known but not yet in force", line)
                         and "slow_destination_rate_delay" not in line}
                # Some values do no harm.
                self.assertLessEqual(found, expected)
                self.assertLessEqual({line for line in expected if line.startswith("error")} - found, {
                    line for line in expected if re.search("sasl_.*security_options|ciphers|nested_header_checks", line)})

    def test_check_names_what_is_unknown(self):
        said = self.tool("posta", "small", "check", status=None).stdout
        line = self.settings("small")["relayhots"]
        self.assertIn(f"warning: main.cf, line {line}: unused parameter: relayhots (did you mean relayhost?)", said)
        # People's own names are none.
        said = self.tool("posta", "hosting", "check", status=None).stdout
        for own in ("mua_client_restrictions", "policyd-spf_time_limit"):
            self.assertNotIn("unused parameter: " + own, said)

    def test_check_names_what_a_table_or_service_lacks(self):
        said = self.tool("posta", "hosting", "check", status=1).stdout
        lines = self.settings("hosting")
        for parameter, table in (("virtual_mailbox_domains", "mysql:/etc/postfix/sql/domains.cf"),
                                 ("virtual_alias_maps", "mysql:/etc/postfix/sql/alias-domains-catchall.cf")):
            self.assertIn(f"error: main.cf, line {lines[parameter]}: {parameter}: open {table.split(':')[1]}: No such file", said)
        self.assertIn(f"error: main.cf, line {lines['smtpd_client_restrictions']}: smtpd_client_restrictions: "
                      "hash:/etc/postfix/without_ptr: ", said)
        # Servers that restrictions ask are no tables.
        self.assertNotIn("unix:private/policyd-spf", said)
        self.assertNotIn("quota", self.tool("posta", "relay", "check", status=1).stdout)
        self.assertRegex(said, r"warning: master\.cf, line \d+: program flush is not there yet: no service flush")
        # Programs of Postfix are not run.
        self.assertNotIn("/usr/lib/postfix/sbin", self.tool("posta", "relay", "check", status=1).stdout)

    def test_all_errors_at_once(self):
        """With file and line, by check and by start alike."""
        shutil.copytree(self.path("small"), self.path("wrong"))
        self.addCleanup(shutil.rmtree, self.path("wrong"))
        start = self.read("wrong", "main.cf").count("\n")
        with open(self.path("wrong", "main.cf"), "a") as file:
            file.write("smtpd_timeout = soon\n# between\ndisable_vrfy_command = perhaps\nno equals sign\n"
                       "smtpd_recipient_limit = 0x20\n")
        last = self.read("wrong", "master.cf").count("\n")
        with open(self.path("wrong", "master.cf"), "a") as file:
            file.write("short inet n\nwrong inet n - maybe - - smtpd\n")
        for verb in ("check", "start"):
            done = self.tool("posta", "wrong", verb, status=1)
            said = done.stdout + done.stderr
            for line, what in ((start + 1, "smtpd_timeout: expected a time"), (start + 3, "disable_vrfy_command: "),
                               (start + 4, "expected name = value"), (start + 5, "smtpd_recipient_limit: ")):
                self.assertIn(f"main.cf, line {line}: {what}", said)
            for line, what in ((last + 1, "expected 8 columns"), (last + 2, 'column "chroot"')):
                self.assertIn(f"master.cf, line {line}: {what}", said)

    def test_override_errors(self):
        shutil.copytree(self.path("small"), self.path("override"))
        self.addCleanup(shutil.rmtree, self.path("override"))
        with open(self.path("override", "master.cf"), "a") as file:
            file.write("2525 inet n - - - - smtpd\n  -o smtpd_tls_wrappermod=yes\n  -o smtpd_timeout=soon\n"
                       "2526 inet n - - - - smtpd\n  -o smtpd_tls_wrappermod=yes -o own=1 -o smtpd_banner=$own\n")
        last = self.read("small", "master.cf").count("\n")
        said = self.tool("posta", "override", "check", status=1).stdout
        self.assertRegex(said, rf"master\.cf, line {last + 1}: service 2525:\n.*smtpd_timeout")
        self.assertIn(f"warning: master.cf, line {last + 4}: service 2526: unused parameter: smtpd_tls_wrappermod"
                      " (did you mean smtpd_tls_wrappermode?)", said)
        self.assertNotIn("unused parameter: own", said)

    def test_queue_of_postfix_is_left_alone(self):
        with Instance(start=False) as suite:
            queue = os.path.join(suite.dir, "postfix")
            for name in ("maildrop", "active", "deferred", "incoming"):
                os.makedirs(os.path.join(queue, name))
            suite.set(queue_directory=queue)
            done = suite.posta("start", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is the queue of Postfix", done.text)
            self.assertIn("is the queue of Postfix", suite.posta("check", check=False).text)
            self.assertEqual(sorted(os.listdir(queue)), ["active", "deferred", "incoming", "maildrop"])


class PostfixServices(unittest.TestCase):
    """A master.cf of Postfix runs: with what it lacks, and without what has no work here."""

    def test_passwords_of_another_server(self):
        """The system's passwords are no answer where the site says that Dovecot knows them."""
        with Instance(main={"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth",
                            "relay_domains": "relay.test"}) as suite:
            with suite.smtp(587) as client:
                client.starttls(context=suite.tls_context())
                client.ehlo()
                self.assertFalse(client.has_extn("auth"))
                # That server is not there: who tries all the same is told so.
                self.assertEqual(client.docmd("AUTH PLAIN")[0], 454)
            with suite.smtp() as client:
                client.ehlo()
                client.mail("x@outside.test")
                self.assertEqual(client.docmd("ETRN relay.test")[0], 503)
                # There is always a postmaster, whatever the tables say.
                self.assertEqual(client.rcpt("<postmaster>")[0], 250)
                client.rset()
                # RFC 1985: for whom we relay, and for nobody else.
                self.assertEqual([client.docmd("ETRN " + domain)[0] for domain in
                                  ("relay.test", "elsewhere.test", "not a domain")], [250, 459, 501])

    def test_hosting(self):
        with Instance(start=False) as suite:
            shutil.copy(os.path.join(HERE, "sites", "hosting", "master.cf"), os.path.join(suite.conf, "master.cf"))
            suite.set_processes("1")
            suite.set(compatibility_level="3.6", mua_client_restrictions="permit_sasl_authenticated,reject", mua_sender_restrictions="",
                      mua_relay_restrictions="permit_sasl_authenticated,reject")
            master_cf = os.path.join(suite.conf, "master.cf")
            with open(master_cf) as file:
                text = file.read()
            with open(master_cf, "w") as file:
                file.write(re.sub(r"(?m)^\s+-o header_checks=.*\n", "", text))
            said = suite.posta("check").text
            self.assertRegex(said, "services added as in share/posta/master.cf: .*local-deliver")
            suite.start()
            self.assertNotIn("postscreen is not there yet", suite.log())
            suite.inject("x@outside.test", ["bob@example.test"], message(subject="by smtp"))
            suite.submit("alice", ["bob"], message(subject="by submission"))
            suite.submit("alice", ["bob"], message(subject="by smtps"), port=465)
            suite.posta("send", "-f", "alice@example.test", "bob@example.test", stdin="Subject: by sendmail\n\nx\n")
            suite.wait_queue_empty()
            found = ""
            for path in glob.glob(os.path.join(suite.home, "mail", "**", "new", "*"), recursive=True):
                with open(path) as file:
                    found += file.read()
            for subject in ("by smtp", "by submission", "by smtps", "by sendmail"):
                self.assertRegex(found, rf"(?m)^Subject: {subject}\r?$")
            self.assertRegex(suite.log(), r"postfix/submission/smtpd\[\d+\]: \w+: client=")
            # Nothing that is for the suite alone is where everybody comes.
            self.assertEqual(sorted(os.listdir(os.path.join(suite.home, "queue", "public"))),
                             ["master", "showq", "status", "submit"])


def master_pid(suite):
    with open(os.path.join(suite.home, "queue", "pid", "master.pid")) as file:
        return int(file.read())


def all_pids(suite):
    return {json.loads(line)["pid"] for line in suite.posta("status", "--json").text.splitlines()}


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class StartAndStop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(start=False)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def tearDown(self):
        self.suite.stop()

    def works(self):
        subject = f"works {time.time_ns()}"
        self.suite.inject("x@outside.test", ["bob@example.test"], message(subject=subject))
        self.suite.wait_mail("bob", text=subject)

    def test_many_at_once(self):
        starts = [subprocess.Popen([self.suite.tool, "-c", self.suite.conf, "start"], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True) for _ in range(3)]
        said = [(p.communicate(timeout=60)[0], p.returncode) for p in starts]
        self.assertEqual(sorted(status for _, status in said), [0, 1, 1])
        for text, status in said:
            self.assertIn("already running" if status else "", text)
        self.works()

    def test_when_it_runs_and_when_not(self):
        done = self.suite.posta("status", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.text, r"\Aposta +\S+ does not run\n")
        for verb in ("stop", "reload"):
            done = self.suite.posta(verb, check=False)
            self.assertEqual((done.returncode, done.text), (1, f"posta {verb}: not running\n"))
        self.suite.start()
        pids = all_pids(self.suite)
        done = self.suite.posta("start", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("already running", done.text)
        self.assertEqual(all_pids(self.suite), pids)
        self.suite.posta("stop")
        self.assertFalse([pid for pid in pids if is_alive(pid)])
        self.assertEqual(self.suite.posta("stop", check=False).returncode, 1)

    def test_after_master_was_killed(self):
        """What is left of it, a pid file, sockets, programs, stands in nobody's way."""
        self.suite.start()
        old = all_pids(self.suite)
        os.kill(master_pid(self.suite), signal.SIGKILL)
        self.suite.posta("start")  # at once, while the old programs still hold their ports
        self.works()
        wait_until(lambda: not [pid for pid in old if is_alive(pid)], 20, "the end of the old programs")
        self.works()
        old = all_pids(self.suite)
        os.kill(master_pid(self.suite), signal.SIGKILL)
        wait_until(lambda: not [pid for pid in old if is_alive(pid)], 20, "the end of all programs")
        sockets = os.path.join(self.suite.home, "queue", "private")
        self.assertIn("cleanup", os.listdir(sockets))
        for words in (("status", "--long"), ("stop",), ("reload",)):
            self.assertEqual(self.suite.posta(*words, check=False).text, f"posta {words[0]}: not running\n")
        # Its number may be another's by now.
        with open(os.path.join(self.suite.home, "queue", "pid", "master.pid"), "w") as file:
            file.write(f"{os.getpid()}\n")
        self.suite.posta("start")
        self.works()
        self.assertNotEqual(master_pid(self.suite), os.getpid())

    def test_start_while_it_stops(self):
        """However long that takes: a client that is in the midst of it has service_stop_time."""
        self.suite.start()
        with Talk(self.suite.address, self.suite.port(25)) as talk:
            talk.reply()
            talk.ask("EHLO x\r\n")
            talk.ask("MAIL FROM:<x@outside.test>\r\n")
            stopping = subprocess.Popen([self.suite.tool, "-c", self.suite.conf, "stop"])
            path = os.path.join(self.suite.home, "queue", "pid", "master.pid")
            wait_until(lambda: os.path.getsize(path) == 0 or None, 10, "the begin of the stop")
            self.suite.posta("start")
        self.assertEqual(stopping.wait(30), 0)
        self.works()

    def test_a_port_that_another_has(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((self.suite.address, self.suite.port(143)))
            other.listen()
            began = time.monotonic()
            done = self.suite.posta("start", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertLess(time.monotonic() - began, 5)  # it is not waited for
            self.assertIn(f"cannot listen on {self.suite.address}:{self.suite.port(143)}: another program does", done.text)
            self.assertEqual(self.suite.posta("status", check=False).returncode, 1)


class Reload(unittest.TestCase):
    def setUp(self):
        self.suite = Instance()
        self.addCleanup(self.suite.close)
        self.master_cf = os.path.join(self.suite.conf, "master.cf")

    def services(self):
        """Without those that only end what they have begun."""
        return {json.loads(line)["service"] for line in self.suite.posta("status", "--json").text.splitlines()
                if "finishing" not in line}

    def edit(self, change):
        with open(self.master_cf) as file:
            text = file.read()
        with open(self.master_cf, "w") as file:
            file.write(change(text))

    def refuses(self, port):
        try:
            socket.create_connection((self.suite.address, port), 5).close()
        except ConnectionRefusedError:
            return True
        return False

    def test_services_and_ports_come_and_go(self):
        """While clients are connected, who notice nothing."""
        suite, extra = self.suite, self.suite.port(26)
        pop3, smtp = suite.pop3("bob", port="stls"), suite.smtp(25)
        smtp.ehlo()
        smtp.mail("x@outside.test")
        self.edit(lambda text: re.sub(r"(?m)^pop3 .*$", "", text) +
                  f"{suite.address}:{extra} inet n - - - 1 smtpd -o smtpd_banner=extra\nslow unix - - - - 1 smtp\n")
        suite.posta("reload")
        self.assertLessEqual({f"{suite.address}:{extra} inet", "slow unix"}, self.services())
        with Talk(suite.address, extra) as talk:
            self.assertEqual(talk.reply(), b"220 extra\r\n")
        self.assertTrue(self.refuses(suite.port(110)))
        # Those of before go on.
        self.assertEqual(pop3.stat(), (0, 0))
        self.assertEqual(smtp.rcpt("bob@example.test")[0], 250)
        self.assertEqual(smtp.data(message(subject="across"))[0], 250)
        suite.wait_mail("bob", text="across")
        # And back again.
        with Talk(suite.address, extra) as talk:
            talk.reply()
            self.edit(lambda text: re.sub(rf"(?m)^({suite.address}:{extra}|slow) .*\n", "", text) +
                      "pop3 inet n - - - 1 pop3d\n")
            suite.posta("reload")
            self.assertTrue(self.refuses(extra))
            self.assertIn(b"250", talk.ask("NOOP\r\n"))
            self.assertIn(b"221", talk.ask("QUIT\r\n"))
        self.assertFalse({f"{suite.address}:{extra} inet", "slow unix"} & self.services())
        suite.pop3("bob", port="stls").quit()
        pop3.quit()
        smtp.quit()
        # The processes of before end when their last client has gone.
        wait_until(lambda: "finishing" not in suite.posta("status", "--json").text, 20, "the end of the old ones")
        self.assertNotIn("slow unix", self.services())

    def test_wrong_master_cf_and_a_taken_port_are_refused(self):
        suite = self.suite
        with open(self.master_cf) as file:
            good = file.read()
        pids = all_pids(suite)
        self.edit(lambda text: text + "broken inet n\nnosuch unix - - - - - nosuch\nwhat inet n - - - - smtpd\n")
        done = suite.posta("reload", check=False)
        self.assertEqual(done.returncode, 1)
        lines = good.count("\n")
        for offset, what in ((1, "expected 8 columns"), (3, '"what" is no port')):
            self.assertIn(f"master.cf, line {lines + offset}: {what}", done.text)
        with socket.socket() as other:
            other.bind((suite.address, 0))
            other.listen()
            port = other.getsockname()[1]
            self.edit(lambda _: good + f"{suite.address}:{port} inet n - - - 1 smtpd\n")
            done = suite.posta("reload", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"cannot listen on {suite.address}:{port}", done.text)
        # Nothing has changed, not even by half.
        self.assertEqual(all_pids(suite), pids)
        suite.inject("x@outside.test", ["bob@example.test"], message(subject="as before"))
        suite.wait_mail("bob", text="as before")
        self.edit(lambda _: good)
        suite.posta("reload")
        wait_until(lambda: all_pids(suite) & pids == {master_pid(suite)}, 20, "the end of the programs of before")

    def programs_with(self, name, script):
        """A folder of the suite's programs, and one that is not."""
        folder = os.path.join(self.suite.dir, "programs")
        os.mkdir(folder)
        for path in glob.glob(os.path.join(self.suite.build, "libexec", "posta", "*")):
            os.symlink(path, os.path.join(folder, os.path.basename(path)))
        if os.path.lexists(os.path.join(folder, name)):
            os.unlink(os.path.join(folder, name))
        with open(os.path.join(folder, name), "w") as file:
            file.write(script)
        os.chmod(os.path.join(folder, name), 0o755)
        self.suite.set(daemon_directory=folder)

    def test_a_program_that_crashes_at_once_is_held_back(self):
        suite = self.suite
        # In the place of a program whose own services are left out.
        self.edit(lambda text: re.sub(r"(?m)^pop3.*\n(?:    .*\n)*", "", text))
        self.programs_with("pop3d", f"#!/bin/sh\necho >>{suite.dir}/starts\nkill -SEGV $$\n")
        self.edit(lambda text: text + "crasher unix - - - - 1 pop3d\n")
        done = suite.posta("reload", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("service crasher unix: pop3d was killed by signal 11", done.text)
        began = time.monotonic()
        suite.wait_log(r"warning: service crasher unix: next start of pop3d in 0\.8 seconds")
        pauses = re.findall(r"next start of pop3d in (\S+) seconds", suite.log())
        self.assertEqual(pauses[:4], ["0.1", "0.2", "0.4", "0.8"])
        self.assertRegex(suite.log(), r"warning: service crasher unix: pop3d\[\d+\] was killed by signal 11")
        time.sleep(max(0, 3 - (time.monotonic() - began)))
        with open(os.path.join(suite.dir, "starts")) as file:
            self.assertLess(len(file.readlines()), 8)
        # It holds up nothing else, and is at once tried again when the configuration changes.
        suite.inject("x@outside.test", ["bob@example.test"], message(subject="all the same"))
        suite.wait_mail("bob", text="all the same")
        self.edit(lambda text: text.replace("crasher unix - - - - 1 pop3d\n", ""))
        suite.posta("reload")
        self.assertNotIn("crasher", suite.posta("status", "--long").text)
        # A start goes on without it, and says so.
        self.edit(lambda text: text + "crasher unix - - - - 1 pop3d\n")
        suite.stop()
        done = suite.posta("start")
        self.assertRegex(done.text, "warning: master.cf, line [0-9]+: service crasher unix: pop3d was killed by signal 11")


class Life(unittest.TestCase):
    """Programs are replaced when they must be, and sleep when there is nothing to do."""

    @classmethod
    def setUpClass(cls):
        cls.suite = Instance()
        time.sleep(1)

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def pids(self, *names):
        found = {}
        for line in self.suite.posta("status", "--json").text.splitlines():
            item = json.loads(line)
            if item["program"] in names and "finishing" not in item["confinement"]:
                found.setdefault(item["program"], set()).add(item["pid"])
        return found

    def test_idle_programs_sleep(self):
        def awake():
            before = self.switches()
            time.sleep(2.5)
            after = self.switches()
            return {program for program in before if before[program] != after.get(program)}
        # Clocks that tick would be seen each time; the end of something before, once.
        self.assertTrue(any(not awake() for _ in range(6)), f"some never sleep: {awake()}")

    def switches(self):
        """{(program, process): how often it has waited}; without posta status, which wakes them all."""
        counts = {}
        for path in glob.glob("/proc/[0-9]*/status"):
            try:
                with open(path) as file:
                    text = file.read()
                with open(os.path.join(os.path.dirname(path), "cmdline")) as file:
                    words = file.read().split("\0")
            except OSError:
                continue
            # master looks after the log once a second, local-deliver after its children.
            if self.suite.conf in words and os.path.basename(words[0]) not in ("master", "local-deliver"):
                counts[words[0], path] = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1]
        self.assertGreater(len(counts), 16)
        return counts

    def test_a_changed_table_is_noticed_without_a_client(self):
        before = self.pids("cleanup")["cleanup"]
        with open(os.path.join(self.suite.conf, "virtual"), "a") as file:
            file.write("idle@example.test alice@example.test\n")
        self.suite.posta("map", "hash:" + os.path.join(self.suite.conf, "virtual"))
        wait_until(lambda: not self.pids("cleanup").get("cleanup", before) & before, 20, "the next cleanup")

    def test_retiring_is_no_crash(self):
        """Users are added one after the other, with a client each: no start is held back."""
        for number in range(6):
            self.suite.posta("user", "add", f"new{number}@example.test", "--password", PASSWORD)
            with smtplib.SMTP(self.suite.address, self.suite.base + 25) as client:
                client.noop()
        self.assertNotRegex(self.suite.log(), r"warning: service \S+ \S+: next start of")

    def test_a_new_password_replaces_nobody(self):
        names = ("smtpd", "cleanup", "qmgr", "imapd", "local")
        wait_until(lambda: len(self.pids(*names)) == len(names), 20, "all programs")
        time.sleep(0.3)
        before = self.pids(*names)
        self.suite.posta("user", "passwd", "alice@example.test", "--password", PASSWORD)
        with smtplib.SMTP(self.suite.address, self.suite.base + 25) as client:
            client.noop()
        self.assertEqual(self.pids(*names), before)


class SystemUsers(unittest.TestCase):
    """proxymap looks up who the system knows: smtpd has no such file."""

    def test_known_unknown_and_not_to_be_known_now(self):
        settings = {"mydestination": "host.example.test", "mailbox_users": "",
                    "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps"}
        with Instance(main=settings) as suite, suite.smtp() as client:
            client.ehlo()
            client.mail("a@client.test")
            self.assertEqual(client.rcpt("daemon@host.example.test")[0], 250)
            self.assertEqual(client.rcpt("DAEMON@host.example.test")[0], 250)
            self.assertEqual(client.rcpt("no-such-user@host.example.test")[0], 550)
            self.assertEqual(client.rcpt("../passwd@host.example.test")[0], 550)
            proxymap = next(item["pid"] for item in map(json.loads, filter(
                lambda line: line.startswith("{"), suite.posta("status", "--json").text.splitlines()))
                if item["program"] == "proxymap")
            os.kill(proxymap, signal.SIGKILL)
            codes = set()
            wait_until(lambda: codes.add(client.rcpt("daemon@host.example.test")[0]) or 250 in codes, 20,
                       "the next proxymap")
            self.assertLessEqual(codes, {250, 451})


    def test_an_alias_keeps_whom_the_mail_was_for(self):
        with Instance(main={"mydestination": "host.example.test"}) as suite:
            with open(os.path.join(suite.conf, "aliases"), "a") as file:
                file.write("team: alice@example.test\n")
            suite.posta("alias")
            suite.inject("a@client.test", ["team@host.example.test"], message(subject="for the team"))
            text, = suite.wait_mail("alice", text="for the team")
            self.assertIn(b"X-Original-To: team@host.example.test\r\n", text)


class Penalty(unittest.TestCase):
    def test_stop_does_not_wait_for_a_penalty(self):
        suite = Instance(main={"smtpd_error_sleep_time": "300s", "smtpd_soft_error_limit": "1",
                               "service_stop_time": "100s"})
        try:
            client = socket.create_connection((suite.address, suite.base + 25), 30)
            client.recv(4096)
            client.sendall(b"EHLO a.test\r\n" + b"NOSUCH\r\n" * 3)
            client.recv(4096)
            time.sleep(1)
            began = time.monotonic()
            self.assertEqual(suite.posta("stop", timeout=60).returncode, 0)
            # Not the penalty, and not the longest time for a good-bye either.
            self.assertNotIn("have not ended within", suite.log())
            self.assertLess(time.monotonic() - began, 50)
            client.close()
        finally:
            suite.close()


class Explain(unittest.TestCase):
    """posta explain says what the server does, and why."""

    @classmethod
    def setUpClass(cls):
        cls.suite = Instance(start=False, main={"smtpd_sender_restrictions":
                                                "check_sender_access inline:{ { bad.test = REJECT no thanks } }"})
        with open(os.path.join(cls.suite.conf, "virtual"), "a") as file:
            file.write("team@example.test alice@example.test, friend@elsewhere.test\n")
        cls.suite.posta("map", "hash:" + os.path.join(cls.suite.conf, "virtual"))
        # What a stranger hears, on this machine.
        cls.suite.set(mynetworks="192.0.2.1")
        cls.suite.start()

    @classmethod
    def tearDownClass(cls):
        cls.suite.close()

    def explain(self, sender, recipient, *options, status):
        done = self.suite.posta("explain", "--from", sender, "--to", recipient, *options, check=False)
        self.assertEqual(done.returncode, status, done.text)
        return done.text

    def test_it_is_what_the_server_does(self):
        for sender, recipient, status in (("a@outside.test", "bob@example.test", 0),
                                          ("a@outside.test", "x@elsewhere.test", 75),
                                          ("a@outside.test", "nobody@example.test", 1),
                                          ("a@bad.test", "bob@example.test", 1),
                                          ("a@outside.test", "team@example.test", 0)):
            with self.subTest(sender=sender, recipient=recipient), self.suite.smtp(25) as client:
                said = self.explain(sender, recipient, "--client", "127.0.0.1", "--helo", "client.test",
                                    status=status)
                client.ehlo()
                client.mail(sender)
                code, reply = client.rcpt(recipient)
                self.assertEqual(code // 100, {0: 2, 75: 4, 1: 5}[status])
                if status:
                    self.assertIn(f": {code} {reply.decode()}\n", said)

    def test_reasons_and_ways(self):
        said = self.explain("a@outside.test", "x@elsewhere.test", status=75)
        self.assertIn("defer_unauth_destination: refuse", said)
        self.assertIn("a@bad.test", self.explain("a@bad.test", "bob@example.test", status=1))
        said = self.explain("a@outside.test", "team@example.test", status=0)
        self.assertRegex(said, r"virtual_alias_maps.*team@example\.test -> alice@example\.test, friend@elsewhere\.test")
        self.assertRegex(said, r"Where does alice@example\.test go\?(.*\n)*?  => virtual mailbox, transport virtual,")
        self.assertRegex(said, r"Where does friend@elsewhere\.test go\?(.*\n)*?  => default, transport smtp,")
        said = self.explain("alice@example.test", "x@elsewhere.test", "--service", "submission", "--tls", "--auth",
                            "alice@example.test", status=0)
        self.assertIn("permit_sasl_authenticated: permit", said)
        self.explain("alice@example.test", "x@elsewhere.test", "--service", "submission", "--tls", status=1)
        self.assertIn('no inet service "nosuch"', self.explain("a@b.test", "bob@example.test", "--service", "nosuch",
                                                               status=1))
        self.explain("a@b.test", "bob@example.test", "--client", "nowhere", status=2)


class Trace(unittest.TestCase):
    """posta trace, from the log of a real run: text and JSON."""

    def test_forwarded_and_bounced(self):
        for form in ("text", "json"):
            with self.subTest(log_format=form), Instance(start=False, main={"log_format": form}) as suite:
                with open(os.path.join(suite.conf, "aliases"), "a") as file:
                    file.write("list: alice@example.test, nobody@example.test\n")
                suite.posta("alias", "hash:" + os.path.join(suite.conf, "aliases"))
                suite.start()
                suite.inject("bob@example.test", ["list@localhost"], message(subject="traced"))
                suite.inject("bob@example.test", ["alice@example.test"], message(subject="other"))
                suite.wait_mail("bob", text="nobody@example.test")  # the bounce
                suite.wait_queue_empty()
                first, forwarded = re.search(r"\b(\w+): to=<list@localhost>.*forwarded as (\w+)\)", suite.log()).groups()
                bounce = re.search(rf"{forwarded}: sender non-delivery notification: (\w+)", suite.log())[1]
                said = suite.posta("trace", bounce).text
                self.assertEqual([line for line in said.splitlines() if line and line[0] != " "],
                                 [first, f"{forwarded}: forwarded from {first}",
                                  f"{bounce}: non-delivery notification about {forwarded}"])
                self.assertEqual(said.count("=> no longer in the queue"), 3)
                for program, text in (("smtpd", "client="), ("cleanup", "message-id="), ("qmgr", "from=<bob@"),
                                      ("local", "to=<list@localhost>"), ("bounce", "sender non-delivery"),
                                      ("qmgr", "removed")):
                    self.assertRegex(said, rf"(?m)^  \S.*posta/{program}\[\d+\]: {text}")
                events = [json.loads(line) for line in suite.posta("trace", "--json", first).text.splitlines()]
                self.assertEqual({e["queue_id"] for e in events}, {first, forwarded, bounce})
                self.assertEqual([e["leads_to"] for e in events if "leads_to" in e], [forwarded, bounce])


if __name__ == "__main__":
    unittest.main()
