#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tests of the benchmark programs as programs, against the floor server and Debian's redis-server.

    LARDER_BENCH_BIN=build/bin python3 bench/test_bench.py        (LARDER_BENCH_PORT: first port)
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from driver import results, servers  # noqa: E402

BIN = os.path.abspath(os.environ.get("LARDER_BENCH_BIN", os.path.join(HERE, "../build/bin")))
PORT = int(os.environ.get("LARDER_BENCH_PORT", "21190"))


def program(name):
    return os.path.join(BIN, name)


def load(server, *options):
    """Exit status and JSON of a bench-load run."""
    done = subprocess.run(
        [program("bench-load"), "--json", "--port", str(server.port), "--protocol",
         server.kind.protocol, *options], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def command(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


class FloorServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = servers.floor_kind(program("bench-floor")).start(PORT)
        cls.addClassCleanup(cls.server.stop)

    def replies(self, pieces):
        """Everything the server answers to the pieces, sent one by one."""
        with socket.create_connection(("127.0.0.1", self.server.port), 5) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                got = connection.recv(65536)
                if not got:
                    return answer
                answer += got

    def test_commands_cut_anywhere_are_each_answered_once(self):
        stream = (command(b"GET", b"k") + b"PING\r\n" + command(b"SET", b"*1\r\n$4", b"\r\n\r\n")
                  + b"*0\r\n" + command(b"SET", b"a" * 300, b"") + command(b"PING"))
        for cut in range(1, len(stream)):
            self.assertEqual(self.replies([stream[:cut], stream[cut:]]), b"+OK\r\n" * 6, cut)

    def test_commands_sent_byte_by_byte_are_each_answered_once(self):
        stream = command(b"SET", b"key", b"line\r\nend") * 3
        self.assertEqual(self.replies([bytes([byte]) for byte in stream]), b"+OK\r\n" * 3)

    def test_more_than_a_buffer_of_commands_is_answered_completely(self):
        stream = command(b"SET", b"key", b"v" * 1000) * 3000
        self.assertEqual(self.replies([stream]), b"+OK\r\n" * 3000)

    def test_several_threads_answer_all_connections(self):
        kind = servers.Kind("floor", lambda port, threads, extra: [
            program("bench-floor"), "--port", str(port), "--threads", "3"], is_floor=True)
        with kind.start(PORT + 1) as server:
            status, seen = load(server, "--verify", "no", "--requests", "20000", "--pipeline", "7")
        self.assertEqual((status, seen["requests"]), (0, 20000))


class LoadGenerator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = servers.redis_kind().start(PORT + 2)
        cls.addClassCleanup(cls.server.stop)

    def ask(self, *words):
        with socket.create_connection(("127.0.0.1", self.server.port), 5) as connection:
            connection.sendall(command(*words))
            return connection.recv(65536)

    def setUp(self):
        self.ask(b"FLUSHALL")

    def test_populate_stores_every_key_and_gets_find_them(self):
        status, seen = load(self.server, "--keys", "5000", "--populate", "--requests", "20000",
                            "--pipeline", "16")
        self.assertEqual((status, seen["requests"], seen["misses"]), (0, 20000, 0))
        self.assertEqual(self.ask(b"DBSIZE"), b":5000\r\n")

    def test_every_request_limit_is_met_exactly(self):
        for requests in (1, 49, 50, 51, 801, 3333):
            for pipeline in (1, 16):
                _, seen = load(self.server, "--workload", "ping", "--requests", str(requests),
                               "--pipeline", str(pipeline))
                self.assertEqual(seen["requests"], requests)

    def test_a_missing_key_is_reported_and_fails_the_run(self):
        load(self.server, "--keys", "100", "--populate-only")
        self.ask(b"DEL", b"k:00000000000042")
        status, seen = load(self.server, "--keys", "100", "--requests", "100", "--distribution",
                            "sequential")
        self.assertEqual((status, seen["misses"], seen["wrong"]), (1, 1, 0))
        self.assertIn("42", seen["problem"])

    def test_a_wrong_value_is_reported_and_fails_the_run(self):
        load(self.server, "--keys", "100", "--populate-only")
        self.ask(b"SETRANGE", b"k:00000000000042", b"31", b"x")
        status, seen = load(self.server, "--keys", "100", "--requests", "100", "--distribution",
                            "sequential")
        self.assertEqual((status, seen["misses"], seen["wrong"]), (1, 0, 1))

    def test_an_error_reply_is_reported_and_fails_the_run(self):
        load(self.server, "--keys", "10", "--workload", "lpush", "--populate-only")
        status, seen = load(self.server, "--keys", "10", "--requests", "10")
        self.assertEqual((status, seen["errors"]), (1, 10))
        self.assertIn("WRONGTYPE", seen["problem"])

    def test_incr_reaches_the_server_once_per_request(self):
        load(self.server, "--keys", "7", "--workload", "incr", "--populate", "--requests", "9999",
             "--pipeline", "5")
        total = sum(int(self.ask(b"GET", b"k:%014d" % key).split(b"\r\n")[1]) for key in range(7))
        self.assertEqual(total, 7 * 100 + 9999)

    def test_open_loop_keeps_its_rate(self):
        _, seen = load(self.server, "--workload", "ping", "--rate", "5000", "--seconds", "0.5")
        self.assertEqual(seen["requests"], 2500)
        self.assertAlmostEqual(seen["seconds"], 0.5, delta=0.1)

    def test_open_loop_counts_a_stall_of_the_server_as_latency(self):
        load(self.server, "--keys", "10", "--populate-only")
        client = subprocess.Popen(
            [program("bench-load"), "--json", "--port", str(self.server.port), "--keys", "10",
             "--connections", "2", "--rate", "2000", "--seconds", "1"],
            stdout=subprocess.PIPE, text=True)
        while int(self.ask(b"INFO", b"stats").split(b"keyspace_hits:")[1].split(b"\r\n")[0]) < 20:
            pass
        self.ask(b"DEBUG", b"SLEEP", b"0.3")
        self.ask(b"CLIENT", b"PAUSE", b"300", b"ALL")
        seen = json.loads(client.communicate(timeout=20)[0])
        self.assertEqual(client.returncode, 0)
        self.assertEqual(seen["requests"], 2000)
        self.assertGreater(seen["max_us"], 250000)
        self.assertGreater(seen["p90_us"], 100000)

    def test_server_cpu_and_memory_come_from_the_kernel(self):
        _, seen = load(self.server, "--workload", "ping", "--requests", "50000", "--server-pid",
                       str(self.server.pid))
        self.assertGreater(seen["server_cpu_ns"], 100)
        self.assertLess(seen["server_cpu_ns"] * 50000, seen["seconds"] * 1.1e9)
        self.assertGreater(seen["resident_after"], 1 << 20)

    def test_a_closed_server_ends_the_run(self):
        with servers.redis_kind().start(PORT + 3) as server:
            client = subprocess.Popen(
                [program("bench-load"), "--json", "--port", str(server.port), "--workload", "ping",
                 "--seconds", "20"], stdout=subprocess.PIPE, text=True)
            with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
                while True:
                    connection.sendall(command(b"INFO", b"clients"))
                    if b"connected_clients:51\r" in connection.recv(65536):
                        break
        seen = json.loads(client.communicate(timeout=20)[0])
        self.assertEqual(client.returncode, 1)
        self.assertFalse(seen["complete"])


class Traces(unittest.TestCase):
    def replay(self, *options):
        with servers.redis_kind().start(PORT + 4) as server:
            done = subprocess.run(
                [program("bench-trace"), "--port", str(server.port), *options],
                capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_without_a_limit_each_key_misses_once(self):
        for generator in ("zipf:0.9", "zipf-scan:0.9", "loop", "shift:0.9"):
            one_by_one = self.replay("--generate", generator, "--keys", "500", "--requests",
                                     "3000", "--batch", "1")
            batched = self.replay("--generate", generator, "--keys", "500", "--requests", "3000")
            self.assertEqual(one_by_one, batched, generator)
            self.assertEqual(batched["requests"] - batched["hits"], batched["entries"], generator)

    def test_files_are_read_with_their_sizes(self):
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("time,key,size\n1,a,100\n2,b,300\n3,a,100\n\n4,c c,0\n5,b,300")
            file.flush()
            seen = self.replay("--trace", file.name)
        self.assertEqual((seen["requests"], seen["hits"], seen["entries"]), (5, 2, 3))
        self.assertAlmostEqual(seen["byte_hit_ratio"], 0.5)


class Results(unittest.TestCase):
    def test_verdicts_follow_target_and_stretch(self):
        for is_ceiling, value, verdict in ((True, 1.9, "no"), (True, 1.8, "yes"),
                                           (True, 1.4, "yes, stretch"), (False, 1.3, "no"),
                                           (False, 1.9, "yes, stretch")):
            limits = (1.8, 1.4) if is_ceiling else (1.4, 1.8)
            row = results.Row("r", "row", results.Target(*limits, is_ceiling=is_ceiling))
            self.assertEqual(row.verdict(), "not measured")
            row.values[results.SUBJECT] = [value]
            self.assertEqual(row.verdict(), verdict)
            row.fail("wrong | replies")
            self.assertEqual(row.verdict(), "FAILED: wrong / replies")

    def test_spread_is_median_with_minimum_and_maximum(self):
        self.assertEqual(results.spread([3, 1, 2]), "2.00 [1.00..3.00]")
        self.assertEqual(results.spread([12345]), "12,345")


class Driver(unittest.TestCase):
    def run_driver(self, *options):
        return subprocess.run(
            [sys.executable, os.path.join(HERE, "run.py"), "--bin", BIN, "--without-larder",
             "--port", str(PORT), "--port-count", "10", *options],
            capture_output=True, text=True, check=False)

    def test_a_run_prints_and_stores_its_table(self):
        with tempfile.TemporaryDirectory() as directory:
            done = self.run_driver("--rows", "idle-plain", "--quick", "--results", directory)
            self.assertEqual(done.returncode, 0, done.stderr)
            names = sorted(os.listdir(directory))
            self.assertEqual([os.path.splitext(name)[1] for name in names], [".json", ".md"])
            with open(os.path.join(directory, names[0]), encoding="utf-8") as file:
                stored = json.load(file)
        self.assertIn("idle connection", done.stdout)
        self.assertEqual(stored["rows"][0]["row"], "idle-plain")
        self.assertGreater(stored["rows"][0]["values"]["redis"][0], 0)

    def test_a_server_that_does_not_start_fails_its_row_and_the_run(self):
        done = self.run_driver("--rows", "idle-plain", "--quick", "--no-save", "--server",
                               "broken=/bin/false")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: broken did not start", done.stdout)


if __name__ == "__main__":
    unittest.main()
