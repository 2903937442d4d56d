"""Within the root that run makes: drives the servers and prints what differs."""
import json
import os
import sys
import time

import imap
import mail
import servers


def main():
    servers.make_users()
    seen = {}
    for kind in (servers.Postfix, servers.Posta):
        mta = kind()
        servers.empty_homes()
        mta.start()
        try:
            seen[mta.name] = mail.observe(mta)
        finally:
            mta.stop()
    boxes = {"Dovecot": servers.start_dovecot(), "Posta": servers.start_posta_mailboxes()}
    time.sleep(1)
    read = {name: imap.observe(*place) for name, place in boxes.items()}
    with open("/opt/result", "w") as file:
        json.dump({"mail": seen, "imap": read}, file, indent=1)
    same = 0
    for other, results in (("Postfix", seen), ("Dovecot", read)):
        print(f"\n| input | {other} | Posta |\n|---|---|---|")
        for name, theirs in results[other].items():
            ours = results["Posta"].get(name)
            if ours == theirs:
                same += 1
            else:
                print(f"| {name} | {cell(theirs, ours)} | {cell(ours, theirs)} |")
        print()
    print(f"{same} inputs have the same effect")


def cell(value, other):
    """Only what the other does not have, where both are lists."""
    if isinstance(value, list) and isinstance(other, list):
        value = [line for line in value if line not in other] or ["(nothing more)"]
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|").replace("\n", " / ")[:400]


os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.exit(main())
