# SPDX-License-Identifier: BSD-3-Clause
"""The examples of the README, run as they stand but for the port."""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import servers
from checks import check, equal

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def fixture():
    return servers.Server()


def example(name, port):
    found = re.search(r"<!-- test: " + name + r" -->\n```[a-z]*\n(.*?)```", README.read_text(), re.DOTALL)
    return found.group(1).replace(":6379/", f":{port}/")


def python(folder, text, seconds=60):
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=seconds,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


@check("what the README types into redis-cli answers what it shows")
def _(server):
    for step in example("redis-cli", server.port).split("$ ")[1:]:
        line, _, expected = step.partition("\n")
        words = shlex.split(line)
        done = subprocess.run([words[0], "-p", str(server.port), *words[1:]], capture_output=True, text=True,
                              timeout=20, check=False)
        equal(done.stdout.rstrip("\n"), expected.rstrip("\n"), line)


@check("Django with the README's settings caches and locks")
def _(server):
    settings = example("django", server.port)
    with tempfile.TemporaryDirectory() as folder:
        python(folder, f"""
from django.conf import settings
import django
values = {{}}
exec({settings!r}, values)
settings.configure(**{{name: value for name, value in values.items() if name.isupper()}})
django.setup()
{example("django-shell", server.port)}""")


@check("Celery with the README's tasks.py runs a task")
def _(server):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "tasks.py").write_text(example("celery", server.port))
        with subprocess.Popen([sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=solo", "-l", "WARNING"],
                              cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            try:
                python(folder, example("celery-call", server.port).replace("timeout=10", "timeout=30"))
            finally:
                worker.terminate()
                worker.wait(30)
