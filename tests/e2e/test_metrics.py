"""What the programs count, in the text form that Prometheus reads."""
import json
import os
import re
import signal
import smtplib
import unittest

from posta import AS_ROOT, Instance, PASSWORD, message, wait_until

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)\{service="((?:[^"\\]|\\.)*)"\} (-?[0-9]+)')


def parse(text):
    """{(name, service): value}, by the grammar of the exposition format; anything else fails."""
    kinds, values, helped = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split()[2]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == helped and name not in kinds and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match and match[1] == helped, line
            assert (match[1], match[2]) not in values, line
            values[match[1], match[2]] = int(match[3])
    return values


class Metrics(unittest.TestCase):
    def test_counts_outlive_processes(self):
        with Instance() as posta:
            posta.submit("alice@example.test", ["bob@example.test"], message())
            posta.wait_mail("bob")
            with self.assertRaises(smtplib.SMTPAuthenticationError), posta.smtp(587) as client:
                client.starttls(context=posta.tls_context())
                client.login(posta.user("alice"), PASSWORD + "x")
            posta.wait_queue_empty()
            before = parse(posta.posta("status", "--metrics").text)
            self.assertEqual(before["posta_messages_received_total", "cleanup unix"], 1)
            self.assertEqual(sum(v for (name, _), v in before.items()
                                 if name == "posta_messages_delivered_total"), 1)
            self.assertGreaterEqual(before["posta_login_failures_total", "auth unix"], 1)  # the client tries each mechanism
            self.assertGreaterEqual(before["posta_connections_total", "submission inet"], 2)
            rows = [json.loads(line) for line in posta.posta("status", "--json").text.splitlines()]
            pids = [row["pid"] for row in rows if row.get("service") == "cleanup unix"]
            self.assertTrue(pids)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)

            def restarted():
                values = parse(posta.posta("status", "--metrics").text)
                return values["posta_messages_received_total", "cleanup unix"] == 1 and values
            after = wait_until(restarted)
            self.assertEqual(after.keys(), before.keys())
            posta.submit("alice@example.test", ["bob@example.test"], message())
            posta.wait_mail("bob", 2)
            wait_until(lambda: parse(posta.posta("status", "--metrics").text)
                       ["posta_messages_received_total", "cleanup unix"] == 2)

    @unittest.skipUnless(AS_ROOT, "needs root")
    def test_not_for_anybody(self):
        with Instance() as posta:
            done = posta.command(["-c", posta.conf, "status", "--metrics"], check=False)
            self.assertEqual(done.returncode, 0, done.text)
            posta.as_user = "nobody"
            done = posta.command(["-c", posta.conf, "status", "--metrics"], check=False)
            posta.as_user = None
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn("posta_messages", done.text)


if __name__ == "__main__":
    unittest.main()
