# SPDX-License-Identifier: BSD-3-Clause
"""The command tables. A group is a module with ROWS; a row is row(weight, grammar, ...).

To cover a new command add its row to a group; to cover a new data type add a module here and to GROUPS.
"""
import dataclasses
import importlib
import re

import grammar

GROUPS = (
    "strings",
    "bitmaps",
    "generic",
    "connection",
    "server",
    "protocol",
    "lists",
    "sorted_sets",
    "streams",
    "acls",
    "geos",
    "hyperloglogs",
    "sets",
    "dumps",
    "scripts",
    "pubsubs",
    "sorts",
    "hashes",
    "trackings",
    "transactions",
    "blockings",
)
DATA = ("strings", "bitmaps", "generic", "lists", "sorted_sets", "streams", "geos", "hyperloglogs", "sets", "dumps",
        "sorts", "hashes")
ANY = DATA + ("connection", "server", "scripts", "pubsubs")
STATEFUL = re.compile(r"@|\b(MULTI|EXEC|DISCARD|WATCH|RESET|QUIT|AUTH|REPLY|[PS]?SUBSCRIBE|PAUSE|requirepass)\b")


@dataclasses.dataclass(frozen=True)
class Row:
    """weight: share among the rows of its group. compare: how replies are compared (comparing.py).
    mutable: arguments may be dropped, added or replaced to provoke errors. last: the row ends its
    sequence, because the server closes the connection."""
    weight: int
    text: str
    compare: str
    mutable: bool
    last: bool
    commands: tuple


@dataclasses.dataclass(frozen=True)
class RawRow:
    """Bytes that are sent as they are; replies: how many come back when the connection stays open."""
    weight: int
    data: bytes
    replies: int
    last: bool = False
    compare: str = "exact"


def row(weight, text, compare="exact", mutable=True, last=False):
    return Row(weight, text, compare, mutable, last, tuple(grammar.compile_row(text)))


def raw(weight, data, replies=1, last=False, compare="exact"):
    return RawRow(weight, data, replies, last, compare)


def fits_anywhere(row):
    """Whether a row may become part of another one: it leaves the state of the connection alone."""
    return isinstance(row, Row) and not row.last and STATEFUL.search(row.text) is None


def load(names=GROUPS):
    """[(share of the group, its rows)] for the named groups."""
    loaded = []
    for name in names:
        module = importlib.import_module(f"groups.{name}")
        loaded.append((module.SHARE, module.ROWS))
    return loaded
