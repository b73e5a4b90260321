# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE. What DUMP shows differs where values are held differently, so its bytes are compared for short
strings only; payloads of every encoding, old ones included, come from the corpus of the fuzzer."""
import pathlib

from groups import row

CORPUS = pathlib.Path(__file__).resolve().parents[2] / "fuzz" / "restore" / "corpus"
POLYNOMIAL = 0x95ac9329ac4bc9b5
NEWER = ("valkey", "redis7-h", "redis7-full-hash", "old-hash")


def checksum(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc.to_bytes(8, "little")


def signed(body, version=10):
    data = body + version.to_bytes(2, "little")
    return data + checksum(data)


def word(data):
    """As a literal of the grammar; None when it holds a quote."""
    return None if b"'" in data else "'" + data.decode("latin-1") + "'"


def payloads():
    bodies = [path.read_bytes() for path in sorted(CORPUS.iterdir()) if not path.name.startswith(NEWER)]
    words = [word(signed(body)) for body in bodies if len(body) < 500]
    return " | ".join(text for text in words if text is not None)


TEXT = signed(b"\x00\x05hello")
BAD = (signed(b""), signed(b"\x00"), signed(b"\x02\x02\x01a\x01a"), signed(b"\xff\x00"),
       signed(b"\x01\x00"), signed(b"\x0b\x03abc"), signed(b"\x00\x05hello", 12), TEXT[:-1] + b"x", b"", b"short")
WRONG = " | ".join(word(data) for data in BAD)
SHARE = 8
ROWS = (
    row(10, f"DEL 'd1' ; RESTORE 'd1' '0' ( {payloads()} ) ; TYPE 'd1' ; "
            "( GET 'd1' | LRANGE 'd1' '0' '-1' | SCARD 'd1' | SMISMEMBER 'd1' '1' 'a' '100003' | "
            "ZRANGE 'd1' '0' '-1' | XRANGE 'd1' - + | XINFO GROUPS 'd1' | XPENDING 'd1' g )", mutable=False),
    row(4, f"DEL 'd1' ; RESTORE 'd1' '0' ( {WRONG} ) ; EXISTS 'd1'", mutable=False),
    row(4, f"RESTORE ( <key> | 'd2' ) ( '0' | '100000' | '-1' | 'x' ) {word(TEXT)} {{ REPLACE | ABSTTL | "
           "IDLETIME ( '5' | '-1' | 'x' ) | FREQ ( '5' | '256' | '-1' | 'x' ) | FOO }", mutable=False),
    row(2, f"RESTORE 'd2' '1' {word(TEXT)} ABSTTL REPLACE ; EXISTS 'd2'", mutable=False),
    row(2, f"RESTORE 'd2' '4000000000000' {word(TEXT)} ABSTTL REPLACE ; PEXPIRETIME 'd2'", mutable=False),
    row(2, f"RESTORE 'd2' '100000' {word(TEXT)} REPLACE ; TTL 'd2'", "near", mutable=False),
    row(2, "SET 'd3' ( 'short' | '1' | '-1' | '127' | '128' | '-32769' | '2147483648' | '' ) ; DUMP 'd3'", mutable=False),
    row(1, "DUMP 'none'"),
    row(1, "DUMP 'd3' 'x' ; RESTORE 'd3' '0'", mutable=False),
)
