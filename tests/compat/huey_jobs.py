# SPDX-License-Identifier: BSD-3-Clause
"""Huey; see programs.py."""
import time

import huey

import job_list

JOBS = job_list.Jobs()


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def run_with(queue, work):
    consumer = queue.create_consumer(workers=2, periodic=True, initial_delay=0.01, scheduler_interval=1)
    consumer._set_signal_handlers = lambda: None
    consumer.start()
    try:
        work()
    finally:
        consumer.stop(graceful=True)


def exercise(queue, has_priorities=False):
    queue.flush()
    log = []

    @queue.task()
    def add(a, b):
        return a + b

    @queue.task(retries=2)
    def flaky():
        log.append("try")
        if len(log) < 3:
            raise ValueError("again")
        return len(log)

    @queue.task(**({"priority": 5} if has_priorities else {}))
    def locked():
        with queue.lock_task("one"):
            return "held"

    def work():
        results = [add(i, i) for i in range(20)]
        assert [r.get(blocking=True, timeout=20) for r in results] == [2 * i for i in range(20)]
        flaky()
        wait_for(lambda: len(log) == 3)
        assert locked().get(blocking=True, timeout=20) == "held"
        chained = queue.enqueue(add.s(1, 2).then(add, 10))
        assert [r.get(blocking=True, timeout=20) for r in chained] == [3, 13]
        soon = add.schedule((5, 5), delay=1)
        assert soon.get(blocking=True, timeout=20) == 10
        late = add.schedule((5, 5), delay=3600)
        wait_for(lambda: queue.scheduled_count() == 1)
        late.revoke()
        assert late.is_revoked()
    run_with(queue, work)


@JOBS.job("runs tasks, retries, locks, pipelines and schedules from a list queue")
def _(host, port):
    exercise(huey.RedisHuey("jobs", host=host, port=port, db=7, blocking=True))


@JOBS.job("runs tasks by priority from a sorted set queue")
def _(host, port):
    exercise(huey.PriorityRedisHuey("priority", host=host, port=port, db=8, blocking=True), has_priorities=True)


@JOBS.job("runs tasks whose keys expire")
def _(host, port):
    exercise(huey.RedisExpireHuey("expiring", host=host, port=port, db=9, blocking=True))


if __name__ == "__main__":
    JOBS.main()
