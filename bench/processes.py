"""CPU time of processes, as /proc tells it."""
import glob
import os

TICK = os.sysconf("SC_CLK_TCK")


def processes():
    """{process: (parent, seconds, with those of children that it has waited for)}."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found[int(path.split("/")[2])] = int(fields[1]), sum(map(int, fields[11:15])) / TICK
    return found


def cpu_below(root):
    """Seconds of a process and of all below it, those that have ended too."""
    found, total = processes(), 0.0
    for at, (_, seconds) in found.items():
        while at in found and at != root:
            at = found[at][0]
        total += seconds if at == root else 0
    return total


def cpu_of(words):
    """Seconds of all processes whose command line has one of these words."""
    total = 0.0
    for number, (_, seconds) in processes().items():
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                line = file.read().decode(errors="replace")
        except OSError:
            continue
        total += seconds if any(word in line for word in words) else 0
    return total
