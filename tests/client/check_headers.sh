#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check_headers.sh INCLUDE: each public header of the client compiles alone, cleanly, as C17 and as
# C++17, also when included twice.
set -eu
cd "$1"
loops=$(pkg-config --cflags libevent_core libuv glib-2.0 ivykis libsystemd | sed 's/-I/-isystem /g')
for header in valkey/*.h valkey/adapters/*.h; do
    for compiler in gcc clang; do
        # shellcheck disable=SC2086
        printf '#include <%s>\n#include <%s>\ntypedef int unit;\n' "$header" "$header" |
            "$compiler" -std=c17 -D_GNU_SOURCE -pedantic -Wall -Wextra -Wshadow -Wconversion \
                -Wstrict-prototypes -Wundef -Werror -I. $loops -fsyntax-only -x c -
        # shellcheck disable=SC2086
        printf '#include <%s>\n#include <%s>\n' "$header" "$header" |
            "$compiler" -std=c++17 -pedantic -Wall -Wextra -Werror -I. $loops -fsyntax-only -x c++ -
    done
done
