# SPDX-License-Identifier: BSD-3-Clause
"""The intended differences that a random sequence can meet; each id is a row of docs/differences.md."""
import dataclasses
import re
import typing

import servers

DOCUMENT = servers.REPOSITORY / "docs" / "differences.md"


@dataclasses.dataclass(frozen=True)
class Allowance:
    """covers(arguments, peer's reply, our reply): is this the difference that the document describes?"""
    id: str
    covers: typing.Callable


ALLOWANCES = ()


def documented_ids(text):
    return set(re.findall(r"^\| (D\d+) \|", text, re.MULTILINE))


def load():
    """The allowances. Errors: ValueError when one has no row in the document."""
    missing = {allowance.id for allowance in ALLOWANCES} - documented_ids(DOCUMENT.read_text())
    if missing:
        raise ValueError(f"{DOCUMENT} has no row for {', '.join(sorted(missing))}")
    return ALLOWANCES
