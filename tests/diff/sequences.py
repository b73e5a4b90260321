# SPDX-License-Identifier: BSD-3-Clause
"""Random sequences: (seed, index, length) always gives the same one."""
import dataclasses
import random

import groups
import values
import resp

DELIVERIES = ("pipelined",) * 7 + ("chunked",) * 2 + ("single",)


@dataclasses.dataclass(frozen=True)
class Command:
    arguments: tuple
    compare: str

    def data(self):
        return resp.encode(self.arguments)

    def label(self):
        name = self.arguments[0].upper() if self.arguments else b""
        if name in CONTAINERS and len(self.arguments) > 1:
            name += b" " + self.arguments[1].upper()
        return name.decode(errors="backslashreplace")[:40]

    def __str__(self):
        return " ".join(show(argument) for argument in self.arguments)


@dataclasses.dataclass(frozen=True)
class Raw:
    bytes_sent: bytes
    replies: int
    compare: str = "exact"

    def data(self):
        return self.bytes_sent

    def label(self):
        return "raw bytes"

    def __str__(self):
        return "raw " + show(self.bytes_sent)


@dataclasses.dataclass(frozen=True)
class Pause:
    milliseconds: int

    def __str__(self):
        return f"@pause {self.milliseconds}"


@dataclasses.dataclass(frozen=True)
class ScanAll:
    arguments: tuple

    def __str__(self):
        return "@scan " + " ".join(show(argument) for argument in self.arguments)


CONTAINERS = (b"OBJECT", b"CLIENT", b"CONFIG", b"COMMAND", b"SLOWLOG", b"LATENCY", b"MEMORY", b"DEBUG", b"BITOP",
              b"XGROUP", b"XINFO")


@dataclasses.dataclass(frozen=True)
class Sequence:
    """resp3: HELLO 3 comes first. last: the final step makes the server close the connection."""
    name: str
    resp3: bool
    delivery: str
    steps: tuple
    last: bool
    chunk_seed: int


def show(data, limit=90):
    text = repr(bytes(data[:limit]))[1:]
    return text if len(data) <= limit else f"{text}...({len(data)} bytes)"


class Generator:
    """Draws sequences from the rows of the given groups."""

    def __init__(self, names=groups.GROUPS):
        self.rows = []
        self.weights = []
        self.last_rows = []
        for share, rows in groups.load(names):
            total = sum(row.weight for row in rows if not row.last)
            for row in rows:
                if row.last:
                    self.last_rows += [row] * row.weight
                else:
                    self.rows.append(row)
                    self.weights.append(share * row.weight / total)

    def sequence(self, seed, index, length):
        draw = random.Random(f"{seed}:{index}")
        steps = []
        for row in draw.choices(self.rows, self.weights, k=length):
            steps += row_steps(row, draw)
        last = bool(self.last_rows) and draw.random() < 0.08
        if last:
            row = draw.choice(self.last_rows)
            steps += [Pause(0)] + row_steps(row, draw)
        return Sequence(f"{seed}:{index}", draw.random() < 0.5, draw.choice(DELIVERIES), tuple(steps), last,
                        draw.getrandbits(32))


def row_steps(row, draw):
    if isinstance(row, groups.RawRow):
        return [Raw(row.data, row.replies, row.compare)]
    steps = []
    for generate in row.commands:
        arguments = generate(draw)
        word = arguments[0].lower() if arguments else b""
        if word == b"@pause":
            steps.append(Pause(int(arguments[1])))
        elif word == b"@scan":
            steps.append(ScanAll(tuple(arguments[1:])))
        else:
            if row.mutable and draw.random() < 0.05:
                mutate(arguments, draw)
            if arguments:
                steps.append(Command(tuple(arguments), row.compare))
    return steps


def mutate(arguments, draw):
    roll = draw.randrange(5)
    if roll == 0 and len(arguments) > 1:
        arguments.pop()
    elif roll == 1:
        arguments.append(draw.choice(values.JUNK))
    elif roll == 2 and len(arguments) > 1:
        arguments[draw.randrange(1, len(arguments))] = draw.choice(values.JUNK)
    elif roll == 3 and len(arguments) > 1:
        del arguments[draw.randrange(1, len(arguments))]
    else:
        arguments.insert(draw.randrange(1, len(arguments) + 1), draw.choice(values.JUNK))
