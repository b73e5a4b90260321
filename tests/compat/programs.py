# SPDX-License-Identifier: BSD-3-Clause
"""Jobs that run in programs of their own: `PROGRAM list` prints a sentence per job,
`PROGRAM HOST PORT NUMBER` does one of them; the exit status tells how it went."""
import os
import subprocess
import sys

import servers

SECONDS = 90


def run(command, *arguments, environment=None):
    result = subprocess.run([*map(str, command), *map(str, arguments)], capture_output=True, text=True,
                            timeout=SECONDS, check=False, env={**os.environ, **(environment or {})})
    if result.returncode != 0:
        raise AssertionError(result.stdout + result.stderr)
    return result.stdout


def checks(name, command, environment=None):
    def job(number):
        return lambda server: run(command, servers.HOST, server.port, number, environment=environment)
    return [(f"{name} {sentence}", job(number))
            for number, sentence in enumerate(run(command, "list", environment=environment).splitlines())]
