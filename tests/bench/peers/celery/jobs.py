"""An empty task of Celery; run as a program, puts N of them into the queue."""

import os
import sys

from celery import Celery

import tally

app = Celery("jobs", broker="redis+socket://" + os.environ["PEERS_SOCKET"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="job")
def job(payload):
    tally.begin()
    tally.end()


def fill(n):
    payload = {"text": "x" * (256 - len('{"text":""}'))}
    with app.producer_pool.acquire() as producer:
        for _ in range(n):
            job.apply_async((payload,), producer=producer)


if __name__ == "__main__":
    fill(int(sys.argv[1]))
