"""Waiting for the databases, by the framework's own connections: that they can be used is what matters."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from django.db import connections

from entrypoint.app import refusal
from entrypoint.app.answer import Changed, Progress
from entrypoint.app.failure import Failure

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 1.0
_TOLD_AFTER: Final = 1.0  # where a database says nothing at all
_TOLD_EVERY: Final = 5.0
_ATTEMPT: Final = 10  # seconds that one attempt to connect may take: something between may have forgotten it
_SILENT: Final = "it gives no answer"

_News = tuple[str, str | Failure | None]


def wait(*, aliases: list[str], seconds: float, progress: Progress) -> str:
    """Wait until each of the databases takes a connection, for `seconds` in all. Raises Failure."""
    began = time.monotonic()
    late = reach({alias: connections[alias] for alias in aliases}, seconds, progress)
    there = f"there after {time.monotonic() - began:.1f} s"
    return Changed(there) if late else there  # what was loaded meanwhile may have asked it, in vain


def reach(wanted: Mapping[str, Any], seconds: float, progress: Progress) -> bool:
    """Open all these connections, each by the name that it is told under, at the same time.

    Return whether one could not be opened at first. Raises Failure.
    """
    began = time.monotonic()
    news: SimpleQueue[_News] = SimpleQueue()
    for name, connection in wanted.items():
        _be_direct(connection)
        connection.inc_thread_sharing()  # opened there, used here
        Thread(target=_keep_trying, args=(name, connection, news.put), daemon=True).start()
    missing = dict.fromkeys(wanted, _SILENT)
    told: set[str] = set()
    late = False
    tick, end = began + _TOLD_AFTER, began + seconds
    while missing:
        try:
            name, what = news.get(timeout=max(0.0, min(tick, end) - time.monotonic()))
        except Empty:
            if time.monotonic() >= end:
                raise Failure(_all_in_one(missing, seconds), "timed out") from None
            for name, why in missing.items():
                progress(f"{'still ' if name in told else ''}waiting for database {name}: {why}")
            told.update(missing)
            tick = time.monotonic() + _TOLD_EVERY
            continue
        if isinstance(what, Failure):
            raise what
        if what is None:
            del missing[name]
            if name in told:
                progress(f"database {name} is there after {time.monotonic() - began:.1f} s")
        else:
            late = True
            missing[name] = what
            if name not in told:
                progress(f"waiting for database {name}: {what}")
                told.add(name)
                tick = time.monotonic() + _TOLD_EVERY
    return late


def _keep_trying(name: str, connection: Any, put: Callable[[_News], None]) -> None:  # noqa: ANN401 -- Django ships no types
    began, delay = time.monotonic(), _FIRST_DELAY
    while True:
        try:
            connection.ensure_connection()
        except Exception as error:  # noqa: BLE001 -- a driver raises what it likes, and this thread has nobody to tell it to
            failure = refusal.for_good(name, connection, error, time.monotonic() - began)
            put((name, failure or refusal.why(connection, error)))
            if failure:
                return
            with suppress(Exception):
                connection.close()  # it may be open, and not yet set up
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        else:
            put((name, None))
            return


def _be_direct(connection: Any) -> None:  # noqa: ANN401 -- as above
    """Let a connection fail soon and say why; a pool of connections would keep that to itself."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    if connection.vendor in ("postgresql", "mysql"):
        options.setdefault("connect_timeout", _ATTEMPT)
    connection.settings_dict["OPTIONS"] = options


def _all_in_one(missing: Mapping[str, str], seconds: float) -> str:
    what = "; ".join(f"database {name}: {why}" for name, why in missing.items())
    return f"cannot reach within {seconds:g} s {what}" if len(missing) > 1 else _one(missing, seconds)


def _one(missing: Mapping[str, str], seconds: float) -> str:
    ((name, why),) = missing.items()
    return f"cannot reach database {name} within {seconds:g} s: {why}"
