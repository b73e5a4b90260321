# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT TRACKING as one client sees it: options that go together, and what it is told of its own changes. In RESP2
without redirection nothing is told."""
from groups import row

SHARE = 3
OPTIONS = ("{ BCAST | OPTIN | OPTOUT | NOLOOP | PREFIX 'a' | PREFIX 'b' | PREFIX 'ab' | PREFIX '' | REDIRECT '999999' | "
           "REDIRECT 'x' | 'FOO' }")

ROWS = (
    row(6, f"CLIENT TRACKING ( ON | OFF | 'FOO' ) {OPTIONS} ; CLIENT TRACKINGINFO ; CLIENT GETREDIR ; "
           f"CLIENT TRACKING ( ON | OFF ) {OPTIONS} ; CLIENT TRACKINGINFO ; CLIENT TRACKING OFF",
        mutable=False),
    row(3, "CLIENT TRACKING ON ( OPTIN | OPTOUT | NOLOOP ) ; CLIENT CACHING ( YES | NO | 'FOO' ) ; CLIENT TRACKINGINFO ; "
           "ECHO 'x' ; CLIENT TRACKINGINFO ; CLIENT TRACKING OFF", mutable=False),
    row(2, "CLIENT ( TRACKING | CACHING | CACHING YES | CACHING 'FOO' | TRACKINGINFO 'x' | GETREDIR 'x' | GETREDIR )",
        mutable=False),
    row(2, "CLIENT TRACKING ON NOLOOP ; GET <key> ; SET <key> <value> ; MGET <key> <key> ; DEL <key> ; "
           "CLIENT TRACKING OFF", mutable=False),
)
