"""Users and passwords in databases and directories, by the files that Dovecot has for them."""
import base64
import contextlib
import imaplib
import poplib
import pwd
import re
import subprocess
import unittest

from peers import MariaDb, PostgreSql, Slapd
from posta import Instance, message, wait_until

# As postfixadmin and its kin have it.
SQL = """
CREATE TABLE mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), name VARCHAR(255), maildir VARCHAR(255), nologin VARCHAR(5),
 nets VARCHAR(255));
INSERT INTO mailbox VALUES ('carol@sql.test', '{PLAIN}carols secret', 'carol@sql.test', 'c', NULL, NULL),
 ('dave@sql.test', '{PLAIN}daves:secret', 'dave@sql.test', 'd', '0', '10.0.0.0/8,127.0.0.1'),
 ('far@sql.test', '{PLAIN}secret', 'far@sql.test', 'f', NULL, '192.0.2.0/24'),
 ('off@sql.test', '{PLAIN}secret', 'off@sql.test', 'o', 'Y', NULL), ('nick@sql.test', '{PLAIN}nicks', 'carol@sql.test', 'c', NULL, NULL),
 ('proxied@sql.test', '{PLAIN}secret', 'proxied@sql.test', 'p', NULL, NULL), ('bare@sql.test', 'no hash', 'bare@sql.test', 'b', NULL, NULL),
 ('denied@sql.test', '{PLAIN}secret', 'denied@sql.test', 'x', NULL, NULL);
"""
# Columns as postfixadmin, iRedMail and ISPConfig have them, of those that Dovecot's queries look at.
HOSTING = """
CREATE TABLE admin_mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), quota BIGINT, active INT);
INSERT INTO admin_mailbox VALUES ('gina@sql.test', '{PLAIN}ginas', 50000000, 1), ('gone@sql.test', '{PLAIN}ginas', 0, 0);
CREATE TABLE red_mailbox (username VARCHAR(255) PRIMARY KEY, password VARCHAR(255), allow_nets VARCHAR(255), domain VARCHAR(255), quota BIGINT,
 active INT, enableimapsecured INT, enablepop3secured INT, enablesmtpsecured INT, enableimap INT, enablepop3 INT, enablelda INT);
CREATE TABLE red_domain (domain VARCHAR(255) PRIMARY KEY, active INT, backupmx INT);
INSERT INTO red_domain VALUES ('sql.test', 1, 0);
INSERT INTO red_mailbox VALUES ('hugo@sql.test', '{PLAIN}hugos', NULL, 'sql.test', 20, 1, 1, 0, 1, 1, 0, 1),
 ('ina@sql.test', '{PLAIN}inas', '192.0.2.0/24', 'sql.test', 20, 1, 1, 1, 1, 1, 1, 1);
CREATE TABLE isp_user (login VARCHAR(255), email VARCHAR(255), password VARCHAR(255), quota BIGINT, server_id INT, disableimap VARCHAR(1),
 disablepop3 VARCHAR(1), disablesmtp VARCHAR(1), disablelda VARCHAR(1));
INSERT INTO isp_user VALUES ('jens', 'jens@sql.test', '{PLAIN}jenss', 30000000, 1, 'n', 'n', 'y', 'n'),
 ('kim', 'kim@sql.test', '{PLAIN}kims', 0, 1, 'y', 'n', 'n', 'n'), ('lea', 'lea@sql.test', '{PLAIN}leas', 0, 2, 'n', 'n', 'n', 'n');
"""
LDIF = """dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: uid=erin,dc=test
objectClass: account
objectClass: mailThing
uid: erin
mail: erin@ldap.test
userPassword: erins secret

dn: uid=frank,dc=test
objectClass: account
objectClass: mailThing
uid: frank
mail: frank@ldap.test
mail: frank2@ldap.test
userPassword: franks
"""


class Users:
    def login(self, name, password, suite=None):
        """OK, NO, or what comes with NO."""
        suite = suite or self.suite
        with imaplib.IMAP4_SSL(suite.address, suite.port(993), ssl_context=suite.tls_context(), timeout=30) as client:
            try:
                return client.login(name.replace("\\", "\\\\").replace('"', '\\"'), password)[0]
            except imaplib.IMAP4.error as refused:
                return "UNAVAILABLE" if "UNAVAILABLE" in str(refused) else "NO"

    def refused(self, name, password, suite=None):
        """The code of AUTH PLAIN, which lets any name through: 535, or 454 for what cannot be told."""
        suite = suite or self.suite
        with suite.smtp(587) as client:
            client.starttls(context=suite.tls_context())
            client.ehlo()
            return client.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode())[0]

    def start(self, passwords, users, domain, **main):
        self.suite = Instance(main=dict({
            "mailbox_passwords": f"hash:$config_directory/passwords dovecot-passdb:{passwords}",
            "mailbox_users": f"hash:$config_directory/users dovecot-userdb:{users}", "virtual_mailbox_domains": f"example.test {domain}",
            "auth_failures_max": "100", "table_server_timeout": "5s"}, **main))
        self.addCleanup(self.suite.close)

    def asked_by(self, user, table, key):
        """What `posta map -q` says to somebody who reaches the sockets as the programs of this user do."""
        user, groups = pwd.getpwnam(user), pwd.getpwnam("posta").pw_gid
        return subprocess.run(["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", f"--groups={groups}", self.suite.tool,
                               "-c", self.suite.conf, "map", "-q", key, table],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout

    def delivered(self, sender, name, subject, password):
        with self.suite.smtp(25) as client:
            client.sendmail(sender, [name], message(subject=subject))

        def found():
            with imaplib.IMAP4_SSL("127.0.0.1", self.suite.port(993), ssl_context=self.suite.tls_context(), timeout=30) as client:
                client.login(name, password)
                client.select()
                return client.search(None, f'(SUBJECT "{subject}")')[1][0]
        wait_until(found, what=f"{subject} for {name}")


class SqlUsers(Users):
    def test_users(self):
        file = self.peer.write("dovecot-sql.conf.ext", f"""
# Users of a database
driver = {self.driver}
connect = host=127.0.0.1 port={self.peer.port} dbname={self.database} user=mail password=it's
default_pass_scheme = SHA512-CRYPT
password_query = SELECT name AS user, password, nologin, nets AS allow_nets, \\
  CASE username WHEN 'proxied@sql.test' THEN 'Y' END AS proxy FROM mailbox WHERE username = '%Lu'
user_query = SELECT '*:storage=1G' AS quota_rule FROM mailbox WHERE username = '%n@%d' AND name = '%u'
iterate_query = SELECT username AS user FROM mailbox
""")
        self.start(file, file, "sql.test", auth_denied_users="inline:{ { denied@sql.test = yes } }")
        self.assertEqual(self.login("alice@example.test", "correct-horse-7"), "OK")
        self.assertEqual(self.login("carol@sql.test", "carols secret"), "OK")
        self.assertEqual(self.login("Carol@SQL.test", "carols secret"), "OK")
        self.assertEqual(self.login("dave@sql.test", "daves:secret"), "OK")
        self.assertEqual(self.login("nick@sql.test", "nicks"), "OK")
        self.suite.wait_log(r"auth\[.*login: user=<carol@sql\.test>.*method=PLAIN")
        for name, password in (("carol@sql.test", "wrong"), ("carol@sql.test", "daves:secret"), ("far@sql.test", "secret"),
                               ("off@sql.test", "secret"), ("proxied@sql.test", "secret"), ("bare@sql.test", "no hash"),
                               ("denied@sql.test", "secret"), ("nobody@sql.test", "secret"), ("nick@sql.test", "carols secret"),
                               ("x'OR'1'='1", "carols secret"), ("carol@sql.test'--", "carols secret"), ("%", "x"),
                               ("x\\'OR/**/1=1#", "carols secret"), ("carol@sql.test\\", "carols secret"), ("x' OR '1'='1", "x"),
                               ("x'UNION/**/SELECT'carol@sql.test','{PLAIN}x',NULL,NULL,NULL--", "x")):
            with self.subTest(name=name, password=password):
                self.assertEqual(self.refused(name, password), 535)
        self.suite.wait_log(r"login failed \(allow_nets does not have the client's address\): user=<far@sql\.test>")
        self.suite.wait_log(r"login failed \(nologin\): user=<off@sql\.test>")
        # Two users in turn, from one address: nobody gets the other, also not what is remembered of it.
        for _ in range(10):
            self.assertEqual(self.login("carol@sql.test", "carols secret"), "OK")
            self.assertEqual(self.login("dave@sql.test", "daves:secret"), "OK")
            self.assertEqual(self.login("dave@sql.test", "carols secret"), "NO")
            self.assertEqual(self.login("carol@sql.test", "daves:secret"), "NO")
        # Hashes are for auth alone, whoever else may ask proxymap.
        for user, has in (("postaauth", True), ("postasmtp", False), ("postaagent", False)):
            said = self.asked_by(user, f"dovecot-passdb:{file}", "carol@sql.test")
            self.assertEqual("carols secret" in said, has, said)
            self.assertIn("quota_rule", self.asked_by(user, f"dovecot-userdb:{file}", "carol@sql.test"))
        self.suite.wait_log("dovecot-passdb:.*passwords are for auth alone")
        self.delivered("s@client.test", "carol@sql.test", "for carol", "carols secret")
        self.delivered("s@client.test", "dave@sql.test", "for dave", "daves:secret")
        with self.suite.smtp(25) as client:
            client.mail("s@client.test")
            self.assertEqual(client.rcpt("nobody@sql.test")[0], 550)
        # A server that does not answer: nobody is unknown, no password is wrong.
        self.peer.kill()
        self.assertEqual(self.login("carol@sql.test", "carols secret"), "UNAVAILABLE")
        self.assertEqual(self.login("alice@example.test", "correct-horse-7"), "OK")
        with self.suite.smtp(25) as client:
            client.mail("s@client.test")
            self.assertEqual(client.rcpt("nobody@sql.test")[0], 451)
        self.peer.start()
        wait_until(lambda: self.login("carol@sql.test", "carols secret") == "OK", 30, "a login by the server that is back")


    def where(self, name, password):
        """The services that let this user in."""
        suite, found = self.suite, []
        if self.login(name, password) == "OK":
            found.append("imap")
        client = poplib.POP3_SSL(suite.address, suite.port(995), context=suite.tls_context(), timeout=30)
        with contextlib.closing(client), contextlib.suppress(poplib.error_proto):
            client.user(name)
            client.pass_(password)
            found.append("pop3")
        if self.refused(name, password) == 235:
            found.append("smtp")
        return found

    def test_queries_of_hosting_panels(self):
        connect = (f"driver = {self.driver}\nconnect = host=127.0.0.1:1 host=127.0.0.1:{self.peer.port} dbname={self.database} "
                   "user=mail password=it's\ndefault_pass_scheme = SHA512-CRYPT\n")
        q = self.quote
        files = [self.peer.write(name, connect + text) for name, text in (
            ("postfixadmin.conf", """
password_query = SELECT username AS user,password FROM admin_mailbox WHERE username = '%u' AND active='1'
user_query = SELECT CONCAT('*:bytes=', quota) AS quota_rule FROM admin_mailbox WHERE username = '%u' AND active='1'
"""), ("iredmail.conf", f"""
password_query = SELECT m.password, m.allow_nets FROM red_mailbox m, red_domain d WHERE m.username='%u' AND m.{q}enable%Ls%Lc{q}=1 \\
    AND m.active=1 AND m.domain=d.domain AND d.backupmx=0 AND d.active=1
user_query = SELECT CONCAT('*:bytes=', m.quota*1048576) AS quota_rule FROM red_mailbox m WHERE m.username=LOWER('%u') AND m.{q}enable%Ls%Lc{q}=1
"""), ("ispconfig.conf", f"""
password_query = SELECT email as user, password, CONCAT('*:storage=', quota, 'B') AS userdb_quota_rule FROM isp_user \\
    WHERE (login = '%u' OR email = '%u') AND {q}disable%Ls{q} = 'n' AND server_id = '1'
user_query = SELECT email as user, CONCAT('*:storage=', quota, 'B') AS quota_rule FROM isp_user \\
    WHERE (login = '%u' OR email = '%u') AND {q}disable%Ls{q} = 'n' AND server_id = '1'
"""))]
        self.suite = Instance(main={
            "mailbox_passwords": " ".join("dovecot-passdb:" + file for file in files),
            "mailbox_users": " ".join("dovecot-userdb:" + file for file in files), "virtual_mailbox_domains": "sql.test",
            "auth_failures_max": "100", "table_server_timeout": "5s"})
        self.addCleanup(self.suite.close)
        every = ["imap", "pop3", "smtp"]
        self.assertEqual(self.where("gina@sql.test", "ginas"), every)
        self.assertEqual(self.where("gone@sql.test", "ginas"), [])
        # Which services a user has is said in each panel's way, and asked for the one that it is.
        self.assertEqual(self.where("hugo@sql.test", "hugos"), ["imap", "smtp"])
        self.assertEqual(self.where("ina@sql.test", "inas"), [])
        self.assertEqual(self.where("jens@sql.test", "jenss"), ["imap", "pop3"])
        self.assertEqual(self.where("jens", "jenss"), ["imap", "pop3"])
        self.assertEqual(self.where("kim@sql.test", "kims"), ["pop3", "smtp"])
        self.assertEqual(self.where("lea@sql.test", "leas"), [])
        for user, password, limit in (("gina@sql.test", "ginas", 50000000), ("hugo@sql.test", "hugos", 20 << 20), ("jens@sql.test", "jenss", 30000000)):
            self.delivered("s@client.test", user, "for " + user[:4], password)
            with imaplib.IMAP4_SSL("127.0.0.1", self.suite.port(993), ssl_context=self.suite.tls_context(), timeout=30) as client:
                client.login(user, password)
                said = client.getquotaroot("INBOX")[1][1][0].decode()
                self.assertEqual(int(re.search(r"STORAGE \d+ (\d+)", said)[1]), -(-limit // 1024), said)


class MariaDbUsers(SqlUsers, unittest.TestCase):
    driver, database, quote = "mysql", "mail", "`"

    @classmethod
    def setUpClass(cls):
        cls.peer = MariaDb("DROP TABLE IF EXISTS mailbox, admin_mailbox, red_mailbox, red_domain, isp_user;\n" + "\n".join(
            " ".join(statement.split("\n")) + ";" for statement in (SQL + HOSTING).split(";") if statement.strip()) + "\n")
        cls.addClassCleanup(cls.peer.close)


class PostgreSqlUsers(SqlUsers, unittest.TestCase):
    driver, database, quote = "pgsql", "postgres", '"'

    @classmethod
    def setUpClass(cls):
        cls.peer = PostgreSql(SQL + HOSTING)
        cls.addClassCleanup(cls.peer.close)


class LdapUsers(Users, unittest.TestCase):
    def test_users(self):
        self.peer = Slapd(LDIF)
        self.addCleanup(self.peer.close)
        file = self.peer.write("dovecot-ldap.conf.ext", f"""
uris = ldap://127.0.0.1:{self.peer.port}
dn = cn=admin,dc=test
dnpass = it's
base = dc=test
scope = subtree
pass_filter = (&(objectClass=mailThing)(mail=%u))
pass_attrs = mail=user,userPassword=password,=allow_nets=127.0.0.0/8
default_pass_scheme = PLAIN
user_filter = (&(objectClass=mailThing)(mail=%u))
user_attrs = uid=nick,=quota_rule=*:bytes=1000000
""")
        server = f"uris = ldap://127.0.0.1:{self.peer.port}\nbase = dc=test\nauth_bind = yes\n"
        # As with Active Directory: a search by an account of its own, then the user's own bind; or a name that is made of the user's.
        binding = self.peer.write("bind.conf.ext", server + "dn = cn=admin,dc=test\ndnpass = it's\npass_filter = (mail=%u)\n"
                                  "pass_attrs = mail=user,=allow_nets=127.0.0.1\n")
        # Nothing of the entry is wanted but that it is there.
        bare = self.peer.write("bare.conf.ext", server + "dn = cn=admin,dc=test\ndnpass = it's\npass_filter = (mail=%u)\npass_attrs =\n")
        by_name = self.peer.write("name.conf.ext", server + "auth_bind_userdn = uid=%n,dc=test\n")
        self.start(file, file, "ldap.test")
        self.assertEqual(self.login("erin@ldap.test", "erins secret"), "OK")
        self.assertEqual(self.login("frank2@ldap.test", "franks"), "OK")
        self.suite.wait_log(r"auth\[.*login: user=<frank@ldap\.test>")
        for name, password in (("erin@ldap.test", "franks"), ("*", "erins secret"), ("*@ldap.test", "erins secret"),
                               ("erin@ldap.test)(mail=*", "erins secret"), ("e*@ldap.test", "erins secret"), ("nobody@ldap.test", "x")):
            with self.subTest(name):
                self.assertEqual(self.refused(name, password), 535)
        self.delivered("s@client.test", "erin@ldap.test", "for erin", "erins secret")
        for table in (binding, bare, by_name):
            with Instance(main={"mailbox_passwords": f"dovecot-passdb:{table}", "mailbox_users": f"dovecot-userdb:{file}",
                                "auth_failures_max": "100"}) as suite:
                for _ in range(2):
                    self.assertEqual(self.login("erin@ldap.test", "erins secret", suite), "OK")
                    self.assertEqual(self.login("frank@ldap.test", "franks", suite), "OK")
                for name, password in (("erin@ldap.test", "franks"), ("erin@ldap.test", "erins secre"), ("nobody@ldap.test", "x"),
                                       ("*@ldap.test", "franks"), ("erin,dc=test@ldap.test", "erins secret"), ("e*", "x")):
                    self.assertEqual(self.refused(name, password, suite), 535)
                # A directory takes who says no password for nobody, and that succeeds there.
                self.assertEqual(self.refused("erin@ldap.test", "", suite), 535)
        self.peer.kill()
        self.assertEqual(self.login("erin@ldap.test", "erins secret"), "UNAVAILABLE")


if __name__ == "__main__":
    unittest.main()
