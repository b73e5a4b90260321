# SPDX-License-Identifier: BSD-3-Clause
"""ioredis: its jobs are written in JavaScript, this module runs one after the other."""
import pathlib
import subprocess

import servers

SCRIPT = pathlib.Path(__file__).with_name("ioredis_jobs.js")


def node(*arguments):
    result = subprocess.run(["node", SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                            check=False)
    if result.returncode != 0:
        raise AssertionError(result.stdout + result.stderr)
    return result.stdout


def job(number):
    return lambda server: node(servers.HOST, server.port, number)


def fixture():
    return servers.Server()


CHECKS = [(f"ioredis {sentence}", job(number)) for number, sentence in enumerate(node("list").splitlines())]
