#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Installs the pinned clients into a folder outside the clone and prints its path. The folder's name
# holds a hash of the lock files, so that an unchanged set is installed once per machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${LARDER_CACHE:-$HOME/.cache/larder}
version=$( (cat "$here"/requirements*.txt "$here/package.json" "$here/package-lock.json" "$here"/go/*; python3 -VV
    node --version; go version) |
    sha256sum | cut -c1-16)
folder=$cache/compat-$version
if [ -e "$folder/complete" ]; then
    echo "$folder"
    exit 0
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/installing-XXXXXX")
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python" >&2
"$work/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes -r "$here/requirements.txt" >&2
"$work/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --target "$work/django-redis-5.4" -r "$here/requirements-django-redis-5.4.txt" >&2
mkdir "$work/node"
cp "$here/package.json" "$here/package-lock.json" "$work/node/"
(cd "$work/node" && npm install --no-save --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error >&2)
(cd "$here/go" && GOFLAGS=-mod=readonly go build -o "$work/go_jobs" .) >&2
touch "$work/complete"
mv -T "$work" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$folder"
