#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check_headers.sh INCLUDE: each public header of the client compiles alone, cleanly, as C17 and as
# C++17, twice included.
set -eu
cd "$1"
for header in valkey/*.h; do
    for compiler in gcc clang; do
        printf '#include <%s>\n#include <%s>\ntypedef int unit;\n' "$header" "$header" | "$compiler" -std=c17 \
            -pedantic -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wundef -Werror \
            -I. -fsyntax-only -x c -
        printf '#include <%s>\n' "$header" | "$compiler" -std=c++17 -pedantic -Wall -Wextra \
            -Werror -I. -fsyntax-only -x c++ -
    done
done
