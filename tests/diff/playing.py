# SPDX-License-Identifier: BSD-3-Clause
"""Play a sequence on two servers at once and find the first reply that differs.

The servers are reset before each sequence, so a sequence means the same wherever it is played. Steps
go out in batches; a batch ends with ECHO of a token, which tells that all its replies are here (the
bytes are compared, so nothing is assumed about how many replies a command has).
"""
import dataclasses
import random
import socket
import time

import comparing
import resp
import sequences
import values

REPLY_TIMEOUT = 3.0
CHUNK_GAP = 0.0002
CLOSED = b"<connection closed>"
TIMED_OUT = b"<no more replies>"
PREAMBLE = (
    (b"CLIENT", b"REPLY", b"ON"),
    (b"AUTH", b"sesame"),
    (b"RESET",),
    (b"AUTH", b"sesame"),
    (b"CONFIG", b"SET", b"requirepass", b"", b"maxmemory", b"0", b"maxmemory-policy", b"noeviction",
     b"slowlog-max-len", b"128", b"slowlog-log-slower-than", b"10000", b"hash-max-listpack-entries", b"512",
     b"notify-keyspace-events", b"", b"hz", b"10", b"lfu-decay-time", b"1", b"lfu-log-factor", b"10",
     b"timeout", b"0", b"list-max-listpack-size", b"-2",
     b"zset-max-listpack-entries", b"128",
     b"stream-node-max-bytes", b"4096", b"stream-node-max-entries", b"100",
     b"hll-sparse-max-bytes", b"3000"),
    (b"CLIENT", b"UNPAUSE"),
    (b"CLIENT", b"NO-EVICT", b"OFF"),
    (b"SLOWLOG", b"RESET"),
    (b"CONFIG", b"RESETSTAT"),
    (b"FLUSHALL",),
    (b"FUNCTION", b"FLUSH"),
    (b"SCRIPT", b"FLUSH"),
)
REMOVE_EXPIRED = [sequences.Command((b"SETRANGE", key, b"0", b""), "exact") for key in values.KEYS]
END_STATE = tuple(
    sequences.Command(arguments, compare)
    for database in (b"0", b"1", b"2")
    for arguments, compare in (
        ((b"SELECT", database), "exact"),
        ((b"MGET",) + values.KEYS, "exact"),
        ((b"DBSIZE",), "exact"),
        ((b"LRANGE", b"k1", b"0", b"-1"), "exact"),
        ((b"LRANGE", b"k2", b"0", b"-1"), "exact"),
        ((b"LRANGE", b"k3", b"0", b"-1"), "exact"),
        *(((b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"), "scores") for key in (*values.ZKEYS, b"g1", b"g2", b"g3")),
        *(((b"OBJECT", b"ENCODING", key), "exact") for key in values.ZKEYS),
        ((b"XINFO", b"STREAM", b"s1", b"FULL", b"COUNT", b"0"), "stream"),
        ((b"XINFO", b"STREAM", b"s2", b"FULL", b"COUNT", b"0"), "stream"),
        ((b"PEXPIRETIME", b"k1"), "near"),
        ((b"OBJECT", b"ENCODING", b"k2"), "exact"),
        ((b"PEXPIRETIME", b"k3"), "near")))


def is_cut_off(reply):
    return reply.endswith((CLOSED, TIMED_OUT))


@dataclasses.dataclass
class Mismatch:
    step: int
    label: str
    sent: str
    peer: bytes
    ours: bytes

    def category(self):
        def kind(reply):
            line = reply.split(b"\r\n")[0][:70]
            return line if line[:1] in (b"-", b"<", b"+") else line[:1]
        return (self.label, kind(self.peer), kind(self.ours))


class Side:
    """One server and the connection to it."""

    def __init__(self, server):
        self.server = server
        self.connection = None

    def open(self):
        if self.connection is None:
            self.connection = self.server.connect(timeout=REPLY_TIMEOUT, login=False)

    def drop(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def send(self, data, chunks):
        if self.connection is None:
            return
        try:
            if not chunks:
                self.connection.send_raw(data)
                return
            begin = 0
            for end in (*chunks, len(data)):
                self.connection.send_raw(data[begin:end])
                begin = end
                time.sleep(CHUNK_GAP)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read_until(self, ending):
        """The bytes up to ending, which is cut off; or with CLOSED or TIMED_OUT as their end."""
        if self.connection is None:
            return CLOSED
        buffer = self.connection.buffer
        try:
            while not buffer.endswith(ending):
                if not self.connection.receive():
                    data = bytes(buffer) + CLOSED
                    self.drop()
                    return data
        except (socket.timeout, TimeoutError):
            data = bytes(buffer) + TIMED_OUT
            self.drop()
            return data
        data = bytes(buffer[:-len(ending)])
        buffer.clear()
        return data

    def read_count(self, count):
        """The bytes of count replies and of the push messages before them."""
        if self.connection is None:
            return CLOSED
        replies = b""
        try:
            for _ in range(count):
                reply = self.connection.read_raw()
                while reply[:1] == b">":
                    replies += reply
                    reply = self.connection.read_raw()
                replies += reply
        except EOFError:
            replies += bytes(self.connection.buffer) + CLOSED
            self.drop()
        except (socket.timeout, TimeoutError):
            replies += bytes(self.connection.buffer) + TIMED_OUT
            self.drop()
        return replies


def subscribes(step):
    """Whether it may have another number of replies than one, or none that is not a push."""
    return isinstance(step, sequences.Command) and step.arguments[:1] and step.arguments[0].upper().endswith(b"SUBSCRIBE")


def reply_counts(steps, mode="on"):
    """(how many replies each step should have, the CLIENT REPLY mode after them)."""
    counts = []
    for step in steps:
        if not isinstance(step, sequences.Command):
            counts.append(getattr(step, "replies", 0))
            continue
        words = [argument.upper() for argument in step.arguments]
        skipped = mode != "on"
        if words[:2] == [b"CLIENT", b"REPLY"] and len(words) == 3 and words[2] in (b"ON", b"OFF", b"SKIP"):
            if words[2] == b"ON":
                mode, skipped = "on", False
            elif mode != "off":
                mode, skipped = words[2].lower().decode(), True
        elif words == [b"RESET"]:
            mode, skipped = "on", False
        elif mode == "skip":
            mode = "on"
        counts.append(0 if skipped else 1)
    return counts, mode


def join_pushes(replies):
    """A push message is out of band: count it with the reply that follows it."""
    joined = []
    pushes = b""
    for reply in replies:
        if reply[:1] == b">":
            pushes += reply
        else:
            joined.append(pushes + reply)
            pushes = b""
    return joined + [pushes] if pushes else joined


class Pair:
    """The two servers: play() returns None or the first Mismatch that no allowance covers."""

    def __init__(self, peer, ours, allowances=()):
        self.sides = (Side(peer), Side(ours))
        self.allowances = allowances
        self.used_allowances = {}
        self.token = 0

    def drop(self):
        for side in self.sides:
            side.drop()

    def closing(self, steps):
        """The commands that make sure that the token's ECHO is answered."""
        self.token += 1
        token = b"<end of batch %d>" % self.token
        commands = []
        if any(b"REPLY" in map(bytes.upper, step.arguments) for step in steps if isinstance(step, sequences.Command)):
            commands.append((b"CLIENT", b"REPLY", b"ON"))
        if any(b"requirepass" in step.data() for step in steps):
            commands.append((b"AUTH", b"sesame"))
        return commands + [(b"ECHO", token)], resp.encode([token])[4:]

    def exchange(self, steps, chunk_random=None):
        """Send the steps in one go; returns the bytes that each server answered."""
        commands, ending = self.closing(steps)
        if not steps[-1].data().endswith(b"\n"):
            commands = []
        data = b"".join(step.data() for step in steps) + b"".join(resp.encode(c) for c in commands)
        chunks = ()
        if chunk_random is not None and len(data) > 1:
            count = chunk_random.randint(1, 8)
            chunks = sorted(chunk_random.randrange(1, len(data)) for _ in range(count))
        for side in self.sides:
            side.send(data, chunks)
        return [side.read_until(ending) for side in self.sides]

    def prepare(self, sequence):
        for side in self.sides:
            side.open()
        steps = [sequences.Command(arguments, "exact") for arguments in PREAMBLE]
        if sequence.resp3:
            steps.append(sequences.Command((b"HELLO", b"3"), "hello"))
        for answer in self.exchange(steps):
            if answer.endswith((CLOSED, TIMED_OUT)):
                raise ConnectionError(f"no answer to the preamble: {answer!r}")

    def play(self, sequence, transcript=None):
        """transcript: a function called with (step, peer's reply, our reply)."""
        self.prepare(sequence)
        chunk_random = random.Random(sequence.chunk_seed) if sequence.delivery == "chunked" else None
        batch = []
        first = 0
        steps = sequence.steps + (() if sequence.last else END_STATE)
        for position, step in enumerate(steps):
            if isinstance(step, (sequences.Command, sequences.Raw)):
                if not batch:
                    first = position
                batch.append(step)
                continue
            mismatch = self.flush(batch, first, sequence, chunk_random, transcript)
            batch = []
            if mismatch is None and isinstance(step, sequences.ScanAll):
                mismatch = self.scan_all(step, position, transcript)
            elif mismatch is None and step.milliseconds:
                time.sleep(step.milliseconds / 1000)
                mismatch = self.flush(REMOVE_EXPIRED, position, sequence, None, transcript)
            if mismatch is not None:
                self.drop()
                return mismatch
        mismatch = self.flush(batch, first, sequence, chunk_random, transcript)
        if mismatch is not None or sequence.last:
            self.drop()
        return mismatch

    def flush(self, batch, first, sequence, chunk_random, transcript):
        if not batch:
            return None
        if sequence.delivery == "single" and not sequence.last and not any(map(subscribes, batch)):
            counts, _ = reply_counts(batch)
            for offset, (step, count) in enumerate(zip(batch, counts)):
                for side in self.sides:
                    side.send(step.data(), ())
                answers = [side.read_count(count) for side in self.sides]
                mismatch = self.judge([step], first + offset, answers, transcript)
                if mismatch is not None:
                    return mismatch
            return None
        return self.judge(batch, first, self.exchange(batch, chunk_random), transcript)

    def judge(self, steps, first, answers, transcript):
        if answers[0] == answers[1] and not answers[0].endswith(TIMED_OUT) and transcript is None:
            return None
        replies = []
        for answer in answers:
            try:
                complete, rest = resp.split_replies(answer)
            except resp.ProtocolViolation:
                complete, rest = [], answer
            replies.append(join_pushes(complete + [rest] if rest else complete))
        counts, _ = reply_counts(steps)
        owners = [offset for offset, count in enumerate(counts) for _ in range(count)]
        for number in range(max(map(len, replies))):
            offset = owners[number] if number < len(owners) else len(steps) - 1
            step = steps[offset]
            peer, ours = (r[number] if number < len(r) else b"" for r in replies)
            if transcript is not None:
                transcript(step, peer, ours)
            equal = comparing.same(step.compare, peer, ours) and not peer.endswith(TIMED_OUT)
            if not equal and not self.is_allowed(step, peer, ours):
                return Mismatch(first + offset, step.label(), str(step), peer, ours)
        return None

    def is_allowed(self, step, peer, ours):
        arguments = getattr(step, "arguments", ())
        for allowance in self.allowances:
            if allowance.covers(arguments, peer, ours):
                self.used_allowances[allowance.id] = self.used_allowances.get(allowance.id, 0) + 1
                return True
        return False

    def scan_all(self, step, position, transcript):
        outcomes = [self.scan_side(side, step.arguments) for side in self.sides]
        if transcript is not None:
            transcript(step, *outcomes)
        if outcomes[0] == outcomes[1]:
            return None
        return Mismatch(position, "full SCAN", str(step), *outcomes)

    @staticmethod
    def scan_side(side, arguments):
        """The keys that a whole iteration returns, sorted, as one text; or the error."""
        cursor, keys = b"0", set()
        if side.connection is None:
            return CLOSED
        try:
            for _ in range(100000):
                reply = side.connection.call(b"SCAN", cursor, *arguments)
                if not isinstance(reply, list):
                    return bytes(reply)
                cursor = reply[0]
                keys.update(reply[1])
                if cursor == b"0":
                    return b" ".join(sorted(keys))
        except (EOFError, OSError) as error:
            side.drop()
            return f"<{error}>".encode()
        return b"<endless iteration>"
