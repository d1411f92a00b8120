"""A site that sends work to Celery: each order is packed by a worker, and counted by beat."""

import os
import time

from celery import Celery
from flask import Flask, request

BROKER = os.environ.get("REDIS_URL", "redis://redis:6379/0")

queue = Celery("orders", broker=BROKER, backend=BROKER)
queue.conf.update(
    task_acks_late=True,  # a task whose worker is killed is given to another one
    worker_prefetch_multiplier=1,  # a stop waits for the running task, and leaves the rest to other workers
    broker_connection_retry_on_startup=True,
    beat_schedule={"report": {"task": "orders.report", "schedule": float(os.environ.get("REPORT_EVERY", "60"))}},
)
app = Flask(__name__)


@queue.task
def pack(seconds):
    time.sleep(seconds)
    return f"packed in {seconds:g} s"


@queue.task
def report():
    print("all orders are fine", flush=True)  # noqa: T201 -- the container's log


@app.get("/")
def index():
    return {"order": "POST /orders?seconds=3", "state": "GET /orders/ID"}


@app.post("/orders")
def order():
    return {"id": pack.delay(min(60.0, float(request.args.get("seconds", 1)))).id}, 202


@app.get("/orders/<task>")
def state(task):
    found = queue.AsyncResult(task)
    return {"state": found.state, "result": found.result if found.successful() else None}
