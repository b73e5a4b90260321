# SPDX-License-Identifier: BSD-3-Clause
"""Celery with Redis as broker and result backend; see programs.py. `celery_jobs.py worker URL` is
the worker."""
import contextlib
import subprocess
import sys

import celery

import job_list

JOBS = job_list.Jobs()


def application(url):
    app = celery.Celery("jobs", broker=url, backend=url)
    app.conf.update(broker_connection_retry_on_startup=True, result_expires=3600, worker_hijack_root_logger=False,
                    worker_prefetch_multiplier=1)

    @app.task(name="add")
    def add(a, b):
        return a + b

    @app.task(name="total")
    def total(numbers):
        return sum(numbers)

    @app.task(name="flaky", bind=True, max_retries=3)
    def flaky(self):
        if self.request.retries < 2:
            raise self.retry(countdown=0.05)
        return self.request.retries

    @app.task(name="broken")
    def broken():
        raise ValueError("no such luck")
    return app


@contextlib.contextmanager
def worker(host, port, database):
    url = f"redis://{host}:{port}/{database}"
    app = application(url)
    with subprocess.Popen([sys.executable, __file__, "worker", url], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            yield app
        finally:
            process.terminate()
            process.wait(30)


@JOBS.job("runs tasks, a chain, a group and a chord, and keeps their results")
def _(host, port):
    with worker(host, port, 4) as app:
        add, total = app.tasks["add"], app.tasks["total"]
        results = [add.delay(i, i) for i in range(30)]
        assert [r.get(timeout=30) for r in results] == [2 * i for i in range(30)]
        assert celery.chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=30) == 10
        assert celery.group(add.s(i, 1) for i in range(5))().get(timeout=30) == [1, 2, 3, 4, 5]
        assert celery.chord((add.s(i, i) for i in range(10)), total.s())().get(timeout=30) == 90
        results[0].forget()
        assert results[0].state == "PENDING"


@JOBS.job("retries with a countdown, reports an error, revokes what waits")
def _(host, port):
    with worker(host, port, 5) as app:
        assert app.tasks["flaky"].delay().get(timeout=30) == 2
        try:
            app.tasks["broken"].delay().get(timeout=30)
            raise AssertionError("the error was lost")
        except ValueError as error:
            assert str(error) == "no such luck"
        late = app.tasks["add"].apply_async((1, 1), countdown=3600)
        assert app.control.ping(timeout=5), "the worker answers over pub/sub"
        late.revoke()
        scheduled = app.control.inspect(timeout=5).scheduled()
        assert scheduled is not None


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        application(sys.argv[2]).worker_main(["worker", "--pool=solo", "--loglevel=WARNING", "--without-gossip"])
    else:
        JOBS.main()
