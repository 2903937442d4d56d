"""Configurations: a usual Postfix site loads, a wrong one stops with file, line and advice."""
import os
import shutil
import subprocess
import tempfile
import unittest

from posta import Instance, PASSWORD, message

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
        for later in ("smtpd_milters", "header_checks", "postscreen_dnsbl_sites"):
            self.assertRegex(said, f"(?m){later}.*not (yet )?in force|not (yet )?in force.*{later}")
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

    def test_misspelt_restriction_stops_the_start(self):
        with open(os.path.join(self.suite.conf, "main.cf")) as file:
            good = file.read()
        folder = self.folder(good + "\nsmtpd_recipient_restrictions = permit_mynetwork, reject_unauth_destination\n")
        done = self.suite.command(["-c", folder, "start"], check=False)
        self.suite.command(["-c", folder, "stop"], check=False)
        self.assertNotEqual(done.returncode, 0, done.text)
        self.assertIn("permit_mynetworks", done.text + self.suite.log())

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
            from posta import Talk, wait_until

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


if __name__ == "__main__":
    unittest.main()
