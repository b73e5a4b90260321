# SPDX-License-Identifier: BSD-3-Clause
"""Transactions and scripts of many connections on four threads: they could have run one after the
other. LARDER_SERVER may name a server built with ThreadSanitizer, which reports races by its exit
status."""
import random
import threading
import time

import serializability
import servers
from checks import check, equal, is_true

KEYS = [f"register:{n}" for n in range(6)]
CONNECTIONS = 8
TRANSACTIONS = 150  # per connection

# Appends ARGV[1] to the keys that ARGV[2..] mark with "a", reads the others.
DECLARED = """
local seen = {}
for i = 1, #KEYS do
  if ARGV[i + 1] == 'a' then redis.call('RPUSH', KEYS[i], ARGV[1]) seen[i] = {}
  else seen[i] = redis.call('LRANGE', KEYS[i], 0, -1) end
end
return seen
"""
# The same with keys that only the script knows: ARGV names them.
UNDECLARED = DECLARED.replace("#KEYS", "(#ARGV - 1) / 2").replace("KEYS[i]", "ARGV[i + 1 + (#ARGV - 1) / 2]")


def fixture():
    return servers.Server(arguments=("--threads", "4"))


class Client:
    def __init__(self, server, index, seed):
        self.connection = server.connect(60.0)
        self.random = random.Random(seed * 1000 + index)
        self.next = 1 + index * TRANSACTIONS
        self.history = {}

    def keys(self, count):
        return self.random.sample(KEYS, count)

    def note(self, number, keys, marks, seen):
        self.history[number] = [("append", key) if mark == "a" else ("read", key, [int(n) for n in numbers])
                                for key, mark, numbers in zip(keys, marks, seen)]

    def script(self, number):
        keys = self.keys(self.random.randint(1, 4))
        marks = [self.random.choice("ar") for _ in keys]
        if self.random.random() < 0.5:
            seen = self.connection.call("EVAL", DECLARED, str(len(keys)), *keys, str(number), *marks)
        else:
            seen = self.connection.call("EVAL", UNDECLARED, "0", str(number), *marks, *keys)
        is_true(isinstance(seen, list), repr(seen))
        self.note(number, keys, marks, seen)

    def transaction(self, number):
        keys = self.keys(self.random.randint(1, 5))
        marks = [self.random.choice("ar") for _ in keys]
        commands = [("MULTI",)]
        for key, mark in zip(keys, marks):
            if mark == "r":
                commands.append(("LRANGE", key, "0", "-1"))
            elif self.random.random() < 0.3:
                commands.append(("EVAL", "return redis.call('RPUSH', KEYS[1], ARGV[1])", "1", key, str(number)))
            else:
                commands.append(("RPUSH", key, str(number)))
        if self.random.random() < 0.1:
            commands.append(("DBSIZE",))
        replies = self.connection.call_many([*commands, ("EXEC",)])
        is_true(isinstance(replies[-1], list), repr(replies[-1]))
        self.note(number, keys, marks, [r if isinstance(r, list) else [] for r in replies[-1]])

    def optimistic(self, number):
        source, target = self.keys(2)
        self.connection.call("WATCH", source)
        seen = self.connection.call("LRANGE", source, "0", "-1")
        replies = self.connection.call_many([("MULTI",), ("RPUSH", target, str(number)), ("EXEC",)])
        if replies[-1] is not None:
            self.note(number, [source, target], "ra", [seen, []])

    def run(self):
        for _ in range(TRANSACTIONS):
            number, self.next = self.next, self.next + 1
            self.random.choice((self.script, self.script, self.transaction, self.transaction, self.optimistic))(number)


@check("random transactions and scripts of many connections have a serial order")
def _(server):
    seed = int(time.time())
    print(f"seed {seed}")
    with server.connect() as connection:
        connection.call("FLUSHALL")
    clients = [Client(server, index, seed) for index in range(CONNECTIONS)]
    failures = []

    def run(client):
        try:
            client.run()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)
    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    if failures:
        raise failures[0]
    history = {}
    for client in clients:
        history.update(client.history)
    with server.connect() as connection:
        registers = {key: [int(n) for n in connection.call("LRANGE", key, "0", "-1")] for key in KEYS}
    is_true(sum(map(len, registers.values())) > CONNECTIONS * TRANSACTIONS / 2, "something was written")
    equal(serializability.problem(history, registers), None)


@check("the check itself finds histories without a serial order")
def _(_server):
    append, read = "append", "read"
    good = {1: [(append, "a"), (append, "b")], 2: [(read, "a", [1]), (append, "b")]}
    equal(serializability.problem(good, {"a": [1], "b": [1, 2]}), None)
    is_true(serializability.problem(good, {"a": [1], "b": [2, 1]}), "two orders")
    is_true(serializability.problem(good, {"a": [1], "b": [1]}), "a lost write")
    skew = {1: [(read, "b", []), (append, "a")], 2: [(read, "a", []), (append, "b")]}
    is_true(serializability.problem(skew, {"a": [1], "b": [2]}), "write skew")
    torn = {1: [(append, "a"), (append, "b")], 2: [(read, "a", [1]), (read, "b", [])]}
    is_true(serializability.problem(torn, {"a": [1], "b": [1]}), "a torn read")


@check("a command that stores what it reads from other keys sees no transaction's half")
def _(server):
    stores = (("ZUNIONSTORE", "{}", "2", "plus", "minus"), ("ZINTERSTORE", "{}", "2", "plus", "minus"))
    problems = []
    ended = threading.Event()

    def write(number):
        with server.connect(60.0) as client:
            while not ended.is_set():
                number += 7
                client.call_many([("MULTI",), ("ZADD", "plus", str(number), "m"), ("ZADD", "minus", str(-number), "m"),
                                  ("EXEC",)])

    def read(number):
        target = f"sum:{number}"
        with server.connect(60.0) as client:
            for turn in range(5000):
                words = [word.format(target) for word in stores[turn % 2]]
                scores = client.call_many([words, ("ZRANGE", target, "0", "-1", "WITHSCORES")])[1]
                if scores != [b"m", b"0"]:
                    problems.append(scores)
    with server.connect(60.0) as client:
        client.call_many([("MULTI",), ("ZADD", "plus", "0", "m"), ("ZADD", "minus", "0", "m"), ("EXEC",)])
    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    readers = [threading.Thread(target=read, args=(n,)) for n in range(3)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join(120)
    ended.set()
    for thread in writers:
        thread.join(120)
    equal(problems, [])
