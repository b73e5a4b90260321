# SPDX-License-Identifier: BSD-3-Clause
"""When are two replies the same? Byte for byte, except where a row names one of these comparisons.

An error is always compared byte for byte. Each comparison states what it lets pass.
"""
import resp

SECONDS_TOLERANCE = 5
MILLISECONDS_TOLERANCE = 5000
VOLATILE_HELLO = (b"version", b"id")
STABLE_CLIENT_FIELDS = ("name", "db", "sub", "psub", "ssub", "multi", "user", "redir", "resp", "cmd")


def exact(_peer, _ours):
    return False


def shape(peer, ours):
    """Only the type of the reply: it depends on time, addresses, memory or the build."""
    return peer[:1] == ours[:1]


def is_near(first, second):
    if not isinstance(first, int) or not isinstance(second, int) or first <= 0 or second <= 0:
        return False
    in_milliseconds = first > 10 ** 11 or 10 ** 5 * 0.9 < first
    return abs(first - second) <= (MILLISECONDS_TOLERANCE if in_milliseconds else SECONDS_TOLERANCE)


def near(peer, ours):
    """Times: equal up to the time that passes between the two servers."""
    return is_near(resp.decode(peer)[0], resp.decode(ours)[0])


def times(peer, ours):
    """Arrays of times: each as near has it."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    return (peer[:1] == ours[:1] == b"*" and len(first) == len(second)
            and all(one == other or is_near(one, other) for one, other in zip(first, second)))


def unordered(peer, ours):
    """Arrays: the order of the elements."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    return (peer[:1] == ours[:1] and isinstance(first, list) and len(first) == len(second)
            and sorted(first, key=repr) == sorted(second, key=repr))


def pairs(peer, ours):
    """Maps, or arrays of name and value: the order of the pairs."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    if peer[:1] != ours[:1] or not isinstance(first, list):
        return False
    if isinstance(first, resp.Map):
        return sorted(first) == sorted(second)
    return sorted(zip(first[::2], first[1::2])) == sorted(zip(second[::2], second[1::2]))


def same_score(first, second):
    if isinstance(first, list):
        return (isinstance(second, list) and len(first) == len(second)
                and all(map(same_score, first, second)))
    try:
        return first == second or float(first) == float(second)
    except (TypeError, ValueError):
        return False


def scores(peer, ours):
    """Doubles: 17 digits, or as many as are needed to read back the same."""
    return peer[:1] == ours[:1] and same_score(resp.decode(peer)[0], resp.decode(ours)[0])


def scan_pairs(peer, ours):
    """A whole ZSCAN: the order of the pairs, and the digits of doubles."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]

    def page(value):
        return [value[0], sorted(zip(value[1][::2], map(float, value[1][1::2])))]
    return page(first) == page(second)


def scan_fields(peer, ours):
    """A whole HSCAN: the order of the pairs."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]

    def page(value):
        return [value[0], sorted(zip(value[1][::2], value[1][1::2]))]
    return page(first) == page(second)


def random_key(peer, ours):
    """Any key, but null on both or on neither."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    return (first is None) == (second is None) and peer[:1] == ours[:1]


def scan(peer, ours):
    """A step of SCAN: cursor and share of the keys."""
    def is_page(value):
        return (isinstance(value, list) and len(value) == 2 and isinstance(value[0], bytes)
                and value[0].isdigit() and isinstance(value[1], list))
    return is_page(resp.decode(peer)[0]) and is_page(resp.decode(ours)[0])


def help_text(peer, ours):
    """Help: the wording, but it is an array of lines as simple strings."""
    def is_help(value):
        return isinstance(value, list) and all(isinstance(line, resp.Status) for line in value)
    return is_help(resp.decode(peer)[0]) and is_help(resp.decode(ours)[0])


def hello(peer, ours):
    """The greeting: version and connection id."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    if peer[:1] != ours[:1] or not isinstance(first, list) or not isinstance(second, list):
        return False
    if not isinstance(first, resp.Map):
        first, second = list(zip(first[::2], first[1::2])), list(zip(second[::2], second[1::2]))

    def stable(fields):
        return [(name, None if name in VOLATILE_HELLO else value) for name, value in fields]
    return stable(first) == stable(second)


def client_fields(reply):
    text = resp.decode(reply)[0].decode(errors="replace").strip().removeprefix("txt:")
    return dict(field.split("=", 1) for field in text.split(" ") if "=" in field)


def client_info(peer, ours):
    """CLIENT INFO: all but the fields that do not depend on time, memory and addresses; every field must be there."""
    if peer[:1] != ours[:1]:
        return False
    first, second = client_fields(peer), client_fields(ours)
    return (set(first) <= set(second)
            and all(first[name] == second[name] for name in STABLE_CLIENT_FIELDS))


def slowlog(peer, ours):
    """SLOWLOG GET: ids, times and addresses; the harness itself looks for a client by its id."""
    first, second = resp.decode(peer)[0], resp.decode(ours)[0]
    if not isinstance(first, list) or not isinstance(second, list):
        return False

    def words(entry):
        return entry[3][:3] if entry[3][:3] == [b"CLIENT", b"LIST", b"ID"] else entry[3]

    def stable(entries):
        return [(len(entry), words(entry), entry[5]) for entry in entries]
    return stable(first) == stable(second)


STREAM_TIMES = (b"idle", b"seen-time")
STREAM_ADDED = (b"inactive", b"active-time")


def stream(peer, ours):
    """Streams: times and idle times up to the time between the two servers, the number of tree nodes, and the
    fields of Redis 7.2 that we add (T1, T2)."""
    def is_near(name, first, second):
        if name == b"radix-tree-nodes":
            return True
        is_time = name in STREAM_TIMES or name == "time"
        return abs(first - second) <= (MILLISECONDS_TOLERANCE if is_time else 0)

    def fields(value):
        pairs = list(value) if isinstance(value, resp.Map) else list(zip(value[::2], value[1::2]))
        return [(name, content) for name, content in pairs if name not in STREAM_ADDED]

    def is_described(value):
        return isinstance(value, resp.Map) or (len(value) % 2 == 0 and value[:1] in ([b"name"], [b"length"]))

    def agree(name, first, second):
        if isinstance(first, list) and isinstance(second, list):
            if is_described(first) and is_described(second):
                first, second = fields(first), fields(second)
                return len(first) == len(second) and all(
                    a[0] == b[0] and agree(a[0], a[1], b[1]) for a, b in zip(first, second))
            is_pending = len(first) in (3, 4) and all(isinstance(item, int) for item in first[-2:])
            return len(first) == len(second) and all(
                agree("time" if is_pending and place == len(first) - 2 else None, a, b)
                for place, (a, b) in enumerate(zip(first, second)))
        if type(first) is int and type(second) is int:
            return is_near(name, first, second)
        return type(first) is type(second) and first == second

    try:
        return agree(None, resp.decode(peer)[0], resp.decode(ours)[0])
    except (resp.Incomplete, resp.ProtocolViolation):
        return False


def keyspace(peer, ours):
    """INFO keyspace: the average time to live."""
    def stable(reply):
        value = resp.decode(reply)[0]
        return isinstance(value, bytes) and [line.split(b",avg_ttl=")[0] for line in value.split(b"\r\n")]
    return peer[:1] == ours[:1] and stable(peer) == stable(ours)


COMPARISONS = {
    "exact": exact,
    "shape": shape,
    "near": near,
    "times": times,
    "unordered": unordered,
    "pairs": pairs,
    "scores": scores,
    "scan_pairs": scan_pairs,
    "scan_fields": scan_fields,
    "random_key": random_key,
    "scan": scan,
    "help": help_text,
    "hello": hello,
    "client_info": client_info,
    "slowlog": slowlog,
    "keyspace": keyspace,
    "stream": stream,
}


def same(compare, peer, ours):
    if peer == ours:
        return True
    if peer[:1] == b"-" or ours[:1] == b"-" or not peer or not ours:
        return False
    return COMPARISONS[compare](peer, ours)
