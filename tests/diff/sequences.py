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
    """connection: 0, or the number of a companion (companions.py). waits: it may be made to wait there."""
    arguments: tuple
    compare: str
    connection: int = 0
    waits: bool = False

    def data(self):
        return resp.encode(self.arguments)

    def name(self):
        return self.arguments[0].upper() if self.arguments else b""

    def begins_transaction(self):
        return self.name() == b"MULTI" and len(self.arguments) == 1

    def ends_transaction(self):
        return self.name() in (b"EXEC", b"DISCARD", b"RESET") and len(self.arguments) == 1

    def may_block(self):
        return self.name().startswith((b"BL", b"BR", b"BZ", b"XREAD"))

    def subscribes(self):
        """Whether it may have another number of replies than one, or none that is not a push."""
        return self.name().endswith(b"SUBSCRIBE")

    def label(self):
        name = self.name()
        if name in CONTAINERS and len(self.arguments) > 1:
            name += b" " + self.arguments[1].upper()
        return name.decode(errors="backslashreplace")[:40]

    def __str__(self):
        place = f"@{'wait' if self.waits else 'on'} {self.connection} " if self.connection else ""
        return place + " ".join(show(argument) for argument in self.arguments)


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


@dataclasses.dataclass(frozen=True)
class Finish:
    """Read what a companion that waits is answered. how: what ends its waiting: CLIENT UNBLOCK's TIMEOUT or ERROR, KILL,
    HANGUP; OWN: itself, its time is to run out."""
    connection: int
    how: str

    def label(self):
        return "the end of waiting"

    def __str__(self):
        return f"@finish {self.connection} {self.how}"


@dataclasses.dataclass(frozen=True)
class FinishAll:
    """Finish every companion that still waits."""

    def label(self):
        return "the end of waiting"

    def __str__(self):
        return "@finish all"


@dataclasses.dataclass(frozen=True)
class Receive:
    """Read the messages that a companion was sent."""
    connection: int
    compare: str = "exact"

    def label(self):
        return "messages"

    def __str__(self):
        return f"@receive {self.connection}"


CONTAINERS = (b"OBJECT", b"CLIENT", b"CONFIG", b"COMMAND", b"SLOWLOG", b"LATENCY", b"MEMORY", b"DEBUG", b"BITOP",
              b"XGROUP", b"XINFO", b"ACL", b"SCRIPT", b"FUNCTION", b"PUBSUB")


@dataclasses.dataclass(frozen=True)
class Sequence:
    """resp3: HELLO 3 comes first. last: the final step makes the server close the connection."""
    name: str
    resp3: bool
    delivery: str
    steps: tuple
    last: bool
    chunk_seed: int


def is_gathered(step):
    """Whether it goes out in a batch of the main connection."""
    return isinstance(step, Raw) or isinstance(step, Command) and step.connection == 0


def leaves_open_transaction(steps, was_open):
    """Whether the main connection may be in a transaction after the steps."""
    is_open = was_open
    for step in steps:
        if isinstance(step, Command) and step.connection == 0:
            is_open = (is_open or step.begins_transaction()) and not step.ends_transaction()
    return is_open


def ends_of_transaction(steps):
    """What makes sure that the main connection is in no transaction: only a part of a sequence may leave one open."""
    return (Command((b"DISCARD",), "exact"),) if leaves_open_transaction(steps, False) else ()


def show(data, limit=90):
    text = repr(bytes(data[:limit]))[1:]
    return text if len(data) <= limit else f"{text}...({len(data)} bytes)"


class Generator:
    """Draws sequences from the rows of the given groups."""

    def __init__(self, names=groups.GROUPS):
        self.rows = []
        self.weights = []
        self.last_rows = []
        self.pools = {b"@any": Pool(groups.ANY), b"@data": Pool(groups.DATA)}
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
            steps += self.row_steps(row, draw)
        last = bool(self.last_rows) and draw.random() < 0.08
        if last:
            row = draw.choice(self.last_rows)
            steps += [Pause(0)] + self.row_steps(row, draw)
        return Sequence(f"{seed}:{index}", draw.random() < 0.5, draw.choice(DELIVERIES), tuple(steps), last,
                        draw.getrandbits(32))

    def row_steps(self, row, draw):
        if isinstance(row, groups.RawRow):
            return [Raw(row.data, row.replies, row.compare)]
        steps = []
        for generate in row.commands:
            steps += self.steps_of(row, generate(draw), draw)
        return steps

    def steps_of(self, row, words, draw, connection=0, waits=False):
        """A directive, or one command."""
        directive = bytes(words[0]).lower() if words else b""
        if directive in (b"@on", b"@wait"):
            return self.steps_of(row, words[2:], draw, int(words[1]), directive == b"@wait")
        if directive in self.pools:
            steps = self.row_steps(self.pools[directive].draw(draw), draw)
            return [dataclasses.replace(step, connection=connection, waits=waits) for step in steps]
        if directive == b"@pause":
            return [Pause(int(words[1]))]
        if directive == b"@scan":
            return [ScanAll(tuple(words[1:]))]
        if directive == b"@finish":
            return [Finish(int(words[1]), words[2].decode().upper())]
        if directive == b"@receive":
            return [Receive(int(words[1]))]
        if row.mutable and draw.random() < 0.05:
            mutate(words, draw)
        return [Command(tuple(words), row.compare, connection, waits)] if words else []


class Pool:
    """The rows of some groups that make sense anywhere, drawn as their weights say."""

    def __init__(self, names):
        self.names = names
        self.rows = None
        self.weights = []

    def draw(self, random_source):
        if self.rows is None:
            self.load()
        return random_source.choices(self.rows, self.weights)[0]

    def load(self):
        self.rows = []
        for share, rows in groups.load(self.names):
            rows = [row for row in rows if groups.fits_anywhere(row)]
            total = sum(row.weight for row in rows)
            self.rows += rows
            self.weights += [share * row.weight / total for row in rows]


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
