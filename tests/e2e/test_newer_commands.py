# SPDX-License-Identifier: BSD-3-Clause
"""Commands and options that came after redis-server 7.0, the peer of the differential test."""
import servers
from checks import check, contains, equal, is_true


def fixture():
    return servers.Server()


@check("SET IFEQ replaces a value only if it is the expected one")
def _(server):
    with server.connect() as connection:
        connection.call("FLUSHALL")
        equal(connection.call("SET", "a", "new", "IFEQ", "old"), None)
        equal(connection.call("EXISTS", "a"), 0)
        connection.call("SET", "a", "old", "EX", 100)
        equal(connection.call("SET", "a", "new", "IFEQ", "other"), None)
        equal(connection.call("SET", "a", "new", "IFEQ", "other", "GET"), b"old")
        equal(connection.call("SET", "a", "new", "IFEQ", "old", "KEEPTTL"), b"OK")
        is_true(connection.call("TTL", "a") > 90, "TTL")
        equal(connection.call("SET", "a", "5", "IFEQ", "new", "GET"), b"new")
        equal((connection.call("GET", "a"), connection.call("TTL", "a")), (b"5", -1))
        equal(connection.call("SET", "a", "6", "IFEQ", "5", "PX", 100000), b"OK")
        for words in (("IFEQ",), ("IFEQ", "5", "NX"), ("XX", "IFEQ", "5")):
            equal(connection.call("SET", "a", "7", *words), b"ERR syntax error", words)


@check("DELIFEQ deletes a key only if it has the expected value")
def _(server):
    with server.connect() as connection:
        connection.call("SET", "lock", "mine")
        equal((connection.call("DELIFEQ", "lock", "other"), connection.call("EXISTS", "lock")), (0, 1))
        equal((connection.call("DELIFEQ", "lock", "mine"), connection.call("EXISTS", "lock")), (1, 0))
        equal(connection.call("DELIFEQ", "lock", "mine"), 0)
        equal(connection.call("DELIFEQ", "lock"), b"ERR wrong number of arguments for 'delifeq' command")


@check("CLIENT SETINFO stores name and version of the client library")
def _(server):
    with server.connect() as connection:
        equal(connection.call("CLIENT", "SETINFO", "LIB-NAME", "our-client"), b"OK")
        equal(connection.call("CLIENT", "SETINFO", "lib-ver", "1.2.3"), b"OK")
        info = connection.call("CLIENT", "INFO")
        contains(info, b"lib-name=our-client lib-ver=1.2.3")
        equal(connection.call("CLIENT", "SETINFO", "LIB-NAME", "two words"),
              b"ERR lib-name cannot contain spaces, newlines or special characters.")
        equal(connection.call("CLIENT", "SETINFO", "LIB-COLOR", "x"), b"ERR Unrecognized option 'LIB-COLOR'")
        equal(connection.call("CLIENT", "SETINFO", "LIB-NAME", ""), b"OK")


@check("CLIENT NO-TOUCH and NO-EVICT answer, and a client under NO-TOUCH leaves the idle time alone")
def _(server):
    with server.connect() as connection:
        for words in (("NO-TOUCH", "ON"), ("NO-TOUCH", "OFF"), ("NO-EVICT", "ON"), ("NO-EVICT", "OFF")):
            equal(connection.call("CLIENT", *words), b"OK", words)
        equal(connection.call("CLIENT", "NO-TOUCH", "MAYBE"), b"ERR syntax error")


@check("HELLO and INFO say which version the commands are compatible with")
def _(server):
    with server.connect() as connection:
        greeting = connection.call("HELLO", 3).as_dict()
        equal((greeting[b"server"], greeting[b"version"], greeting[b"mode"], greeting[b"role"]),
              (b"redis", b"7.2.4", b"standalone", b"master"))
        contains(connection.call("INFO", "server"), b"redis_version:7.2.4\r\n")


@check("a command that is described but not built yet is unknown, without harm to the next one")
def _(server):
    with server.connect() as connection:
        contains(connection.call("NO.SUCH", "a"), b"ERR unknown command 'NO.SUCH', with args beginning with: 'a' ")
        equal(connection.call("PING"), b"PONG")
