# SPDX-License-Identifier: BSD-3-Clause
"""Servers under test: how each kind is started, and running instances of them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

SERVER_CORE = 0
CLIENT_CORE = 1
START_SECONDS = 20


class Failure(Exception):
    """A measurement that can't be trusted; the row is reported as failed."""


class Kind:
    """How to start one kind of server.

    command(port, threads, extra) gives the argument list; extra holds directives as redis-server
    takes them ({"maxmemory": "16mb"}), which only kinds with speaks_resp understand.
    """

    def __init__(self, name, command, protocol="resp", is_floor=False):
        self.name = name
        self.command = command
        self.protocol = protocol
        self.is_floor = is_floor
        self.takes_directives = protocol == "resp" and not is_floor

    def start(self, port, threads=1, cores=(SERVER_CORE,), **extra):
        return Server(self, port, threads, cores, extra)


def _directives(extra):
    words = []
    for name, value in extra.items():
        words += ["--" + name.replace("_", "-"), str(value)]
    return words


def _resp_command(prefix, thread_option):
    def command(port, threads, extra):
        return prefix + ["--port", str(port), thread_option, str(threads), "--save", "",
                         "--appendonly", "no"] + _directives(extra)
    return command


def _memcached_command(port, threads, extra):
    user = ["-u", "root"] if os.geteuid() == 0 else []
    return ["memcached", *user, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-t", str(threads),
            "-m", "8192", "-c", str(extra.get("maxclients", 1024))]


def floor_kind(path):
    return Kind("floor", lambda port, threads, extra:
                [path, "--port", str(port), "--threads", str(threads)], is_floor=True)


def larder_kind(path):
    return Kind("larder", _resp_command([path], "--threads"))


def redis_kind():
    return Kind("redis", _resp_command(["redis-server"], "--io-threads"))


def memcached_kind():
    return Kind("memcached", _memcached_command, protocol="memcached")


def further_kind(text):
    """name=/path/to/binary[,argument...]; the arguments come before the usual directives."""
    name, _, rest = text.partition("=")
    words = rest.split(",")
    if not name or not words[0]:
        raise ValueError(f"--server {text}: expected name=/path/to/binary[,argument...]")
    return Kind(name, _resp_command(words, "--io-threads"))


class Server:
    """A running server; use as a context manager or call stop()."""

    def __init__(self, kind, port, threads, cores, extra):
        self.kind = kind
        self.name = kind.name
        self.port = port
        self.directory = tempfile.mkdtemp(prefix="larder-bench-")
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.process = subprocess.Popen(
            kind.command(port, threads, extra), cwd=self.directory, stdout=self.log,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, set(cores)))
        self.pid = self.process.pid
        try:
            self._wait_ready()
        except Failure:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def _wait_ready(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        with open(self.log.name, "rb") as log:
            text = log.read().decode(errors="replace").strip()[-300:]
        raise Failure(f"{self.name} did not start on port {self.port}: {text}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
        raise Failure(f"no resident size for {self.name}")

    def settled_resident_bytes(self, limit_seconds=5):
        """Resident size once it has stood still for half a second (deferred frees, cron work)."""
        last = self.resident_bytes()
        since = start = time.monotonic()
        while time.monotonic() - since < 0.5 and time.monotonic() - start < limit_seconds:
            time.sleep(0.1)
            now = self.resident_bytes()
            if abs(now - last) > 16384:
                since = time.monotonic()
            last = now
        return last
