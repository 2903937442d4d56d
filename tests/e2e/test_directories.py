"""Tables in MariaDB, PostgreSQL, SQLite and OpenLDAP of Debian: what Postfix's files for them say, hostile keys, servers that die."""
import os
import sqlite3
import unittest

from peers import MariaDb, Memcached, Peer, PostgreSql, Server, Slapd, make_certificate, run
from posta import Instance, message, wait_until

SQL = """
CREATE TABLE alias (address VARCHAR(255) PRIMARY KEY, goto VARCHAR(1000), active INT);
INSERT INTO alias VALUES ('go@example.test', 'bob', 1), ('two@example.test', 'bob@example.test,alice@example.test', 1),
 ('off@example.test', 'bob', 0), ('empty@example.test', '', 1), ('it''s@example.test', 'quoted', 1),
 ('back\\slash@example.test', 'back', 1), ('per%cent@example.test', 'percent', 1), ('\u00fcber@example.test', 'utf8', 1);
CREATE TABLE domain (name VARCHAR(255) PRIMARY KEY);
INSERT INTO domain VALUES ('sql.test');
CREATE TABLE rows_ (name VARCHAR(255), value VARCHAR(255));
INSERT INTO rows_ VALUES ('many', 'a@x.test'), ('many', 'b@x.test'), ('many', 'c@x.test'), ('mixed', 'noat'), ('mixed', 'd@y.test');
"""
# How each server reads a backslash in a string; standard SQL has it mean itself.
MYSQL = SQL.replace("back\\slash", "back\\\\slash")

LDIF = """dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: uid=go,dc=test
objectClass: account
objectClass: mailThing
uid: go
mail: go@example.test
maildrop: bob
userPassword: secret

dn: uid=two,dc=test
objectClass: account
objectClass: mailThing
uid: two
mail: two@example.test
maildrop: a@x.test
maildrop: b@x.test

dn: uid=star\\2A,dc=test
objectClass: account
objectClass: mailThing
uid: star*
mail: star*@example.test
maildrop: star

dn: uid=team,dc=test
objectClass: account
objectClass: mailThing
uid: team
mail: team@example.test
leafdrop: not-me@x.test
member: uid=go,dc=test
member: uid=two,dc=test
member: uid=gone,dc=test
memberurl: ldap:///dc=test?maildrop?sub?(uid=leaf)

dn: uid=leaf,dc=test
objectClass: account
objectClass: mailThing
uid: leaf
leafdrop: leaf@x.test

dn: uid=final,dc=test
objectClass: account
objectClass: mailThing
uid: final
mail: final@example.test
maildrop: never@x.test
finaldrop: final@x.test
member: uid=two,dc=test

dn: uid=loop,dc=test
objectClass: account
objectClass: mailThing
uid: loop
mail: loop@example.test
member: uid=loop,dc=test

dn: uid=lines,dc=test
objectClass: account
objectClass: mailThing
uid: lines
mail: lines@example.test
maildrop:: b25lCnR3bw==
"""
# Whoever gets one of these to find something has got out of the quotes.
INJECTIONS = ("x' OR '1'='1", "x\\' OR 1=1 -- ", "x'; DROP TABLE alias; --", "' UNION SELECT name FROM domain -- ", "x\" OR \"\"=\"", "x\\",
              "\u02bc OR 1=1", "\u2019 OR 1=1", "%s", "%27 OR 1=1", "*", "*)(uid=*", "x)(|(uid=*))", "\\2a", "a,dc=test", "go,dc=test+x=y")


class Tables:
    """One suite that has all tables of a kind; `table` is what stands before the file's name."""

    def write(self, name, **settings):
        path = self.peer.write(name, "".join(f"{key.rstrip('_')} = {value}\n" for key, value in settings.items()))
        return f"{self.kind}:{path}"

    def ask(self, table, key):
        """The value, None for none, or what was said of the failure."""
        done = self.suite.posta("map", "-q", key, table, check=False)
        return done.text.strip() if done.returncode == 0 else None if done.returncode == 1 and not done.text.strip() else \
            f"failed: {done.text.strip()}"

    def start(self, tables, **main):
        names = {f"test_table_{i}": table for i, table in enumerate(tables)}
        self.suite = Instance(main=dict(names, table_server_timeout="5s", **main))

    def refused(self, table, key="go@example.test"):
        said = self.ask(table, key)
        self.assertTrue(said is not None and said.startswith("failed: "), said)
        return said


class SqlTables(Tables):
    def setUp(self):
        login = dict(hosts=self.hosts, user="mail", password="it's", dbname=self.database)
        by_key = "SELECT goto FROM alias WHERE address='%s' AND active=1"
        one = lambda name, **more: self.write(name, **dict(login, query=by_key, **more))
        self.alias = one("alias.cf")
        self.old = self.write("old.cf", **login, table="alias", select_field="goto", where_field="address",
                              additional_conditions="AND active=1")
        self.domain = one("domain.cf", domain="example.test, other.test")
        self.parts = self.write("parts.cf", **login, query="SELECT CONCAT('%u', ' ', '%d', ' ', '%2', '-%1', ' %%')")
        self.rows = self.write("rows.cf", **login, query="SELECT value FROM rows_ WHERE name='%u' ORDER BY value", result_format="%u=%d for %S")
        self.limit = self.write("limit.cf", **login, query="SELECT value FROM rows_ WHERE name='%s'", expansion_limit="2")
        self.failing = self.write("failing.cf", **login, query="SELECT nothing FROM nowhere WHERE x='%s'")
        self.control = self.write("control.cf", **login, query=f"SELECT {self.control_value} FROM alias WHERE address='%s'")
        self.dead = one("dead.cf", hosts="127.0.0.1:1")
        self.dead_first = one("first.cf", hosts="127.0.0.1:1, " + self.hosts)
        self.wrong = one("wrong.cf", password="wrong")
        self.bad = self.write("bad.cf", **login, query="SELECT '%z'")
        self.no_query = self.write("none.cf", **login)
        self.start([self.alias, self.old, self.domain, self.parts, self.rows, self.limit, self.failing, self.control, self.dead,
                    self.dead_first, self.wrong, self.bad, self.no_query], virtual_alias_maps="proxy:" + self.alias,
                   virtual_alias_domains=self.write("domains.cf", **login, query="SELECT name FROM domain WHERE name='%s'"))
        self.addCleanup(self.suite.close)

    def test_files_as_postfix_has_them(self):
        for table in (self.alias, self.old):
            self.assertEqual(self.ask(table, "go@example.test"), "bob")
            self.assertEqual(self.ask(table, "GO@Example.test"), "bob")
            self.assertEqual(self.ask(table, "two@example.test"), "bob@example.test,alice@example.test")
            for key in ("off@example.test", "nobody@example.test", "empty@example.test"):
                self.assertIsNone(self.ask(table, key))
        self.assertEqual(self.ask(self.domain, "go@example.test"), "bob")
        self.assertEqual(self.ask(self.parts, "a.b@mx.example.test"), "a.b mx.example.test example-test %")
        self.assertIsNone(self.ask(self.parts, "a@test"))
        self.assertIsNone(self.ask(self.parts, "a"))
        self.assertEqual(self.ask(self.rows, "many@x"), "a=x.test for many@x,b=x.test for many@x,c=x.test for many@x")
        self.assertEqual(self.ask(self.rows, "mixed@x"), "d=y.test for mixed@x")
        # Strings are escaped, whatever is in them.
        self.assertEqual(self.ask(self.alias, "it's@example.test"), "quoted")
        self.assertEqual(self.ask(self.alias, "back\\slash@example.test"), "back")
        self.assertEqual(self.ask(self.alias, "per%cent@example.test"), "percent")
        self.assertEqual(self.ask(self.alias, "\u00fcber@example.test"), "utf8")
        for key in INJECTIONS:
            with self.subTest(key):
                self.assertIsNone(self.ask(self.alias, key))
                self.assertIsNone(self.ask(self.old, key))
                self.assertIsNone(self.ask(self.alias, key + "@example.test"))
        self.assertEqual(self.ask(self.alias, "go@example.test"), "bob")
        # What cannot be told is a failure, never "no".
        self.assertIn("expansion_limit", self.refused(self.limit, "many"))
        self.assertIn("nowhere", self.refused(self.failing))
        self.assertIn("control characters", self.refused(self.control))
        self.refused(self.wrong)
        self.assertIn("%z", self.refused(self.bad))
        self.assertIn("query", self.refused(self.no_query))
        self.refused(self.dead)
        self.assertEqual(self.ask(self.dead_first, "go@example.test"), "bob")
        self.suite.wait_log(r"proxymap\[.*:dead\.cf|127\.0\.0\.1:1: ")
        # What nobody has configured nobody may ask.
        self.assertIn("permits", self.refused(self.write("more.cf", query="SELECT 1")))
        self.mail()
        self.death()

    def mail(self):
        with self.suite.smtp(25) as client:
            client.sendmail("s@client.test", ["go@example.test"], message(subject="aliased"))
            client.mail("s@client.test")
            self.assertEqual(client.rcpt("nobody@sql.test")[0], 550)
        self.suite.wait_mail("bob", text="Subject: aliased")

    def death(self):
        """A server that has died: mail waits, and nobody is unknown; when it is back all is well."""
        self.peer.kill()
        with self.suite.smtp(25) as client:
            client.mail("s@client.test")
            self.assertEqual(client.rcpt("go@example.test")[0], 451)
            self.assertEqual(client.rcpt("nobody@sql.test")[0], 451)
        self.suite.wait_log(r"proxymap\[.*warning: ")
        self.peer.start()
        wait_until(lambda: self.ask(self.alias, "go@example.test") == "bob", 30, "an answer of the server that is back")


class MariaDbTables(SqlTables, unittest.TestCase):
    kind, database, control_value = "mysql", "mail", "'a\\nb'"

    @classmethod
    def setUpClass(cls):
        # The file is run at each start.
        cls.peer = MariaDb("DROP TABLE IF EXISTS alias, domain, rows_;\n" + "\n".join(
            " ".join(statement.split("\n")) + ";" for statement in MYSQL.split(";") if statement.strip()) + "\n")
        cls.hosts = f"inet:127.0.0.1:{cls.peer.port}"
        cls.addClassCleanup(cls.peer.close)

    def test_by_its_socket(self):
        table = self.write("alias.cf", hosts=f"unix:{self.peer.socket}", user="mail", password="it's", dbname="mail",
                           query="SELECT goto FROM alias WHERE address='%s'")
        self.assertEqual(self.ask(table, "go@example.test"), "bob")


class StrangeMariaDb(Server):
    """Asks for a file where an answer is expected."""

    def __init__(self, path):
        self.path, self.heard = path, []
        super().__init__()

    def serve(self, client):
        client.settimeout(30)
        with client, client.makefile("rwb") as stream:
            def send(number, data):
                stream.write(len(data).to_bytes(3, "little") + bytes([number]) + data)
                stream.flush()

            def receive():
                return stream.read(int.from_bytes(stream.read(4)[:3], "little"))
            # Protocol 10, with all abilities of old and passwords as they were then.
            send(0, b"\x0a8.0.0\0" + bytes(4) + b"12345678\0\xff\xf7\x21\2\0\x0f\0\x15" + bytes(10) +
                 b"123456789012\0mysql_native_password\0")
            abilities = int.from_bytes(receive()[:4], "little")
            send(2, b"\0\0\0\2\0\0\0")
            question = receive()
            send(1, b"\xfb" + self.path.encode())
            self.heard.append((abilities, question, receive()))


class StrangeServers(unittest.TestCase):
    def test_mysql_gets_no_file(self):
        peer = Peer()
        self.addCleanup(peer.close)
        server = StrangeMariaDb(peer.write("wanted", "nobody's business\n"))
        self.addCleanup(server.close)
        file = peer.write("strange.cf", f"hosts = inet:127.0.0.1:{server.port}\nuser = mail\npassword = x\ndbname = mail\n"
                                        "query = SELECT '%s'\n")
        suite = Instance(main={"test_table": f"mysql:{file}", "table_server_timeout": "5s"})
        self.addCleanup(suite.close)
        self.assertEqual(suite.posta("map", "-q", "key", f"mysql:{file}", check=False).returncode, 75)
        wait_until(lambda: server.heard, what="what the client says")
        abilities, question, answer = server.heard[0]
        self.assertIn(b"SELECT 'key'", question)
        self.assertNotIn(b"nobody's business", answer)
        self.assertFalse(abilities & 0x80, "CLIENT_LOCAL_FILES: it can send files")


class PostgreSqlTables(SqlTables, unittest.TestCase):
    kind, database, control_value = "pgsql", "postgres", "E'a\\nb'"

    @classmethod
    def setUpClass(cls):
        cls.peer = PostgreSql(SQL)
        cls.hosts = f"127.0.0.1:{cls.peer.port}"
        cls.addClassCleanup(cls.peer.close)

    def test_by_its_socket(self):
        table = self.write("alias.cf", hosts=f"unix:{self.peer.dir}/.s.PGSQL.{self.peer.port}", user="mail", password="it's",
                           dbname="postgres", query="SELECT goto FROM alias WHERE address='%s'")
        self.assertEqual(self.ask(table, "go@example.test"), "bob")


class SecureServers(Tables, unittest.TestCase):
    """TLS with servers of SQL: there where it is asked for, and with the right server."""

    @classmethod
    def setUpClass(cls):
        cls.keys, cls.others = Peer(), Peer()
        for peer in (cls.keys, cls.others):
            cls.addClassCleanup(peer.close)
            make_certificate(peer.dir)

    def test_postgresql(self):
        self.kind, secure, plain = "pgsql", PostgreSql(SQL, self.keys.dir), PostgreSql(SQL)
        self.peer = secure
        self.addCleanup(secure.close)
        self.addCleanup(plain.close)
        trusted, other = self.keys.path("cert.pem"), self.others.path("cert.pem")
        urls = {
            "plain": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres?sslmode=disable", "off"),
            "socket": (f"postgres://mail:it%27s@{secure.dir.replace('/', '%2F')}:{secure.port}/postgres", "off"),
            "prefer": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres", "on"),
            "require": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres?sslmode=require", "on"),
            "full": (f"postgresql://mail:it%27s@localhost:{secure.port}/postgres?sslmode=verify-full&sslrootcert={trusted}", "on"),
            "ca": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres?sslmode=verify-ca&sslrootcert={trusted}", "on"),
            "name": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres?sslmode=verify-full&sslrootcert={trusted}", None),
            "issuer": (f"postgresql://mail:it%27s@localhost:{secure.port}/postgres?sslmode=verify-full&sslrootcert={other}", None),
            "none": (f"postgresql://mail:it%27s@127.0.0.1:{plain.port}/postgres?sslmode=require", None),
            "two": (f"postgresql://mail:it%27s@127.0.0.1:1/postgres postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres", "on"),
            "word": (f"postgresql://mail:it%27s@127.0.0.1:{secure.port}/postgres?nonsense=1", None),
            "nowhere": ("postgresql://mail:it%27s@/postgres", None),
            "service": ("postgresql://mail:it%27s@127.0.0.1/postgres?service=x", None),
        }
        query = "SELECT CASE WHEN ssl THEN 'on' ELSE 'off' END FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND '%s' <> ''"
        tables = {name: self.write(name + ".cf", hosts=url, query=query) for name, (url, _) in urls.items()}
        # Without a URL the file's own words, and what a URL does not say.
        tables["file"] = self.write("file.cf", hosts=f"127.0.0.1:{secure.port}", user="mail", password="it's", dbname="postgres", query=query,
                                    sslmode="verify-full", sslrootcert=trusted)
        tables["rest"] = self.write("rest.cf", hosts=f"postgresql://127.0.0.1:{secure.port}", user="mail", password="it's", dbname="postgres",
                                    query=query)
        self.start(tables.values())
        self.addCleanup(self.suite.close)
        for name, (_, expected) in {**urls, "file": (None, None), "rest": (None, "on")}.items():
            with self.subTest(name):
                if expected is None:
                    self.refused(tables[name])
                else:
                    self.assertEqual(self.ask(tables[name], "key"), expected)
        self.assertNotIn("it%27s", self.suite.log())
        self.assertNotIn("it's", self.suite.log())

    def test_mariadb(self):
        self.kind, secure, plain = "mysql", MariaDb("", self.keys.dir), MariaDb("")
        self.peer = secure
        self.addCleanup(secure.close)
        self.addCleanup(plain.close)
        login = dict(user="mail", password="it's", dbname="mail", query="SELECT IF(variable_value = '', 'off', 'on') FROM "
                     "information_schema.session_status WHERE variable_name = 'Ssl_cipher' AND '%s' <> ''")
        trusted, other = self.keys.path("cert.pem"), self.others.path("cert.pem")
        files = {
            "plain": (dict(hosts=f"127.0.0.1:{secure.port}"), "off"),
            "right": (dict(hosts=f"127.0.0.1:{secure.port}", tls_CAfile=trusted), "on"),
            "full": (dict(hosts=f"localhost:{secure.port}", tls_CAfile=trusted, tls_verify_cert="yes"), "on"),
            "name": (dict(hosts=f"127.0.0.1:{secure.port}", tls_CAfile=trusted, tls_verify_cert="yes"), None),
            "issuer": (dict(hosts=f"127.0.0.1:{secure.port}", tls_CAfile=other), None),
            "ciphers": (dict(hosts=f"127.0.0.1:{secure.port}", tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"), "on"),
            "none": (dict(hosts=f"127.0.0.1:{plain.port}", tls_CAfile=trusted), None),
        }
        tables = {name: self.write(name + ".cf", **login, **words) for name, (words, _) in files.items()}
        self.start(tables.values())
        self.addCleanup(self.suite.close)
        for name, (_, expected) in files.items():
            with self.subTest(name):
                if expected is None:
                    self.refused(tables[name])
                else:
                    self.assertEqual(self.ask(tables[name], "key"), expected)


class MemcacheTables(Tables, unittest.TestCase):
    kind = "memcache"

    def test_with_and_without_a_backup(self):
        self.peer = server = Memcached()
        self.addCleanup(server.close)
        server.start()
        where = f"inet:127.0.0.1:{server.port}"
        database = server.path("backup.db")
        with sqlite3.connect(database) as db:
            db.executescript(SQL)
        db.close()
        sql = "sqlite:" + server.write("backup.cf", f"dbpath = {database}\nquery = SELECT goto FROM alias WHERE address='%s' AND active=1\n")
        server.write("texts", "slow@example.test fast\n")
        alone = self.write("alone.cf", memcache=where)
        behind = self.write("behind.cf", memcache=where, backup="proxy:" + sql, key_format="b:%s", ttl="100", flags="7")
        files = self.write("files.cf", memcache=where, backup=f"texthash:{server.path('texts')}", key_format="f:%u", domain="example.test")
        server.write("patterns", "/^slow.x@/ another's\n")
        patterns = self.write("patterns.cf", memcache=where, backup=f"regexp:{server.path('patterns')}", key_format="p:%u")
        small = self.write("small.cf", memcache=where, data_size_limit="5")
        dead = self.write("dead.cf", memcache="inet:127.0.0.1:1", retry_pause="0")
        dead_backed = self.write("backed.cf", memcache="inet:127.0.0.1:1", backup=sql, retry_pause="0")
        wrong = [self.write("wrong.cf", memcache="somewhere"), self.write("percent.cf", memcache=where, key_format="%z"),
                 self.write("self.cf", memcache=where, backup="memcache:/x"), self.write("gone.cf", memcache=where, backup="texthash:/nowhere")]
        self.start([alone, behind, files, patterns, small, dead, dead_backed, *wrong], virtual_alias_maps="proxy:" + behind)
        self.addCleanup(self.suite.close)
        # What others have put there.
        self.assertEqual(server.say("set go@example.test 0 0 3\r\nbob\r\n"), "STORED")
        server.say("set odd@example.test 0 0 3\r\na\tb\r\n")
        server.say("set long@example.test 0 0 6\r\nabcdef\r\n")
        self.assertEqual(self.ask(alone, "GO@example.test"), "bob")
        self.assertIsNone(self.ask(alone, "nobody@example.test"))
        self.assertIsNone(self.ask(alone, "a b\rget go@example.test"))
        self.assertIsNone(self.ask(alone, "x" * 251))
        self.assertEqual(self.ask(alone, "long@example.test"), "abcdef")
        self.assertIn("data_size_limit", self.refused(small, "long@example.test"))
        self.refused(alone, "odd@example.test")
        # What the backup says is remembered.
        self.assertEqual(self.ask(behind, "two@example.test"), "bob@example.test,alice@example.test")
        self.assertRegex(server.say("get b:two@example.test\r\n"), r"\AVALUE b:two@example.test 7 35\r\nbob@example.test,alice@example.test\r\nEND")
        server.say("set b:two@example.test 0 0 5\r\nother\r\n")
        self.assertEqual(self.ask(behind, "two@example.test"), "other")
        self.assertIsNone(self.ask(behind, "off@example.test"))
        self.assertEqual(server.say("get b:off@example.test\r\n"), "END")
        self.assertEqual(self.ask(behind, "it's@example.test"), "quoted")
        self.assertEqual(self.ask(files, "slow@example.test"), "fast")
        self.assertIn("fast", server.say("get f:slow\r\n"))
        self.assertIsNone(self.ask(files, "slow@other.test"))
        # A key of which the server would have a part only.
        self.assertIsNone(self.ask(patterns, "slow\x01x@example.test"))
        self.assertEqual(server.say("get p:slow\r\n"), "END")
        self.assertEqual(self.ask(patterns, "slow-x@example.test"), "another's")
        # A server that is not there: with a backup slower, without one nobody knows.
        self.assertEqual(self.ask(dead_backed, "go@example.test"), "bob")
        self.refused(dead)
        for table in wrong:
            self.refused(table)
        self.mail()
        self.peer.kill()
        self.assertEqual(self.ask(behind, "go@example.test"), "bob")
        self.refused(alone)
        self.peer.start()
        wait_until(lambda: self.ask(alone, "go@example.test") is None, 30, "a server that is back, and empty")

    def mail(self):
        with self.suite.smtp(25) as client:
            client.sendmail("s@client.test", ["go@example.test"], message(subject="remembered alias"))
        self.suite.wait_mail("bob", text="Subject: remembered alias")


class SqliteTables(Tables, unittest.TestCase):
    kind = "sqlite"

    def test_a_file(self):
        self.peer = Peer()
        self.addCleanup(self.peer.close)
        path = self.peer.path("mail.db")
        with sqlite3.connect(path) as db:
            db.executescript(SQL)
        db.close()
        os.chmod(path, 0o600)  # the program opens it before it becomes its own user
        alias = self.write("alias.cf", dbpath=path, query="SELECT goto FROM alias WHERE address='%s' AND active=1")
        rows = self.write("rows.cf", dbpath=path, query="SELECT value FROM rows_ WHERE name='%s'", expansion_limit="2")
        attach = self.write("attach.cf", dbpath=path, query="ATTACH '/etc/passwd' AS x")
        gone = self.write("gone.cf", dbpath=self.peer.path("gone.db"), query="SELECT 1")
        self.start([alias, rows, attach, gone])
        self.addCleanup(self.suite.close)
        self.assertEqual(self.ask(alias, "go@example.test"), "bob")
        self.assertEqual(self.ask(alias, "it's@example.test"), "quoted")
        self.assertIsNone(self.ask(alias, "off@example.test"))
        for key in INJECTIONS:
            self.assertIsNone(self.ask(alias, key))
        self.assertIn("expansion_limit", self.refused(rows, "many"))
        self.refused(attach)
        self.assertIn("unable to open", self.refused(gone))
        # A change of the file is seen, and one of the settings.
        with sqlite3.connect(path) as db:
            db.execute("UPDATE alias SET goto='changed' WHERE address='go@example.test'")
        db.close()
        self.assertEqual(self.ask(alias, "go@example.test"), "changed")
        self.write("alias.cf", dbpath=path, query="SELECT 'other'")
        wait_until(lambda: self.ask(alias, "go@example.test") == "other", what="an answer by the new settings")


class LdapTables(Tables, unittest.TestCase):
    kind = "ldap"

    @classmethod
    def setUpClass(cls):
        cls.keys = Peer()
        cls.addClassCleanup(cls.keys.close)
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", cls.keys.path("key.pem"), "-out", cls.keys.path("cert.pem")])
        os.chmod(cls.keys.path("key.pem"), 0o644)
        cls.peer = Slapd(LDIF, cls.keys.dir)
        cls.addClassCleanup(cls.peer.close)

    def test_files_as_postfix_has_them(self):
        url = f"ldap://127.0.0.1:{self.peer.port}"
        base = dict(server_host=url, search_base="dc=test", version="3", bind="yes", bind_dn="cn=admin,dc=test", bind_pw="it's",
                    query_filter="mail=%s", result_attribute="maildrop")
        secure = dict(base, tls_require_cert="yes", tls_ca_cert_file=self.keys.path("cert.pem"))
        one = lambda name, **more: self.write(name, **dict(base, **more))
        alias = one("alias.cf")
        team = one("team.cf", special_result_attribute="member, memberurl", leaf_result_attribute="leafdrop",
                   terminal_result_attribute="finaldrop")
        limit = one("limit.cf", special_result_attribute="member", expansion_limit="2")
        loop = one("loop.cf", special_result_attribute="member", recursion_limit="20")
        by_base = one("base.cf", search_base="uid=%u,dc=test", query_filter="(objectclass=*)", scope="base", result_format="<%s> %U")
        tls = self.write("tls.cf", **dict(secure, server_host=f"ldaps://127.0.0.1:{self.peer.tls_port}"))
        start_tls = self.write("start.cf", **dict(secure, start_tls="yes"))
        untrusted = self.write("untrusted.cf", **dict(base, start_tls="yes", tls_require_cert="yes"))
        path = one("path.cf", server_host="ldapi://" + self.peer.path("run", "ldapi").replace("/", "%2F"))
        port = one("port.cf", server_host="127.0.0.1", server_port=self.peer.port)
        dead_first = one("first.cf", server_host=f"ldap://127.0.0.1:1 {url}")
        wrong = one("wrong.cf", bind_pw="wrong")
        nobody = one("nobody.cf", bind="no")
        sasl = one("sasl.cf", bind="sasl")
        lines = one("lines.cf")
        self.start([alias, team, limit, loop, by_base, tls, start_tls, untrusted, path, port, dead_first, wrong, nobody, sasl, lines,
                    "ldap:old"], old_server_host=url, old_search_base="dc=test", old_bind_dn="cn=admin,dc=test", old_bind_pw="it's",
                   old_query_filter="(mail=%s)", virtual_alias_maps="proxy:" + alias)
        self.addCleanup(self.suite.close)
        for table in (alias, tls, start_tls, path, port, dead_first, "ldap:old"):
            with self.subTest(table):
                self.assertEqual(self.ask(table, "go@example.test"), "bob")
                self.assertIsNone(self.ask(table, "nobody@example.test"))
        self.assertEqual(self.ask(alias, "two@example.test"), "a@x.test,b@x.test")
        self.assertEqual(self.ask(alias, "star*@example.test"), "star")
        self.assertEqual(self.ask(by_base, "go@example.test"), "<bob> go")
        self.assertEqual(self.ask(team, "team@example.test"), "bob,a@x.test,b@x.test,leaf@x.test")
        self.assertEqual(self.ask(team, "final@example.test"), "final@x.test")
        for key in INJECTIONS:
            with self.subTest(key):
                self.assertIsNone(self.ask(alias, key))
                self.assertIsNone(self.ask(by_base, key + "@example.test"))
        self.assertIn("expansion_limit", self.refused(limit, "team@example.test"))
        self.assertIn("recursion_limit", self.refused(loop, "loop@example.test"))
        self.assertIn("control characters", self.refused(lines, "lines@example.test"))
        self.assertIn("Invalid credentials", self.refused(wrong))
        self.assertIn("bind = sasl", self.refused(sasl))
        self.refused(untrusted)
        self.assertIn("access", self.refused(nobody))  # the directory lets nobody look
        with self.suite.smtp(25) as client:
            client.sendmail("s@client.test", ["go@example.test"], message(subject="by LDAP"))
        self.suite.wait_mail("bob", text="Subject: by LDAP")
        self.peer.kill()
        with self.suite.smtp(25) as client:
            client.mail("s@client.test")
            self.assertEqual(client.rcpt("go@example.test")[0], 451)
        self.suite.wait_log(r"proxymap\[.*warning: .*127\.0\.0\.1:\d+: ")
        self.peer.start()
        wait_until(lambda: self.ask(alias, "go@example.test") == "bob", 30, "an answer of the server that is back")


if __name__ == "__main__":
    unittest.main()
