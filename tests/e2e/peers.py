"""Servers of other software that tests start: in a folder of their own, on loopback, ended with the test.
And what servers that tests play themselves have in common."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from posta import wait_until


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(where):
    """Somebody accepts connections at a port or at the path of a socket."""
    try:
        if isinstance(where, int):
            socket.create_connection(("127.0.0.1", where), 1).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(where)
        return True
    except OSError:
        return False


class Server:
    """Plays a server on a port of its own, or at a path: `serve` has each connection, in a thread."""

    def __init__(self, path=None):
        self.connections = 0
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(path)
            self.socket.listen(20)
        else:
            self.socket = socket.create_server(("127.0.0.1", 0), backlog=20)
            self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Peer:
    """One process in the foreground; `where` (port or path) answers when it is ready."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="posta-peer-")
        os.chmod(self.dir, 0o755)
        self.process = None

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run(self, command, where, **options):
        self.output = open(self.path("output"), "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT, start_new_session=True, **options)
        try:
            wait_until(lambda: self.process.poll() is not None or answers(where), 30, f"{command[0]} to answer")
        except AssertionError as late:
            self.kill()
            raise AssertionError(f"{late}\n{self.said()}") from None
        if self.process.poll() is not None:
            raise AssertionError(f"{command[0]} ended with {self.process.returncode}\n{self.said()}")

    def said(self):
        with open(self.path("output"), errors="replace") as file:
            return file.read()[-4000:]

    def kill(self, how=signal.SIGTERM):
        """It and all that it has started."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, how)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        self.output.close()

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


class Database(Peer):
    """A server in a folder that belongs to the user it runs as."""

    def __init__(self):
        super().__init__()
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self.dir, "nobody", "nogroup")

    def start(self):
        self.run(self.command(), self.port, cwd=self.dir)


class MariaDb(Database):
    """User mail, password "it's", database mail; `sql` fills it."""

    def __init__(self, sql, tls=None):
        super().__init__()
        self.tls = [f"--ssl-cert={tls}/cert.pem", f"--ssl-key={tls}/key.pem"] if tls else ["--skip-ssl"]
        self.socket = self.path("socket")
        self.options = ["--no-defaults", f"--datadir={self.path('data')}", "--skip-name-resolve", "--innodb-log-file-size=4M",
                        "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0"]
        run([*NOBODY, "mariadb-install-db", *self.options, "--skip-test-db", "--auth-root-authentication-method=normal"],
            cwd=self.dir)
        self.write("init.sql", "SET NAMES utf8mb4;\nCREATE DATABASE IF NOT EXISTS mail CHARACTER SET utf8mb4;\n"
                   "CREATE OR REPLACE USER mail@'%' IDENTIFIED BY 'it''s';\nCREATE OR REPLACE USER mail@localhost IDENTIFIED BY 'it''s';\n"
                   "GRANT ALL ON mail.* TO mail@'%';\nGRANT ALL ON mail.* TO mail@localhost;\nUSE mail;\n" + sql)
        self.start()

    def command(self):
        return [*NOBODY, "mariadbd", *self.options, f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                f"--init-file={self.path('init.sql')}", f"--pid-file={self.path('pid')}", "--skip-log-bin", *self.tls]


class PostgreSql(Database):
    """User mail, password "it's", database postgres; `sql` fills it."""

    BIN = "/usr/lib/postgresql/15/bin/"

    def __init__(self, sql, tls=None):
        super().__init__()
        self.tls = []
        if tls:
            for name in ("cert.pem", "key.pem"):  # which must be its own
                shutil.copy(os.path.join(tls, name), self.dir)
                os.chmod(self.path(name), 0o600)
                if os.geteuid() == 0:
                    shutil.chown(self.path(name), "nobody", "nogroup")
            self.tls = ["-c", "ssl=on", "-c", f"ssl_cert_file={self.path('cert.pem')}", "-c", f"ssl_key_file={self.path('key.pem')}"]
        self.write("password", "it's\n")
        run([*NOBODY, self.BIN + "initdb", "-D", self.path("data"), "-N", "-U", "mail", "--auth=scram-sha-256", "-E", "UTF8",
             "--locale=C.UTF-8", f"--pwfile={self.path('password')}"], cwd=self.dir)
        self.start()
        ready = [self.BIN + "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready).returncode == 0, 30, "a database that is ready")
        run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "mail", "-d", "postgres",
             "-f", self.write("init.sql", sql)], env=dict(os.environ, PGPASSWORD="it's"))

    def command(self):
        return [*NOBODY, self.BIN + "postgres", "-D", self.path("data"), "-p", str(self.port), "-h", "127.0.0.1", "-F",
                "-k", self.dir, *self.tls]


class Memcached(Database):
    def command(self):
        return [*NOBODY, "memcached", "-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "8"]

    def say(self, text):
        """What it answers, without the last line end."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as client:
            client.sendall(text.encode())
            client.shutdown(socket.SHUT_WR)
            with client.makefile("r", newline="") as file:
                return file.read().rstrip("\r\n")


def make_certificate(folder, name="localhost"):
    """key.pem and cert.pem, which is its own authority."""
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", os.path.join(folder, "key.pem"),
         "-out", os.path.join(folder, "cert.pem")])
    os.chmod(os.path.join(folder, "key.pem"), 0o644)


class Slapd(Database):
    """dc=test, root cn=admin,dc=test with the password "it's"; `ldif` fills it. LDAPS and StartTLS with `tls`, a folder."""

    def __init__(self, ldif, tls=None, indexes=""):
        super().__init__()
        self.tls_port = free_port()
        for name in ("data", "run"):
            os.mkdir(self.path(name))
            if os.geteuid() == 0:
                shutil.chown(self.path(name), "nobody", "nogroup")
        secure = f"TLSCertificateFile {tls}/cert.pem\nTLSCertificateKeyFile {tls}/key.pem\n" if tls else ""
        self.secure = bool(tls)
        schema = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "inetorgperson"))
        attributes = "\n".join(
            f"attributetype ( 1.3.6.1.4.1.4203.666.11.9.1.{number} NAME '{name}' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch"
            " SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
            for number, name in enumerate(("maildrop", "mailacceptinggeneralid", "leafdrop", "finaldrop", "memberurl", "extraline"), 1))
        self.write("slapd.conf", f"{schema}\n{attributes}\n"
                   "objectclass ( 1.3.6.1.4.1.4203.666.11.9.2.1 NAME 'mailThing' SUP top AUXILIARY MAY ( maildrop $ mailacceptinggeneralid"
                   " $ leafdrop $ finaldrop $ memberurl $ extraline $ member $ uid $ mail $ userPassword ) )\n"
                   f"pidfile {self.path('run', 'pid')}\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n{secure}"
                   f"database mdb\nsuffix \"dc=test\"\nrootdn \"cn=admin,dc=test\"\nrootpw \"it's\"\ndirectory {self.path('data')}\n"
                   f"dbnosync\nmaxsize 104857600\n{indexes}"
                   "access to attrs=userPassword by anonymous auth by * none\n"
                   "access to * by users read by anonymous auth\n")
        run([*NOBODY, "/usr/sbin/slapadd", "-q", "-f", self.path("slapd.conf"), "-l", self.write("init.ldif", ldif)])
        self.start()

    def command(self):
        urls = f"ldap://127.0.0.1:{self.port}/ ldapi://{self.path('run', 'ldapi').replace('/', '%2F')}"
        if self.secure:
            urls += f" ldaps://127.0.0.1:{self.tls_port}/"
        return [*NOBODY, "/usr/sbin/slapd", "-d", "0", "-f", self.path("slapd.conf"), "-h", urls]


class DovecotMail(Peer):
    """Debian's Dovecot with IMAP and POP3 for `users`, password "secret", each in a Maildir of its own; `boss` may log in
    as any of them. `tls` is a folder with a certificate, as posta init makes it."""

    def __init__(self, users, tls, separator=".", prefix="", settings="", protocols="imap pop3"):
        super().__init__()
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3", "lmtp")}
        self.write("users", "".join(f"{user}:{{PLAIN}}secret::::::\n" for user in users))
        self.write("masters", "boss:{PLAIN}bossword\n")
        root = os.geteuid() == 0
        me = "" if root else "default_internal_user = {0}\ndefault_login_user = {0}\n".format(os.getlogin())
        os.mkdir(self.path("mail"), 0o755)
        if root:
            shutil.chown(self.path("mail"), "nobody", "nogroup")
        self.owner = uid, gid = ("nobody", "nogroup") if root else (os.geteuid(), os.getegid())
        self.write("dovecot.conf", f"""
protocols = {protocols}
listen = 127.0.0.1
base_dir = {self.path('run')}
state_dir = {self.path('state')}
log_path = {self.path('log')}
ssl = yes
ssl_cert = <{os.path.join(tls, 'server.pem')}
ssl_key = <{os.path.join(tls, 'server.key')}
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{self.path('mail')}/%u
mail_uid = {uid}
mail_gid = {gid}
{me}
passdb {{
  driver = passwd-file
  args = {self.path('masters')}
  master = yes
}}
passdb {{
  driver = passwd-file
  args = username_format=%u {self.path('users')}
}}
userdb {{
  driver = static
  args = home={self.path('mail')}/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
  mailbox Gesendet {{
    special_use = \\Sent
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {self.ports['imap']}
  }}
  inet_listener imaps {{
    port = {self.ports['imaps']}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {self.ports['pop3']}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
{settings}
""")
        self.run(["/usr/sbin/dovecot", "-F", "-c", self.path("dovecot.conf")], self.ports["imap"])
