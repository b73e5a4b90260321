// SPDX-License-Identifier: BSD-3-Clause
// Jobs for BullMQ: `node bullmq_jobs.js list` prints their sentences,
// `node bullmq_jobs.js <host> <port> <number>` does one of them.
'use strict';
const assert = require('assert');
const path = require('path');

const folder = path.join(process.env.LARDER_COMPAT_CLIENTS, 'node', 'node_modules');
const { Queue, Worker, QueueEvents, FlowProducer } = require(path.join(folder, 'bullmq'));
const Redis = require(path.join(folder, 'ioredis'));

const SECONDS = 20;

function finished(events, ids) {
  const left = new Set(ids);
  const results = new Map();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`still open: ${[...left]}`)), SECONDS * 1000);
    const done = ({ jobId, returnvalue, failedReason }) => {
      results.set(jobId, failedReason === undefined ? returnvalue : `failed: ${failedReason}`);
      left.delete(jobId);
      if (left.size === 0) {
        clearTimeout(timer);
        resolve(results);
      }
    };
    events.on('completed', done);
    events.on('failed', done);
  });
}

const jobs = [
  ['runs jobs, delayed, prioritised, failing and retried ones', async (connection, keep) => {
    const queue = keep(new Queue('mail', { connection }));
    const events = keep(new QueueEvents('mail', { connection }));
    await events.waitUntilReady();
    const added = [];
    for (let i = 0; i < 20; i++) added.push(await queue.add('double', { n: i }));
    added.push(await queue.add('double', { n: 100 }, { delay: 200 }));
    added.push(await queue.add('double', { n: 200 }, { priority: 5 }));
    added.push(await queue.add('flaky', {}, { attempts: 3, backoff: { type: 'fixed', delay: 20 } }));
    added.push(await queue.add('broken', {}));
    const all = finished(events, added.map((job) => job.id));
    let tries = 0;
    keep(new Worker('mail', async (job) => {
      if (job.name === 'broken') throw new Error('no such luck');
      if (job.name === 'flaky' && ++tries < 3) throw new Error('again');
      return job.name === 'flaky' ? tries : job.data.n * 2;
    }, { connection, concurrency: 4 }));
    const results = await all;
    for (let i = 0; i < 20; i++) assert.equal(Number(results.get(added[i].id)), 2 * i);
    assert.equal(Number(results.get(added[20].id)), 200);
    assert.equal(Number(results.get(added[21].id)), 400);
    assert.equal(Number(results.get(added[22].id)), 3);
    assert.equal(results.get(added[23].id), 'failed: no such luck');
    const counts = await queue.getJobCounts('completed', 'failed', 'waiting', 'delayed', 'active');
    assert.equal(counts.failed, 1);
    assert.equal(counts.waiting + counts.delayed, 0);
  }],
  ['runs a flow: a parent after its children', async (connection, keep) => {
    const events = keep(new QueueEvents('flow', { connection }));
    await events.waitUntilReady();
    const producer = keep(new FlowProducer({ connection }));
    const flow = await producer.add({
      name: 'parent', queueName: 'flow', data: {},
      children: [1, 2, 3].map((n) => ({ name: 'child', queueName: 'flow', data: { n } })),
    });
    const done = finished(events, [flow.job.id]);
    keep(new Worker('flow', async (job) => {
      if (job.name === 'child') return job.data.n;
      return Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
    }, { connection }));
    assert.equal(Number((await done).get(flow.job.id)), 6);
  }],
];

async function main() {
  if (process.argv[2] === 'list') {
    console.log(jobs.map((job) => job[0]).join('\n'));
    return;
  }
  const connection = { host: process.argv[2], port: Number(process.argv[3]), maxRetriesPerRequest: null };
  const admin = new Redis(connection);
  await admin.flushall();
  const kept = [];
  const keep = (thing) => {
    kept.push(thing);
    return thing;
  };
  await jobs[Number(process.argv[4])][1](connection, keep);
  for (const thing of kept.reverse()) await thing.close();
  await admin.quit();
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
