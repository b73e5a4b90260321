# SPDX-License-Identifier: BSD-3-Clause
"""Find the first reply that differs, and the command to blame for it."""
import dataclasses

import comparing
import resp
import sequences
import sides


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


def queued_before(steps, position):
    """The commands that an EXEC at this position runs when all were queued: those since the first MULTI of its
    connection, without the ones that are carried out at once."""
    connection = steps[position].connection
    queued = []
    for step in reversed(steps[:position]):
        if not isinstance(step, sequences.Command) or step.connection != connection:
            continue
        if step.ends_transaction():
            break
        queued.append(step)
    queued.reverse()
    begins = [place for place, step in enumerate(queued) if step.begins_transaction()]
    if not begins:
        return []
    queued = queued[begins[0] + 1:]
    return [step for step in queued if step.name() not in (b"MULTI", b"WATCH", b"EXEC", b"DISCARD")]


def elements(reply):
    """The raw elements of an array, or None."""
    line_end = reply.find(b"\r\n")
    if reply[:1] != b"*" or line_end < 2:
        return None
    try:
        complete, rest = resp.split_replies(reply[line_end + 2:])
    except resp.ProtocolViolation:
        return None
    return complete if not rest and len(complete) == int(reply[1:line_end]) else None


class Apart(Exception):
    """An intended difference made the servers go on from different states: there is nothing more to compare."""


class Judge:
    """Compares what the two servers answered to the steps of a sequence."""

    def __init__(self, allowances):
        self.allowances = allowances
        self.used_allowances = {}
        self.sequence = ()
        self.refused_by_peer = []

    def begin(self, steps):
        self.sequence = steps
        self.refused_by_peer = []

    def __call__(self, steps, positions, answers, transcript):
        """positions: of the steps in the sequence. Returns the first Mismatch, or None. transcript: None, or a function
        called with (step, peer's reply, our reply)."""
        if answers[0] == answers[1] and not answers[0].endswith(sides.TIMED_OUT) and transcript is None:
            return None
        replies = [self.split(answer) for answer in answers]
        counts, _ = reply_counts(steps)
        owners = [offset for offset, count in enumerate(counts) for _ in range(count)]
        for number in range(max(map(len, replies))):
            offset = owners[number] if number < len(owners) else len(steps) - 1
            step = steps[offset]
            peer, ours = (r[number] if number < len(r) else b"" for r in replies)
            if transcript is not None:
                transcript(step, peer, ours)
            if peer == ours and not peer.endswith(sides.TIMED_OUT):
                continue
            different = self.difference(step, positions[offset], peer, ours)
            if different is not None:
                return Mismatch(positions[offset], *different)
        return None

    @staticmethod
    def split(answer):
        """The replies one by one; what is cut off counts as one."""
        endings = [ending for ending in (sides.CLOSED, sides.TIMED_OUT) if answer.endswith(ending)]
        body = answer.removesuffix(endings[0]) if endings else answer
        try:
            complete, rest = resp.split_replies(body)
        except resp.ProtocolViolation:
            complete, rest = [], body
        rest += b"".join(endings)
        return join_pushes(complete + [rest] if rest else complete)

    def difference(self, step, position, peer, ours):
        """None, or (label, what was sent, peer's reply, our reply). Errors: Apart."""
        if self.is_same(step, peer, ours):
            if peer[:1] == b"-":
                self.refused_by_peer.append(step)
            return None
        if step.label() == "EXEC":
            queued = queued_before(self.sequence, position)
            if any(inner is refused for inner in queued for refused in self.refused_by_peer):
                raise Apart
            first, second = elements(peer), elements(ours)
            if first and second and len(first) == len(second) == len(queued):
                for inner, one, other in zip(queued, first, second):
                    if not self.is_same(inner, one, other):
                        return "EXEC of " + inner.label(), "EXEC of " + str(inner), one, other
                return None
        return step.label(), str(step), peer, ours

    def is_same(self, step, peer, ours):
        is_reply = not peer.startswith(b"<connection ")
        if is_reply and comparing.same(step.compare, peer, ours) and not peer.endswith(sides.TIMED_OUT):
            return True
        arguments = getattr(step, "arguments", ())
        for allowance in self.allowances:
            if allowance.covers(arguments, peer, ours):
                self.used_allowances[allowance.id] = self.used_allowances.get(allowance.id, 0) + 1
                return True
        return False
