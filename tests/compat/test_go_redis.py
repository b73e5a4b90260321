# SPDX-License-Identifier: BSD-3-Clause
"""go-redis: its jobs are a program in Go, built when the clients are installed."""
import os
import pathlib

import programs
import servers


def fixture():
    return servers.Server()


CHECKS = programs.checks("go-redis", [pathlib.Path(os.environ["LARDER_COMPAT_CLIENTS"]) / "go_jobs"])
