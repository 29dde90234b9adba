"""Gives RQ a job, waits for its end, and says what came of it."""

import sys
import time

from redis import Redis
from rq import Queue
from rq.job import JobStatus

import rq_jobs

socket, name, *arguments = sys.argv[1:]
queue = Queue(connection=Redis(unix_socket_path=socket))
arguments = [int(text) if text.isdigit() else text for text in arguments]
job = queue.enqueue(getattr(rq_jobs, name), *arguments)
deadline = time.monotonic() + 40
while job.get_status() not in (JobStatus.FINISHED, JobStatus.FAILED):
    if time.monotonic() > deadline:
        sys.exit("the job is still " + job.get_status())
    time.sleep(0.02)
job.refresh()
lines = (job.exc_info or "").strip().splitlines()
print(job.result if job.is_finished else "failed: " + lines[-1])
