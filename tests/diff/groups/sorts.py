# SPDX-License-Identifier: BSD-3-Clause
"""SORT and SORT_RO. Elements and weights hold no zero byte: where redis-server collates, it stops at one. None is a
number out of range: redis-server 7.0 then takes later ones for such, too. Texts of equal weight have no order."""
from groups import row

SHARE = 14
NUMBERS = "<number> <number> <number> <number> <number> <number>"
WORDS = "<word> <word> <word> <word> <word> <word>"
WEIGHTS = "'w_1' <number> 'w_2' <number> 'w_3' <number> 'w_4' <number> 'w_a' <word> 'w_b' <word> 'x_1' <word> 'x_a' <word>"
OPTIONS = "{ ASC | DESC | LIMIT <place> <place> | GET <pattern_of_sort> }"
ROWS = (
    row(4, "DEL <sortable> ; ( RPUSH <sortable> " + NUMBERS + " | RPUSH <sortable> " + WORDS + " )", mutable=False),
    row(2, "DEL <sortable> ; ZADD <sortable> 3 '4' 1 '2' 2 '3' 7 '1'", mutable=False),
    row(2, "DEL <sortable> ; SADD <sortable> ( <number>... | <word>... )", mutable=False),
    row(3, "MSET " + WEIGHTS, mutable=False),
    row(6, "SORT <sortable> " + OPTIONS),
    row(6, "SORT <sortable> ALPHA " + OPTIONS),
    row(5, "SORT <sortable> BY ( w_* | w_* | 'x_*' | '*' | 'h_*->f' | 'w_*->' ) " + OPTIONS),
    row(2, "SORT <sortable> BY ( 'nosort' | '#' ) { ASC | DESC | ALPHA | GET <pattern_of_sort> }", "unordered"),
    row(2, "DEL 'k4' ; ( RPUSH 'k4' " + WORDS + " | ZADD 'k4' 3 '4' 1 '2' 2 '3' 7 '1' ) ; SORT 'k4' BY ( 'nosort' | '#' ) "
           + OPTIONS, mutable=False),
    row(3, "SORT <sortable> BY 'w_*' ALPHA { ASC | DESC | GET <pattern_of_sort> }", "unordered", mutable=False),
    row(3, "SORT_RO <sortable> [ ALPHA ] " + OPTIONS),
    row(4, "SORT <sortable> ALPHA " + OPTIONS + " STORE <sortable> ; LRANGE <sortable> '0' '-1' ; OBJECT ENCODING <sortable>"),
    row(3, "SORT <sortable> BY ( 'w_*' | 'nosort' ) GET <pattern_of_sort> GET '#' STORE <sortable> ; TTL <sortable>"),
    row(1, "SORT_RO <sortable> STORE <sortable>"),
    row(1, "SORT <sortable> ( BY | GET | STORE | LIMIT '1' | 'FOO' | LIMIT 'a' 'b' | LIMIT 'a' '1' 'FOO' )"),
    row(1, "EXPIRE <sortable> '1000' ; SORT <sortable> ALPHA STORE <sortable> ; TTL <sortable>", mutable=False),
    row(1, "SET <sortable> <value> ; SORT <sortable>"),
    row(2, "DEL <sortable>..."),
)
