# SPDX-License-Identifier: BSD-3-Clause
"""redis-py."""
import python_clients
import redis
import redis.asyncio
import servers

CHECKS = python_clients.Jobs(redis, redis.Redis, redis.asyncio.Redis, "redis").checks()


def fixture():
    return servers.Server()
