# SPDX-License-Identifier: BSD-3-Clause
"""Start and stop servers for tests: one process in a temporary folder, on a free port, its log captured.

A server dies with the test program (parent-death signal), so that nothing is left behind.
LARDER_SERVER names the program under test; LARDER_TEST_PORTS ("first-last") the ports to use.
"""
import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import resp

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
START_SECONDS = 20.0
STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class ServerFailure(Exception):
    """The server did not start, did not stop or stopped with a status other than 0."""


RESERVED = []  # lock files of ports, open while the process lives


def larder_program():
    return pathlib.Path(os.environ.get("LARDER_SERVER", REPOSITORY / "build" / "bin" / "larder-server"))


def redis_program():
    path = shutil.which("redis-server")
    if path is None:
        raise ServerFailure("redis-server is not installed (Debian package redis-server)")
    return pathlib.Path(path)


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def reserve_port(port):
    """Keep other test processes from taking the port between our look and the server's bind."""
    path = pathlib.Path(tempfile.gettempdir()) / f"larder-test-port-{port}.lock"
    lock = open(path, "w", encoding="ascii")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    RESERVED.append(lock)
    return True


def free_port():
    """A port that nobody listens on; this process keeps it for good."""
    first, last = map(int, os.environ.get("LARDER_TEST_PORTS", "21200-21999").split("-"))
    count = last - first + 1
    start = (os.getpid() * 7 + time.monotonic_ns() // 1000) % count
    for step in range(count):
        port = first + (start + step) % count
        if port_is_free(port) and reserve_port(port):
            return port
    raise ServerFailure(f"no free port in {first}-{last}")


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, seconds=10.0):
    """Poll until the condition is true; its last value is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {seconds} s: {what}")
        time.sleep(0.005)


class Server:
    """A running server. Use as a context manager: leaving it stops the server and checks its exit status."""

    def __init__(self, program=None, arguments=(), config=None, port=None, password=None, save=False,
                 folder=None, answers=True, environment=None, tls=None):
        """config: text of a configuration file given as first argument; answers=False skips the wait for PING;
        port=0: the arguments or the file name the port, and `address` must be set before connect();
        tls: an SSL context for clients, the port is then a TLS port and there is no plain one."""
        self.program = pathlib.Path(program or larder_program())
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="larder-test-"))
        self.port = free_port() if port is None else port
        self.password = password
        self.address = (HOST, self.port)
        self.log_path = self.folder / "server.log"
        command = [str(self.program)]
        if config is not None:
            path = self.folder / "server.conf"
            path.write_text(config)
            command.append(str(path))
        self.tls = tls
        if self.port and tls:
            command += ["--port", "0", "--tls-port", str(self.port), "--bind", HOST]
        elif self.port:
            command += ["--port", str(self.port), "--bind", HOST]
        command += ["--dir", str(self.folder)]
        if not save:
            command += ["--save", ""]
        command += [str(argument) for argument in arguments]
        self.command = command
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.start(answers)

    def start(self, answers=True):
        if not self.program.exists():
            raise ServerFailure(f"{self.program} does not exist (build it, or set LARDER_SERVER)")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, cwd=self.folder,
                                            env=self.environment, preexec_fn=die_with_parent)
        if answers:
            self.wait_for_ping()

    def wait_for_ping(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerFailure(f"{self.program.name} ended with status {self.process.returncode} "
                                    f"at start:\n{self.log()}")
            try:
                with self.connect(timeout=2.0, login=False) as connection:
                    reply = connection.call("PING")
                    if reply == b"PONG" or reply.startswith((b"NOAUTH", b"DENIED")):
                        return
            except (OSError, EOFError):
                pass
            time.sleep(0.01)
        self.kill()
        raise ServerFailure(f"{self.program.name} does not answer PING:\n{self.log()}")

    def connect(self, timeout=10.0, login=True):
        connection = resp.Connection(self.address, timeout, self.tls)
        if login and self.password:
            connection.call("AUTH", self.password)
        return connection

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_exit(self, seconds=STOP_SECONDS):
        return self.process.wait(seconds)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM, then the exit status must be 0."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise ServerFailure(f"{self.program.name} ignores SIGTERM:\n{self.log()}") from error
        if status != 0:
            raise ServerFailure(f"{self.program.name} stopped with status {status}:\n{self.log()}")

    def clean(self):
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                self.kill()
        finally:
            self.clean()
