# SPDX-License-Identifier: BSD-3-Clause
"""Users: their files, and what a change means for those who are connected."""
import threading

import servers
from checks import check, contains, equal, is_true


def login(server, user, password="p"):
    connection = server.connect(login=False)
    equal(connection.call("AUTH", user, password), b"OK")
    return connection


@check("users of the configuration file are there at the start, and CONFIG REWRITE writes those there are then")
def _():
    config = ("user alice on +get ~a* (~b* +set) >p\nmaxclients 100\n"
              "user default on nopass ~* &* +@all\nuser gone on\n")
    with servers.Server(config=config) as server, server.connect() as admin:
        with login(server, "alice") as alice:
            equal(alice.call("ACL", "WHOAMI"),
                  b"NOPERM this user has no permissions to run the 'acl|whoami' command")
            equal(alice.call("GET", "a1"), None)
            equal(alice.call("GET", "b1"),
                  b"NOPERM this user has no permissions to access one of the keys used as arguments")
            equal(alice.call("SET", "b1", "x"), b"OK")
        before = admin.call("ACL", "LIST")
        equal(admin.call("ACL", "SETUSER", "bob", "on", '~"quoted\\', "+@read", "-get", ">p"), b"OK")
        equal(admin.call("ACL", "DELUSER", "gone"), 1)
        equal(admin.call("CONFIG", "REWRITE"), b"OK")
        after = admin.call("ACL", "LIST")
        is_true(before != after, "the list changed")
        text = (server.folder / "server.conf").read_text()
        contains(text, "maxclients 100\n")
        is_true("gone" not in text and ">p" not in text, "no passwords in clear, no old users")
        server.stop()
        server.start()
        with server.connect() as again:
            equal(again.call("ACL", "LIST"), after)


@check("users in the configuration and an ACL file exclude each other, a faulty line says where it is")
def _():
    for config, text in (("user a on\naclfile users.acl\n", "both"), ("user a on +nonsense\n", "Unknown command"),
                         ("aclfile missing.acl\n", "No such file"), ("user a on\nuser a off\n", "Duplicate user 'a'")):
        try:
            with servers.Server(config=config):
                is_true(False, "it does not start")
        except servers.ServerFailure as failure:
            contains(str(failure), text)


@check("an ACL file is loaded and saved whole; one with a fault changes nothing")
def _():
    with servers.Server() as outer:
        path = outer.folder / "users.acl"
        path.write_text("user alice on nopass +@all ~a*\n")
        with servers.Server(arguments=("--aclfile", path)) as server, server.connect() as admin:
            equal(admin.call("ACL", "USERS"), [b"alice", b"default"])
            with login(server, "alice") as alice:
                path.write_text("user bob on +foo\nnonsense\n")
                answer = admin.call("ACL", "LOAD")
                contains(answer.decode(), f"{path}:1: Error in applying operation '+foo': Unknown command")
                contains(answer.decode(), f"{path}:2 should start with user keyword")
                equal(admin.call("ACL", "USERS"), [b"alice", b"default"])
                path.write_text("user alice on nopass +get ~b*\nuser bob on >p +@all ~* &*\n")
                equal(admin.call("ACL", "LOAD"), b"OK")
                equal(alice.call("GET", "b1"), None)
                contains(alice.call("GET", "a1").decode(), "NOPERM")
                path.write_text("user bob on >p +@all ~* &*\n")
                equal(admin.call("ACL", "LOAD"), b"OK")
                is_true(alice.is_closed_by_server(), "a user that is gone is cut off")
            with login(server, "bob") as bob:
                equal(bob.call("ACL", "SETUSER", "carol", "on", "(+get ~x)"), b"OK")
                equal(bob.call("ACL", "SAVE"), b"OK")
                contains(path.read_text(), "user carol on resetchannels -@all (~x resetchannels -@all +get)\n")
                equal(oct(path.stat().st_mode & 0o777), oct(0o644))


@check("a password that was set stays the default user's when the ACL file does not name that user")
def _():
    with servers.Server() as outer:
        path = outer.folder / "users.acl"
        path.write_text("user alice on nopass +@all\n")
        with servers.Server(arguments=("--aclfile", path, "--requirepass", "p"), password="p") as server:
            with server.connect(login=False) as connection:
                contains(connection.call("GET", "a").decode(), "NOAUTH")
            with server.connect() as connection:
                equal(connection.call("ACL", "LOAD"), b"OK")
            with server.connect(login=False) as connection:
                contains(connection.call("GET", "a").decode(), "NOAUTH")


@check("a changed user is so at once, a deleted one is cut off, on every thread")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, server.connect() as admin:
        admin.call("ACL", "SETUSER", "alice", "on", ">p", "+@all", "~*", "&*")
        clients = [login(server, "alice") for _ in range(9)]
        for client in clients:
            equal(client.call("SET", "a", "1"), b"OK")
        equal(admin.call("ACL", "SETUSER", "alice", "-set"), b"OK")
        for client in clients:
            equal(client.call("SET", "a", "1"), b"NOPERM this user has no permissions to run the 'set' command")
        listener = login(server, "alice")
        listener.call("SUBSCRIBE", "news")
        equal(admin.call("ACL", "SETUSER", "alice", "resetchannels", "&other"), b"OK")
        is_true(listener.is_closed_by_server(), "no channel without permission")
        contains(admin.call("CLIENT", "LIST").decode(), " user=alice ")
        equal(admin.call("CLIENT", "KILL", "USER", "alice", "ID", str(clients[0].call("CLIENT", "ID"))), 1)
        equal(admin.call("ACL", "DELUSER", "alice"), 1)
        for client in clients:
            is_true(client.is_closed_by_server(), "its user is gone")
            client.close()
        listener.close()


@check("commands are judged by one version of a user or the next while another client changes it")
def _():
    with servers.Server(arguments=("--threads", "3")) as server, server.connect() as admin:
        admin.call("ACL", "SETUSER", "alice", "on", ">p", "+get", "+ping", "~a", "-@all", "+get")
        stop, wrong = threading.Event(), []

        def use():
            with login(server, "alice") as client:
                while not stop.is_set():
                    for words, answers in ((("GET", "a"), (None,)),
                                           (("SET", "a", "1"), (b"OK", b"NOPERM this user has no permissions to run "
                                                                b"the 'set' command"))):
                        answer = client.call(*words)
                        if answer not in answers and words[0] != "GET":
                            wrong.append((words, answer))

        users = [threading.Thread(target=use) for _ in range(4)]
        for user in users:
            user.start()
        for number in range(300):
            admin.call("ACL", "SETUSER", "alice", "+set" if number % 2 else "-set", ">more", "<more")
            admin.call("ACL", "SETUSER", f"other{number % 7}", "on", "+@all", "-@write")
            admin.call("ACL", "DELUSER", f"other{(number + 3) % 7}")
        stop.set()
        for user in users:
            user.join()
        equal(wrong, [])


@check("what is refused is counted and logged, passwords are not")
def _():
    with servers.Server() as server, server.connect() as admin:
        admin.call("ACL", "SETUSER", "alice", "on", ">p", "+get", "~a")
        with login(server, "alice") as alice:
            alice.call("SET", "a", "1")
            alice.call("GET", "b")
            alice.call("GET", "b")
            alice.call("AUTH", "alice", "secretword")
        entries = [dict(zip(entry[::2], entry[1::2])) for entry in admin.call("ACL", "LOG")]
        equal([(e[b"reason"], e[b"object"], e[b"username"], e[b"count"]) for e in entries],
              [(b"auth", b"AUTH", b"alice", 1), (b"key", b"b", b"alice", 2), (b"command", b"set", b"alice", 1)])
        is_true(b"user=alice" in entries[1][b"client-info"], "who it was")
        stats = admin.call("INFO", "stats").decode()
        contains(stats, "acl_access_denied_auth:1\r\nacl_access_denied_cmd:1\r\nacl_access_denied_key:2\r\n")
        admin.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        admin.call("ACL", "SETUSER", "alice", ">secretword")
        is_true(b"secretword" not in repr(admin.call("SLOWLOG", "GET", "10")).encode(), "not in the slow log")
        is_true("secretword" not in server.log(), "not in the log")
