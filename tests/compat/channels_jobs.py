# SPDX-License-Identifier: BSD-3-Clause
"""channels-redis, both of its layers; see programs.py.

The publish/subscribe layer does not wait for the answer to its SUBSCRIBE, and publishes over another
connection, which another thread may serve: what is sent before the server knows of the subscription is
nobody's. So its job waits for that."""
import asyncio

import redis.asyncio
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

import job_list

JOBS = job_list.Jobs()


async def nothing_to_wait_for(*_):
    pass


async def exercise(layer, subscribed=nothing_to_wait_for):
    first, second = await layer.new_channel(), await layer.new_channel()
    await subscribed(first, second)
    await layer.send(first, {"type": "greeting", "text": "hello"})
    assert (await asyncio.wait_for(layer.receive(first), 10))["text"] == "hello"
    for channel in (first, second):
        await layer.group_add("room", channel)
    await subscribed("asgi__group__room")
    for number in range(20):
        await layer.group_send("room", {"type": "message", "number": number})
    for channel in (first, second):
        seen = [(await asyncio.wait_for(layer.receive(channel), 10))["number"] for _ in range(20)]
        assert seen == list(range(20)), seen
    await layer.group_discard("room", second)
    await layer.group_send("room", {"type": "message", "number": 99})
    assert (await asyncio.wait_for(layer.receive(first), 10))["number"] == 99
    waiting = asyncio.ensure_future(layer.receive(second))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "who left the group gets nothing"
    await layer.send(second, {"type": "direct"})
    assert (await asyncio.wait_for(waiting, 10))["type"] == "direct"
    await layer.flush()


@JOBS.job("sends to channels and groups with the core layer (scripts, BZPOPMIN)")
def _(host, port):
    asyncio.run(exercise(RedisChannelLayer(hosts=[f"redis://{host}:{port}/10"])))


@JOBS.job("bounds a channel's capacity with the core layer")
def _(host, port):
    async def bounded():
        layer = RedisChannelLayer(hosts=[f"redis://{host}:{port}/11"], capacity=3)
        channel = await layer.new_channel()
        for number in range(3):
            await layer.send(channel, {"type": "message", "number": number})
        try:
            await layer.send(channel, {"type": "message"})
            raise AssertionError("the capacity was exceeded")
        except Exception as error:  # pylint: disable=broad-except
            assert type(error).__name__ == "ChannelFull", error
        await layer.group_add("group", channel)
        await layer.group_send("group", {"type": "dropped"})
        await layer.flush()
    asyncio.run(bounded())


@JOBS.job("sends to channels and groups with the publish/subscribe layer")
def _(host, port):
    async def subscribed(*names):
        async with redis.asyncio.Redis(host=host, port=port) as client:
            while not {name.encode() for name in names} <= set(await client.pubsub_channels()):
                await asyncio.sleep(0.01)
    asyncio.run(exercise(RedisPubSubChannelLayer(hosts=[f"redis://{host}:{port}/12"]), subscribed))


if __name__ == "__main__":
    JOBS.main()
