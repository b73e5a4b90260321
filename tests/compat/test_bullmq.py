# SPDX-License-Identifier: BSD-3-Clause
"""BullMQ: its jobs are written in JavaScript."""
import pathlib

import programs
import servers


def fixture():
    return servers.Server()


CHECKS = programs.checks("BullMQ", ["node", pathlib.Path(__file__).with_name("bullmq_jobs.js")])
