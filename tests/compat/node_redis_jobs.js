// SPDX-License-Identifier: BSD-3-Clause
// Jobs for node-redis: `node node_redis_jobs.js list` prints their sentences,
// `node node_redis_jobs.js <host> <port> <number>` does one of them.
'use strict';
const assert = require('assert');
const path = require('path');

const { createClient } = require(path.join(process.env.LARDER_COMPAT_CLIENTS, 'node', 'node_modules', 'redis'));

const jobs = [
  ['uses every data type', async (client) => {
    await client.hSet('user', { name: 'ann', visits: '1' });
    assert.equal(await client.hIncrBy('user', 'visits', 2), 3);
    assert.deepEqual({ ...(await client.hGetAll('user')) }, { name: 'ann', visits: '3' });
    assert.equal(await client.rPush('list', ['a', 'b', 'c']), 3);
    assert.deepEqual(await client.lRange('list', 0, -1), ['a', 'b', 'c']);
    assert.equal(await client.lPop('list'), 'a');
    assert.equal(await client.sAdd('set', ['x', 'y']), 2);
    assert.deepEqual((await client.sMembers('set')).sort(), ['x', 'y']);
    assert.equal(await client.zAdd('board', [{ score: 1, value: 'p' }, { score: 2.5, value: 'q' }]), 2);
    assert.deepEqual((await client.zRangeWithScores('board', 0, -1)).map((m) => [m.value, m.score]),
      [['p', 1], ['q', 2.5]]);
    const id = await client.xAdd('stream', '*', { field: 'value' });
    assert.equal((await client.xRange('stream', '-', '+'))[0].id, id);
    assert.equal(await client.pfAdd('hll', ['a', 'b']) ? 1 : 0, 1);
    assert.equal(await client.pfCount('hll'), 2);
    await client.geoAdd('places', [{ longitude: 13.361389, latitude: 38.115556, member: 'Palermo' },
      { longitude: 15.087269, latitude: 37.502669, member: 'Catania' }]);
    assert.equal(Math.round(await client.geoDist('places', 'Palermo', 'Catania', 'km')), 166);
  }],
  ['runs transactions, and sees when a watched key was changed', async (client, open) => {
    assert.deepEqual(await client.multi().set('a', '1').incr('a').get('a').exec(), ['OK', 2, '2']);
    const other = await open();
    await client.watch('a');
    await other.set('a', '10');
    await assert.rejects(client.multi().incr('a').exec(), /WatchError|watched/i);
    assert.equal(await client.get('a'), '10');
  }],
  ['blocks until another connection pushes', async (client, open) => {
    const other = await open();
    const waiting = client.blPop(['first', 'second'], 10);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    await other.rPush('second', 'job');
    assert.deepEqual({ ...(await waiting) }, { key: 'second', element: 'job' });
    assert.equal(await client.blPop('first', 0.05), null);
  }],
  ['publishes and subscribes, with patterns too', async (client, open) => {
    const subscriber = await open();
    const seen = [];
    await subscriber.subscribe('news', (message, channel) => seen.push([channel, message]));
    await subscriber.pSubscribe('new*', (message, channel) => seen.push([channel, message, 'pattern']));
    assert.equal(await client.publish('news', 'hello'), 2);
    while (seen.length < 2) await new Promise((resolve) => { setTimeout(resolve, 5); });
    assert.deepEqual(seen.sort(), [['news', 'hello'], ['news', 'hello', 'pattern']]);
    await subscriber.unsubscribe('news');
    await subscriber.pUnsubscribe('new*');
    assert.equal(await client.publish('news', 'nobody'), 0);
  }],
  ['runs scripts', async (client) => {
    const script = 'return {KEYS[1], ARGV[1], redis.call("incr", KEYS[1])}';
    assert.deepEqual(await client.eval(script, { keys: ['n'], arguments: ['x'] }), ['n', 'x', 1]);
    const sha = await client.scriptLoad(script);
    assert.deepEqual(await client.evalSha(sha, { keys: ['n'], arguments: ['y'] }), ['n', 'y', 2]);
    await assert.rejects(client.evalSha('0'.repeat(40), { keys: [], arguments: [] }), /NOSCRIPT/);
  }],
  ['keeps a cache of its own that the server invalidates', async (client, open) => {
    const cached = await open({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 } });
    await client.set('page', 'one');
    assert.equal(await cached.get('page'), 'one');
    assert.equal(await cached.get('page'), 'one');
    await client.set('page', 'two');
    for (let i = 0; i < 400 && (await cached.get('page')) !== 'two'; i++) {
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    assert.equal(await cached.get('page'), 'two');
  }],
];

async function main() {
  if (process.argv[2] === 'list') {
    console.log(jobs.map((job) => job[0]).join('\n'));
    return;
  }
  const [host, port, number] = process.argv.slice(2);
  const opened = [];
  const open = async (options = {}) => {
    const client = createClient({ socket: { host, port: Number(port) }, ...options });
    client.on('error', () => {});
    opened.push(await client.connect());
    return client;
  };
  const client = await open();
  await client.flushAll();
  await jobs[Number(number)][1](client, open);
  for (const one of opened) one.destroy();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
