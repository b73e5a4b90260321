# SPDX-License-Identifier: BSD-3-Clause
"""Jobs for django-redis; see programs.py."""
import datetime
import time

import django
from django.conf import settings

import job_list

JOBS = job_list.Jobs()


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


def caches(host, port, **options):
    def place(database, **more):
        return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://{host}:{port}/{database}",
                "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient", **options, **more}}
    settings.configure(
        CACHES={"default": place(1),
                "zlib": place(2, COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor"),
                "json": place(3, SERIALIZER="django_redis.serializers.json.JSONSerializer")},
        SESSION_ENGINE="django.contrib.sessions.backends.cache", SESSION_CACHE_ALIAS="default", USE_TZ=True)
    django.setup()
    from django.core.cache import caches as all_caches
    for name in ("default", "zlib", "json"):
        all_caches[name].clear()
    return all_caches


@JOBS.job("stores, reads, counts and expires values")
def _(host, port):
    cache = caches(host, port)["default"]
    equal(cache.set("key", {"a": [1, 2.5, None]}, timeout=100), True)
    equal(cache.get("key"), {"a": [1, 2.5, None]})
    equal((cache.add("key", 1), cache.add("other", 1, timeout=50)), (False, True))
    equal((cache.set("key", 5, nx=True), cache.set("nx", 5, nx=True)), (False, True))
    equal((cache.incr("other"), cache.incr("other", 10), cache.decr("other", 2)), (2, 12, 10))
    try:
        cache.incr("none")
        raise AssertionError("a key that is not there was counted")
    except ValueError:
        pass
    equal((cache.ttl("none"), cache.ttl("nx") is not None, 90 < cache.ttl("key") <= 100), (0, True, True))
    equal((cache.persist("key"), cache.ttl("key"), cache.expire("key", 7)), (True, None, True))
    equal(5000 < cache.pttl("key") <= 7000, True)
    equal((cache.pexpire("key", 90000), 80000 < cache.pttl("key") <= 90000), (True, True))
    later = datetime.datetime.now() + datetime.timedelta(hours=1)
    equal((cache.expire_at("key", later), 3500 < cache.ttl("key") <= 3600), (True, True))
    equal((cache.pexpire_at("key", later), cache.touch("key", 20), cache.ttl("key") <= 20), (True, True, True))
    cache.set_many({f"many:{i}": i for i in range(40)}, timeout=60)
    equal(cache.get_many([f"many:{i}" for i in range(0, 50, 10)]), {f"many:{i}": i for i in range(0, 40, 10)})
    equal((len(cache.keys("many:*")), len(list(cache.iter_keys("many:1*")))), (40, 11))
    equal((cache.delete_many(["many:0", "many:1"]), cache.delete_pattern("many:*")), (2, 38))
    equal((cache.has_key("key"), cache.delete("key"), cache.has_key("key")), (True, True, False))
    equal((cache.set("v", 1), cache.incr_version("v"), cache.get("v"), cache.get("v", version=2)), (True, 2, None, 1))
    cache.set("short", 1, timeout=1)
    end = time.monotonic() + 5
    while cache.get("short") is not None:
        assert time.monotonic() < end
        time.sleep(0.05)
    cache.set("gone", 1, timeout=0)
    equal(cache.get("gone"), None)


@JOBS.job("compresses with zlib and serialises as JSON")
def _(host, port):
    both = caches(host, port)
    from django_redis import get_redis_connection
    text = "compressible " * 1000
    both["zlib"].set("page", text)
    equal(both["zlib"].get("page"), text)
    assert get_redis_connection("zlib").strlen(":1:page") < 1000
    both["json"].set("data", {"a": [1, "b"]})
    equal((both["json"].get("data"), get_redis_connection("json").get(":1:data")),
          ({"a": [1, "b"]}, b'{"a": [1, "b"]}'))
    info = get_redis_connection("default").info()
    equal(("redis_version" in info, get_redis_connection("default").dbsize()), (True, 0))


def place_of(cache, method):
    """Release 5.4.0 has the methods of data types on its client only, where it has them."""
    for place in (cache, cache.client):
        if hasattr(place, method):
            return place
    return None


@JOBS.job("uses sets by every method it has for them")
def _(host, port):
    cache = place_of(caches(host, port)["default"], "sadd")
    if cache is None:
        return
    equal((cache.sadd("a", 1, 2, 3, "x"), cache.sadd("b", 2, 3, 4), cache.scard("a")), (4, 3, 4))
    equal((cache.sdiff("a", "b"), cache.sinter("a", "b"), cache.sunion("a", "b")),
          ({1, "x"}, {2, 3}, {1, 2, 3, 4, "x"}))
    equal((cache.sdiffstore("d", "a", "b"), cache.sinterstore("i", "a", "b"), cache.sunionstore("u", "a", "b")),
          (2, 2, 5))
    equal((cache.smembers("d"), cache.smembers("i")), ({1, "x"}, {2, 3}))
    equal((cache.sismember("a", 2), cache.sismember("a", 9)), (True, False))
    equal([bool(x) for x in cache.smismember("a", 2, 9, "x")], [True, False, True])
    equal((cache.smove("a", "b", 1), cache.smembers("b")), (True, {1, 2, 3, 4}))
    equal(cache.srandmember("i") in (2, 3), True)
    equal(set(cache.srandmember("i", 5)), {2, 3})
    equal((cache.srem("u", 1, 2, 99), cache.scard("u")), (2, 3))
    equal((set(cache.sscan("u", count=100)), set(cache.sscan_iter("u"))), ({3, 4, "x"}, {3, 4, "x"}))
    equal((cache.spop("i") in (2, 3), len(cache.spop("u", 2)), cache.scard("u")), (True, 2, 1))


@JOBS.job("uses hashes by every method it has for them")
def _(host, port):
    cache = place_of(caches(host, port)["default"], "hset")
    if cache is None:
        return
    equal((cache.hset("h", "one", {"n": 1}), cache.hset("h", "two", 2)), (1, 1))
    equal((cache.hlen("h"), cache.hexists("h", "one"), cache.hexists("h", "none")), (2, True, False))
    equal(sorted(cache.hkeys("h")), ["one", "two"])
    equal((cache.hdel("h", "one"), cache.hlen("h")), (1, 1))


@JOBS.job("uses sorted sets, where the release has methods for them")
def _(host, port):
    cache = place_of(caches(host, port)["default"], "zadd")
    if cache is None:
        return
    equal(cache.zadd("z", {"a": 1, "b": 2.5, "c": 3}), 3)
    equal((cache.zcard("z"), cache.zcount("z", 1, 2.5), cache.zscore("z", "b")), (3, 2, 2.5))
    equal((cache.zrange("z", 0, -1), cache.zrevrange("z", 0, 0)), (["a", "b", "c"], ["c"]))
    equal((cache.zincrby("z", 5, "a"), cache.zrank("z", "a")), (6.0, 2))
    equal((cache.zrangebyscore("z", 2, 3), cache.zrevrangebyscore("z", 10, 3)), (["b", "c"], ["a", "c"]))
    equal(cache.zpopmin("z"), ("b", 2.5))
    equal((cache.zrem("z", "c"), cache.zcard("z")), (1, 1))


@JOBS.job("locks: one holder at a time, extended, released, expired")
def _(host, port):
    cache = caches(host, port)["default"]
    lock = cache.lock("job", timeout=30)
    equal(lock.acquire(blocking=False), True)
    equal(cache.lock("job", timeout=30).acquire(blocking=False), False)
    equal((lock.extend(10), lock.reacquire(), lock.owned()), (True, True, True))
    lock.release()
    with cache.lock("job", timeout=1):
        equal(cache.lock("job").acquire(blocking=True, blocking_timeout=0.05), False)
    short = cache.lock("short", timeout=0.05)
    short.acquire()
    time.sleep(0.1)
    equal(cache.lock("short", timeout=5).acquire(blocking=False), True)
    try:
        short.release()
        raise AssertionError("somebody else's lock was released")
    except Exception as error:  # pylint: disable=broad-except
        equal(type(error).__name__, "LockNotOwnedError")


@JOBS.job("keeps Django's sessions")
def _(host, port):
    caches(host, port)
    from django.contrib.sessions.backends.cache import SessionStore
    session = SessionStore()
    session["cart"] = [1, 2, 3]
    session.save()
    equal(SessionStore(session_key=session.session_key)["cart"], [1, 2, 3])
    session.cycle_key()
    equal(SessionStore(session_key=session.session_key)["cart"], [1, 2, 3])
    session.flush()
    equal(SessionStore(session_key=session.session_key).load(), {})


if __name__ == "__main__":
    JOBS.main()
