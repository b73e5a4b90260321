// SPDX-License-Identifier: BSD-3-Clause
// Jobs for ioredis: `node ioredis_jobs.js list` prints their sentences,
// `node ioredis_jobs.js <host> <port> <number>` does one of them; the exit status tells how it went.
'use strict';
const assert = require('assert');
const path = require('path');

const folder = path.join(process.env.LARDER_COMPAT_CLIENTS, 'node', 'node_modules', 'ioredis');

const jobs = [
  ['reads and writes strings and buffers', async (redis) => {
    assert.equal(await redis.set('text', 'caf\u00e9'), 'OK');
    assert.equal(await redis.get('text'), 'caf\u00e9');
    const bytes = Buffer.from([0, 255, 13, 10, 7]);
    await redis.set('bytes', bytes);
    assert.deepEqual(await redis.getBuffer('bytes'), bytes);
    assert.equal(await redis.get('none'), null);
    assert.equal(await redis.set('text', 'x', 'EX', 100, 'NX'), null);
    assert.equal(await redis.set('text', 'x', 'GET'), 'caf\u00e9');
    assert.equal(await redis.mset({ a: 1, b: 'two' }), 'OK');
    assert.deepEqual(await redis.mget('a', 'b', 'none'), ['1', 'two', null]);
    assert.equal(await redis.incrby('a', 41), 42);
    assert.equal(await redis.incrbyfloat('a', 0.5), '42.5');
    assert.equal(await redis.append('b', '!'), 4);
    assert.equal(await redis.getdel('b'), 'two!');
  }],
  ['runs a pipeline and sees the error of one command among them', async (redis) => {
    const pipeline = redis.pipeline();
    for (let i = 0; i < 1000; i++) pipeline.set(`key:${i}`, i);
    pipeline.set('text', 'abc').incr('text').get('text');
    const results = await pipeline.exec();
    assert.equal(results.length, 1003);
    assert.match(results[1001][0].message, /value is not an integer or out of range/);
    assert.deepEqual(results[1002], [null, 'abc']);
    assert.equal(await redis.dbsize(), 1001);
  }],
  ['pipelines concurrent commands by itself', async (_redis, open) => {
    const redis = open({ enableAutoPipelining: true });
    const counts = await Promise.all(Array.from({ length: 500 }, () => redis.incr('hits')));
    assert.deepEqual(counts, Array.from({ length: 500 }, (_, i) => i + 1));
    const values = await Promise.all(Array.from({ length: 100 }, (_, i) =>
      redis.set(`auto:${i}`, i).then(() => redis.get(`auto:${i}`))));
    assert.deepEqual(values, Array.from({ length: 100 }, (_, i) => String(i)));
    redis.disconnect();
  }],
  ['gives keys a time to live', async (redis) => {
    await redis.set('short', 1, 'PX', 20);
    await redis.set('long', 1, 'EX', 1000);
    const ttl = await redis.ttl('long');
    assert.ok(ttl > 990 && ttl <= 1000);
    assert.equal(await redis.expire('long', 10, 'GT'), 0);
    assert.equal(await redis.persist('long'), 1);
    assert.equal(await redis.pexpireat('long', 4102444800000), 1);
    assert.equal(await redis.pexpiretime('long'), 4102444800000);
    const deadline = Date.now() + 5000;
    while (await redis.exists('short')) assert.ok(Date.now() < deadline);
  }],
  ['streams the keys of a SCAN', async (redis) => {
    const wanted = {};
    for (let i = 0; i < 2000; i++) wanted[`user:${i}`] = i;
    await redis.mset(wanted);
    await redis.set('other', 1);
    const found = new Set();
    for await (const keys of redis.scanStream({ match: 'user:*', count: 100 })) keys.forEach((key) => found.add(key));
    assert.deepEqual([...found].sort(), Object.keys(wanted).sort());
  }],
  ['uses bitmaps', async (redis) => {
    for (const day of [1, 5, 9]) await redis.setbit('ann', day, 1);
    await redis.setbit('bob', 5, 1);
    assert.equal(await redis.bitop('AND', 'both', 'ann', 'bob'), 2);
    assert.equal(await redis.bitcount('both'), 1);
    assert.deepEqual(await redis.bitfield('n', 'INCRBY', 'u8', 0, 250, 'OVERFLOW', 'SAT', 'INCRBY', 'u8', 0, 10),
      [250, 255]);
  }],
  ['selects a database, names its connection and finds itself in CLIENT LIST', async (_redis, open) => {
    const redis = open({ db: 4, connectionName: 'worker-1' });
    await redis.set('here', 1);
    const list = await redis.client('LIST');
    const line = list.split('\n').find((text) => text.includes('name=worker-1'));
    assert.ok(line && line.includes(' db=4 '), list);
    assert.match(await redis.info('keyspace'), /db4:keys=1,expires=0/);
    redis.disconnect();
  }],
  ['parses INFO before it is ready and reconnects after its connection is killed', async (redis, open) => {
    const victim = open({ enableReadyCheck: true });
    const id = await victim.client('ID');
    assert.equal(await redis.client('KILL', 'ID', id), 1);
    assert.equal(await victim.set('after', 'kill'), 'OK');
    assert.notEqual(await victim.client('ID'), id);
    victim.disconnect();
  }],
  ['logs in with a password and is refused with a wrong one', async (redis, open) => {
    await redis.config('SET', 'requirepass', 'sesame');
    try {
      const good = open({ password: 'sesame' });
      assert.equal(await good.ping(), 'PONG');
      good.disconnect();
      const bad = open({ password: 'wrong', retryStrategy: () => null, lazyConnect: true });
      bad.on('error', () => {});
      await bad.connect().catch(() => {});
      await assert.rejects(bad.get('a'), /NOAUTH|WRONGPASS|closed/);
      bad.disconnect();
    } finally {
      await redis.config('SET', 'requirepass', '');
    }
  }],
  ['adds the prefix of its keys and reads the key positions of commands', async (_redis, open) => {
    const redis = open({ keyPrefix: 'app:' });
    await redis.mset('a', 1, 'b', 2);
    assert.deepEqual(await redis.mget('a', 'b'), ['1', '2']);
    assert.equal(await redis.bitop('OR', 'c', 'a', 'b'), 1);
    const plain = open({});
    assert.deepEqual((await plain.keys('*')).sort(), ['app:a', 'app:b', 'app:c']);
    redis.disconnect();
    plain.disconnect();
  }],
];

async function main() {
  const [host, port, number] = process.argv.slice(2);
  if (host === 'list') {
    jobs.forEach(([sentence]) => console.log(sentence));
    return;
  }
  const Redis = require(folder);
  const open = (options) => new Redis({ host, port: Number(port), maxRetriesPerRequest: 3, ...options });
  const redis = open({});
  try {
    await redis.flushall();
    await jobs[Number(number)][1](redis, open);
  } finally {
    redis.disconnect();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
