# SPDX-License-Identifier: BSD-3-Clause
"""Which commands and options some row of some group sends, and which none does, with the reason."""
import json
import re

import groups
import servers

WORD = re.compile(r"[A-Za-z0-9_-]+")
NEWER = "redis-server 7.0 does not know it"
EXCEPTIONS = {
    "client|capa": NEWER,
    "client|no-touch": NEWER,
    "client|setinfo": NEWER,
    "delifeq": NEWER,
    "script|show": NEWER,
    "command|docs": "the commands are others (D8)",
    "command|list": "the commands are others (D8)",
    "command|getkeysandflags": "the flags are those of newer versions (D8)",
    "config|rewrite": "neither server is started with a file; tests/e2e/test_configuration.py has one",
    "script|debug": "there is no debugger (U4)",
}

OPTION_EXCEPTIONS = {
    **dict.fromkeys(("CLIENT KILL MAXAGE", "HSCAN NOVALUES", "SET IFEQ", "ZSCAN NOSCORES"), NEWER),
    **dict.fromkeys(("CLIENT SETINFO LIB-VER", "CLIENT SETINFO LIB-NAME", "CLIENT NO-TOUCH ON", "CLIENT NO-TOUCH OFF"), NEWER),
    **dict.fromkeys(("CLIENT LIST " + word for word in "SKIPME MAXAGE LADDR ADDR NO USER YES".split()), NEWER),
    **dict.fromkeys(("CLIENT KILL PRIMARY", "CLIENT KILL REPLICA", "CLIENT KILL SLAVE", "CLIENT KILL NORMAL"),
                    "which clients there are differs; tests/e2e/test_clients.py has them"),
    **dict.fromkeys(("COMMAND LIST ACLCAT", "COMMAND LIST FILTERBY", "COMMAND LIST MODULE", "COMMAND LIST PATTERN"),
                    "the commands are others (D8)"),
    **dict.fromkeys(("SCRIPT DEBUG NO", "SCRIPT DEBUG SYNC", "SCRIPT DEBUG YES"), "there is no debugger (U4)"),
    **dict.fromkeys(("SHUTDOWN ABORT", "SHUTDOWN FORCE", "SHUTDOWN NOSAVE", "SHUTDOWN NOW", "SHUTDOWN SAVE"),
                    "ends the servers; tests/e2e/test_process.py has it"),
    **dict.fromkeys(("ZRANK WITHSCORE", "ZREVRANK WITHSCORE"), NEWER),
}
WORD_OPTION = re.compile(r"[A-Z][A-Z0-9-]+")
UNITS = {"M", "KM", "FT", "MI"}  # in rows: <unit>


def words_of_rows(names=groups.GROUPS + ("hash_fields",)):
    """A set of upper-case words for each row."""
    return [set(WORD.findall(row.text.upper())) for _, rows in groups.load(names) for row in rows
            if isinstance(row, groups.Row)]


def unexplained(commands):
    """(those that no row sends and EXCEPTIONS does not name, those that it names although a row sends them)"""
    absent = missing(commands, words_of_rows())
    return absent - set(EXCEPTIONS), set(EXCEPTIONS) - absent


def missing(commands, rows):
    """Those of COMMAND LIST ("get", "config|get") of which no row has all words."""
    return {name for name in commands if not any(set(name.upper().split("|")) <= words for words in rows)}


def options_of(arguments):
    for argument in arguments:
        token = argument.get("token", "").upper()
        if WORD_OPTION.fullmatch(token):
            yield "UNIT" if token in UNITS else token
        yield from options_of(argument.get("arguments", ()))


def options(descriptions):
    """("ZADD", "NX") for each option that the descriptions name, the words of a subcommand together."""
    for description in descriptions:
        parent = (description["container"].upper(),) if "container" in description else ()
        name = (*parent, description["name"].upper())
        yield from ((" ".join(name), option) for option in options_of(description.get("arguments", ())))
        yield from options(description.get("subcommands", ()))


def described_options():
    folder = servers.REPOSITORY / "commands"
    return {pair for path in folder.glob("*.json") for pair in options(json.loads(path.read_text())["commands"])}


def unexplained_options(commands):
    """As unexplained(), for the options of these commands, as "SET IFEQ"."""
    rows = words_of_rows()
    known = {name.replace("|", " ").upper() for name in commands}
    absent = {f"{name} {option}" for name, option in described_options()
              if name in known and not any({*name.split(), option} <= words for words in rows)}
    return absent - set(OPTION_EXCEPTIONS), set(OPTION_EXCEPTIONS) - absent
