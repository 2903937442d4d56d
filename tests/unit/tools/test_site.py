"""What is said of a site's configuration: posta check, explain, migrate: test_site.py BIN"""
import json
import os
import re
import subprocess
import unittest

from tool_case import BIN, MAIN_CF, MASTER_CF, ToolCase


class Site(ToolCase):
    # ---- check ----

    def check(self, main_cf, *options, status=1):
        self.write("main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.test\nalias_maps =\n"
                   "inet_interfaces = 127.0.0.1\n" + main_cf)
        self.write("master.cf", "smtp inet n - y - - smtpd\npickup unix n - y 60 1 pickup\n")
        return self.run_tool("posta", "check", *options, status=status)[0]

    def test_check_finds_everybody_in_mynetworks(self):
        for networks, family in (("0.0.0.0/0", "IPv4"), ("0.0.0.0/1 128.0.0.0/1", "IPv4"), ("[::]/0", "IPv6")):
            with self.subTest(networks=networks):
                said = self.check(f"mynetworks = 127.0.0.0/8 {networks}\n")
                self.assertIn(f"service smtp: everybody with {family} is in mynetworks: an open relay", said)
                for network in networks.split():
                    self.assertIn(f"mynetworks: {network} holds strangers", said)
        self.assertNotIn("mynetworks", self.check("mynetworks = 127.0.0.0/8 10.0.0.0/8 [fe80::]/64\n", status=0))

    def test_check_dates_certificates(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expired.pem")
        said = self.check(f"smtpd_tls_cert_file = {path}\nsmtpd_tls_security_level = may\n")
        self.assertIn(f"error: service smtp: the certificate in {path} has expired", said)
        self.assertIn(f"the certificate in {path} is not for mx.example.test", said)

    def test_check_says_first_what_matters(self):
        said = self.check("readme_directory = no\nbest_mx_transport = local\nstrict_7bit_headers = yes\n"
                          "smtpd_tls_security_level = sometimes\n")
        lines = said.splitlines()
        self.assertIn("strict_7bit_headers is known but not yet in force: what it is for does not start (cleanup)", lines[0])
        self.assertIn("smtpd_tls_security_level: expected none|may|encrypt, not \"sometimes\"", said)
        first = [line.split(":")[0] for line in lines[:-1]]
        self.assertEqual(first, sorted(first))
        self.assertIn("warning: main.cf, line 6: best_mx_transport is known", said)
        self.assertNotIn("readme_directory", said)
        self.assertIn("remark: main.cf, line 5: readme_directory", self.check("readme_directory = no\n", "-v", status=0))

    def test_check_reads_the_users(self):
        self.write("users", "# a comment\nalice@example.test:{CRYPT}$y$j9T$abc$def:::::\nbob@example.test:{ROT13}cnff:::::\n"
                            "nonsense\ncarol@example.test:{PLAIN}x:0:0::::\nAlice@example.test:{PLAIN}x:::::\n")
        os.chmod(self.path("users"), 0o600)
        said = self.check(f"mailbox_users = hash:{self.path('users')}\n")
        users = self.path("users")
        self.assertRegex(said, rf"error: {users}, line 3: .*ROT13")
        for line in (4, 5):
            self.assertRegex(said, f"error: {users}, line {line}: ")
        self.assertRegex(said, f"error: {users}, line 6: .*stands in line 2 already")
        self.assertNotRegex(said, f"{users}, line [12]:")

    @unittest.skipUnless(os.geteuid() == 0, "owners are root's to set")
    def test_check_looks_at_owners_of_mailboxes(self):
        os.makedirs(self.path("mail/alice/cur"))
        os.makedirs(self.path("mail/bob"))
        for name, uid in (("mail/alice", 1000), ("mail/alice/cur", 1001), ("mail/bob", 1001)):
            os.chown(self.path(name), uid, 1000)
            os.chmod(self.path(name), 0o700)
        self.write("users", "".join(f"{name}@example.test:{{PLAIN}}x:1000:1000::{self.path('mail/' + name)}::mail=maildir:~\n" for name in ("alice", "bob")))
        os.chmod(self.path("users"), 0o600)
        said = self.check(f"mailbox_users = hash:{self.path('users')}\n")
        self.assertIn(f"error: {self.path('mail/alice/cur')} belongs to uid 1001, but mail of alice@example.test is handled as uid 1000\n", said)
        self.assertIn(f"error: {self.path('mail/bob')} belongs to uid 1001", said)
        os.chown(self.path("mail/alice/cur"), 1000, 1000)
        os.chown(self.path("mail/bob"), 1000, 1000)
        self.assertNotIn("belongs to uid 1001", self.check(f"mailbox_users = hash:{self.path('users')}\n"))

    def test_check_finds_circles_of_aliases(self):
        self.write("aliases", "one: two\ntwo: three, x@elsewhere.test\nthree: one@localhost\nnosuchuserhere: nosuchuserhere\n"
                              "root: root, x@elsewhere.test\nfine: one, \\fine\n")
        self.write("virtual", "a@v.test b@v.test\nb@v.test a@v.test c@v.test\nc@v.test c@v.test\n")
        self.run_tool("postalias", "hash:" + self.path("aliases"))
        self.run_tool("postmap", "hash:" + self.path("virtual"))
        said = self.check(f"alias_maps = hash:{self.path('aliases')}\nvirtual_alias_maps = hash:{self.path('virtual')}\n")
        lines = [line for line in said.splitlines() if "leads back to itself" in line]
        self.assertEqual(len(lines), 3, said)
        self.assertTrue([line for line in lines if re.search(r"alias_maps: .*one -> two -> three -> one|two -> three -> one -> two|three -> one -> two -> three", line)])
        self.assertIn("error: alias_maps: nosuchuserhere -> nosuchuserhere: an alias that leads back to itself, and no user has that name", lines)
        self.assertTrue([line for line in lines if line.startswith("error: virtual_alias_maps: ") and "c@v" not in line])

    def test_check_finds_transports_without_a_service(self):
        self.write("transport", "a.test nosuch:[x]\nb.test smtp:\nc.test :[y]\nd.test error:no mail here\n")
        self.write("patterns", "# x:y\n/^e/  missing:[z]\n/^f/\tretry:later\n")
        self.run_tool("postmap", "hash:" + self.path("transport"))
        said = self.check(f"transport_maps = hash:{self.path('transport')} pcre:{self.path('patterns')}\nlocal_transport = nowhere:\n")
        errors = [line for line in said.splitlines() if "has no service" in line and line.startswith("error")]
        self.assertEqual(len(errors), 4, said)
        for text in ("main.cf, line 5: transport_maps (hash:", "a.test -> nosuch:[x]: master.cf has no service nosuch", "/^e/ -> missing:[z]: ",
                     "main.cf, line 6: local_transport: master.cf has no service nowhere"):
            self.assertIn(text, "\n".join(errors))

    def test_check_opens_tables_of_services(self):
        self.write("main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.test\nalias_maps =\ninet_interfaces = 127.0.0.1\n")
        self.write("master.cf", f"smtp inet n - y - - smtpd\n  -o smtpd_sender_restrictions=check_sender_access,hash:{self.path('missing')}\npickup unix n - y 60 1 pickup\n")
        said = self.run_tool("posta", "check", status=1)[0]
        self.assertRegex(said, r"error: master\.cf, line 1: service smtp: smtpd_sender_restrictions: .*missing")

    # ---- what would happen ----

    def test_explain_walks_aliases(self):
        """Through aliases to commands, files, mailboxes and addresses; with lines; a circle ends; unknown users are said."""
        self.write("main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.test\nmydestination = localhost, example.test\n"
                   f"alias_maps = hash:{self.path('aliases')}\nmynetworks = 127.0.0.1\n"
                   f"virtual_alias_domains = virtual.test\nvirtual_alias_maps = hash:{self.path('virtual')}\n"
                   f"queue_directory = {self.path('spool')}\n")
        self.write("master.cf", "smtp inet n - - - - smtpd\nsubmission inet n - - - - smtpd\n  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
                   "resolver unix - - - - 1 resolver\n")
        self.write("included", "carol@elsewhere.test\n")
        self.write("aliases", f"# names\nteam: dave@elsewhere.test, \\root, \"|/bin/prog x\",\n  /var/log/team, :include:{self.path('included')}, loop\n"
                   "loop: TEAM\nlost: nosuchuserhere@localhost\n")
        self.write("virtual", "all@virtual.test team@example.test\n")
        self.run_tool("postalias", "hash:" + self.path("aliases"))
        self.run_tool("postmap", "hash:" + self.path("virtual"))
        explain = lambda *words, status=0: self.run_tool("posta", "explain", "--from", "a@outside.test", *words, status=status)[0]
        said = explain("--to", "all@virtual.test")
        self.assertRegex(said, r"(?m)^    virtual_alias_maps \(hash:\S+\): all@virtual\.test -> team@example\.test, main\.cf, line 7, \S+/virtual, line 1$")
        self.assertRegex(said, r"(?m)^    alias_maps \(hash:\S+\): team -> .*, main\.cf, line 4, \S+/aliases, line 2$")
        for result in ("goes on to dave@elsewhere.test", "is delivered to the mailbox of root", "is handed to the command: /bin/prog x",
                       "is written to the file /var/log/team", f"goes on to those in {self.path('included')}", "goes on to carol@elsewhere.test",
                       "an alias that leads back to itself means the mailbox of team", "default, transport smtp, next hop elsewhere.test"):
            self.assertIn("  => " + result + "\n", said)
        self.assertIn("  => unknown user: returned to the sender\n", explain("--to", "lost@localhost"))
        said = explain("--to", "nosuchuserhere@example.test", status=1)
        self.assertIn("  => unknown: User unknown in local recipient table\n", said)
        # Who has logged in submits; and the same as JSON.
        told = json.loads(explain("--to", "x@elsewhere.test", "--auth", "alice", "--json"))
        self.assertEqual(told["verdict"], "taken")
        self.assertIn("logged in as alice, TLS, service submission", told["steps"][1]["question"])
        self.assertEqual([(s["recipient"], s["transport"], s["nexthop"]) for s in told["steps"] if "recipient" in s],
                         [("x@elsewhere.test", "smtp", "elsewhere.test")])
        self.assertEqual(json.loads(explain("--to", "x@elsewhere.test", "--json", status=75))["verdict"], "refused for now")

    def test_user_lock(self):
        """One extra field comes and goes; the others stay."""
        self.write("main.cf", f"compatibility_level = 3.6\nmyhostname = mx.example.test\nmailbox_users = hash:{self.path('users')}\n"
                   f"mailbox_passwords = hash:{self.path('passwords')}\nvirtual_mailbox_domains = example.test\nqueue_directory = {self.path('spool')}\n"
                   f"virtual_home = {self.path('mail')}/%n\nvirtual_uid = 1000\nvirtual_gid = 1000\n")
        self.write("users", "alice@example.test:{PLAIN}x::::::quota=1G mail=maildir:~\nbob@example.test:{PLAIN}x::::::\n")
        extra = lambda: [json.loads(line)["extra"] for line in self.run_tool("posta", "user", "list", "--json")[0].splitlines()]
        self.run_tool("posta", "user", "lock", "alice@example.test", "bob@example.test")
        self.assertEqual(extra(), ["quota=1G mail=maildir:~ nologin", "nologin"])
        self.run_tool("posta", "user", "lock", "alice@example.test")
        self.assertEqual(extra()[0], "quota=1G mail=maildir:~ nologin")
        self.run_tool("posta", "user", "unlock", "alice@example.test", "nosuch@example.test", status=1)
        self.assertEqual(extra(), ["quota=1G mail=maildir:~", "nologin"])
        self.run_tool("posta", "user", "unlock", status=2)

    # ---- moving in ----

    def test_migrate_dovecot(self):
        """The syntax of 2.3 and of 2.4, with includes; what is told is a call that works."""
        os.makedirs(self.path("2.3/conf.d"))
        self.write("2.3/dovecot.conf", "# comment\nprotocols = imap lmtp\nlisten = *, ::\n!include conf.d/*.conf\n!include_try local.conf\n"
                   "auth_mechanisms = plain \\\n  login cram-md5\n")
        self.write("2.3/conf.d/10-mail.conf", 'mail_location = maildir:/srv/vmail/%d/%n/Maildir # where\nssl_cert = </etc/ssl/mail.pem\n'
                   'ssl_key = "</etc/ssl/it\'s.key"\ndisable_plaintext_auth = yes\nplugin {\n  quota = maildir:User quota\n  quota_rule = *:storage=1G\n  quota_rule2 = Trash:storage=+100M\n'
                   '  zlib_save = zstd\n  sieve_before = /etc/sieve/all.sieve\n}\nmail_plugins = quota\nnamespace inbox {\n  separator = /\n  mailbox Sent {\n    auto = create\n  }\n  mailbox Trash {\n    autoexpunge = 30d\n  }\n}\n'
                   "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n}\nnonsense\n}\n")
        self.write("2.3/conf.d/auth.conf", "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n}\nuserdb {\n  driver = static\n"
                   "  args = uid=vmail gid=vmail home=/srv/vmail/%d/%n\n}\npassdb {\n  driver = sql\n  args = /etc/dovecot/sql.conf\n}\n")
        said = self.run_tool("posta", "migrate", "dovecot", self.path("2.3"))[0]
        for line in ("'inet_interfaces=all'", "'mail_location=maildir:/srv/vmail/%d/%n/Maildir'", "'smtpd_tls_cert_file=/etc/ssl/mail.pem'",
                     "'smtpd_tls_key_file=/etc/ssl/it'\\''s.key'", "'virtual_uid=vmail'", "'virtual_home=/srv/vmail/%d/%n'", "'auth_mechanisms=plain, login'",
                     "'mailbox_quota_rules=*:storage=1G Trash:storage=+100M'", "'mailbox_quota_maildirsize=yes'", "'mailbox_compress=zstd'",
                     "'sieve_before=/etc/sieve/all.sieve'", "'imap_namespace_separator=/'", "'mailbox_autoexpunge=Trash=30d'", "'mailbox_passwords=dovecot-passdb:/etc/dovecot/sql.conf'"):
            self.assertIn("\t" + line, said)
        for what in ("passdb/driver = passwd-file: the file has the form of conf/users", "protocols = imap lmtp: Posta's own smtpd delivers without", "mechanisms other than plain, login",
                     "10-mail.conf, line 27: cannot be understood", '10-mail.conf, line 28: "}" without a block'):
            self.assertIn(what, said)
        # The call as it is printed.
        call = said[said.index("posta conf -e"):said.index("\n\n", said.index("posta conf -e"))]
        subprocess.run(["sh", "-c", call], check=True, env={**os.environ, "MAIL_CONFIG": self.folder.name, "PATH": BIN + ":" + os.environ["PATH"]})
        self.assertEqual(self.run_tool("postconf", "-h", "smtpd_tls_key_file")[0], "/etc/ssl/it's.key\n")

        os.makedirs(self.path("2.4"))
        self.write("2.4/dovecot.conf", "dovecot_config_version = 2.4.1\nmail_driver = maildir\nmail_path = ~/Maildir\nmail_home = /srv/vmail/%{user | domain}/%{user | username}\n"
                   "ssl_server_cert_file = /etc/ssl/mail.pem\nauth_allow_cleartext = yes\nprotocols {\n  imap = yes\n  lmtp = no\n  sieve = yes\n}\n"
                   "passdb sql {\n  query = SELECT 1\n  default_password_scheme = BLF\n}\nuserdb static {\n  fields {\n    uid = vmail\n    home = /srv/%{user}\n  }\n}\n")
        said = self.run_tool("posta", "migrate", "dovecot", self.path("2.4"))[0]
        for line in ("'mail_location=maildir:~/Maildir'", "'virtual_home=/srv/vmail/%d/%n'", "'smtpd_tls_cert_file=/etc/ssl/mail.pem'",
                     "'disable_plaintext_auth=no'", "'virtual_uid=vmail'", "'virtual_home=/srv/%u'"):
            self.assertIn("\t" + line, said)
        self.assertEqual(said.count("mailbox_passwords = dovecot-passdb:that file"), 1)
        self.assertIn("protocols/sieve = yes: ManageSieve is the service sieve", said)
        self.assertNotIn("smtpd_protocol=lmtp", said)
        self.write("2.4/dovecot.conf", "mail_driver = sdbox\n!include dovecot.conf\n")
        self.assertIn("too many files include each other", self.run_tool("posta", "migrate", "dovecot", self.path("2.4"))[0])
        self.run_tool("posta", "migrate", "dovecot", self.path("nowhere"), status=1)
        self.run_tool("posta", "migrate", "exim", status=2)

    def test_migrate_postfix_tells(self):
        self.write("main.cf", MAIN_CF + "strict_7bit_headers = yes\nbest_mx_transport = local\nmy_own_name = x\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n")
        self.write("master.cf", MASTER_CF + "pickup unix n - y 60 1 pickup\nbsmtp unix - n n - - pipe\n  flags=Fq. user=bsmtp argv=/nonexistent/bsmtp -t$nexthop\n")
        before = self.read("main.cf")
        said = self.run_tool("posta", "migrate", "postfix", self.folder.name, status=1)[0]
        self.assertRegex(said, r"\A\S+: a site of Postfix, \d+ parameters of Postfix set, \d+ in force here, 5 services\n")
        parts = dict(re.findall(r"(?m)^(\S[^\n]*)\n((?:  .*\n)+)", said))
        self.assertIn("best_mx_transport", parts["Differs: known, not in force yet"])
        self.assertIn("strict_7bit_headers", parts["Differs, and keeps a program from starting: it filters, restricts or encrypts"])
        self.assertIn("smtpd_milters: inet:127.0.0.1:11332", parts["It talks to"])
        self.assertIn("virtual_transport: /var/spool/postfix/private/dovecot-lmtp (not there now)", parts["It talks to"])
        self.assertIn("smtpd_sasl_path: /var/spool/postfix/private/auth (not there now)", parts["It talks to"])
        self.assertIn("service bsmtp runs /nonexistent/bsmtp, which is not there", parts["To be installed"])
        self.assertIn("What posta check says of it:", said)
        self.assertEqual(self.read("main.cf"), before)


if __name__ == "__main__":
    unittest.main()
