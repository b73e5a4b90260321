# SPDX-License-Identifier: BSD-3-Clause
"""Resident bytes per idle connection. Each connection has sent one command and got its reply, as
those of a client library's pool have; the kernel's socket buffers are not part of resident size."""

import os
import resource
import socket
import ssl
import struct
import subprocess
import tempfile

from .results import Row, Target
from .servers import Failure

NAMES = ["idle-plain", "idle-tls"]
PLAIN_COUNT, TLS_COUNT = 10000, 1000
PINGS = {"resp": b"*1\r\n$4\r\nPING\r\n", "memcached": b"mn\r\n"}


def _rounds(run):
    return 1 if run.is_quick else min(run.rounds, 3)


def _kinds(run, name):
    return [kind for kind in run.kinds if name == "idle-plain" or kind.takes_directives]


def estimate_seconds(run, wanted):
    return sum(6 * len(_kinds(run, name)) * _rounds(run) for name in wanted)


def raise_file_limit(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))
        except (ValueError, OSError):
            raise Failure(f"{count} open files needed, the limit is {hard}") from None


def _connect(port, ping, context):
    plain = socket.create_connection(("127.0.0.1", port), 10)
    # Closing resets the connection, so that repeated rounds don't use up the local ports.
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection = context.wrap_socket(plain) if context else plain
    connection.sendall(ping)
    if not connection.recv(64):
        raise Failure(f"port {port}: connection closed")
    return connection


def _bytes_per_connection(server, port, count, context=None):
    connections = []
    ping = PINGS[server.kind.protocol]
    try:
        _connect(port, ping, context).close()
        before = server.settled_resident_bytes()
        for _ in range(count):
            connections.append(_connect(port, ping, context))
        return (server.settled_resident_bytes() - before) / count
    except OSError as error:
        raise Failure(f"{server.name}: after {len(connections)} connections: {error}") from None
    finally:
        for connection in connections:
            connection.close()


def _make_certificate(directory):
    key, certificate = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
        capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"openssl: {done.stderr.strip()[-200:]}")
    os.chmod(key, 0o644)
    return key, certificate


def _measure_plain(run, kind):
    with kind.start(run.next_port(), maxclients=PLAIN_COUNT + 1000) as server:
        return _bytes_per_connection(server, server.port, PLAIN_COUNT)


def _measure_tls(run, kind):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as directory:
        key, certificate = _make_certificate(directory)
        tls_port = run.next_port()
        with kind.start(run.next_port(), tls_port=tls_port, tls_cert_file=certificate,
                        tls_key_file=key, tls_ca_cert_file=certificate,
                        tls_auth_clients="no") as server:
            return _bytes_per_connection(server, tls_port, TLS_COUNT, context)


TESTS = {
    "idle-plain": (_measure_plain, f"resident bytes per idle connection ({PLAIN_COUNT:,})",
                   Target(1024, 512, unit="B")),
    "idle-tls": (_measure_tls, f"resident bytes per idle TLS connection ({TLS_COUNT:,})",
                 Target(24576, unit="B")),
}


def measure(run, wanted):
    raise_file_limit(PLAIN_COUNT + 1000)
    rows = []
    for name in wanted:
        test, title, target = TESTS[name]
        row = Row(name, title, target)
        rows.append(row)
        for number in range(_rounds(run)):
            for kind in _kinds(run, name):
                run.say(f"round {number + 1} of {_rounds(run)}: {title}: {kind.name}")
                try:
                    row.add(kind.name, test(run, kind))
                except Failure as failure:
                    row.fail(failure)
    return rows
