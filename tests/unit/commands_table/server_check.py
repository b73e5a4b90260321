# SPDX-License-Identifier: BSD-3-Clause
"""Compare the command descriptions with a real server's COMMAND, COMMAND DOCS and COMMAND GETKEYS.

    server_check.py PORT      print every difference that DIFFERENCES does not explain
"""

import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
import gen_commands  # noqa: E402

NEWER_TIPS = "8.1 spreads it over the nodes of a cluster"
SCRIPTABLE = "later versions let scripts call it; it does not wait there"
LOADING = "8.1 answers it while data are loaded"

# (command, what) -> reason, against Redis 7.0.15. An entry that no longer differs is an error.
DIFFERENCES = {
    ("acl|deluser", "tips"): NEWER_TIPS,
    ("acl|save", "tips"): NEWER_TIPS,
    ("acl|setuser", "tips"): NEWER_TIPS,
    ("client|setname", "tips"): NEWER_TIPS,
    ("config|resetstat", "tips"): NEWER_TIPS,
    ("config|rewrite", "tips"): NEWER_TIPS,
    ("blmove", "flags"): SCRIPTABLE,
    ("blpop", "flags"): SCRIPTABLE,
    ("brpop", "flags"): SCRIPTABLE,
    ("brpoplpush", "flags"): SCRIPTABLE,
    ("bzpopmax", "flags"): SCRIPTABLE,
    ("bzpopmin", "flags"): SCRIPTABLE,
    ("wait", "flags"): "7.2 made it a blocking command that scripts may call",
    ("wait", "categories"): "follows from its flag blocking",
    ("cluster|info", "flags"): LOADING,
    ("cluster|myid", "flags"): LOADING,
    ("cluster|nodes", "flags"): LOADING,
    ("cluster|shards", "flags"): LOADING,
    ("cluster|slots", "flags"): LOADING,
    ("memory|malloc-stats", "flags"): LOADING,
    ("memory|purge", "flags"): LOADING,
    ("multi", "flags"): "8.1 refuses it inside MULTI by its flag no_multi",
    ("watch", "flags"): "8.1 refuses it inside MULTI by its flag no_multi",
    ("command|getkeys", "arity"): "8.1 counts the words of the inner command by itself",
    ("command|getkeysandflags", "arity"): "8.1 counts the words of the inner command by itself",
    ("zrank", "arity"): "7.2 added WITHSCORE",
    ("zrevrank", "arity"): "7.2 added WITHSCORE",
    ("latency|reset", "tips"): "8.1 adds the integers up",
    ("msetnx", "tips"): "8.1 does not split it, because it is all or nothing",
    ("randomkey", "tips"): "7.2 tells that the replies need care",
    ("scan", "tips"): "7.2 tells that the replies need care",
    ("sinterstore", "keys"): "7.2 corrected the flags of the destination",
    ("client", "subcommands"): "later versions added CAPA, IMPORT-SOURCE, NO-TOUCH and SETINFO",
    ("cluster", "subcommands"): "later versions added MYSHARDID and SLOT-STATS",
    ("script", "subcommands"): "8.0 added SHOW",
}

# Commands that the server may lack: newer than it.
NEWER_COMMANDS = {
    "client|capa", "client|import-source", "client|no-touch", "client|setinfo",
    "cluster|myshardid", "cluster|slot-stats", "commandlog", "commandlog|get", "commandlog|help",
    "commandlog|len", "commandlog|reset", "delifeq", "hexpire", "hexpireat", "hexpiretime",
    "hgetdel", "hgetex", "hpersist", "hpexpire", "hpexpireat", "hpexpiretime", "hpttl", "hsetex",
    "httl", "script|show", "waitaof",
}


class ServerError(Exception):
    """An error reply."""


class Connection:
    """A blocking RESP3 connection; maps arrive as dictionaries, sets as lists."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rwb")
        self.call("HELLO", "3")

    def close(self):
        self.file.close()
        self.socket.close()

    def call(self, *words):
        encoded = [word if isinstance(word, bytes) else word.encode() for word in words]
        self.file.write(b"*%d\r\n" % len(encoded))
        for word in encoded:
            self.file.write(b"$%d\r\n%s\r\n" % (len(word), word))
        self.file.flush()
        return self.read()

    def read(self):
        line = self.file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise ServerError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"_":
            return None
        if kind in (b"$", b"="):
            text = self.file.read(int(rest) + 2)[:-2].decode("latin-1")
            return text[4:] if kind == b"=" else text
        if kind in (b"*", b"~"):
            return [self.read_inner() for _ in range(int(rest))]
        if kind == b"%":
            return {self.read_inner(): self.read_inner() for _ in range(int(rest))}
        raise ValueError(f"unexpected reply {line!r}")

    def read_inner(self):
        try:
            return self.read()
        except ServerError as error:
            return error


def server_commands(connection):
    """full name -> facts, of all commands and subcommands of the server."""
    found = {}

    def add(entry):
        name, arity, flags, first, last, step, categories, tips, keys, subcommands = entry
        found[name] = {
            "arity": arity,
            "flags": {"skip_slowlog" if f == "skip_commandlog" else f for f in flags},
            "range": (first, last, step),
            "categories": {c.lstrip("@") for c in categories},
            "tips": sorted(tips),
            "keys": [server_key(key) for key in keys],
            "subcommands": {sub[0] for sub in subcommands},
        }
        for sub in subcommands:
            add(sub)
    for entry in connection.call("COMMAND"):
        add(entry)
    return found


def server_key(key):
    begin, find = key["begin_search"], key["find_keys"]
    return (sorted(flag.upper() for flag in key["flags"]),
            (begin["type"], sorted(begin["spec"].items(), key=str)),
            (find["type"], sorted(find["spec"].items(), key=str)))


def our_key(spec):
    begin = {}
    if spec.begin == "index":
        begin = {"index": spec.index}
    elif spec.begin == "keyword":
        begin = {"keyword": spec.keyword, "startfrom": spec.start_from}
    find = {}
    if spec.find == "range":
        find = {"lastkey": spec.last, "keystep": spec.step, "limit": spec.limit}
    elif spec.find == "numkeys":
        find = {"keynumidx": spec.numkeys_index, "firstkey": spec.first, "keystep": spec.step}
    kinds = {"numkeys": "keynum"}
    return (sorted(spec.flags), (spec.begin, sorted(begin.items(), key=str)),
            (kinds.get(spec.find, spec.find), sorted(find.items(), key=str)))


def our_commands():
    found = {}
    for command in gen_commands.load(sorted((ROOT / "commands").glob("*.json"))):
        found[command.full_name] = {
            "arity": command.arity,
            "flags": set(command.flags) - {"may_replicate", "protected"},
            "range": gen_commands.legacy_range(command),
            "categories": set(command.categories),
            "tips": sorted(command.tips),
            "keys": [our_key(spec) for spec in command.keys],
            "subcommands": {sub.full_name for sub in command.subcommands},
        }
    return found


def compare(connection):
    """Differences from the server that are not explained, and explanations without difference."""
    theirs, ours = server_commands(connection), our_commands()
    problems = [f"{name}: the server has it, we do not" for name in sorted(set(theirs) - set(ours))]
    missing = set(ours) - set(theirs)
    problems += [f"{name}: only we have it" for name in sorted(missing - NEWER_COMMANDS)]
    problems += [f"{name}: listed as newer, but the server has it"
                 for name in sorted(NEWER_COMMANDS - missing)]
    differing = set()
    for name in sorted(set(theirs) & set(ours)):
        for what, value in theirs[name].items():
            if ours[name][what] == value:
                continue
            differing.add((name, what))
            if (name, what) not in DIFFERENCES:
                problems.append(f"{name}: {what}: ours {ours[name][what]}, the server's {value}")
    problems += [f"{name}: {what}: listed as different, but equal"
                 for name, what in sorted(set(DIFFERENCES) - differing)]
    return problems


def main():
    problems = compare(Connection(int(sys.argv[1])))
    print("\n".join(problems) or "no difference")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
