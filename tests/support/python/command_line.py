# SPDX-License-Identifier: BSD-3-Clause
"""Run redis-cli and other programs and keep what they print."""
import os
import subprocess

import servers

SECONDS = 60


class Outcome:
    def __init__(self, status, output, errors):
        self.status = status
        self.output = output
        self.errors = errors


def run(*command, stdin="", environment=None, seconds=SECONDS, cwd=None):
    """Text in and out; surrogate escapes stand for bytes that are not UTF-8."""
    result = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True,
                            errors="surrogateescape", timeout=seconds, check=False, cwd=cwd,
                            env={**os.environ, **(environment or {})})
    return Outcome(result.returncode, result.stdout, result.stderr)


def redis_cli(server, *arguments, stdin="", environment=None, seconds=SECONDS):
    return run("redis-cli", "-h", servers.HOST, "-p", server.port, *arguments, stdin=stdin, environment=environment,
               seconds=seconds)


def redis_cli_output(server, *arguments, stdin=""):
    """What it printed, without the last newline. Errors: AssertionError when its exit status is not 0."""
    outcome = redis_cli(server, *arguments, stdin=stdin)
    if outcome.status != 0:
        raise AssertionError(f"redis-cli {arguments}: status {outcome.status}, {outcome.output}{outcome.errors}")
    return outcome.output.removesuffix("\n")


def larder(*arguments, seconds=20, cwd=None):
    """Run larder-server itself to its end."""
    return run(servers.larder_program(), *arguments, seconds=seconds, cwd=cwd)
