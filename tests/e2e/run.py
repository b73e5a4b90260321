# SPDX-License-Identifier: BSD-3-Clause
"""Real tools, real signals and real input against larder-server.

    python3 tests/e2e/run.py [words of a test's sentence or a module's name]
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support" / "python")]

import checks

MODULES = (
    "test_process",
    "test_configuration",
    "test_log",
    "test_access",
    "test_tls",
    "test_limits",
    "test_memory",
    "test_clients",
    "test_pubsub",
    "test_notifications",
    "test_information",
    "test_newer_commands",
    "test_metrics",
    "test_packages",
    "test_blocking", "test_dump",
    "test_tracking",
    "test_serializability",
    "test_users",
    "test_scripts",
    "test_hash_fields",
)

if __name__ == "__main__":
    sys.exit(checks.main(MODULES, sys.argv[1:]))
