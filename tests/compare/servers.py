"""Starts Posta, Postfix and Dovecot on addresses of their own, with the same settings, users and mail."""
import grp
import os
import pwd
import shutil
import subprocess
import time

USERS = {"alice": 2001, "bob": 2002, "carl": 2003}
PASSWORD = "secret-word-1"
MAIN = """compatibility_level = 3.6
myhostname = mx.here.test
mydestination = here.test
myorigin = here.test
mynetworks = 127.0.0.0/8
inet_interfaces = {address}
inet_protocols = ipv4
alias_maps = hash:{conf}/aliases
alias_database = hash:{conf}/aliases
virtual_alias_maps = hash:{conf}/virtual
virtual_alias_domains = v.test
transport_maps = hash:{conf}/transport
relocated_maps = hash:{conf}/relocated
relay_domains = relay.test
relayhost = [127.0.0.9]:2525
home_mailbox = Maildir/
recipient_delimiter = +
smtputf8_enable = yes
smtpd_error_sleep_time = 0
smtp_tls_security_level = none
smtpd_tls_security_level = none
command_time_limit = 5s
maillog_file = /var/log/postfix.log
"""
ALIASES = """postmaster: alice
blanks: alice bob, carl
unknownmail: "|echo 4.2.2 over quota; exit 69"
nocommand: "|/nonexistent"
config78: "|exit 78"
cant73: "|exit 73"
twolines: "|printf 'first\\\\nsecond\\\\n'; exit 69"
list: :include:{conf}/list
loop: loop2
loop2: loop
"""
LIST = "alice # remark\nbob\n|/bin/true\n"
VIRTUAL = "one@v.test alice@here.test bob@here.test\nCase@v.test Carl@here.test\n\"q q\"@v.test alice\n"
TRANSPORT = "closed@here.test error:5.2.1 mailbox closed\nlater@here.test retry:4.2.1 later\n"
RELOCATED = "gone@here.test new@there.test\n"


def run(*words, stdin=None, env=None, user=None):
    """(status, output, errors)"""
    done = subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                          env=dict(os.environ, **(env or {})), text=True, errors="replace", user=user, group=user)
    return done.returncode, done.stdout, done.stderr


def make_users():
    for name, uid in USERS.items():
        with open("/etc/passwd", "a") as file:
            file.write(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n")
        with open("/etc/group", "a") as file:
            file.write(f"{name}:x:{uid}:\n")
    for name, uid in (("postfix", 2010), ("postdrop", 2011), ("dovecot", 2012), ("dovenull", 2013)):
        with open("/etc/passwd") as file:
            if f"\n{name}:" in file.read():
                continue
        with open("/etc/passwd", "a") as file:
            file.write(f"{name}:x:{uid}:{uid}::/nonexistent:/bin/false\n")
        with open("/etc/group", "a") as file:
            file.write(f"{name}:x:{uid}:\n")


def empty_homes():
    for name, uid in USERS.items():
        shutil.rmtree(f"/home/{name}", ignore_errors=True)
        os.makedirs(f"/home/{name}")
        os.chown(f"/home/{name}", uid, uid)


class Mta:
    """One of the two, of the same settings; commands() are its own of the well-known names."""

    def write(self, conf, postmap, postalias):
        os.makedirs(conf, exist_ok=True)
        with open("/usr/share/postfix/master.cf.dist") as file:
            stock = file.read()
        for name, text in (("main.cf", MAIN), ("aliases", ALIASES), ("virtual", VIRTUAL), ("transport", TRANSPORT),
                           ("relocated", RELOCATED), ("list", LIST), ("master.cf", stock)):
            with open(os.path.join(conf, name), "w") as file:
                file.write(text.format(conf=conf, address=self.address) if name in ("main.cf", "aliases") else text)
        for name in ("virtual", "transport", "relocated"):
            run(postmap, f"hash:{conf}/{name}", env=self.env)
        run(postalias, f"hash:{conf}/aliases", env=self.env)

    def wait_idle(self, limit=12):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            time.sleep(0.4)
            if "is empty" in self.command("postqueue", "-p")[1]:
                break

    def command(self, name, *words, stdin=None, user=None):
        return run(os.path.join(self.bin, name), *words, stdin=stdin, env=self.env, user=user)


class Postfix(Mta):
    name, address, conf, bin, env = "Postfix", "127.0.0.2", "/etc/postfix", "/usr/sbin", {}

    def start(self):
        shutil.copy("/usr/share/postfix/main.cf.dist", "/etc/postfix/main.cf")
        self.write(self.conf, "/usr/sbin/postmap", "/usr/sbin/postalias")
        os.chown("/var/lib/postfix", pwd.getpwnam("postfix").pw_uid, -1)
        group = grp.getgrnam("postdrop").gr_gid
        os.chown("/usr/sbin/postdrop", 0, group)
        os.chown("/usr/sbin/postqueue", 0, group)
        os.chmod("/usr/sbin/postdrop", 0o2755)
        os.chmod("/usr/sbin/postqueue", 0o2755)
        for link in ("mailq", "newaliases"):
            os.symlink("sendmail", f"/usr/sbin/{link}")
        with open("/etc/postfix/dynamicmaps.cf", "w"):
            pass
        shutil.copy("/usr/lib/postfix/postfix-files", "/etc/postfix/") if os.path.exists(
            "/usr/lib/postfix/postfix-files") else None
        status, out, errors = run("/usr/sbin/postfix", "start")
        if status != 0:
            raise SystemExit("Postfix did not start: see its log\n" + run("tail", "/var/log/postfix.log")[1])

    def stop(self):
        run("/usr/sbin/postfix", "stop")


class Posta(Mta):
    name, address, conf, bin = "Posta", "127.0.0.1", "/etc/posta-site", "/opt/posta/bin"
    env = {"MAIL_CONFIG": "/etc/posta-site"}

    def start(self):
        self.write(self.conf, self.bin + "/postmap", self.bin + "/postalias")
        status, out, errors = run(self.bin + "/posta", "-c", self.conf, "start")
        if status != 0:
            raise SystemExit(f"Posta did not start: {out} {errors}")

    def stop(self):
        run(self.bin + "/posta", "-c", self.conf, "stop")


# ---- the mailbox side ----

def start_dovecot():
    os.makedirs("/opt/dovecot/mail/alice", exist_ok=True)
    os.chown("/opt/dovecot/mail/alice", 2001, 2001)
    with open("/opt/dovecot/passwd", "w") as file:
        file.write(f"alice@here.test:{{PLAIN}}{PASSWORD}:2001:2001::/opt/dovecot/mail/alice::\n")
    with open("/opt/dovecot/dovecot.conf", "w") as file:
        file.write("""base_dir = /run/dovecot-compare
protocols = imap pop3
listen = 127.0.0.3
log_path = /opt/dovecot/log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
first_valid_uid = 500
passdb {
  driver = passwd-file
  args = /opt/dovecot/passwd
}
userdb {
  driver = passwd-file
  args = /opt/dovecot/passwd
}
namespace inbox {
  inbox = yes
  separator = /
}
""")
    # It keeps what it was started with open.
    subprocess.run(["/usr/sbin/dovecot", "-c", "/opt/dovecot/dovecot.conf"], check=True, timeout=60,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "127.0.0.3", 143


def start_posta_mailboxes():
    tool, conf = "/opt/posta/bin/posta", "/opt/mailboxes/conf"
    run(tool, "init", "/opt/mailboxes", "--domain", "here.test", "--host", "mx.here.test",
        "--base-port", "20000", "--user", f"alice:{PASSWORD}")
    run(tool, "-c", conf, "conf", "-e", "inet_interfaces=127.0.0.4", "inet_protocols=ipv4",
        "disable_plaintext_auth=no", "mailbox_default_folders=")
    status, out, errors = run(tool, "-c", conf, "start")
    if status != 0:
        raise SystemExit(f"Posta did not start: {out} {errors}")
    return "127.0.0.4", 20143
