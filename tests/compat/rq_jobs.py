# SPDX-License-Identifier: BSD-3-Clause
"""RQ; see programs.py. The functions that are enqueued are this module's."""
import datetime
import pathlib
import subprocess
import sys
import time

import redis
import rq

import job_list

JOBS = job_list.Jobs()


def add(a, b):
    return a + b


def fail():
    raise RuntimeError("on purpose")


def connect(host, port):
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    client = redis.Redis(host=host, port=port, db=6)
    client.flushdb()
    return client


@JOBS.job("runs jobs in order with their results, dependencies and failures")
def _(host, port):
    import rq_jobs
    client = connect(host, port)
    queue, other = rq.Queue("default", connection=client), rq.Queue("other", connection=client)
    jobs = [queue.enqueue(rq_jobs.add, i, i) for i in range(20)]
    after = queue.enqueue(rq_jobs.add, 100, 1, depends_on=jobs[-1])
    bad = queue.enqueue(rq_jobs.fail)
    many = other.enqueue_many([rq.Queue.prepare_data(rq_jobs.add, (i, 1)) for i in range(5)])
    assert (len(queue), len(other), after.get_status()) == (21, 5, "deferred")
    worker = rq.SimpleWorker([queue, other], connection=client)
    assert worker.work(burst=True) is True
    assert [job.return_value() for job in jobs] == [2 * i for i in range(20)]
    assert (after.return_value(), bad.get_status()) == (101, "failed")
    assert [job.return_value() for job in many] == [1, 2, 3, 4, 5]
    assert bad.id in queue.failed_job_registry
    assert bad.latest_result().exc_string.strip().endswith("RuntimeError: on purpose")
    assert (len(queue.finished_job_registry), rq.Worker.count(connection=client)) == (21, 0)


@JOBS.job("schedules jobs for later, requeues a failed one, cancels one")
def _(host, port):
    import rq_jobs
    client = connect(host, port)
    queue = rq.Queue(connection=client)
    soon = queue.enqueue_in(datetime.timedelta(milliseconds=1), rq_jobs.add, 1, 2)
    late = queue.enqueue_at(datetime.datetime(2040, 1, 1), rq_jobs.add, 1, 2)
    gone = queue.enqueue(rq_jobs.add, 3, 4)
    gone.cancel()
    assert gone.get_status() == "canceled"
    bad = queue.enqueue(rq_jobs.fail)
    worker = rq.SimpleWorker([queue], connection=client)
    worker.work(burst=True, with_scheduler=True)
    assert soon.id not in queue.deferred_job_registry and late.id in queue.scheduled_job_registry
    bad.requeue()
    assert len(queue) >= 1
    worker.work(burst=True)
    assert bad.get_status(refresh=True) == "failed"


@JOBS.job("a worker that waits gets a job the moment it is enqueued")
def _(host, port):
    import rq_jobs
    client = connect(host, port)
    queue = rq.Queue(connection=client)
    with subprocess.Popen([sys.executable, __file__, "worker", host, str(port)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        end = time.monotonic() + 20
        while rq.Worker.count(connection=client) == 0:
            assert time.monotonic() < end, "the worker did not start"
            time.sleep(0.02)
        job = queue.enqueue(rq_jobs.add, 20, 22)
        process.wait(30)
    assert job.return_value(refresh=True) == 42


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        connection = redis.Redis(host=sys.argv[2], port=int(sys.argv[3]), db=6)
        rq.SimpleWorker(["default"], connection=connection).work(max_jobs=1)
    else:
        JOBS.main()
