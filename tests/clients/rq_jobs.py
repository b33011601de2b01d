"""Drives the server with the Python package `rq`, a job queue. Usage: rq_jobs.py BINARY [JOBS]

Jobs of three queues are run by several worker processes. Some are scheduled for later, some fail and are tried again,
some overtake others. Each job has to end as it must. (None waits for another: of those rq itself loses some now and
then when several workers finish at the same time, whatever the server.)
"""

import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import redis
import rq
from rq.job import JobStatus

from python_redis import server

QUEUES = ["high", "default", "low"]
WORKERS = 3
TRIES = 3
DEADLINE_SECONDS = 60


def plain(number):
    return number * 2


def failing(number):
    raise ValueError(f"{number}, as it must be")


def retried(number):
    """Fails twice; how often it was run is counted in the server."""
    runs = rq.get_current_job().connection.incr(f"runs:{number}")
    if runs < TRIES:
        raise ValueError(f"{number}, not yet")
    return runs


def work(port):
    connection = redis.Redis(port=port)
    worker = rq.SimpleWorker([rq.Queue(name, connection=connection) for name in QUEUES], connection=connection)
    worker.work(burst=False, with_scheduler=True, logging_level="ERROR")


def start_worker(port):
    return subprocess.Popen([sys.executable, __file__, "--worker", str(port)], stderr=subprocess.DEVNULL)


def enqueue(connection, jobs):
    """The jobs, each with the status and the result it has to end with."""
    queues = {name: rq.Queue(name, connection=connection) for name in QUEUES}
    expected = []
    for number in range(jobs):
        queue = queues[QUEUES[number % len(QUEUES)]]
        kind = number % 5
        if kind == 0:
            job = queue.enqueue_in(timedelta(seconds=1), "rq_jobs.plain", number)
        elif kind == 1:
            job = queue.enqueue("rq_jobs.failing", number)
        elif kind == 2:
            job = queue.enqueue("rq_jobs.retried", number, retry=rq.Retry(max=TRIES))
        elif kind == 3:
            job = queue.enqueue("rq_jobs.plain", number, at_front=True)
        else:
            job = queue.enqueue("rq_jobs.plain", number)
        status = JobStatus.FAILED if kind == 1 else JobStatus.FINISHED
        expected.append((job, status, {1: None, 2: TRIES}.get(kind, number * 2)))
    return expected


def run(port, jobs):
    connection = redis.Redis(port=port)
    expected = enqueue(connection, jobs)
    workers = [start_worker(port) for _ in range(WORKERS)]
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            statuses = Counter(job.get_status() for job, *_ in expected)
            if statuses[JobStatus.FINISHED] + statuses[JobStatus.FAILED] == jobs:
                break
            if time.monotonic() > deadline:
                sys.exit(f"rq: not all jobs ended: {statuses}")
            time.sleep(0.1)
        for job, status, result in expected:
            assert job.get_status() == status, (job, job.get_status())
            assert job.return_value(refresh=True) == result, (job, job.return_value())
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def main():
    if sys.argv[1] == "--worker":
        return work(int(sys.argv[2]))
    jobs = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    with server(sys.argv[1]) as (port, _):
        started = time.monotonic()
        run(port, jobs)
        print(f"rq: {jobs} jobs: ok, {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
