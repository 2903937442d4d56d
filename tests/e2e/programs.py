"""What lib/daemon/programs.def says of the suite's programs, read for the tests."""
import os
import re

from posta import TOP


def entries(kinds):
    """[(kind, [word])] of programs.def."""
    with open(os.path.join(TOP, "lib/daemon/programs.def")) as file:
        text = file.read().split("*/", 1)[1]
    return [(kind, [word.strip(' "\n\t') for word in rest.split(",")])
            for kind, rest in re.findall(rf"^({kinds})\((.*?)\)$", text, re.M | re.S)]


def table():
    """({program: user's ID or None}, {program: [(socket, client, messages)]}, {user's ID: parameter})."""
    users, peers, parameters, program = {}, {}, {}, None
    for kind, words in entries("USER|PROGRAM|PEER"):
        if kind == "USER":
            parameters[words[0]] = words[1]
        elif kind == "PROGRAM":
            program = words[0]
            users[program] = None if words[1] == "PRIVILEGED" else words[1]
            peers[program] = []
        else:
            peers[program].append((words[0].lower(), words[1], set(words[2:])))
    return users, peers, parameters


def system_users():
    """{program: name of the user that it runs as by default}."""
    users, _, parameters = table()
    with open(os.path.join(TOP, "lib/conf/params.def")) as file:
        defaults = dict(re.findall(r'^PARAM_STR\((\w+_owner), "(\w+)"', file.read(), re.M))
    return {program: defaults[parameters[user]] if user else "root" for program, user in users.items()}


def with_calls(calls):
    """The programs that seccomp allows these calls beyond what all may."""
    return {words[0] for _, words in entries("PROGRAM") if calls in words[3].split(" | ")}


def with_root(root):
    """The programs with that root directory: "EMPTY" (nothing but sockets), "QUEUE", "NONE"."""
    return {words[0] for _, words in entries("PROGRAM") if words[2] == root}
