# SPDX-License-Identifier: BSD-3-Clause
"""Real clients do real jobs against larder-server.

    python3 tests/compat/run.py [words of a test's sentence or a module's name]
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ("test_redis_py", "test_valkey_py", "test_django", "test_ioredis", "test_django_redis", "test_frameworks",
           "test_node_redis", "test_bullmq", "test_go_redis", "test_readme")


def installed_clients():
    """The folder of the clients; a client that cannot be installed fails the run."""
    result = subprocess.run([HERE / "install.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        print("the clients cannot be installed\n0 passed, 1 failed")
        sys.exit(1)
    return pathlib.Path(result.stdout.split()[-1])


def main(words):
    if "LARDER_COMPAT_CLIENTS" not in os.environ:
        clients = installed_clients()
        os.environ["LARDER_COMPAT_CLIENTS"] = str(clients)
        python = clients / "python" / "bin" / "python"
        os.execv(python, [str(python), str(pathlib.Path(__file__).resolve()), *words])
    sys.path[:0] = [str(HERE), str(HERE.parent / "support" / "python")]
    import checks
    return checks.main(MODULES, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
