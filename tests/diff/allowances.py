# SPDX-License-Identifier: BSD-3-Clause
"""The intended differences that a random sequence can meet; each id is a row of docs/differences.md."""
import dataclasses
import re
import time
import typing

import comparing
import resp
import servers

DOCUMENT = servers.REPOSITORY / "docs" / "differences.md"


@dataclasses.dataclass(frozen=True)
class Allowance:
    """covers(arguments, peer's reply, our reply): is this the difference that the document describes?"""
    id: str
    covers: typing.Callable


LAST_EXPIRY_MS = 2 ** 48 - 1
TIME_COMMANDS = {b"TTL": 1000, b"PTTL": 1, b"EXPIRETIME": 1000, b"PEXPIRETIME": 1}


def name_of(arguments):
    return arguments[0].upper() if arguments else b""


def latest_expiry(arguments, peer, ours):
    """A time beyond the last one that an entry can hold is kept as that last one."""
    unit = TIME_COMMANDS.get(name_of(arguments))
    if unit is None or peer[:1] != b":" or ours[:1] != b":":
        return False
    first, second = (resp.decode(reply)[0] * unit for reply in (peer, ours))
    now = 0 if name_of(arguments).endswith(b"TIME") else time.time() * 1000
    return first > LAST_EXPIRY_MS - now and abs(second - (LAST_EXPIRY_MS - now)) < 10000


def bitcount_start_only(arguments, peer, _ours):
    """BITCOUNT takes a start without an end."""
    return name_of(arguments) == b"BITCOUNT" and len(arguments) == 3 and peer == b"-ERR syntax error\r\n"


def hello_parses_first(arguments, peer, ours):
    """A wrong option of HELLO is reported before its AUTH is tried."""
    return (name_of(arguments) == b"HELLO" and b"AUTH" in map(bytes.upper, arguments) and peer[:11] == b"-WRONGPASS "
            and ours.startswith((b"-ERR Syntax error in HELLO option", b"-ERR Client names cannot contain")))


def hello_before_login(arguments, peer, ours):
    """The hint about HELLO's syntax names the protocol version."""
    return name_of(arguments) == b"HELLO" and ours == peer.replace(b"HELLO AUTH", b"HELLO <proto> AUTH")


def cursor_with_zero_byte(arguments, _peer, ours):
    """A number ends where the argument ends, not at a zero byte in it."""
    position = 1 if name_of(arguments) == b"SCAN" else 2
    return (name_of(arguments) in (b"SCAN", b"HSCAN", b"SSCAN", b"ZSCAN") and b"\0" in arguments[position]
            and ours == b"-ERR invalid cursor\r\n")


def getkeys_of_one_word(arguments, peer, _ours):
    """COMMAND GETKEYS takes a command without arguments."""
    return (name_of(arguments) == b"COMMAND" and len(arguments) == 3
            and peer == b"-ERR wrong number of arguments for 'command|getkeys' command\r\n")


def compact_after_no_change(arguments, peer, ours):
    """SETBIT and BITFIELD that change nothing leave the value's form as it is."""
    return ([word.upper() for word in arguments[:2]] == [b"OBJECT", b"ENCODING"]
            and peer == b"$3\r\nraw\r\n" and ours in (b"$3\r\nint\r\n", b"$6\r\nembstr\r\n"))


def expired_but_counted(arguments, peer, ours):
    """Expired keys count until they are swept, which each server does in its own time."""
    if name_of(arguments) != b"DBSIZE" or peer[:1] != b":" or ours[:1] != b":":
        return False
    return abs(int(peer[1:]) - int(ours[1:])) <= 3


def sizes_below_2_63(arguments, peer, ours):
    """Sizes of 2^63 and more are refused; CONFIG GET then shows the value from before."""
    if name_of(arguments) != b"CONFIG" or len(arguments) < 2:
        return False
    if arguments[1].upper() == b"SET":
        return peer == b"+OK\r\n" and b"must be between 0 and 9223372036854775807" in ours
    return arguments[1].upper() == b"GET" and re.search(rb"\r\n(9223372036854775808|1844674407370955161\d)\r\n", peer)


def wording_of_doctors(arguments, peer, ours):
    """LATENCY DOCTOR and MEMORY DOCTOR answer a text; its words are ours."""
    return (len(arguments) == 2 and arguments[1].upper() == b"DOCTOR" and peer[:1] in (b"$", b"=")
            and ours[:1] == peer[:1])


def own_memory_usage(arguments, peer, ours):
    """Another engine, other numbers; a key stored with a time in the past is not there."""
    words = [word.upper() for word in arguments[:2]]
    return words == [b"MEMORY", b"USAGE"] and peer[:1] == b":" and ours[:1] in (b":", b"$", b"_")


def size_with_zero_byte(arguments, peer, ours):
    """A size ends where the argument ends, not at a zero byte in it."""
    return (name_of(arguments) == b"CONFIG" and any(b"\0" in word for word in arguments[2:])
            and peer == b"+OK\r\n" and ours.endswith(b"argument must be a memory value\r\n"))


LEAST = b"-9223372036854775808"


def least_integer_has_no_negative(arguments, _peer, ours):
    """LPOS RANK refuses the one integer whose negative is none."""
    return name_of(arguments) == b"LPOS" and LEAST in arguments and b"value must between" in ours


def small_lists_are_listpacks(arguments, peer, ours):
    """OBJECT ENCODING tells a small list from a large one."""
    return ([word.upper() for word in arguments[:2]] == [b"OBJECT", b"ENCODING"]
            and peer == b"$9\r\nquicklist\r\n" and ours == b"$8\r\nlistpack\r\n")


def small_sets_are_listpacks(arguments, peer, ours):
    """OBJECT ENCODING tells a small set from a large one."""
    return ([word.upper() for word in arguments[:2]] == [b"OBJECT", b"ENCODING"]
            and peer == b"$9\r\nhashtable\r\n" and ours in (b"$8\r\nlistpack\r\n", b"$6\r\nintset\r\n"))


def rank_with_score(arguments, peer, ours):
    """ZRANK and ZREVRANK take WITHSCORE."""
    return (name_of(arguments) in (b"ZRANK", b"ZREVRANK") and len(arguments) == 4
            and peer.startswith(b"-ERR wrong number of arguments"))


def very_late_timeouts(arguments, peer, ours):
    """A timeout beyond what the clock can count to is out of range, not negative."""
    return (name_of(arguments)[:1] == b"B" and peer == b"-ERR timeout is negative\r\n"
            and ours in (b"-ERR timeout is out of range\r\n", b"-ERR timeout is not a float or out of range\r\n"))


def last_entry_of_stream(arguments, peer, _ours):
    """XREAD takes + as the id of the last entry."""
    return name_of(arguments) == b"XREAD" and b"+" in arguments and peer.startswith(b"-ERR Invalid stream ID")


def block_without_end(arguments, _peer, ours):
    """A time to wait whose end is no number any more is refused."""
    return (name_of(arguments) in (b"XREAD", b"XREADGROUP") and b"9223372036854775807" in arguments
            and ours == b"-ERR timeout is out of range\r\n")


def rules_as_given(arguments, peer, ours):
    """Rules of commands are shown in the order in which they were given."""
    if [word.upper() for word in arguments[:2]] not in ([b"ACL", b"GETUSER"], [b"ACL", b"LIST"]):
        return False

    def without_rules(value):
        if isinstance(value, bytes):
            return b" ".join(re.sub(rb"[+-][^ ()]*", b"", value).split())
        if isinstance(value, (list, tuple)):
            return [without_rules(element) for element in value]
        return value
    return (peer[:1] == ours[:1] and peer[:1] in (b"*", b"%")
            and without_rules(resp.decode(peer)[0]) == without_rules(resp.decode(ours)[0]))


def sorting_converts_nothing(arguments, peer, ours):
    """SORT leaves a small sorted set as it is; only the keys that tests/diff/groups/sorts.py uses."""
    return ([word.upper() for word in arguments[:2]] == [b"OBJECT", b"ENCODING"] and arguments[2][:1] == b"k"
            and peer == b"$8\r\nskiplist\r\n" and ours == b"$8\r\nlistpack\r\n")


def texts_with_zero_byte(arguments, peer, ours):
    """SORT ALPHA compares all bytes of a text, not those up to a zero byte."""
    if name_of(arguments) not in (b"SORT", b"SORT_RO") or peer[:1] != b"*" or ours[:1] != b"*":
        return False
    first, second = (sorted(resp.decode(reply)[0], key=repr) for reply in (peer, ours))
    return first == second and any(element and b"\0" in element for element in first)


def nothing_to_read(arguments, peer, ours):
    """XREAD BLOCK goes on waiting for a stream that holds nothing behind its last id. The replies are those that
    companions.py shows of clients that wait."""
    return (peer.startswith(b"<connection") and b"is answered" in peer and b"\r\n*0\r\n" in peer and b" waits " in ours)


def damaged_hyperloglogs(arguments, peer, ours):
    """What a hyperloglog with damaged bytes counts is not defined. Undamaged ones are compared by GET."""
    if name_of(arguments) == b"MGET":
        first, second = (resp.decode(reply)[0] for reply in (peer, ours))
        return (isinstance(first, list) and isinstance(second, list) and len(first) == len(second)
                and all(a == b or (a and b and a[:4] == b[:4] == b"HYLL") for a, b in zip(first, second)))
    return name_of(arguments)[:2] == b"PF" and (b"-INVALIDOBJ" in (peer[:11], ours[:11])
                                                or name_of(arguments) == b"PFDEBUG" and peer[:1] == ours[:1])


def digits_of_scores(arguments, peer, ours):
    """What a script returns of scores; rows of sorted sets are compared so anyway."""
    return name_of(arguments).startswith((b"EVAL", b"FCALL")) and comparing.scores(peer, ours)


def number_after_an_overflow(arguments, peer, ours):
    """SORT takes a number for wrong when an earlier command left errno set."""
    return (name_of(arguments) in (b"SORT", b"SORT_RO") and ours[:1] in (b"*", b":")
            and peer == b"-ERR One or more scores can't be converted into double\r\n")


def until_fields_are_swept(arguments, peer, ours):
    """Fields that have expired are not counted; only the keys that tests/diff/groups/hash_fields.py uses for it."""
    if len(arguments) < 2 or not arguments[-1].startswith(b"short"):
        return False
    words = [word.upper() for word in arguments[:-1]]
    if words == [b"HLEN"]:
        return peer[:1] == ours[:1] == b":" and int(peer[1:]) >= int(ours[1:])
    return words in ([b"TYPE"], [b"EXISTS"], [b"OBJECT", b"ENCODING"], [b"DEL"])


def key_named_fields(arguments, _peer, _ours):
    """The key of HGETEX and HSETEX is not where their options begin."""
    return name_of(arguments) in (b"HGETEX", b"HSETEX") and len(arguments) > 1 and arguments[1].upper() == b"FIELDS"


ALLOWANCES = (
    Allowance("D1", latest_expiry),
    Allowance("D2", bitcount_start_only),
    Allowance("D6", wording_of_doctors),
    Allowance("D7", own_memory_usage),
    Allowance("D10", hello_parses_first),
    Allowance("D11", hello_before_login),
    Allowance("D12", cursor_with_zero_byte),
    Allowance("D13", getkeys_of_one_word),
    Allowance("D15", compact_after_no_change),
    Allowance("D16", expired_but_counted),
    Allowance("D17", sizes_below_2_63),
    Allowance("D18", size_with_zero_byte),
    Allowance("Z1", digits_of_scores),
    Allowance("Z2", rank_with_score),
    Allowance("Z3", very_late_timeouts),
    Allowance("T4", last_entry_of_stream),
    Allowance("T6", block_without_end),
    Allowance("X4", nothing_to_read),
    Allowance("A1", rules_as_given),
    Allowance("H2", until_fields_are_swept),
    Allowance("H3", key_named_fields),
    Allowance("S1", small_sets_are_listpacks),
    Allowance("L1", small_lists_are_listpacks),
    Allowance("L2", least_integer_has_no_negative),
    Allowance("L3", sorting_converts_nothing),
    Allowance("L4", texts_with_zero_byte),
    Allowance("L6", damaged_hyperloglogs),
    Allowance("L7", number_after_an_overflow),
)


def documented_ids(text):
    return set(re.findall(r"^\| ([A-Z]\d+) \|", text, re.MULTILINE))


def load():
    """The allowances. Errors: ValueError when one has no row in the document."""
    missing = {allowance.id for allowance in ALLOWANCES} - documented_ids(DOCUMENT.read_text())
    if missing:
        raise ValueError(f"{DOCUMENT} has no row for {', '.join(sorted(missing))}")
    return ALLOWANCES
