# SPDX-License-Identifier: BSD-3-Clause
"""django-redis, the newest release and 5.4.0, which many shops still run."""
import os
import pathlib
import sys

import programs
import servers

PROGRAM = [sys.executable, pathlib.Path(__file__).with_name("django_redis_jobs.py")]
OLD = pathlib.Path(os.environ["LARDER_COMPAT_CLIENTS"]) / "django-redis-5.4"


def fixture():
    return servers.Server()


CHECKS = (programs.checks("django-redis (newest)", PROGRAM) +
          programs.checks("django-redis 5.4.0", PROGRAM, {"PYTHONPATH": str(OLD)}))
