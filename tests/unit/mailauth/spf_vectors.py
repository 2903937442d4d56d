#!/usr/bin/python3
"""The official cases of SPF (RFC 7208), each through `posta verify spf` and a name server of ours.

    spf_vectors.py FOLDER-OF-POSTA [NAME-OF-A-CASE ...]
"""
import os
import subprocess
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "e2e"))
from dnsserver import DnsServer  # noqa: E402

CASES = 203


def zones_of(zonedata):
    """The suite's way of writing zones: SPF stands for TXT too where there is no TXT; a TIMEOUT
    holds for what is not listed, and that is what is asked for, or it has no effect."""
    zones = {}
    for name, entries in zonedata.items():
        found, timeout = {}, False
        for entry in entries:
            if entry == "TIMEOUT":
                timeout = True
                continue
            (kind, value), = entry.items()
            found.setdefault(kind, []).append(value)
        if "TXT" not in found and "SPF" in found:
            found["TXT"] = found["SPF"]
        found.pop("SPF", None)
        if found.get("TXT") == ["NONE"]:
            del found["TXT"]
        if timeout and not found:
            found = {"SERVFAIL": True}
        zones[name] = found
    return zones


def run_case(posta, dns, name, case, in_brackets):
    sender = f"<{case['mailfrom']}>" if in_brackets else case["mailfrom"]
    done = subprocess.run(
        [posta, "verify", "spf", "--ip", case["host"], "--helo", case["helo"], "--from", sender,
         "--dns", f"127.0.0.1:{dns.port}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        env=dict(os.environ, MAIL_CONFIG="/nonexistent"))
    lines = done.stdout.decode().split("\n") + ["", ""]
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    good = lines[0] in wanted and not done.stderr
    explanation = case.get("explanation")
    if explanation == "DEFAULT":
        good = good and lines[1].endswith("send its mail")
    elif explanation is not None:
        good = good and lines[1] == explanation
    if not good:
        print(f"FAILED {name}: expected {wanted} {explanation!r}, got {lines[:2]} {done.stderr.decode()}")
        print("    " + "\n    ".join(lines[2:]))
    return good


def main():
    posta = os.path.join(sys.argv[1], "posta")
    only = sys.argv[2:]
    passed = total = 0
    with open(os.path.join(HERE, "spf", "rfc7208-tests.yml"), encoding="utf-8") as file:
        scenarios = list(yaml.safe_load_all(file))
    with DnsServer() as dns:
        for scenario in scenarios:
            dns.zones = zones_of(scenario["zonedata"])
            for name, case in scenario["tests"].items():
                if only and name not in only:
                    continue
                total += 1
                passed += run_case(posta, dns, name, case, total % 2 == 0)
    print(f"{passed} of {total} cases passed")
    sys.exit(0 if passed == total and (only or total == CASES) else 1)


if __name__ == "__main__":
    main()
