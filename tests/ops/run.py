# SPDX-License-Identifier: BSD-3-Clause
"""What operators and tutorials do to a Redis, done to larder-server with Debian's redis-cli and redis-benchmark.

    python3 tests/ops/run.py [words of a test's sentence or a module's name]
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support" / "python")]

import checks

MODULES = ("test_redis_cli", "test_workflows", "test_terminal", "test_benchmark")

if __name__ == "__main__":
    sys.exit(checks.main(MODULES, sys.argv[1:]))
