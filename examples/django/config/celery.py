"""Background work, if Celery is installed: `celery -A config.celery worker`, and `beat` in place of `worker`."""

import os

from celery import Celery, shared_task
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("config", broker=os.environ.get("CELERY_BROKER_URL") or "redis://redis:6379/0")
app.conf.task_acks_late = True  # a worker that is killed gives its task back
app.conf.broker_connection_retry_on_startup = True
app.conf.beat_schedule = {"clear expired sessions": {"task": "clear_sessions", "schedule": 3600.0}}


@shared_task(name="clear_sessions")
def clear_sessions():
    call_command("clearsessions")
