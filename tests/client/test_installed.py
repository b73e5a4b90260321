#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_installed.py BUILD SOURCE: install the client of a build folder, compile every example and the
C++ sample against what was installed, by pkg-config (shared and static) and by CMake, and run
them against redis-servers."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
PORT, TLS_PORT, CLUSTER_PORT, SENTINEL_PORT = 21660, 21661, 21665, 21669
EXPECTED = {
    "sync": "SET: OK\nGET: 3 bytes\nelement 0: 1\nelement 1: 2\nelement 2: 3\nrefused: WRONGTYPE "
            "Operation against a key holding the wrong kind of value\n",
    "pipeline": "counter: 2000\n",
    "transaction": "doubled: 42\n",
    "pubsub": "example:news: hello\nexample:news: bye\n",
    "caching": "asked: old\nfrom memory: old\nasked again: new\nfrom memory 1 times\n",
    "cluster": "SET: OK\nkeys: 101\n",
    "cluster_async": "answers: 100\n",
    "cluster_spread": "value: 2\nvalue: 1\nvalue: 3\nkeys in all nodes: 3\ndeleted: 3\n",
    "cluster_read": "value: 1\ncommands sent: 21\n",
    "cluster_pubsub": "news: hello\nended\n",
    "cluster_pool": "counted: 80\n",
    "cluster_scan": "keys: 50\n",
    "cluster_transaction": "doubled: 42\njob: first\n",
    "sentinel": "primary: PONG\n",
    "pool": "counted: 800\n",
    "tls": "encrypted: PONG\n",
    "url": "database: 1\nPING: PONG\n",
}
LOOPS = {"libevent": "libevent_core", "libuv": "libuv", "glib": "glib-2.0", "ivykis": "ivykis",
         "libsdevent": "libsystemd", "libev": "", "poll": ""}
PEDANTIC = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-O1"]


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for(condition, what):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what} takes too long")
        time.sleep(0.02)


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Servers:
    """One redis-server with TLS and a cluster of three."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []
        run(SOURCE / "tests/client/make_certificates.sh", folder)
        self.start(PORT, "--tls-port", TLS_PORT, "--tls-cert-file", folder / "node.crt",
                   "--tls-key-file", folder / "node.key", "--tls-ca-cert-file", folder / "ca.crt")
        self.start_sentinel()
        for i in range(3):
            self.start(CLUSTER_PORT + i, "--cluster-enabled", "yes", "--cluster-config-file",
                       f"nodes-{i}.conf")
            self.ask(CLUSTER_PORT + i, "cluster", "addslotsrange", 16384 * i // 3,
                     16384 * (i + 1) // 3 - 1)
            self.ask(CLUSTER_PORT + i, "cluster", "set-config-epoch", i + 1)
            self.ask(CLUSTER_PORT + i, "cluster", "meet", "127.0.0.1", CLUSTER_PORT)
        for i in range(3):
            wait_for(lambda port=CLUSTER_PORT + i: self.is_ready(port), "the cluster")

    def start(self, port, *options):
        words = ["redis-server", "--port", port, "--dir", self.folder, "--save", "", "--appendonly",
                 "no", "--logfile", f"log-{port}", *options]
        self.processes.append(subprocess.Popen([str(word) for word in words]))
        wait_for(lambda: accepts(port), "redis-server")

    def start_sentinel(self):
        config = self.folder / "sentinel.conf"
        config.write_text(f"port {SENTINEL_PORT}\nsentinel monitor service 127.0.0.1 {PORT} 1\n"
                          f"dir {self.folder}\nlogfile log-sentinel\n")
        self.processes.append(subprocess.Popen(["redis-server", str(config), "--sentinel"]))
        wait_for(lambda: accepts(SENTINEL_PORT), "the sentinel")

    def ask(self, port, *words):
        return run("redis-cli", "-p", port, *words)

    def is_ready(self, port):
        return ("cluster_state:ok" in self.ask(port, "cluster", "info")
                and self.ask(port, "cluster", "slots").count("127.0.0.1") == 3)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def arguments_of(name, folder):
    if name == "tls":
        return ["localhost", TLS_PORT] + [folder / f for f in ("ca.crt", "node.crt", "node.key")]
    if name == "sentinel":
        return ["127.0.0.1", SENTINEL_PORT]
    return ["127.0.0.1", CLUSTER_PORT if name.startswith("cluster") else PORT]


def libraries_of(name):
    """pkg-config modules of an example, and further linker flags."""
    loop = "libevent" if name in ("cluster_async", "cluster_pubsub") else name.removeprefix("async_")
    own = ["larder-valkey-tls"] if name in ("tls", "sample") else ["larder-valkey"]
    return own, ([LOOPS[loop]] if LOOPS.get(loop) else []), (["-lev"] if loop == "libev" else [])


def compile_example(source, out, environment, is_static, names=None):
    own, loops, further = libraries_of(source.stem)
    is_cpp = source.suffix == ".cpp"
    compiler = ["g++", "-std=c++17"] if is_cpp else [os.environ.get("CC", "gcc"), "-std=c17",
                                                      "-D_GNU_SOURCE"]
    flags = run("pkg-config", "--cflags", "--libs", *(names or own), env=environment).split()
    if loops:
        # Headers of others are not held to our warnings.
        flags += run("pkg-config", "--cflags", "--libs", *loops).replace("-I", "-isystem ").split()
    if is_static:
        flags = [f"-l:lib{flag[2:]}.a" if flag.startswith("-llarder") else flag for flag in flags]
        flags += ["-lssl", "-lcrypto"] if "larder-valkey-tls" in own else []
    run(*compiler, *PEDANTIC, source, "-o", out, *flags, *further)


def check_run(name, program, arguments, library_path):
    environment = dict(os.environ, LD_LIBRARY_PATH=str(library_path))
    out = run(program, *arguments, env=environment, timeout=30)
    expected = EXPECTED.get(name, "GET: hello\n")
    if out != expected:
        sys.exit(f"{name} says {out!r} and not {expected!r}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="larder-installed-"))
    servers = None
    try:
        root = folder / "root"
        for component in ("client", "compat"):
            run("cmake", "--install", BUILD, "--prefix", "/opt/place", "--component", component,
                env=dict(os.environ, DESTDIR=str(root)))
        prefix = root / "opt/place"
        library = next(prefix.glob("lib*/**/liblarder-valkey.so")).parent
        environment = dict(os.environ, PKG_CONFIG_PATH=str(library / "pkgconfig"))
        needed = run("readelf", "-d", library / "liblarder-valkey.so")
        if "ssl" in needed or "crypto" in needed:
            sys.exit("liblarder-valkey.so needs OpenSSL")
        servers = Servers(folder)
        examples = sorted((SOURCE / "examples/client").glob("*.c"))
        for source in examples:
            for is_static in (False, True):
                program = folder / f"{source.stem}-{'static' if is_static else 'shared'}"
                compile_example(source, program, environment, is_static)
                if source.stem.startswith("cluster"):
                    for i in range(3):
                        servers.ask(CLUSTER_PORT + i, "flushall")
                check_run(source.stem, program, arguments_of(source.stem, folder),
                          "" if is_static else library)
        sample = SOURCE / "tests/client/sample.cpp"
        EXPECTED["sample"] = "ECHO: c++\ndone\n"
        for is_static in (False, True):
            compile_example(sample, folder / "sample", environment, is_static)
            check_run("sample", folder / "sample", ["127.0.0.1", PORT, CLUSTER_PORT],
                      "" if is_static else library)
        compile_example(SOURCE / "examples/client/tls.c", folder / "compat", environment, False,
                        names=["valkey_tls", "valkey"])
        check_run("tls", folder / "compat", arguments_of("tls", folder), library)
        check_cmake(folder, prefix, library)
        print(f"{len(examples)} examples, the C++ sample, pkg-config, CMake and the valkey names work")
    finally:
        if servers is not None:
            servers.stop()
        shutil.rmtree(folder)


def check_cmake(folder, prefix, library):
    project = folder / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.16)
project(sample C)
find_package(larder-valkey 0.5 REQUIRED)
find_package(larder-valkey-tls 0.5 REQUIRED)
foreach(kind "" -static)
  add_executable(sync${{kind}} {SOURCE}/examples/client/sync.c)
  target_link_libraries(sync${{kind}} larder-valkey::larder-valkey${{kind}})
  add_executable(tls${{kind}} {SOURCE}/examples/client/tls.c)
  target_link_libraries(tls${{kind}} larder-valkey::larder-valkey-tls${{kind}})
endforeach()
""")
    run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", project / "build")
    for name in ("sync", "tls"):
        for kind in ("", "-static"):
            check_run(name, project / "build" / (name + kind), arguments_of(name, folder), library)


if __name__ == "__main__":
    main()
