# SPDX-License-Identifier: BSD-3-Clause
"""The values that placeholders stand for: mostly sensible ones that meet each other, some at a limit,
some wrong. No value makes a server reserve more than a few hundred kilobytes, none is a time to live
that runs out by itself while a sequence is played, and two relative times are hardly ever equal (the
outcome of GT and LT would depend on the millisecond)."""

KEYS = (b"k1", b"k2", b"k3", b"k4", b"k5", b"", b"\x00\xff\r\nbin", b"long:" + b"x" * 300)
KEY_CHOICES = KEYS[:5] * 6 + KEYS[5:]
DATABASES = (b"0", b"0", b"1", b"2")

WRONG_NUMBERS = (b"abc", b"", b"1.5", b" 1", b"1 ", b"+1", b"0x10", b"1e3", b"007", b"-0",
                 b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616",
                 b"99999999999999999999999999", b"\x00\x01", b"--5", b"nan")
EDGE_NUMBERS = (b"9223372036854775807", b"-9223372036854775808", b"9223372036854775806", b"-1", b"0",
                b"1", b"4294967296")
TEXTS = (b"hello", b"hello world", b"ohmytext", b"mynewtext", b"", b"a", b"\x00", b"\xff\xff\xff",
         b"\x00\x00\x00", b"a\r\nb", b"\xff\xf0\x00", b"foobar", b"x" * 44, b"y" * 45, b"z" * 200,
         b"caf\xc3\xa9", b"'quoted\"", b"10", b"3.14", b"5.0e3", b"-7", b" 12", b"12 ", b"1e400",
         b"0", b"00", b"-0", b"100000")
JUNK = (b"", b"abc", b"-1", b"0", b"3.7", b"\x00\xff", b"9223372036854775807",
        b"-9223372036854775808", b"9223372036854775808", b"x" * 200, b"NX", b"EX", b"*", b"#3",
        b"with space", b"\r\n", b"inf", b"nan")


def choice(*alternatives):
    return lambda random: random.choice(alternatives)


def key(random):
    return random.choice(KEY_CHOICES)


def key_of_length(random, prefix, count):
    return prefix + b"%d" % random.randrange(count)


def value(random):
    roll = random.random()
    if roll < 0.3:
        return random.choice(TEXTS)
    if roll < 0.6:
        return b"%d" % random.randint(-200, 12000)
    if roll < 0.68:
        return random.choice(EDGE_NUMBERS)
    if roll < 0.76:
        return b"%.*f" % (random.randint(0, 6), random.uniform(-1000, 1000))
    if roll < 0.94:
        return random.randbytes(random.randint(0, 40))
    if roll < 0.99:
        return bytes(random.choices(b"abcXYZ 019", k=random.randint(41, 400)))
    return bytes([random.randrange(256)]) * random.randint(1000, 70000)


def text_ab(random):
    return bytes(random.choices(b"abcd", k=random.randint(0, 24)))


def integer(random):
    roll = random.random()
    if roll < 0.75:
        return b"%d" % random.randint(-100, 100)
    return random.choice(EDGE_NUMBERS if roll < 0.93 else WRONG_NUMBERS)


def field_integer(random):
    """Without the values at which redis-server's saturating SET overflows; see D9 in docs/differences.md."""
    while True:
        number = integer(random)
        if not number.startswith(b"-9223372036854775"):
            return number


def real(random):
    roll = random.random()
    if roll < 0.4:
        return b"%.*f" % (random.randint(0, 10), random.uniform(-100, 100))
    if roll < 0.6:
        return b"%d" % random.randint(-1000, 1000)
    if roll < 0.75:
        return b"%.3e" % (random.uniform(-10, 10) * 10 ** random.randint(-12, 16))
    return random.choice((b"inf", b"-inf", b"+inf", b"nan", b"1e308", b"1e4931", b"abc", b"", b" 1.5",
                          b"1.5 ", b"0x1p3", b"3.0e-5", b".5", b"5.", b"1e-20", b"0.1", b"-0.0",
                          b"99999999999999999.5", b"infinity", b"1e17", b"1e18", b"1,5"))


def index(random):
    roll = random.random()
    if roll < 0.85:
        return b"%d" % random.randint(-30, 60)
    return random.choice(EDGE_NUMBERS if roll < 0.96 else WRONG_NUMBERS)


def offset(random):
    roll = random.random()
    if roll < 0.85:
        return b"%d" % random.randint(0, 40)
    if roll < 0.9:
        return b"%d" % random.randint(0, 20000)
    return random.choice((b"-1", b"536870912", b"536870913", b"4294967296", b"9223372036854775807",
                          b"-9223372036854775808") + WRONG_NUMBERS)


def bit_offset(random):
    roll = random.random()
    if roll < 0.85:
        return b"%d" % random.randint(0, 120)
    if roll < 0.9:
        return b"%d" % random.randint(0, 100000)
    return random.choice((b"-1", b"4294967296", b"9223372036854775807") + WRONG_NUMBERS)


def field_offset(random):
    roll = random.random()
    if roll < 0.55:
        return b"%d" % random.randint(0, 100)
    if roll < 0.9:
        return b"#%d" % random.randint(0, 12)
    return random.choice((b"-1", b"#-1", b"#", b"#abc", b"4294967296", b"#4294967296", b"4294967295x",
                          b"9223372036854775807", b"#9223372036854775807", b"##1", b"# 1", b""))


def field_type(random):
    roll = random.random()
    if roll < 0.6:
        return random.choice((b"u8", b"i8", b"u4", b"i5", b"u1", b"i16", b"u16", b"u32", b"i32"))
    if roll < 0.9:
        return (b"i%d" % random.randint(1, 64) if random.random() < 0.5
                else b"u%d" % random.randint(1, 63))
    return random.choice((b"u64", b"i65", b"i0", b"u0", b"x8", b"8", b"u", b"i", b"", b"U8", b"I8",
                          b"u-1", b"i 8", b"u8x"))


def seconds(random):
    roll = random.random()
    if roll < 0.8:
        return b"%d" % random.randint(100, 1000000)
    if roll < 0.83:
        return b"%d" % random.randint(10 ** 11, 2 * 10 ** 11)
    return random.choice((b"0", b"-1", b"-100", b"9223372036854775807", b"-9223372036854775808",
                          b"9223372036854775", b"9223372036854776") + WRONG_NUMBERS)


def milliseconds(random):
    roll = random.random()
    if roll < 0.8:
        return b"%d" % random.randint(100000, 1000000000)
    if roll < 0.83:
        return b"%d" % random.randint(10 ** 14, 2 * 10 ** 14)
    return random.choice((b"0", b"-1", b"-100", b"9223372036854775807", b"-9223372036854775808")
                         + WRONG_NUMBERS)


def unix_seconds(random):
    roll = random.random()
    if roll < 0.7:
        return b"%d" % random.randint(4000000000, 9000000000)
    return random.choice((b"1", b"0", b"-1", b"1000000000", b"9223372036854775807", b"9223372036854776")
                         + WRONG_NUMBERS)


def unix_milliseconds(random):
    roll = random.random()
    if roll < 0.7:
        return b"%d" % random.randint(4000000000000, 9000000000000)
    return random.choice((b"1", b"0", b"-1", b"1000000000000", b"-9223372036854775808") + WRONG_NUMBERS)


def far_milliseconds(random):
    """Later than larder-server's last expiry time; see D1 in docs/differences.md."""
    return b"%d" % random.randint(10 ** 15, 9223370 * 10 ** 12)


def pattern(random):
    return random.choice((b"*", b"**", b"k*", b"k?", b"k[1-3]", b"k[^1]", b"k[3-1]", b"[k]1", b"*\\*", b"k\\1",
                          b"", b"?", b"k[", b"k[1", b"*1*", b"k**", b"k1", b"nokey", b"long:*x", b"K*",
                          b"\\", b"k[\\1]", b"*bin", b"[", b"k[12345", b"k[a-", b"?*?", b"*[0-9]"))


def place(random):
    """Of an element, in a list of about twenty; or a count of them that may be negative."""
    roll = random.random()
    if roll < 0.88:
        return b"%d" % random.randint(-12, 12)
    return random.choice(EDGE_NUMBERS if roll < 0.95 else WRONG_NUMBERS)


def element(random):
    """Few values, so that they meet; some of every form that a packed element has."""
    roll = random.random()
    if roll < 0.7:
        return random.choice((b"a", b"b", b"c", b"1", b"2", b"", b"-3", b"127", b"128", b"70000"))
    if roll < 0.97:
        return value(random)[:4000]
    return block(random)


def block(random):
    """About as long as a block of a list."""
    return bytes([random.randrange(256)]) * random.choice((60, 64, 4000, 5000, 8100, 8191, 8192, 8193, 20000))


ZKEYS = (b"z1", b"z2", b"z3", b"z4", b"z5")
ZKEY_CHOICES = (b"z3", b"z4", b"z5") * 8 + (b"nozset", b"k1")
MEMBERS = tuple(b"m%d" % i for i in range(25)) + (b"a", b"ab", b"b", b"", b"\x00", b"a\x00b", b"\xff\xfe", b"12", b"-7",
                                                  b"007", b"12345678901", b"member", b"Member", b"x" * 64)
SCORES = (b"inf", b"-inf", b"+inf", b"0", b"-0", b"-0.0", b"1e300", b"-1e300", b"1.5", b"0.1", b"0.30000000000000004",
          b"9007199254740993", b"1e17", b"123456789012345678", b"3.0e-5", b"1e-7", b"5.")


def score(random):
    roll = random.random()
    if roll < 0.6:
        return b"%d" % random.randint(-5, 12)
    if roll < 0.8:
        return b"%.*f" % (random.randint(1, 4), random.uniform(-5, 12))
    return random.choice(SCORES if roll < 0.97 else (b"nan", b"abc", b"", b" 1", b"1 ", b"0x10", b"1e400"))


def score_end(random):
    return random.choice((b"", b"", b"", b"(")) + (random.choice((b"-inf", b"+inf", b"inf")) if random.random() < 0.25
                                                   else score(random))


def member_end(random):
    roll = random.random()
    if roll < 0.3:
        return random.choice((b"-", b"+"))
    if roll < 0.95:
        return random.choice((b"[", b"(")) + random.choice(MEMBERS)
    return random.choice((b"", b"m1", b"-x", b"+1", b"[", b"("))


STREAMS = (b"s1", b"s2")
WRONG_IDS = (b"abc", b"", b"1-", b"-1", b"1-1-1", b"1-x", b" 5", b"+5", b"007-03", b"1--5", b"1-*", b"-", b"+",
             b"18446744073709551616-0", b"1-18446744073709551616", b"5 ", b"(1-1", b"\xff")


def stream(random):
    return random.choice(STREAMS if random.random() < 0.95 else KEYS)


def stream_id(random):
    roll = random.random()
    if roll < 0.7:
        return b"%d-%d" % (random.randint(1, 8), random.randint(0, 6))
    if roll < 0.85:
        return b"%d" % random.randint(0, 9)
    if roll < 0.94:
        return random.choice((b"0", b"0-0", b"100-3", b"18446744073709551615-18446744073709551615",
                              b"18446744073709551615", b"9223372036854775807-1", b"0-1"))
    return random.choice(WRONG_IDS)


def next_stream_id(random):
    """Mostly one that a stream of small ids takes."""
    roll = random.random()
    if roll < 0.8:
        return b"%d-*" % random.choice((1, 2, 3, 4, 5, 5, 6, 6, 7, 8, 8, 8, 8))
    if roll < 0.98:
        return b"%d-%d" % (random.randint(1, 9), random.randint(0, 8))
    return stream_id(random)


def range_start(random):
    roll = random.random()
    if roll < 0.4:
        return b"-"
    return b"(" + stream_id(random) if roll < 0.55 else stream_id(random)


def range_end(random):
    roll = random.random()
    if roll < 0.4:
        return b"+"
    return b"(" + stream_id(random) if roll < 0.55 else stream_id(random)


SPOTS = tuple(b"spot%d" % i for i in range(14)) + (b"12", b"", b"\x00\xff")
NEAR = ((13.361389, 15.087269, 179.99, -179.95), (38.115556, 37.502669, 0.0, 84.5, -70.2))


def coordinate(random, axis):
    roll = random.random()
    limit = (180, 85.05112878)[axis]
    if roll < 0.7:
        return b"%.6f" % max(-limit, min(limit, random.choice(NEAR[axis]) + random.gauss(0, 0.5)))
    if roll < 0.97:
        return b"%.4f" % random.uniform(-limit, limit)
    return random.choice((b"180", b"-180", b"85.05112878", b"-85.05112878", b"0", b"181", b"90", b"abc", b"", b"inf"))


def radius(random):
    roll = random.random()
    if roll < 0.9:
        return b"%.*f" % (random.randint(0, 3), 10 ** random.uniform(-1, 4.3))
    return random.choice((b"0", b"20000", b"1e7", b"-1", b"abc", b"1e-5"))


HYPERLOGLOG_HEADERS = (b"HYLL\x01" + bytes(11),) * 3 + (b"HYLL\x01\0\0\0" + b"\x07" + bytes(7),
                                                        b"HYLL\x01\0\0\0" + bytes(7) + b"\x80")


def hyperloglog(random):
    """Registers in runs that are mostly sound: sparse, or none that is one."""
    if random.random() < 0.1:
        return random.choice((b"HYLL", b"HYLX\x01" + bytes(13), b"HYLL\x02" + bytes(13), b"HYLL\x00" + bytes(13)))
    runs, left = b"", 16384
    for _ in range(random.randint(0, 12)):
        span = random.randint(1, 4)
        kind = random.random()
        if kind < 0.6:
            runs += bytes([0x80 | random.randrange(32) << 2 | span - 1])
        elif kind < 0.8:
            span = random.randint(1, 64)
            runs += bytes([span - 1])
        else:
            span = random.randint(1, 1000)
            runs += bytes([0x40 | span - 1 >> 8, span - 1 & 0xff])
        left -= span
    return random.choice(HYPERLOGLOG_HEADERS) + runs + bytes([0x40 | left - 1 >> 8, left - 1 & 0xff])


PLACEHOLDERS = {
    "hkey": choice(*(b"h1", b"h2", b"h3") * 6, b"h4", b"k1"),
    "hfield": choice(*(b"a", b"b", b"c", b"1", b"2") * 2, b"field", b"", b"007", b"-5000000000", b"9223372036854775807",
                     b"x" * 64, b"x" * 65, b"\xff\x00"),
    "hvalue": choice(*(b"a", b"value", b"10", b"-3", b"1.5", b"100") * 2, b"", b"007", b"9223372036854775807",
                     b"9223372036854775808", b"1e3", b"inf", b"nan", b" 12", b"x" * 64, b"y" * 65, b"z" * 300,
                     b"\xff\x00\r\n"),
    "gkey": choice(b"g1", b"g2", b"g3", b"g1", b"g2", b"g3", b"g1", b"g2", b"g3", b"nogeo"),
    "spot": choice(*SPOTS),
    "longitude": lambda random: coordinate(random, 0),
    "latitude": lambda random: coordinate(random, 1),
    "radius": radius,
    "unit": choice(*(b"km", b"km", b"mi", b"m", b"ft", b"KM") * 6, b"yd"),
    "zkey": choice(*ZKEY_CHOICES),
    "equal_zkey": choice(b"z1", b"z2"),
    "zmember": choice(*MEMBERS),
    "long_member": choice(b"y" * 65, b"z" * 300, b"y" * 64, b"1" * 66),
    "score": score,
    "wild_score": real,
    "score_end": score_end,
    "member_end": member_end,
    "small_count": choice(b"1", b"2", b"3", b"5", b"100", b"0", b"-1", b"abc", b"9223372036854775808"),
    "stream": stream,
    "sid": stream_id,
    "sid_next": next_stream_id,
    "range_start": range_start,
    "range_end": range_end,
    "stream_field": choice(b"a", b"b", b"a", b"field", b"12", b"", b"f" * 70),
    "group": choice(b"g", b"g", b"g", b"g", b"h", b"h", b"", b"none", b"g\x00\xffbin"),
    "consumer": choice(b"c", b"c", b"d", b"d", b"a", b"", b"consumer-with-a-long-name"),
    "trim_count": choice(b"0", b"1", b"2", b"3", b"5", b"8", b"20", b"-1", b"abc", b"9223372036854775807"),
    "entries_read": choice(b"0", b"1", b"3", b"-1", b"-2", b"100", b"abc"),
    "wrong": choice(b"abc", b"", b"1.5", b"9223372036854775808", b"-9223372036854775809"),
    "hyperloglog": hyperloglog,
    "sortable": choice(*(b"k1", b"k2", b"k3") * 4, b"k4"),
    "number": choice(b"1", b"2", b"3", b"4", b"-7", b"2.5", b"1e1", b"100", b"10", b"0", b"3", b"2", b"0x10", b" 5"),
    "word": choice(b"a", b"b", b"ab", b"1", b"2", b"3", b"4", b"", b"B", b"long" * 30, b"nan", b"5 ", b"zz"),
    "pattern_of_sort": choice(b"#", b"w_*", b"x_*", b"*", b"none", b"w_*_x", b"h_*->f", b"*->", b"w_**", b"", b"x_*->f",
                              b"##"),
    "many": lambda random: b"%d" % random.randrange(10 ** 9),
    "list": choice(*(b"k1", b"k2", b"k3") * 6, b"k4", b"k5"),
    "set": choice(*(b"s1", b"s2", b"s3") * 6, b"s4", b"k1"),
    "member": choice(*(b"1", b"2", b"3", b"4", b"5", b"100") * 2, b"-7", b"70000", b"-5000000000", b"a", b"b", b"c",
                     b"", b"007", b"9223372036854775807", b"9223372036854775808", b"x" * 64, b"x" * 65, b"\xff\x00"),
    "place": place,
    "removed": choice(*(b"%d" % count for count in range(-4, 5)), b"9223372036854775807", b"-9223372036854775807",
                      b"9223372036854775808"),
    "pop_count": choice(*(b"1", b"2", b"3") * 4, b"0", b"5", b"100", b"-1", b"abc", b"9223372036854775807",
                        b"9223372036854775808"),
    "element": element,
    "block": block,
    "timeout": choice(*(b"0", b"1", b"0.5", b"10") * 5, b"-1", b"abc", b"", b"nan", b"0x1", b"-0"),
    "key": key,
    "value": value,
    "text": choice(*TEXTS),
    "ab": text_ab,
    "int": integer,
    "field_int": field_integer,
    "real": real,
    "index": index,
    "offset": offset,
    "bit_offset": bit_offset,
    "bit": choice(b"0", b"1", b"0", b"1", b"0", b"1", b"1", b"2", b"-1", b"", b"a", b"01"),
    "field_offset": field_offset,
    "field_type": field_type,
    "seconds": seconds,
    "ms": milliseconds,
    "unix": unix_seconds,
    "unix_ms": unix_milliseconds,
    "far_ms": far_milliseconds,
    "far_seconds": lambda random: far_milliseconds(random)[:-3],
    "pattern": pattern,
    "db": choice(*DATABASES * 5, b"15", b"16", b"-1", b"abc", b"", b"9223372036854775808", b"1.0"),
    "count": choice(b"1", b"2", b"10", b"10", b"100", b"1000", b"0", b"-1", b"abc", b"",
                    b"9223372036854775808"),
    "junk": choice(*JUNK),
    "type": choice(b"string", b"STRING", b"list", b"hash", b"set", b"zset", b"stream"),
    "name": choice(b"alice", b"bob", b"", b"two words", b"new\nline", b"caf\xc3\xa9", b"x-1_2"),
    "bytes_count": choice(b"0", b"0", b"100mb", b"1gb", b"1g", b"100000000", b"512mb"),
}
