# SPDX-License-Identifier: BSD-3-Clause
"""TLS with certificates that openssl makes."""
import contextlib
import pathlib
import shutil
import signal
import ssl
import tempfile

import command_line
import resp
import servers
from checks import check, equal, is_true


def openssl(*arguments):
    outcome = command_line.run("openssl", *arguments)
    equal(outcome.status, 0, outcome.errors)


def make_certificate(folder, name, ca="ca"):
    """<name>.key and <name>.crt in the folder, signed by the authority."""
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr",
            "-subj", f"/CN={name}")
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / f"{ca}.crt", "-CAkey", folder / f"{ca}.key",
            "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", folder / f"{name}.crt")


class Place:
    """A folder with an authority, and certificates for a server (two) and for a client."""

    def __init__(self, folder):
        self.folder = folder
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
                "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
        for name in ("server", "second", "client"):
            make_certificate(folder, name)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=stranger",
                "-keyout", folder / "stranger.key", "-out", folder / "stranger.crt")

    def options(self, certificate="server", *more):
        return ("--tls-cert-file", self.folder / f"{certificate}.crt", "--tls-key-file",
                self.folder / f"{certificate}.key", "--tls-ca-cert-file", self.folder / "ca.crt", *more)

    def context(self, client=None):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        if client:
            context.load_cert_chain(self.folder / f"{client}.crt", self.folder / f"{client}.key")
        return context

    def cli(self, server, *arguments):
        return command_line.redis_cli(server, "--tls", "--cacert", self.folder / "ca.crt", *arguments)


@contextlib.contextmanager
def fixture():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="larder-tls-"))
    try:
        yield Place(folder)
    finally:
        shutil.rmtree(folder)


def server_name(server):
    """The common name in the certificate that the server shows."""
    with server.connect() as connection:
        subject = connection.socket.getpeercert()["subject"]
    return dict(pair for part in subject for pair in part)["commonName"]


@check("redis-cli --tls works with the authority's certificate and not without it")
def _(place):
    arguments = place.options("server", "--tls-auth-clients", "no")
    with servers.Server(arguments=arguments, tls=place.context()) as server:
        equal(place.cli(server, "set", "a", "1").output, "OK\n")
        equal(place.cli(server, "get", "a").output, "1\n")
        is_true(command_line.redis_cli(server, "--tls", "ping").status != 0, "unknown authority")
        is_true("PONG" not in command_line.redis_cli(server, "ping").output, "no TLS")


@check("clients must show a certificate by default, and one of a stranger is refused")
def _(place):
    with servers.Server(arguments=place.options(), tls=place.context("client")) as server:
        key = ("--cert", place.folder / "client.crt", "--key", place.folder / "client.key")
        equal(place.cli(server, *key, "ping").output, "PONG\n")
        is_true("PONG" not in place.cli(server, "ping").output, "no certificate")
        key = ("--cert", place.folder / "stranger.crt", "--key", place.folder / "stranger.key")
        is_true("PONG" not in place.cli(server, *key, "ping").output, "a stranger's certificate")


@check("the accepted protocol versions can be limited")
def _(place):
    arguments = place.options("server", "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3")
    with servers.Server(arguments=arguments, tls=place.context()) as server:
        old = place.context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            resp.Connection(server.address, tls=old).call("PING")
        except (ssl.SSLError, OSError, EOFError):
            pass
        else:
            raise AssertionError("TLS 1.2 is accepted")
        with server.connect() as connection:
            equal((connection.call("PING"), connection.socket.version()), (b"PONG", "TLSv1.3"))


@check("large values and pipelines cross TLS unharmed")
def _(place):
    arguments = place.options("server", "--tls-auth-clients", "no")
    with servers.Server(arguments=arguments, tls=place.context()) as server, server.connect() as connection:
        big = bytes(range(256)) * 8192
        connection.call("SET", "big", big)
        is_true(connection.call("GET", "big") == big, "2 MiB")
        commands = [("SET", f"k{number}", number) for number in range(5000)]
        equal(set(connection.call_many(commands)), {b"OK"})
        equal(connection.call_many([("GET", f"k{number}") for number in range(5000)])[-1], b"4999")


@check("a new certificate is taken by CONFIG SET and by SIGHUP, and old connections go on")
def _(place):
    current = place.folder / "current"
    for end in (".crt", ".key"):
        shutil.copy(place.folder / f"server{end}", str(current) + end)
    arguments = place.options("current", "--tls-auth-clients", "no")
    with servers.Server(arguments=arguments, tls=place.context()) as server, server.connect() as old:
        equal(server_name(server), "server")
        equal(old.call("CONFIG", "SET", "tls-cert-file", place.folder / "second.crt", "tls-key-file",
                       place.folder / "second.key"), b"OK")
        equal(server_name(server), "second")
        equal(old.call("CONFIG", "SET", "tls-cert-file", f"{current}.crt", "tls-key-file", f"{current}.key"), b"OK")
        equal(server_name(server), "server")
        for end in (".crt", ".key"):
            shutil.copy(place.folder / f"second{end}", str(current) + end)
        server.signal(signal.SIGHUP)
        servers.wait_until(lambda: server_name(server) == "second", "the certificate is read again on SIGHUP")
        equal(old.call("PING"), b"PONG")


@check("a certificate that cannot be read is refused and the old one stays")
def _(place):
    arguments = place.options("server", "--tls-auth-clients", "no")
    with servers.Server(arguments=arguments, tls=place.context()) as server, server.connect() as connection:
        reply = connection.call("CONFIG", "SET", "tls-cert-file", "/no/such/file")
        is_true(reply.startswith(b"ERR CONFIG SET failed"), repr(reply))
        equal(server_name(server), "server")


@check("plain text on the TLS port and TLS connections that break off leave the server well")
def _(place):
    arguments = place.options("server", "--tls-auth-clients", "no")
    with servers.Server(arguments=arguments, tls=place.context()) as server:
        for data in (b"PING\r\n", b"\x16\x03\x01\x02\x00\x01", b"\x00" * 500, b""):
            connection = resp.Connection(server.address)
            connection.send_raw(data)
            connection.close()
        with server.connect() as connection:
            equal(connection.call("PING"), b"PONG")
