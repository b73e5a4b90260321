# SPDX-License-Identifier: BSD-3-Clause
"""Play a sequence on two servers at once and find the first reply that differs.

The servers are reset before each sequence, so a sequence means the same wherever it is played. Steps
go out in batches; a batch ends with ECHO of a token, which tells that all its replies are here (the
bytes are compared, so nothing is assumed about how many replies a command has). In a transaction ECHO
would be queued: there the replies are counted. Further connections are in companions.py.
"""
import random
import time

import companions
import judging
import resp
import sequences
import values
from sides import CLOSED, Side, is_cut_off

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


class Pair:
    """The two servers: play() returns None or the first Mismatch that no allowance covers."""

    def __init__(self, peer, ours, allowances=()):
        self.sides = (Side(peer), Side(ours))
        self.judge = judging.Judge(allowances)
        self.companions = companions.Companions(self.sides, self.judge)
        self.token = 0

    @property
    def used_allowances(self):
        return self.judge.used_allowances

    def drop(self):
        self.companions.drop()
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

    def exchange(self, steps, chunk_random=None, in_transaction=False):
        """Send the steps in one go; returns the bytes that each server answered."""
        commands, ending = self.closing(steps)
        if in_transaction or not steps[-1].data().endswith(b"\n"):
            commands = []
        data = b"".join(step.data() for step in steps) + b"".join(resp.encode(c) for c in commands)
        chunks = ()
        if chunk_random is not None and len(data) > 1:
            count = chunk_random.randint(1, 8)
            chunks = sorted(chunk_random.randrange(1, len(data)) for _ in range(count))
        for side in self.sides:
            side.send(data, chunks)
        if in_transaction:
            return self.read_counted(steps)
        return [side.read_until(ending) for side in self.sides]

    def read_counted(self, steps):
        count = sum(judging.reply_counts(steps)[0])
        return [side.read_count(count) for side in self.sides]

    def prepare(self, sequence):
        for side in self.sides:
            side.open()
        steps = [sequences.Command(arguments, "exact") for arguments in PREAMBLE]
        if sequence.resp3:
            steps.append(sequences.Command((b"HELLO", b"3"), "hello"))
        for answer in self.exchange(steps):
            if is_cut_off(answer):
                raise ConnectionError(f"no answer to the preamble: {answer!r}")

    def play(self, sequence, transcript=None):
        """transcript: a function called with (step, peer's reply, our reply)."""
        self.prepare(sequence)
        ending = () if sequence.last else END_STATE
        steps = sequence.steps + sequences.ends_of_transaction(sequence.steps) + (sequences.FinishAll(),) + ending
        self.judge.begin(steps)
        self.companions.begin(sequence.resp3)
        try:
            mismatch = Play(self, sequence, steps, transcript).run()
        except judging.Apart:
            self.drop()
            return None
        if mismatch is not None or sequence.last:
            self.drop()
        else:
            self.companions.end()
        return mismatch

    def scan_all(self, step, position, transcript):
        outcomes = [self.scan_side(side, step.arguments) for side in self.sides]
        if transcript is not None:
            transcript(step, *outcomes)
        if outcomes[0] == outcomes[1]:
            return None
        return judging.Mismatch(position, "full SCAN", str(step), *outcomes)

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


class Play:
    """One sequence under way. The steps of the main connection are gathered until another kind of step comes."""

    def __init__(self, pair, sequence, steps, transcript):
        self.pair = pair
        self.sequence = sequence
        self.steps = steps
        self.transcript = transcript
        self.chunk_random = random.Random(sequence.chunk_seed) if sequence.delivery == "chunked" else None
        self.batch = []
        self.first = 0
        self.in_transaction = False

    def run(self):
        """Returns the first Mismatch, or None."""
        for position, step in enumerate(self.steps):
            if sequences.is_gathered(step):
                if not self.batch:
                    self.first = position
                self.batch.append(step)
                continue
            mismatch = self.flush() or self.single_step(step, position)
            if mismatch is not None:
                return mismatch
        return self.flush()

    def single_step(self, step, position):
        if isinstance(step, sequences.ScanAll):
            return self.pair.scan_all(step, position, self.transcript)
        if isinstance(step, sequences.Pause):
            if step.milliseconds == 0:
                return None
            time.sleep(step.milliseconds / 1000)
            self.batch, self.first = REMOVE_EXPIRED, position
            return self.flush()
        return self.pair.companions.play(step, position, self.transcript)

    def flush(self):
        batch, self.batch = self.batch, []
        if not batch:
            return None
        was_open = self.in_transaction
        self.in_transaction = sequences.leaves_open_transaction(batch, was_open)
        mismatch = self.send_and_judge(batch)
        if mismatch is None:
            mismatch = self.pair.companions.settle(batch[-1], self.first + len(batch) - 1)
        return mismatch

    def send_and_judge(self, batch):
        positions = range(self.first, self.first + len(batch))
        if batch is REMOVE_EXPIRED:
            positions = [self.first] * len(batch)
        if not self.sends_singly(batch):
            answers = self.pair.exchange(batch, self.chunk_random, self.in_transaction)
            return self.pair.judge(batch, positions, answers, self.transcript)
        counts, _ = judging.reply_counts(batch)
        for position, step, count in zip(positions, batch, counts):
            for side in self.pair.sides:
                side.send(step.data(), ())
            answers = [side.read_count(count) for side in self.pair.sides]
            mismatch = (self.pair.judge([step], [position], answers, self.transcript)
                        or self.pair.companions.settle(step, position))
            if mismatch is not None:
                return mismatch
        return None

    def sends_singly(self, batch):
        """Unless the number of replies is hard to tell."""
        commands = [step for step in batch if isinstance(step, sequences.Command)]
        names = [step.label() for step in commands]
        is_single = self.sequence.delivery == "single" or self.pair.companions.have_queues()
        return (is_single and not self.sequence.last
                and not any(step.subscribes() for step in commands)
                and not ("CLIENT REPLY" in names and "MULTI" in names))
