# SPDX-License-Identifier: BSD-3-Clause
"""valkey-py."""
import python_clients
import servers
import valkey
import valkey.asyncio

CHECKS = python_clients.Jobs(valkey, valkey.Valkey, valkey.asyncio.Valkey, "valkey").checks()


def fixture():
    return servers.Server()
