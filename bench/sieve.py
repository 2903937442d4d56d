#!/usr/bin/python3
"""Delivery by LMTP with a script of 50 rules: Posta beside Dovecot's LMTP with Pigeonhole (dovecot-lmtpd, dovecot-sieve).

    bench/sieve.py [--messages 2000] [--size 4096] [--rounds 3] [--sessions 4] [--users 20] [--folder /var/tmp]

As root, on a quiet machine. Both serve the same users on the same file system, with the script and without one, in turns;
each message matches one rule, and is filed into its folder. Counted are messages a second, and the CPU time of all
processes of the server. The median of the rounds is printed, the least and the most, and the ratios; the load of the machine
at the beginning too.
"""
import argparse
import glob
import os
import pwd
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from processes import cpu_below

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
RULES = 50


def script():
    """Tests of the kinds that people write: subject, addresses, lists, size."""
    rules = ['require ["fileinto", "mailbox", "imap4flags", "envelope", "relational", "comparator-i;ascii-numeric"];']
    tests = ['header :contains "Subject" "[rule-{0}]"', 'header :is "List-Id" "<list-{0}.example.org>"',
             'address :is :domain ["From", "Sender"] "domain-{0}.example.net"',
             'allof (header :matches "X-Mailer" "*agent-{0}*", size :over 100)',
             'anyof (envelope :is "from" "x{0}@outside.test", header :contains ["To", "Cc"] "team-{0}@")']
    for n in range(RULES):
        rules.append("%s %s { %s fileinto :create \"F%d\"; stop; }" % (
            "if", tests[n % len(tests)].format(n), 'addflag "\\\\Seen";' if n % 3 == 0 else "", n % 10))
    return "\r\n".join(rules) + "\r\n"


def content(number, size):
    """It matches one of the last rules, each of which looks at another field."""
    rule = RULES - 1 - number % 5
    fields = {"Subject": f"Message {number} [rule-{rule}]", "List-Id": f"<list-{rule}.example.org>",
              "From": f"Somebody <a@domain-{rule}.example.net>", "X-Mailer": f"agent-{rule}", "To": f"team-{rule}@example.test",
              "Message-ID": f"<{number}.{time.time_ns()}@outside.test>", "Date": "Sat, 21 Nov 2026 12:00:00 +0000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    return head + ("x" * 70 + "\r\n") * max(1, (size - len(head)) // 72)


class Posta:
    name = "Posta"

    def __init__(self, options):
        import posta  # pylint: disable=import-outside-toplevel
        self.options = options
        self.suite = posta.Instance(users=[f"u{n}" for n in range(options.users)], processes="-", start=False,
                                    main={"smtpd_peername_lookup": "no"})
        self.port = self.suite.port(24)
        with open(os.path.join(self.suite.conf, "master.cf"), "a") as file:
            file.write(f"127.0.0.1:{self.port} inet n - - - - smtpd\n    -o smtpd_protocol=lmtp\n"
                       + "".join(f"    -o smtpd_{kind}_restrictions=\n" for kind in ("client", "helo", "sender", "recipient")))
        self.suite.start()
        with open(os.path.join(self.suite.home, "queue", "pid", "master.pid")) as file:
            self.root = int(file.read())

    def address(self, number):
        return f"u{number}@example.test"

    def set_script(self, path):
        for n in range(self.options.users):
            if path:
                self.suite.posta("sieve", "put", self.address(n), "main", path)
                self.suite.posta("sieve", "activate", self.address(n), "main")
            else:
                self.suite.posta("sieve", "deactivate", self.address(n))

    def filed(self):
        return len(glob.glob(f"{self.suite.home}/mail/*/*/Maildir/.F*/[cn][ue][rw]/*"))

    def close(self):
        self.suite.close()


class Dovecot:
    name = "Dovecot with Pigeonhole"

    def __init__(self, options):
        import peers  # pylint: disable=import-outside-toplevel
        self.options, self.folder = options, tempfile.mkdtemp(prefix="posta-bench-sieve-")
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "mail"))
        nobody = pwd.getpwnam("nobody")
        os.chown(os.path.join(self.folder, "mail"), nobody.pw_uid, nobody.pw_gid)
        self.port, run = peers.free_port(), os.path.join(self.folder, "run")
        config = os.path.join(self.folder, "dovecot.conf")
        with open(config, "w") as file:
            file.write(f"""base_dir = {run}
state_dir = {run}
protocols = lmtp
listen = 127.0.0.1
log_path = {self.folder}/log
ssl = no
mail_location = maildir:~/Maildir
first_valid_uid = {nobody.pw_uid}
postmaster_address = postmaster@example.test
hostname = localhost
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={nobody.pw_uid} gid={nobody.pw_gid} home={self.folder}/mail/%n allow_all_users=yes
}}
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
  process_min_avail = 4
}}
""")
        self.process = subprocess.Popen(["dovecot", "-F", "-c", config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.root = self.process.pid
        from posta import wait_until  # pylint: disable=import-outside-toplevel
        try:
            wait_until(lambda: peers.answers(self.port), what="Dovecot to answer")
        except AssertionError:
            self.close()
            raise

    def address(self, number):
        return f"u{number}@example.test"

    def set_script(self, path):
        nobody = pwd.getpwnam("nobody")
        for n in range(self.options.users):
            home = os.path.join(self.folder, "mail", f"u{n}")
            os.makedirs(home, exist_ok=True)
            place = os.path.join(home, ".dovecot.sieve")
            if path:
                shutil.copy(path, place)
                os.chown(place, nobody.pw_uid, nobody.pw_gid)
            elif os.path.exists(place):
                os.unlink(place)
            os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def filed(self):
        return len(glob.glob(f"{self.folder}/mail/*/Maildir/.F*/[cn][ue][rw]/*"))

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def deliver(server, first, count, options, failures):
    try:
        with smtplib.LMTP("127.0.0.1", server.port, local_hostname="client.test") as client:
            for number in range(first, first + count):
                client.sendmail("x@outside.test", [server.address(number % options.users)], content(number, options.size))
    except (OSError, smtplib.SMTPException) as failure:
        failures.append(failure)


def measure(server, options):
    """(messages a second, ms CPU a message)."""
    each, failures, threads = options.messages // options.sessions, [], []
    before, start = cpu_below(server.root), time.monotonic()
    for n in range(options.sessions):
        threads.append(threading.Thread(target=deliver, args=(server, n * each, each, options, failures)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    passed = time.monotonic() - start
    if failures:
        sys.exit(f"{server.name}: {failures[0]}")
    return each * options.sessions / passed, (cpu_below(server.root) - before) * 1000 / (each * options.sessions)


def show(values):
    return f"{statistics.median(values):8.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("messages", 2000), ("size", 4096), ("rounds", 3), ("sessions", 4), ("users", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--folder", default="/var/tmp")
    options = parser.parse_args()
    os.environ["POSTA_BUILD"], tempfile.tempdir = os.path.abspath(options.build), options.folder
    print("load at the beginning:", " ".join(f"{load:.1f}" for load in os.getloadavg()))
    servers = []
    found = {}
    try:
        for kind in (Posta, Dovecot):
            servers.append(kind(options))
        path = os.path.join(servers[1].folder, "script.sieve")
        with open(path, "w", newline="") as file:
            file.write(script())
        for _ in range(options.rounds):
            for wanted in (None, path):
                for server in servers:
                    server.set_script(wanted)
                    before = server.filed()
                    # What is made once (folders, a compiled script) is no part of it.
                    deliver(server, 0, options.users * 5, options, failures := [])
                    found.setdefault((server.name, wanted is not None), []).append(measure(server, options))
                    filed = server.filed() - before
                    if failures or filed != (wanted is not None) * (options.messages + options.users * 5):
                        sys.exit(f"{server.name}: {filed} messages were filed into folders; {failures}")
    finally:
        for server in servers:
            server.close()
    for with_script in (False, True):
        rates, costs = [], []
        print(f"with {RULES} rules:" if with_script else "without a script:")
        for server in servers:
            values = found[server.name, with_script]
            rates.append([rate for rate, _ in values]), costs.append([cpu for _, cpu in values])
            print(f"  {server.name:24} {show(rates[-1])} msg/s, {show(costs[-1])} ms CPU")
        print(f"  Posta beside Dovecot: rate {statistics.median(rates[0]) / statistics.median(rates[1]):.2f}x, "
              f"CPU {statistics.median(costs[0]) / statistics.median(costs[1]):.2f}x")


if __name__ == "__main__":
    main()
