# SPDX-License-Identifier: BSD-3-Clause
"""Which commands of the server some row of some group sends, and which none does, with the reason."""
import re

import groups

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
