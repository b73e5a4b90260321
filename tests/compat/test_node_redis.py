# SPDX-License-Identifier: BSD-3-Clause
"""node-redis: its jobs are written in JavaScript."""
import pathlib

import programs
import servers


def fixture():
    return servers.Server()


CHECKS = programs.checks("node-redis", ["node", pathlib.Path(__file__).with_name("node_redis_jobs.js")])
