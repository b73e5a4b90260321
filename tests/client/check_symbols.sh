#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check_symbols.sh LIBRARY LIST: the shared library exports exactly the names on the list.
set -eu
found=$(mktemp)
trap 'rm -f "$found"' EXIT
nm -D --defined-only "$1" | awk '{print $3}' | LC_ALL=C sort > "$found"
grep -v '^#' "$2" | LC_ALL=C sort | diff - "$found"
