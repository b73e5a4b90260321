# SPDX-License-Identifier: BSD-3-Clause
"""Streams and consumer groups. Ids are explicit or continue a given millisecond, never "*": none depends on the
time, so rows with XADD take no junk."""
from groups import row

SHARE = 30
FIELDS = "( <stream_field> <value> | a '1' | a '1' b '2' | a <value> b <text> | b <int> a <int> )"
TRIM = ("( MAXLEN [ ( '~' | '=' ) ] <trim_count> | MINID [ ( '~' | '=' ) ] <sid> ) "
        "[ LIMIT ( '0' | '1' | '3' | '10' | '-1' | 'x' ) ]")
APPEND = "XADD <stream> <sid_next> " + FIELDS
RANGES = "<range_start> <range_end>"
CLAIM_OPTIONS = ("{ IDLE ( '0' | '5000000' | <wrong> ) | TIME ( '5' | '1000' | <wrong> ) | RETRYCOUNT ( '0' | '7' | "
                 "<wrong> ) | FORCE | JUSTID | LASTID <sid> | 'FOO' }")
READ_OPTIONS = "[ COUNT ( '1' | '2' | '3' | '0' | '-1' | <wrong> ) ]"
ROWS = (
    row(14, APPEND, mutable=False),
    row(4, "( " + APPEND + " )" + (" ; " + APPEND) * 7, mutable=False),
    row(4, "XADD <stream> <sid> " + FIELDS, mutable=False),
    row(3, "XADD <stream> [ NOMKSTREAM ] [ " + TRIM + " ] <sid_next> " + FIELDS, mutable=False),
    row(2, "XADD <stream> <sid_next> <stream_field> [ <value> ] [ <stream_field> ]", mutable=False),
    row(1, "XADD <stream> ( MAXLEN | MINID | LIMIT | NOMKSTREAM | FOO ) ( '~' | '=' | '1' ) <stream_field> <value> [ a ]", mutable=False),
    row(2, "XLEN <stream>"),
    row(5, "XRANGE <stream> " + RANGES + " [ COUNT ( '1' | '2' | '0' | '-1' | <wrong> ) ]"),
    row(5, "XREVRANGE <stream> <range_end> <range_start> [ COUNT ( '1' | '2' | '0' | '-1' | <wrong> ) ]"),
    row(4, "XDEL <stream> <sid>..."),
    row(4, "XTRIM <stream> " + TRIM),
    row(1, "XTRIM <stream> <junk> <junk>"),
    row(4, "XREAD " + READ_OPTIONS + " STREAMS ( <stream> <sid> | <stream> <stream> <sid> <sid> | <stream> '$' | "
           "<stream> <stream> <sid> '$' )"),
    row(1, "XREAD " + READ_OPTIONS + " STREAMS <stream>..."),
    row(1, "XREAD ( GROUP g c | NOACK | COUNT | BLOCK ( 'x' | '-1' | '1.5' ) | <junk> ) STREAMS <stream> <sid>",
        mutable=False),
    row(1, "XREAD BLOCK ( '1' | '2' ) STREAMS <stream> ( <sid> | '$' )", mutable=False),
    row(8, "XREADGROUP GROUP <group> <consumer> " + READ_OPTIONS + " [ NOACK ] STREAMS ( <stream> ( '>' | <sid> ) | "
           "<stream> <stream> ( '>' | <sid> ) ( '>' | <sid> ) | s1 s1 ( '>' '>' | '>' '0' | '0' '>' ) )"),
    row(1, "XREADGROUP GROUP <group> <consumer> BLOCK ( '1' | '2' ) STREAMS <stream> ( '>' | '$' | <sid> )",
        mutable=False),
    row(1, "XREADGROUP ( COUNT '1' | BLOCK '1' | GROUP g | NOACK | <junk> ) STREAMS <stream> ( '>' | <sid> )",
        mutable=False),
    row(6, "XGROUP CREATE <stream> <group> ( <sid> | '0' | '$' ) { MKSTREAM | ENTRIESREAD <entries_read> | 'FOO' }"),
    row(3, "XGROUP CREATE s1 g '0' MKSTREAM ; XGROUP CREATE s2 g '$' MKSTREAM"),
    row(3, "XGROUP SETID <stream> <group> ( <sid> | '0' | '$' ) [ ( ENTRIESREAD <entries_read> | 'FOO' | MKSTREAM ) ]"),
    row(1, "XGROUP DESTROY <stream> <group>"),
    row(2, "XGROUP CREATECONSUMER <stream> <group> <consumer>"),
    row(2, "XGROUP DELCONSUMER <stream> <group> <consumer>"),
    row(1, "XGROUP HELP", "help", mutable=False),
    row(1, "XINFO HELP", "help", mutable=False),
    row(4, "XACK <stream> <group> <sid>..."),
    row(3, "XPENDING <stream> <group>"),
    row(5, "XPENDING <stream> <group> [ IDLE ( '0' | '3000000' | <wrong> ) ] " + RANGES +
           " ( '1' | '10' | '-1' | <wrong> ) [ <consumer> ]", "stream"),
    row(6, "XCLAIM <stream> <group> <consumer> ( '0' | '3000000' | '-5' | <wrong> ) <sid>... " + CLAIM_OPTIONS),
    row(5, "XAUTOCLAIM <stream> <group> <consumer> ( '0' | '3000000' | <wrong> ) <range_start> "
           "{ COUNT ( '1' | '2' | '0' | <wrong> ) | JUSTID | 'FOO' }"),
    row(3, "XINFO STREAM <stream>", "stream"),
    row(4, "XINFO STREAM <stream> FULL [ COUNT ( '0' | '1' | '3' | '-1' | <wrong> ) ]", "stream"),
    row(1, "XINFO STREAM <stream> ( <junk> | COUNT '1' | FULL COUNT | FULL '1' )", "stream"),
    row(3, "XINFO GROUPS <stream>", "stream"),
    row(3, "XINFO CONSUMERS <stream> <group>", "stream"),
    row(2, "XSETID <stream> <sid> { ENTRIESADDED ( '0' | '3' | '100' | '-1' | <wrong> ) | MAXDELETEDID <sid> | 'FOO' }"),
    row(2, "CONFIG SET stream-node-max-entries ( '1' | '2' | '3' | '5' | '0' )"),
    row(2, "CONFIG SET stream-node-max-bytes ( '1' | '40' | '70' | '100' | '200' )"),
    row(1, "COPY <stream> <stream> [ REPLACE ]"),
    row(1, "RENAME <stream> <stream>"),
    row(1, "DEL <stream>"),
    row(1, "SET <stream> <value>"),
    row(1, "TYPE <stream> ; OBJECT ENCODING <stream>"),
)
