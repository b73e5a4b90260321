# SPDX-License-Identifier: BSD-3-Clause
"""The jobs that redis-py and valkey-py do alike: their interfaces differ in names only."""
import asyncio
import contextlib
import json
import threading
import time
import zlib

import servers
from checks import contains, equal, is_true

INFO_FIELDS = ("redis_version", "redis_mode", "tcp_port", "uptime_in_seconds", "run_id", "process_id", "os",
               "connected_clients", "used_memory", "used_memory_human", "used_memory_rss", "used_memory_peak",
               "maxmemory", "maxmemory_human", "maxmemory_policy", "mem_fragmentation_ratio", "mem_allocator",
               "total_connections_received", "total_commands_processed", "instantaneous_ops_per_sec",
               "total_net_input_bytes", "total_net_output_bytes", "rejected_connections", "expired_keys",
               "evicted_keys", "keyspace_hits", "keyspace_misses", "pubsub_channels", "pubsub_patterns",
               "role", "connected_slaves", "loading", "rdb_last_save_time", "aof_enabled", "used_cpu_sys",
               "used_cpu_user", "cluster_enabled")
PASSWORD = "open sesame"


class Jobs:
    """client_class: Redis or Valkey; package: the module with exceptions, asyncio and pools."""

    def __init__(self, package, client_class, asyncio_class, scheme):
        self.package = package
        self.client_class = client_class
        self.asyncio_class = asyncio_class
        self.scheme = scheme
        self.name = package.__name__

    @contextlib.contextmanager
    def client(self, server, **options):
        client = self.client_class(host=servers.HOST, port=server.port, **options)
        client.flushall()
        try:
            yield client
        finally:
            client.close()

    def both_protocols(self, server, **options):
        for protocol in (2, 3):
            with self.client(server, protocol=protocol, **options) as client:
                yield client

    def strings(self, server):
        for client in self.both_protocols(server):
            is_true(client.set("page", b"\x00\xffbinary\r\n"), "SET")
            equal(client.get("page"), b"\x00\xffbinary\r\n")
            equal(client.set("page", "x", nx=True), None)
            equal(client.set("page", "new", xx=True, get=True), b"\x00\xffbinary\r\n")
            equal(client.append("page", "er"), 5)
            equal((client.getrange("page", 1, -2), client.strlen("page")), (b"ewe", 5))
            equal(client.setrange("page", 7, "!"), 8)
            equal(client.getdel("page"), b"newer\x00\x00!")
            equal(client.mset({"a": 1, "b": 2.5, "c": "three"}), True)
            equal(client.mget("a", "b", "c", "none"), [b"1", b"2.5", b"three", None])
            equal(client.msetnx({"c": 1, "d": 1}), False)
            equal((client.incr("a"), client.incrby("a", 40), client.decr("a", 2)), (2, 42, 40))
            equal(client.incrbyfloat("b", 0.25), 2.75)
            equal(client.getset("a", "old"), b"40")
            client.mset({"x": "ohmytext", "y": "mynewtext"})
            equal((client.lcs("x", "y"), client.lcs("x", "y", len=True)), (b"mytext", 6))

    def bitmaps(self, server):
        for client in self.both_protocols(server):
            for day in (1, 5, 9, 100):
                equal(client.setbit("visits:ann", day, 1), 0)
            for day in (5, 9, 10):
                client.setbit("visits:bob", day, 1)
            equal(client.bitcount("visits:ann"), 4)
            equal(client.bitop("AND", "both", "visits:ann", "visits:bob"), 13)
            equal((client.bitcount("both"), client.getbit("both", 9), client.bitpos("both", 1)), (2, 1, 5))
            equal(client.bitfield("counters").incrby("u8", 0, 200).incrby("u8", 0, 100, "SAT").get("u8", 0).execute(),
                  [200, 255, 255])

    def pipelines(self, server):
        for client in self.both_protocols(server):
            with client.pipeline(transaction=False) as pipe:
                for number in range(2000):
                    pipe.set(f"key:{number}", number).incrby(f"key:{number}", 1)
                results = pipe.execute()
            equal(results, [item for number in range(2000) for item in (True, number + 1)])
            with client.pipeline(transaction=False) as pipe:
                pipe.set("text", "abc").incr("text").get("text")
                results = pipe.execute(raise_on_error=False)
            is_true(isinstance(results[1], self.package.exceptions.ResponseError), repr(results[1]))
            contains(str(results[1]), "value is not an integer or out of range")
            equal((results[0], results[2]), (True, b"abc"))

    def expiry(self, server):
        for client in self.both_protocols(server):
            client.set("short", "x", px=20)
            client.set("long", "x", ex=1000)
            is_true(990 <= client.ttl("long") <= 1000, "TTL")
            is_true(990000 <= client.pttl("long") <= 1000000, "PTTL")
            equal((client.ttl("none"), client.expire("none", 5)), (-2, False))
            equal(client.expire("long", 10, gt=True), False)
            equal(client.expire("long", 5000, gt=True), True)
            equal((client.persist("long"), client.ttl("long")), (True, -1))
            equal(client.expireat("long", 4102444800), True)
            equal((client.expiretime("long"), client.pexpiretime("long")), (4102444800, 4102444800000))
            is_true(client.set("long", "y", keepttl=True) and client.ttl("long") > 0, "KEEPTTL")
            equal((client.getex("long", persist=True), client.ttl("long")), (b"y", -1))
            servers.wait_until(lambda c=client: c.get("short") is None, "the short-lived key is gone")
            equal(client.exists("short", "long"), 1)

    def iteration(self, server):
        for client in self.both_protocols(server):
            names = {f"user:{number}" for number in range(3000)} | {f"page:{number}" for number in range(500)}
            client.mset({name: 1 for name in names})
            equal({key.decode() for key in client.scan_iter(count=100)}, names)
            equal({key.decode() for key in client.scan_iter("page:*", count=1000)},
                  {name for name in names if name.startswith("page:")})
            equal({key.decode() for key in client.scan_iter("user:1?", _type="string")},
                  {f"user:1{digit}" for digit in range(10)})
            equal(len(client.keys("user:*")), 3000)
            equal((client.dbsize(), client.delete(*names), client.dbsize()), (3500, 3500, 0))

    def keys(self, server):
        for client in self.both_protocols(server):
            client.set("a", "1")
            equal((client.rename("a", "b"), client.exists("a"), client.type("b")), (True, 0, b"string"))
            equal((client.copy("b", "c"), client.touch("b", "c"), client.unlink("c")), (True, 2, 1))
            equal((client.renamenx("b", "b2"), client.randomkey(), client.move("b2", 1)), (True, b"b2", True))
            equal(client.swapdb(0, 1), True)
            equal(client.get("b2"), b"1")
            equal(client.object("encoding", "b2"), b"int")
            is_true(client.memory_usage("b2") > 0, "MEMORY USAGE")
            equal(client.wait(0, 10), 0)
            try:
                client.rename("none", "x")
            except self.package.exceptions.ResponseError as error:
                equal(str(error), "no such key")

    def info(self, server):
        for client in self.both_protocols(server):
            client.set("a", 1, ex=100)
            client.select(3)
            client.set("b", 1)
            info = client.info()
            missing = [field for field in INFO_FIELDS if field not in info]
            equal(missing, [], "fields that INFO lacks")
            is_true(tuple(map(int, info["redis_version"].split("."))) >= (7, 0, 0), "version")
            is_true(info["used_memory"] > 0 and info["tcp_port"] == server.port, "values")
            equal(info["db0"]["keys"], 1)
            equal(info["db0"]["expires"], 1)
            equal(info["db3"]["keys"], 1)
            is_true(client.info("memory")["used_memory"] > 0, "section")
            client.config_resetstat()
            client.get("b")
            client.get("none")
            stats = client.info("stats")
            equal((stats["keyspace_hits"], stats["keyspace_misses"]), (1, 1))
            contains(client.info("commandstats"), "cmdstat_get")
            client.select(0)

    def administration(self, server):
        for client in self.both_protocols(server):
            equal(client.ping(), True)
            equal(client.echo("hello"), b"hello")
            is_true(abs(client.time()[0] - time.time()) < 5, "TIME")
            equal(client.config_get("maxmemory-policy"), {"maxmemory-policy": "noeviction"})
            equal(client.config_set("maxmemory-policy", "allkeys-lru"), True)
            equal(client.config_get("maxmemory-pol*")["maxmemory-policy"], "allkeys-lru")
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("slowlog-log-slower-than", 0)
            client.slowlog_reset()
            client.set("slow", "x")
            entries = client.slowlog_get(10)
            client.config_set("slowlog-log-slower-than", 10000)
            is_true(any(entry["command"] == b"SET slow x" for entry in entries), repr(entries))
            is_true(client.command_count() > 50, "COMMAND COUNT")
            equal([bytes(key) if isinstance(key, bytes) else key.encode()
                   for key in client.command_getkeys("MSET", "a", 1, "b", 2)], [b"a", b"b"])
            contains(client.command(), "get")
            equal(client.role()[0], b"master")

    def clients(self, server):
        for client in self.both_protocols(server, client_name="worker-1"):
            contains(str(client.client_getname()), "worker-1")
            entries = client.client_list()
            mine = [entry for entry in entries if entry["id"] == str(client.client_id())]
            equal((len(mine), mine[0]["name"], mine[0]["db"], mine[0]["cmd"]), (1, "worker-1", "0", "client|list"))
            info = client.client_info()
            contains(str(info["addr"]), servers.HOST)
            contains(str(info.get("lib-name")), self.name.split(".")[0])
            with self.client_class(host=servers.HOST, port=server.port) as victim:
                number = victim.client_id()
                equal(client.client_kill_filter(_id=number), 1)
                servers.wait_until(lambda: all(entry["id"] != str(number) for entry in client.client_list()),
                                   "the killed client is gone")
                equal(victim.ping(), True, "it connects again")
            equal(client.client_no_evict("ON") in (True, b"OK", "OK"), True)

    def authentication(self, server):
        with self.client(server) as admin:
            admin.config_set("requirepass", PASSWORD)
            once = self.package.retry.Retry(self.package.backoff.NoBackoff(), 0)
            try:
                for protocol in (2, 3):
                    for password, error in ((None, self.package.exceptions.AuthenticationError),
                                            ("wrong", self.package.exceptions.AuthenticationError)):
                        try:
                            self.client_class(host=servers.HOST, port=server.port, password=password,
                                              protocol=protocol, retry=once).ping()
                        except error:
                            pass
                        else:
                            raise AssertionError(f"password {password!r} is accepted")
                    with self.client_class(host=servers.HOST, port=server.port, password=PASSWORD,
                                           protocol=protocol) as client:
                        equal(client.ping(), True)
                    with self.client_class(host=servers.HOST, port=server.port, username="default",
                                           password=PASSWORD, protocol=protocol) as client:
                        equal(client.ping(), True)
            finally:
                admin.config_set("requirepass", "")

    def urls(self, server):
        url = f"{self.scheme}://{servers.HOST}:{server.port}/5"
        client = self.client_class.from_url(url, decode_responses=True)
        client.flushall()
        client.set("name", "caf\u00e9")
        equal(client.get("name"), "caf\u00e9")
        equal(client.client_info()["db"], 5)
        client.close()

    def threads(self, server):
        pool = self.package.BlockingConnectionPool(host=servers.HOST, port=server.port, max_connections=4, timeout=10)
        with self.client(server) as client:
            shared = self.client_class(connection_pool=pool)

            def work():
                for _ in range(300):
                    shared.incr("hits")
                    shared.incrby("bytes", 10)
            workers = [threading.Thread(target=work) for _ in range(8)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            equal(client.mget("hits", "bytes"), [b"2400", b"24000"])
            shared.close()
            pool.disconnect()

    def page_cache(self, server):
        with self.client(server) as client:
            pages = {f"/page/{number}": {"title": f"Page {number}", "body": f"text {number} " * 3000}
                     for number in range(60)}

            def page(path):
                packed = client.get("html:" + path)
                if packed is None:
                    client.incr("misses")
                    packed = zlib.compress(json.dumps(pages[path]).encode())
                    client.set("html:" + path, packed, ex=300)
                return json.loads(zlib.decompress(packed))
            for _ in range(3):
                for path, content in pages.items():
                    equal(page(path), content)
            equal(client.get("misses"), b"60")
            big = bytes(range(256)) * 16384
            client.set("big", big)
            is_true(client.get("big") == big, "4 MiB come back unchanged")

    def rate_limit(self, server):
        with self.client(server) as client:
            def allowed(user, limit):
                key = f"rate:{user}"
                with client.pipeline(transaction=False) as pipe:
                    count, _ = pipe.incr(key).expire(key, 60, nx=True).execute()
                return count <= limit
            equal([allowed("ann", 5) for _ in range(8)], [True] * 5 + [False] * 3)
            equal(allowed("bob", 5), True)

    def asynchronous(self, server):
        async def job():
            client = self.asyncio_class(host=servers.HOST, port=server.port, max_connections=20)
            await client.flushall()
            await asyncio.gather(*(client.incr("n") for _ in range(20)))
            async with client.pipeline(transaction=False) as pipe:
                for number in range(100):
                    pipe.set(f"async:{number}", number)
                await pipe.execute()
            found = [key async for key in client.scan_iter("async:*")]
            value = await client.get("n")
            await client.aclose()
            return len(found), value
        equal(asyncio.run(job()), (100, b"20"))

    def transactions(self, server):
        for client in self.both_protocols(server):
            with client.pipeline(transaction=True) as pipe:
                equal(pipe.set("a", 1).incr("a").get("a").execute(), [True, 2, b"2"])

            def increment(client=client):
                with client.pipeline() as pipe:
                    for _ in range(25):
                        while True:
                            try:
                                pipe.watch("counter")
                                value = int(pipe.get("counter") or 0)
                                pipe.multi()
                                pipe.set("counter", value + 1)
                                pipe.execute()
                                break
                            except self.package.exceptions.WatchError:
                                continue
            threads = [threading.Thread(target=increment) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            equal(client.get("counter"), b"100")
            equal(client.transaction(lambda pipe: pipe.multi() or pipe.incr("counter"), "counter"), [101])

    def locks(self, server):
        for client in self.both_protocols(server):
            lock = client.lock("job", timeout=10)
            is_true(lock.acquire(blocking=False), "free")
            is_true(not client.lock("job", timeout=10).acquire(blocking=False), "held")
            is_true(lock.extend(20) and lock.reacquire() and lock.owned(), "extended")
            lock.release()
            with client.lock("job", timeout=5, blocking_timeout=1):
                is_true(not client.lock("job").acquire(blocking_timeout=0.05), "waited in vain")
            short = client.lock("short", timeout=0.03)
            short.acquire()
            servers.wait_until(lambda c=client: c.lock("short", timeout=5).acquire(blocking=False), "it has expired")
            try:
                short.release()
                raise AssertionError("another holder's lock was released")
            except self.package.exceptions.LockNotOwnedError:
                pass

    def scripts(self, server):
        for client in self.both_protocols(server):
            script = client.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1]), false}")
            equal(script(keys=["n"], args=["x"]), [b"n", b"x", 1, None])
            client.script_flush()
            equal(script(keys=["n"], args=["y"]), [b"n", b"y", 2, None])
            with client.pipeline() as pipe:
                script(keys=["n"], args=["z"], client=pipe)
                equal(pipe.execute(), [[b"n", b"z", 3, None]])
            sha = client.script_load("return ARGV[1]")
            equal((client.script_exists(sha), client.evalsha(sha, 0, "v")), ([True], b"v"))
            try:
                client.evalsha("0" * 40, 0)
                raise AssertionError("an unknown script ran")
            except self.package.exceptions.NoScriptError:
                pass
            client.function_load("#!lua name=lib\nredis.register_function('double', "
                                 "function(keys, args) return args[1] * 2 end)", replace=True)
            equal(client.fcall("double", 0, 21), 42)

    def publishing(self, server):
        for client in self.both_protocols(server):
            subscriber = client.pubsub(ignore_subscribe_messages=True)
            subscriber.subscribe("news")
            subscriber.psubscribe("new*")
            servers.wait_until(lambda s=subscriber: s.get_message(timeout=0.01) is None and len(s.channels) == 1, "")
            servers.wait_until(lambda c=client: c.publish("news", "ready?") == 2, "both subscriptions are there")
            seen = []
            while len(seen) < 2:
                message = subscriber.get_message(timeout=5)
                if message is not None:
                    seen.append((message["type"], message["channel"], message["data"]))
            equal(sorted(seen), [("message", b"news", b"ready?"), ("pmessage", b"news", b"ready?")])
            subscriber.close()
            handled = []
            other = client.pubsub()
            other.subscribe(**{"jobs": lambda message: handled.append(message["data"])})
            thread = other.run_in_thread(sleep_time=0.01)
            servers.wait_until(lambda c=client: c.publish("jobs", "1") == 1, "the thread has subscribed")
            servers.wait_until(lambda h=handled: len(h) > 0, "the handler was called")
            thread.stop()
            thread.join()

    def blocking(self, server):
        for client in self.both_protocols(server):
            equal(client.blpop(["none"], timeout=0.05), None)
            result = []
            waiting = threading.Thread(target=lambda c=client, r=result: r.append(c.brpop(["first", "second"], timeout=10)))
            waiting.start()
            servers.wait_until(lambda c=client: c.info("clients")["blocked_clients"] == 1, "it waits")
            client.lpush("second", "job")
            waiting.join()
            equal([tuple(r) for r in result], [(b"second", b"job")])
            client.zadd("z", {"a": 1})
            equal(tuple(client.bzpopmin("z", timeout=1)), (b"z", b"a", 1.0))
            client.rpush("src", "x")
            equal(client.blmove("src", "dst", 1, "LEFT", "RIGHT"), b"x")

    def collections(self, server):
        for client in self.both_protocols(server):
            equal(client.hset("h", mapping={"a": 1, "b": "two"}), 2)
            equal((client.hgetall("h"), client.hincrby("h", "a", 5)), ({b"a": b"1", b"b": b"two"}, 6))
            equal(dict(client.hscan_iter("h")), {b"a": b"6", b"b": b"two"})
            equal((client.rpush("l", 1, 2, 3), client.lrange("l", 0, -1), client.lpos("l", 2)), (3, [b"1", b"2", b"3"], 1))
            equal((client.sadd("s", "x", "y"), set(client.smembers("s"))), (2, {b"x", b"y"}))
            equal((set(client.sinter("s", "s")), set(client.sscan_iter("s"))), ({b"x", b"y"}, {b"x", b"y"}))
            equal(client.zadd("z", {"p": 1, "q": 2.5}), 2)
            equal([tuple(m) for m in client.zrange("z", 0, -1, withscores=True)], [(b"p", 1.0), (b"q", 2.5)])
            equal((client.zscore("z", "q"), client.zrank("z", "q")), (2.5, 1))
            first = client.xadd("x", {"n": 1})
            client.xgroup_create("x", "g", id="0")
            is_true(first in repr(client.xreadgroup("g", "me", {"x": ">"})).encode(), "the entry was read")
            equal((client.xpending("x", "g")["pending"], client.xack("x", "g", first)), (1, 1))
            equal((client.pfadd("p", "a", "b"), client.pfcount("p")), (1, 2))
            client.geoadd("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
            equal(round(client.geodist("geo", "Palermo", "Catania", unit="km")), 166)
            equal(client.sort("l", desc=True), [b"3", b"2", b"1"])
            dump = client.dump("l")
            client.restore("l2", 0, dump)
            equal(client.lrange("l2", 0, -1), [b"1", b"2", b"3"])
            equal(client.object("encoding", "s"), b"listpack")

    def permissions(self, server):
        for client in self.both_protocols(server):
            client.acl_setuser("reader", enabled=True, passwords=["+secret"], categories=["+@read"], keys=["public:*"],
                               reset=True)
            client.set("public:1", "x")
            other = self.client_class(host=servers.HOST, port=server.port, username="reader", password="secret",
                                      protocol=client.connection_pool.connection_kwargs.get("protocol", 2))
            equal(other.get("public:1"), b"x")
            for refused in (lambda c=other: c.set("public:1", 1), lambda c=other: c.get("private")):
                try:
                    refused()
                    raise AssertionError("it was permitted")
                except self.package.exceptions.NoPermissionError:
                    pass
            other.close()
            equal(client.acl_deluser("reader"), 1)

    def checks(self):
        sentences = (
            ("reads and writes strings", self.strings),
            ("counts visitors with bitmaps", self.bitmaps),
            ("runs pipelines and sees the error of one command among them", self.pipelines),
            ("gives keys a time to live in every way", self.expiry),
            ("iterates over thousands of keys by pattern and type", self.iteration),
            ("renames, copies, moves and describes keys", self.keys),
            ("parses INFO with the fields that dashboards read", self.info),
            ("reads and sets configuration, slow log and command table", self.administration),
            ("lists, names and kills connections", self.clients),
            ("logs in with a password, with a user name, and fails with a wrong one", self.authentication),
            ("connects by URL with a database number and decodes text", self.urls),
            ("loses no increment from eight threads that share a pool", self.threads),
            ("serves a cache of compressed pages and a value of 4 MiB", self.page_cache),
            ("limits a rate with INCR and EXPIRE NX", self.rate_limit),
            ("works from asyncio", self.asynchronous),
            ("runs transactions, and loses no increment that threads watch", self.transactions),
            ("holds locks, extends them and loses them in time", self.locks),
            ("runs scripts and functions, loading them again when they are gone", self.scripts),
            ("publishes and subscribes, with patterns and from a thread", self.publishing),
            ("waits for lists and sorted sets", self.blocking),
            ("uses every data type", self.collections),
            ("logs in as a user who may read only", self.permissions),
        )
        return [(f"{self.name} {sentence}", job) for sentence, job in sentences]
