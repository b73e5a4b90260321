# SPDX-License-Identifier: BSD-3-Clause
"""Runs alone in a network of its own: a client whose address is not the loopback one sends PING.

    unshare --map-root-user --net python3 foreign_client.py <server> [its arguments]
"""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support" / "python"))
import resp
import servers

ADDRESS = "192.0.2.1"
PORT = 6379


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    program, *arguments = sys.argv[1:]
    with servers.Server(program, ["--port", PORT, "--bind", "0.0.0.0", *arguments], port=PORT):
        with resp.Connection((ADDRESS, PORT)) as connection:
            try:
                connection.send("PING")
                print(connection.read_raw().decode())
            except ConnectionResetError:
                print(bytes(connection.buffer).decode())


if __name__ == "__main__":
    main()
