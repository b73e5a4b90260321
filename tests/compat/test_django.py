# SPDX-License-Identifier: BSD-3-Clause
"""Django's own RedisCache and the sessions that are kept in it."""
import contextlib
import datetime

import django
import servers
from checks import check, equal, is_true
from django.conf import settings


@contextlib.contextmanager
def fixture():
    with servers.Server() as server:
        location = f"redis://{servers.HOST}:{server.port}"
        settings.configure(
            SECRET_KEY="only for this test",
            CACHES={
                "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location + "/1",
                            "KEY_PREFIX": "site", "VERSION": 2, "TIMEOUT": 300},
                "other": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": location + "/2"},
            },
            SESSION_ENGINE="django.contrib.sessions.backends.cache",
            INSTALLED_APPS=["django.contrib.sessions"],
            USE_TZ=True)
        django.setup()
        from django.core.cache import caches
        try:
            yield server, caches
        finally:
            for cache in caches.all():
                cache.close()


@check("Django's cache stores strings, numbers, and objects, and returns the default for a missing key")
def _(place):
    cache = place[1]["default"]
    cache.clear()
    for value in ("text", 5, 2.5, None, True, {"a": [1, 2, (3, "x")]}, datetime.date(2026, 1, 2), b"\x00\xff"):
        cache.set("value", value)
        equal(cache.get("value", "missing"), value)
    equal(cache.get("none", "default"), "default")
    equal((cache.has_key("value"), "none" in cache), (True, False))


@check("Django's cache adds only what is not there, and get_or_set calls its function once")
def _(place):
    cache = place[1]["default"]
    cache.clear()
    equal((cache.add("key", "first"), cache.add("key", "second"), cache.get("key")), (True, False, "first"))
    calls = []
    for _ in range(3):
        equal(cache.get_or_set("made", lambda: calls.append(1) or 42), 42)
    equal(len(calls), 1)


@check("Django's cache counts up and down, and refuses to count a missing key")
def _(place):
    cache = place[1]["default"]
    cache.set("counter", 10)
    equal((cache.incr("counter"), cache.incr("counter", 10), cache.decr("counter", 5)), (11, 21, 16))
    equal(cache.get("counter"), 16)
    try:
        cache.incr("uncounted")
    except ValueError:
        pass
    else:
        raise AssertionError("a missing key was counted")


@check("Django's cache keeps its times to live: default, given, none, touched and over")
def _(place):
    server, caches = place
    cache = caches["default"]
    cache.clear()
    with server.connect() as connection:
        connection.call("SELECT", 1)
        cache.set("plain", 1)
        cache.set("long", 1, timeout=1000)
        cache.set("forever", 1, timeout=None)
        is_true(290 <= connection.call("TTL", "site:2:plain") <= 300, "default timeout")
        is_true(990 <= connection.call("TTL", "site:2:long") <= 1000, "given timeout")
        equal(connection.call("TTL", "site:2:forever"), -1)
        equal((cache.touch("plain", 5000), cache.touch("none")), (True, False))
        is_true(4990 <= connection.call("TTL", "site:2:plain") <= 5000, "touched")
        equal(cache.touch("plain", None), True)
        equal(connection.call("TTL", "site:2:plain"), -1)
        cache.set("plain", 1, timeout=0)
        equal(cache.get("plain"), None)
        cache.set("second", 1, timeout=1)
        servers.wait_until(lambda: cache.get("second") is None, "a timeout of one second is over")


@check("Django's cache reads, deletes and clears many keys, in its own database only")
def _(place):
    caches = place[1]
    cache, other = caches["default"], caches["other"]
    cache.clear()
    other.set("kept", 1)
    for number in range(50):
        cache.set(f"key{number}", number)
    equal(cache.get_many([f"key{number}" for number in range(0, 60, 10)]),
          {f"key{number}": number for number in range(0, 50, 10)})
    cache.delete_many([f"key{number}" for number in range(40)])
    equal((cache.get("key39"), cache.get("key40"), cache.delete("key40"), cache.delete("key40")),
          (None, 40, True, False))
    cache.clear()
    equal((cache.get("key41"), other.get("kept")), (None, 1))


@check("Django's cache keeps versions of a key apart")
def _(place):
    cache = place[1]["default"]
    cache.clear()
    cache.set("key", "two")
    cache.set("key", "seven", version=7)
    equal((cache.get("key"), cache.get("key", version=7)), ("two", "seven"))
    equal(cache.incr_version("key"), 3)
    equal((cache.get("key"), cache.get("key", version=3)), (None, "two"))


@check("a Django session is saved, loaded by its key, changed, given a new key and deleted")
def _(_place):
    from django.contrib.sessions.backends.cache import SessionStore
    session = SessionStore()
    session["user"] = 42
    session["cart"] = [{"item": 1, "count": 2}]
    session.save()
    key = session.session_key
    loaded = SessionStore(session_key=key)
    equal((loaded["user"], loaded["cart"]), (42, [{"item": 1, "count": 2}]))
    loaded["user"] = 43
    loaded.save()
    equal(SessionStore(session_key=key)["user"], 43)
    loaded.cycle_key()
    is_true(loaded.session_key != key and not loaded.exists(key), "the old key is gone")
    equal(SessionStore(session_key=loaded.session_key)["user"], 43)
    loaded.flush()
    equal(SessionStore(session_key=key).load(), {})


@check("a Django session ends when its time is over, and a session that was deleted cannot be saved again")
def _(_place):
    from django.contrib.sessions.backends.base import UpdateError
    from django.contrib.sessions.backends.cache import SessionStore
    session = SessionStore()
    session["user"] = 1
    session.set_expiry(1)
    session.save()
    key = session.session_key
    is_true(session.exists(key), "it is there")
    servers.wait_until(lambda: not SessionStore().exists(key), "the session is over")
    session["user"] = 2
    try:
        session.save()
    except UpdateError:
        return
    raise AssertionError("a session that is gone was updated")
