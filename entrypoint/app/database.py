"""Waiting for a database, by the framework's own connection: that it can be used is what matters."""

import time
from typing import Final

from django.db import connections
from django.db.utils import OperationalError

from entrypoint.app.answer import Progress
from entrypoint.app.failure import Failure

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 1.0
_TOLD_EVERY: Final = 5.0


def wait(*, aliases: list[str], seconds: float, progress: Progress) -> str:
    """Wait until each of the databases takes a connection, for `seconds` in all. Raises Failure."""
    began = time.monotonic()
    for alias in aliases:
        _wait_for(alias, began, seconds, progress)
    return f"there after {time.monotonic() - began:.1f} s"


def _wait_for(alias: str, began: float, seconds: float, progress: Progress) -> None:
    connection = connections[alias]
    delay, told = _FIRST_DELAY, 0.0
    while True:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            now = time.monotonic()
            why = " ".join(str(error).split())
            if connection.vendor == "sqlite":
                # A file does not come up by itself.
                raise Failure(f"cannot open database {alias}: {why}", "not allowed") from error
            if now + delay > began + seconds:
                raise Failure(f"cannot reach database {alias} within {seconds:g} s: {why}", "timed out") from error
            if now - told >= _TOLD_EVERY:
                progress(f"still waiting for database {alias}: {why}")
                told = now
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        else:
            return
