# SPDX-License-Identifier: BSD-3-Clause
"""Frameworks that keep their queues, results and channels in Redis."""
import pathlib
import sys

import programs
import servers

HERE = pathlib.Path(__file__).parent


def fixture():
    return servers.Server()


CHECKS = [check for name, script in (("Celery", "celery_jobs.py"), ("RQ", "rq_jobs.py"), ("Huey", "huey_jobs.py"),
                                     ("Channels", "channels_jobs.py"))
          for check in programs.checks(name, [sys.executable, HERE / script])]
