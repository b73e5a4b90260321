# SPDX-License-Identifier: BSD-3-Clause
"""Positions: sorted sets g1 to g3 whose members are at random places, many of them near each other."""
from groups import row

SHARE = 20
ADD = "GEOADD <gkey> ( <longitude> <latitude> <spot> )..."
OPTIONS = "WITHDIST | WITHCOORD | WITHHASH | ASC | DESC | COUNT <small_count> | COUNT '3' ANY"
FROM = "( FROMMEMBER <spot> | FROMLONLAT <longitude> <latitude> )"
BY = "( BYRADIUS <radius> <unit> | BYBOX <radius> <radius> <unit> )"
ROWS = (
    row(20, ADD, mutable=False),
    row(8, "GEOADD <gkey> { NX | XX | CH } ( <longitude> <latitude> <spot> )..."),
    row(3, "GEOPOS <gkey> <spot>..."),
    row(3, "GEOHASH <gkey> <spot>..."),
    row(4, "GEODIST <gkey> <spot> <spot> [ <unit> ]"),
    row(10, f"GEOSEARCH <gkey> {FROM} {BY} {{ {OPTIONS} }}"),
    row(6, f"GEOSEARCH <gkey> {{ FROMMEMBER <spot> | FROMLONLAT <longitude> <latitude> | BYRADIUS <radius> <unit> | "
           f"BYBOX <radius> <radius> <unit> | ANY | COUNT '1' | FOO | {OPTIONS} }}"),
    row(5, f"GEOSEARCHSTORE <gkey> <gkey> {FROM} {BY} {{ STOREDIST | ASC | DESC | COUNT <small_count> | COUNT <small_count> ANY | WITHDIST }}"),
    row(5, f"GEORADIUS <gkey> <longitude> <latitude> <radius> <unit> {{ {OPTIONS} | STORE <gkey> | STOREDIST <gkey> }}"),
    row(4, f"GEORADIUS_RO <gkey> <longitude> <latitude> <radius> <unit> {{ {OPTIONS} | STORE <gkey> }}"),
    row(5, f"GEORADIUSBYMEMBER <gkey> <spot> <radius> <unit> {{ {OPTIONS} | STORE <gkey> | STOREDIST <gkey> }}"),
    row(4, f"GEORADIUSBYMEMBER_RO <gkey> <spot> <radius> <unit> {{ {OPTIONS} | STOREDIST <gkey> }}"),
    row(2, "ZRANGE <gkey> '0' '-1' WITHSCORES", compare="scores"),
    row(1, "ZREM <gkey> <spot>"),
    row(1, "CONFIG SET zset-max-listpack-entries ( '0' | '2' | '128' )", mutable=False),
    row(1, "DEL <gkey>"),
)
