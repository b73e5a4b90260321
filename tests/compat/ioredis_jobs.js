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
  ['runs transactions and sees one that another client spoiled', async (redis, open) => {
    const results = await redis.multi().set('balance', 100).decrby('balance', 30).get('balance').exec();
    assert.deepEqual(results, [[null, 'OK'], [null, 70], [null, '70']]);
    const other = open({});
    await redis.watch('balance');
    await other.set('balance', 5);
    assert.equal(await redis.multi().incr('balance').exec(), null);
    assert.equal(await redis.get('balance'), '5');
    await assert.rejects(redis.multi().set('a').exec(), /EXECABORT|wrong number of arguments/);
    other.disconnect();
  }],
  ['defines a script as a command and loads it again when the server forgot it', async (redis) => {
    redis.defineCommand('transfer', {
      numberOfKeys: 2,
      lua: `local has = tonumber(redis.call('get', KEYS[1]) or '0')
            if has < tonumber(ARGV[1]) then return redis.error_reply('NOTENOUGH ' .. has) end
            redis.call('decrby', KEYS[1], ARGV[1])
            return {has - ARGV[1], redis.call('incrby', KEYS[2], ARGV[1])}`,
    });
    await redis.set('ann', 50);
    assert.deepEqual(await redis.transfer('ann', 'bob', 20), [30, 20]);
    await redis.script('FLUSH');
    assert.deepEqual(await redis.transfer('ann', 'bob', 30), [0, 50]);
    await assert.rejects(redis.transfer('ann', 'bob', 1), /NOTENOUGH 0/);
  }],
  ['publishes to channels and patterns', async (redis, open) => {
    const subscriber = open({});
    const heard = [];
    subscriber.on('message', (channel, text) => heard.push([channel, text]));
    subscriber.on('pmessage', (pattern, channel, text) => heard.push([pattern, channel, text]));
    assert.equal(await subscriber.subscribe('news', 'chat'), 2);
    assert.equal(await subscriber.psubscribe('ne*'), 3);
    assert.equal(await redis.publish('news', 'first'), 2);
    assert.equal(await redis.publish('chat', 'second'), 1);
    assert.equal(await redis.publish('other', 'third'), 0);
    const deadline = Date.now() + 5000;
    while (heard.length < 3) {
      assert.ok(Date.now() < deadline, JSON.stringify(heard));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert.deepEqual(heard, [['news', 'first'], ['ne*', 'news', 'first'], ['chat', 'second']]);
    subscriber.disconnect();
  }],
  ['works off a stream in a consumer group', async (redis, open) => {
    await redis.xgroup('CREATE', 'tasks', 'workers', '$', 'MKSTREAM');
    const worker = open({});
    const waiting = worker.xreadgroup('GROUP', 'workers', 'w1', 'COUNT', 10, 'BLOCK', 5000, 'STREAMS', 'tasks', '>');
    const id = await redis.xadd('tasks', '*', 'kind', 'mail', 'to', 'ann');
    assert.deepEqual(await waiting, [['tasks', [[id, ['kind', 'mail', 'to', 'ann']]]]]);
    assert.equal((await redis.xpending('tasks', 'workers'))[0], 1);
    const [, claimed] = await redis.xautoclaim('tasks', 'workers', 'w2', 0, '0');
    assert.equal(claimed[0][0], id);
    assert.equal(await redis.xack('tasks', 'workers', id), 1);
    assert.equal((await redis.xpending('tasks', 'workers'))[0], 0);
    worker.disconnect();
  }],
  ['waits for an element of a list and keeps a leaderboard', async (redis, open) => {
    const worker = open({});
    const waiting = worker.blpop('jobs', 5);
    await redis.rpush('jobs', 'one', 'two');
    assert.deepEqual(await waiting, ['jobs', 'one']);
    await redis.zadd('board', 10, 'ann', 30, 'bob', 20, 'cid');
    assert.equal(await redis.zincrby('board', 15, 'ann'), '25');
    assert.deepEqual(await redis.zrevrange('board', 0, 1, 'WITHSCORES'), ['bob', '30', 'ann', '25']);
    assert.deepEqual(await redis.hgetall('none'), {});
    await redis.hset('user', { name: 'Ann', age: 36 });
    assert.deepEqual(await redis.hgetall('user'), { name: 'Ann', age: '36' });
    worker.disconnect();
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
