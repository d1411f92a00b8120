"""Waits for the databases by Django's own connections, so that Django can use each one afterwards."""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from django.db import connections

from entrypoint.app.databases import connection_error
from entrypoint.app.reporting import AgentError, Progress
from entrypoint.protocol.agent import AgentResult, WaitRequest

_FIRST_DELAY: Final = 0.05  # seconds, growing by half each time
_LONGEST_DELAY: Final = 1.0
_REPORT_AFTER: Final = 1.0  # seconds without a response to the first attempt
_REPORT_EVERY: Final = 5.0
_ATTEMPT: Final = 10  # seconds that one attempt to connect may take: a firewall may drop it silently
_NO_RESPONSE: Final = "it does not respond"

_Attempt = tuple[str, str | AgentError | None]
"""The name of a database, and why the attempt failed: AgentError where it is permanent, None if it succeeded."""


def wait(request: WaitRequest, progress: Progress) -> AgentResult:
    """Wait until each of the databases accepts a connection. Raises AgentError."""
    began = time.monotonic()
    late = reach({alias: connections[alias] for alias in request.aliases}, request.seconds, progress)
    waited = f"reachable after {time.monotonic() - began:.1f} s"
    # An application that was loaded meanwhile may have failed to connect.
    return AgentResult(waited if late else "", changed=late)


def reach(wanted: Mapping[str, Any], seconds: float, progress: Progress) -> bool:
    """Open these connections at the same time, within `seconds`; the keys are their names in messages.

    Return whether the first attempt failed on any of them. Raises AgentError.
    """
    began = time.monotonic()
    attempts: SimpleQueue[_Attempt] = SimpleQueue()
    for name, connection in wanted.items():
        _fail_fast(connection)
        connection.inc_thread_sharing()  # opened in that thread, used in this one
        Thread(target=_keep_trying, args=(name, connection, attempts.put), daemon=True).start()
    missing = dict.fromkeys(wanted, _NO_RESPONSE)
    reported: set[str] = set()
    late = False
    tick, end = began + _REPORT_AFTER, began + seconds
    while missing:
        try:
            name, failure = attempts.get(timeout=max(0.0, min(tick, end) - time.monotonic()))
        except Empty:
            if time.monotonic() >= end:
                raise AgentError(_unreachable(missing, seconds), "timed out") from None
            for name, why in missing.items():
                progress(f"{'still ' if name in reported else ''}waiting for database {name}: {why}")
            reported.update(missing)
            tick = time.monotonic() + _REPORT_EVERY
            continue
        if isinstance(failure, AgentError):
            raise failure
        if failure is None:
            del missing[name]
            if name in reported:
                progress(f"database {name} is reachable after {time.monotonic() - began:.1f} s")
        else:
            late = True
            missing[name] = failure
            if name not in reported:
                progress(f"waiting for database {name}: {failure}")
                reported.add(name)
                tick = time.monotonic() + _REPORT_EVERY
    return late


def _keep_trying(name: str, connection: Any, put: Callable[[_Attempt], None]) -> None:
    delay = _FIRST_DELAY
    while True:
        try:
            connection.ensure_connection()
        except Exception as error:  # noqa: BLE001 -- a driver may raise anything, and nothing else in this thread reports it
            permanent = connection_error.permanent(name, connection, error)
            put((name, permanent or connection_error.temporary(connection, error)))
            if permanent:
                return
            with suppress(Exception):
                connection.close()  # it may be open, but not initialised
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY)
        else:
            put((name, None))
            return


def _fail_fast(connection: Any) -> None:
    """Make a connection fail soon, with the reason; Django's connection pool would hide the reason."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    if connection.vendor in ("postgresql", "mysql"):
        options.setdefault("connect_timeout", _ATTEMPT)
    connection.settings_dict["OPTIONS"] = options


def _unreachable(missing: Mapping[str, str], seconds: float) -> str:
    # A connection that is not one of DATABASES has the name of its setting.
    doubtful = [
        f"{'HOST' if why.startswith(connection_error.UNKNOWN_HOST) else 'HOST and PORT'} of DATABASES[{name!r}]"
        for name, why in missing.items()
        if name in connections and re.search(rf"{connection_error.UNKNOWN_HOST}|refused", why)
    ]
    check = f"; check {' and '.join(doubtful)}" if doubtful else ""
    if len(missing) == 1:
        ((name, why),) = missing.items()
        return f"cannot reach database {name} within {seconds:g} s: {why}{check}"
    each = "; ".join(f"{name}: {why}" for name, why in missing.items())
    return f"cannot reach databases within {seconds:g} s: {each}{check}"
