# SPDX-License-Identifier: BSD-3-Clause
"""The HTTP port for monitoring."""
import contextlib
import re
import urllib.error
import urllib.request

import servers
from checks import check, contains, equal, is_true

DASHBOARD_NAMES = ("redis_up", "redis_uptime_in_seconds", "redis_connected_clients", "redis_memory_used_bytes",
                   "redis_memory_max_bytes", "redis_commands_processed_total", "redis_keyspace_hits_total",
                   "redis_keyspace_misses_total", "redis_evicted_keys_total", "redis_expired_keys_total",
                   "redis_net_input_bytes_total", "redis_net_output_bytes_total", "redis_db_keys",
                   "redis_db_keys_expiring", "redis_commands_total", "redis_blocked_clients")
SAMPLE = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})? [-+]?([0-9.eE+-]+|Inf|NaN)$")


@contextlib.contextmanager
def fixture():
    port = servers.free_port()
    with servers.Server(arguments=("--metrics-port", port)) as server:
        yield server, f"http://{servers.HOST}:{port}"


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.headers, answer.read().decode()


@check("/healthz answers with status 200")
def _(place):
    equal(get(place[1] + "/healthz")[0], 200)


@check("/metrics has the names that Redis dashboards read, in Prometheus's text format")
def _(place):
    server, url = place
    with server.connect() as connection:
        connection.call("SET", "a", 1, "EX", 100)
        connection.call_many([("GET", "a")] * 7 + [("GET", "none")] * 3)
    status, headers, text = get(url + "/metrics")
    equal(status, 200)
    contains(headers["Content-Type"], "text/plain")
    for line in text.splitlines():
        is_true(line.startswith("#") or SAMPLE.match(line) is not None, repr(line))
    missing = [name for name in DASHBOARD_NAMES if not re.search(rf"^{name}[ {{]", text, re.MULTILINE)]
    equal(missing, [])
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    equal((float(values["redis_keyspace_hits_total"]), float(values["redis_keyspace_misses_total"])), (7.0, 3.0))
    equal(float(values['redis_db_keys{db="db0"}']), 1.0)


@check("every metric has a type and a description")
def _(place):
    text = get(place[1] + "/metrics")[2]
    typed = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    described = set(re.findall(r"^# HELP (\S+) ", text, re.MULTILINE))
    names = {re.split(r"[ {]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    plain = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in typed else name for name in names}
    equal(sorted(plain - typed), [])
    equal(sorted(plain - described), [])


@check("another path is not found")
def _(place):
    try:
        get(place[1] + "/nosuch")
    except urllib.error.HTTPError as error:
        equal(error.code, 404)
        return
    raise AssertionError("found")
