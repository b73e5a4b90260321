# SPDX-License-Identifier: BSD-3-Clause
"""Publishing and subscribing over several connections and threads, in both protocols."""
import socket
import threading
import time

import resp
import servers
from checks import check, contains, equal, is_true

THREADS = 3


def fixture():
    return servers.Server(arguments=["--threads", str(THREADS)])


def subscriber(server, *names, command="SUBSCRIBE", protocol=2):
    """A connection that is subscribed to the names."""
    connection = server.connect()
    if protocol == 3:
        connection.call("HELLO", 3)
    connection.send(command, *names)
    for count, name in enumerate(names, 1):
        equal(connection.read(), [command.lower().encode(), name.encode(), count])
    return connection


def messages(connection, count):
    return [connection.read()[-1] for _ in range(count)]


@check("a message reaches every subscriber of its channel and of patterns that match, in both protocols")
def _(server):
    with server.connect() as publisher:
        plain = [subscriber(server, "news", protocol=2 + number % 2) for number in range(8)]
        patterns = [subscriber(server, "n?ws", command="PSUBSCRIBE", protocol=2 + number % 2) for number in range(4)]
        other = subscriber(server, "other")
        equal(publisher.call("PUBLISH", "news", "one\r\ntwo"), 12)
        for connection in plain:
            equal(connection.read(), [b"message", b"news", b"one\r\ntwo"])
        for connection in patterns:
            equal(connection.read(), [b"pmessage", b"n?ws", b"news", b"one\r\ntwo"])
        equal(publisher.call("PUBLISH", "other", ""), 1)
        equal(other.read(), [b"message", b"other", b""])
        for connection in plain + patterns + [other]:
            connection.close()


@check("messages to a RESP3 session are pushes, to a RESP2 session arrays")
def _(server):
    with server.connect() as publisher, subscriber(server, "raw") as two, \
            subscriber(server, "raw", protocol=3) as three:
        publisher.call("PUBLISH", "raw", "x")
        rest = b"3\r\n$7\r\nmessage\r\n$3\r\nraw\r\n$1\r\nx\r\n"
        equal(two.read_raw(), b"*" + rest)
        equal(three.read_raw(), b">" + rest)


@check("a channel's subscribers on all threads see its messages in one order, and a publisher's in the order sent")
def _(server):
    each, publishers = 400, 4
    watchers = [subscriber(server, "order", protocol=2 + number % 2) for number in range(2 * THREADS)]
    watchers += [subscriber(server, "or*", command="PSUBSCRIBE") for _ in range(THREADS)]

    def publish(number):
        with server.connect() as connection:
            replies = connection.call_many([("PUBLISH", "order", f"{number}:{i}") for i in range(each)])
            equal(replies, [len(watchers)] * each)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(publishers)]
    for thread in threads:
        thread.start()
    seen = [messages(watcher, each * publishers) for watcher in watchers]
    for thread in threads:
        thread.join()
    for one in seen[1:]:
        equal(one, seen[0])
    for number in range(publishers):
        mine = [int(text.split(b":")[1]) for text in seen[0] if text.startswith(b"%d:" % number)]
        equal(mine, list(range(each)))
    for watcher in watchers:
        watcher.close()


@check("one publisher's messages to several channels reach a session in the order sent")
def _(server):
    with server.connect() as publisher, subscriber(server, "c0", "c1", "c2") as watcher:
        publisher.call_many([("PUBLISH", f"c{i % 3}", i) for i in range(300)])
        equal([int(text) for text in messages(watcher, 300)], list(range(300)))


@check("nothing comes after the confirmation of UNSUBSCRIBE")
def _(server):
    stop = threading.Event()

    def publish():
        with server.connect() as connection:
            while not stop.is_set():
                connection.call_many([("PUBLISH", "busy", i) for i in range(50)])

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        for _ in range(40):
            with subscriber(server, "busy") as watcher:
                equal(watcher.read()[0], b"message")
                watcher.send("UNSUBSCRIBE", "busy")
                while (found := watcher.read())[0] == b"message":
                    pass
                equal(found, [b"unsubscribe", b"busy", 0])
                equal(watcher.call_many([("PING",)] * 3), [b"PONG"] * 3)
    finally:
        stop.set()
        thread.join()


@check("a session that subscribes gets what is published after its confirmation, and nothing from before")
def _(server):
    with server.connect() as publisher:
        for i in range(50):
            publisher.call("PUBLISH", "late", "early")
            with subscriber(server, "late") as watcher:
                equal(publisher.call("PUBLISH", "late", i), 1)
                equal(watcher.read()[-1], b"%d" % i)
            servers.wait_until(lambda: publisher.call("PUBSUB", "NUMSUB", "late") == [b"late", 0], "it has left")


@check("RESP3 sessions run commands while subscribed and see what was published before a command before its reply")
def _(server):
    with subscriber(server, "mine", protocol=3) as connection, server.connect() as other:
        equal(connection.call_many([("SET", "k", 1), ("GET", "k")]), [b"OK", b"1"])
        other.call("PUBLISH", "mine", "first")
        connection.send("GET", "k")
        equal(connection.read()[-1], b"first")
        equal(connection.read(), b"1")
        connection.send("PUBLISH", "mine", "to myself")
        equal(connection.read(), [b"message", b"mine", b"to myself"])
        equal(connection.read(), 1)


@check("messages of EXEC leave when it is over, all of them")
def _(server):
    with subscriber(server, "tx", protocol=3) as connection, server.connect() as other:
        equal(other.call_many([("MULTI",), ("PUBLISH", "tx", 1), ("SET", "k", 1), ("PUBLISH", "tx", 2), ("EXEC",)])[-1],
              [1, b"OK", 1])
        equal(messages(connection, 2), [b"1", b"2"])
        equal(connection.call_many([("MULTI",), ("PUBLISH", "tx", 3), ("EXEC",)])[-1], [1])
        equal(connection.read(), [b"message", b"tx", b"3"])


@check("messages of a script leave when it is over, those of one that fails too")
def _(server):
    with subscriber(server, "lua") as watcher, server.connect() as other:
        script = "local n = redis.call('publish', 'lua', 1); redis.call('publish', 'lua', 2); return n"
        equal(other.call("EVAL", script, 0), 1)
        equal(messages(watcher, 2), [b"1", b"2"])
        contains(other.call("EVAL", "redis.call('publish', 'lua', 3); error('stop')", 0), b"stop")
        equal(messages(watcher, 1), [b"3"])


@check("shard channels are apart from the others")
def _(server):
    with server.connect() as publisher, subscriber(server, "s", command="SSUBSCRIBE") as shard, \
            subscriber(server, "s") as plain:
        equal(publisher.call("SPUBLISH", "s", "a"), 1)
        equal(shard.read(), [b"smessage", b"s", b"a"])
        equal(publisher.call("PUBLISH", "s", "b"), 1)
        equal(plain.read(), [b"message", b"s", b"b"])
        equal(publisher.call("PUBSUB", "SHARDCHANNELS"), [b"s"])
        equal(publisher.call("PUBSUB", "SHARDNUMSUB", "s", "t"), [b"s", 1, b"t", 0])


@check("PUBSUB, INFO and CLIENT LIST tell who is subscribed, and nothing is left when the subscribers are gone")
def _(server):
    with server.connect() as admin:
        servers.wait_until(lambda: admin.call("PUBSUB", "CHANNELS") == [], "earlier subscribers are gone")
        one = subscriber(server, "x1", "x2")
        two = subscriber(server, "x2")
        three = subscriber(server, "x*", command="PSUBSCRIBE", protocol=3)
        three.call("CLIENT", "SETNAME", "third")
        equal(sorted(admin.call("PUBSUB", "CHANNELS", "x*")), [b"x1", b"x2"])
        equal(admin.call("PUBSUB", "NUMSUB", "x1", "x2", "x3"), [b"x1", 1, b"x2", 2, b"x3", 0])
        equal(admin.call("PUBSUB", "NUMPAT"), 1)
        stats = admin.call("INFO", "stats", "clients").decode()
        for line in ("pubsub_channels:2", "pubsub_patterns:1", "pubsubshard_channels:0", "pubsub_clients:3"):
            contains(stats, line)
        rows = admin.call("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
        equal(len(rows), 3)
        contains(rows[0], " flags=P ")
        contains(rows[0], " sub=2 psub=0 ssub=0 ")
        contains(rows[2], " name=third ")
        contains(rows[2], " sub=0 psub=1 ssub=0 ")
        one.close()
        servers.wait_until(lambda: b"pubsub_clients:2\r\n" in admin.call("INFO", "clients"), "the first is gone")
        equal(admin.call("CLIENT", "KILL", "TYPE", "pubsub"), 2)
        equal(two.read_until_close(), b"")
        servers.wait_until(lambda: admin.call("PUBSUB", "NUMPAT") == 0, "the pattern is gone")
        servers.wait_until(lambda: admin.call("PUBSUB", "CHANNELS") == [], "the channels are gone")
        three.close()


@check("RESET and QUIT end subscriptions")
def _(server):
    with server.connect() as admin, subscriber(server, "r") as connection:
        equal(connection.call("RESET"), b"RESET")
        equal(admin.call("PUBSUB", "NUMSUB", "r"), [b"r", 0])
        equal(connection.call("GET", "nothing"), None)
        with subscriber(server, "q") as leaver:
            equal(leaver.call("QUIT"), b"OK")
            equal(leaver.read_until_close(), b"")
        servers.wait_until(lambda: admin.call("PUBSUB", "NUMSUB", "q") == [b"q", 0], "q has no subscriber")


@check("a subscriber that never reads is cut off at the hard limit of its class, and the others go on")
def _(server):
    with server.connect() as admin, subscriber(server, "flood") as reader:
        admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0")
        sleeper = server.connect()
        sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.send("SUBSCRIBE", "flood")
        equal(sleeper.read(), [b"subscribe", b"flood", 1])
        payload = b"x" * 100_000
        for sent in range(1, 400):
            receivers = admin.call("PUBLISH", "flood", payload)
            equal(reader.read()[-1], payload)
            if receivers == 1:
                break
        is_true(40 < sent < 399, f"cut off after {sent} messages of 100 kB")
        contains(admin.call("INFO", "stats").decode(), "client_output_buffer_limit_disconnections:1")
        admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
        sleeper.close()


@check("a subscriber that never reads is cut off when it stays above the soft limit")
def _(server):
    with server.connect() as admin:
        admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 1")
        sleeper = server.connect()
        sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.send("SUBSCRIBE", "slow")
        equal(sleeper.read(), [b"subscribe", b"slow", 1])
        for _ in range(90):
            equal(admin.call("PUBLISH", "slow", b"x" * 100_000), 1)
        servers.wait_until(lambda: admin.call("PUBLISH", "slow", "x") == 0, "it was cut off")
        admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")
        sleeper.close()


def shares_thread(sleeper, other):
    """Whether one waits for the other: both are served by one thread. The first PING may still come before the
    sleep, when the thread finds both requests at once; the second can't."""
    sleeper.send("DEBUG", "SLEEP", 0.1)
    begin = time.monotonic()
    other.call("PING")
    other.call("PING")
    is_shared = time.monotonic() - begin > 0.05
    sleeper.read()
    return is_shared


@check("a publisher that is faster than the subscribers' thread is slowed down instead of filling the memory")
def _(_server):
    arguments = ["--threads", "2", "--enable-debug-command", "yes"]
    with servers.Server(arguments=arguments) as mine, subscriber(mine, "fast") as reader:
        others, near, far = [], [], []
        while not near or len(far) < 2:
            is_true(len(others) < 100, "connections are spread over the threads")
            others.append(mine.connect())
            (near if shares_thread(others[-1], reader) else far).append(others[-1])
        sleeper, publisher, admin = near[0], far[0], far[1]
        admin.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 0 0")
        count, payload = 110, b"x" * 1_000_000
        admin.call("CONFIG", "SET", "busy-reply-threshold", "0")
        sleeper.send("EVAL", "while true do end", "0")
        replies = []

        def publish():
            replies.extend(publisher.call_many([("PUBLISH", "fast", b"%d %s" % (i, payload)) for i in range(count)]))

        thread = threading.Thread(target=publish)
        thread.start()
        servers.wait_until(lambda: b" flags=b " in admin.call("CLIENT", "LIST"), "the publisher is paused", 60)
        is_true(len(replies) < count, "not all is published yet")
        equal(admin.call("SCRIPT", "KILL"), b"OK")
        equal([int(text.split()[0]) for text in messages(reader, count)], list(range(count)))
        thread.join()
        equal(replies, [1] * count)
        contains(str(sleeper.read()), "Script killed by user")
        for one in others:
            one.close()


@check("CLIENT REPLY OFF mutes replies but no messages and confirmations")
def _(server):
    with server.connect() as connection, server.connect() as publisher:
        connection.send("CLIENT", "REPLY", "OFF")
        connection.send("SUBSCRIBE", "quiet")
        connection.send("PING")
        equal(connection.read(), [b"subscribe", b"quiet", 1])
        equal(publisher.call("PUBLISH", "quiet", "m"), 1)
        equal(connection.read(), [b"message", b"quiet", b"m"])


@check("thousands of subscriptions of one session come and go")
def _(server):
    with server.connect() as admin, server.connect() as connection:
        names = [f"many:{i}" for i in range(20_000)]
        connection.send("SUBSCRIBE", *names)
        for count, name in enumerate(names, 1):
            equal(connection.read(), [b"subscribe", name.encode(), count])
        equal(len(admin.call("PUBSUB", "CHANNELS", "many:*")), len(names))
        equal(admin.call("PUBLISH", "many:777", "x"), 1)
        equal(connection.read(), [b"message", b"many:777", b"x"])
        connection.send("UNSUBSCRIBE")
        gone = [connection.read() for _ in names]
        equal(sorted(reply[1] for reply in gone), sorted(name.encode() for name in names))
        equal([reply[2] for reply in gone], list(range(len(names) - 1, -1, -1)))
        equal(admin.call("PUBSUB", "CHANNELS", "many:*"), [])


@check("messages that wait for their thread count as its clients' memory and as used")
def _(_server):
    def figures(info):
        return [int(info.decode().split(f"{name}:")[1].split()[0]) for name in ("used_memory", "mem_clients_normal")]

    with servers.Server(arguments=["--threads", "1"]) as single, single.connect() as reader, single.connect() as writer:
        for i in range(20):
            reader.call("PSUBSCRIBE", "c" + "*" * i)
        info = ("INFO", "memory")
        replies = writer.call_many([info] + [("PUBLISH", "c", "x" * 500)] * 20 + [info])
        before, after = figures(replies[0]), figures(replies[-1])
        is_true(after[0] - before[0] > 65000 and after[1] - before[1] > 65000, f"{before} {after}")
        servers.wait_until(lambda: figures(writer.call(*info))[1] < before[1] + 60000, "they are sent")
