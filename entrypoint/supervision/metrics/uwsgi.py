"""uWSGI's statistics. The application's user controls them, so only a few numbers are taken, and each is checked."""

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from select import EPOLLIN
from typing import Any, Final, NamedTuple

from entrypoint.supervision.checks.probes import connect
from entrypoint.supervision.tasks import Wait

PATIENCE: Final = 0.5
"""The longest time for uWSGI's response, in seconds."""

LONGEST: Final = 1 << 18
"""The largest response that is read, in bytes: it has about 300 for each worker."""

_RECEIVED: Final = 1 << 16
_STATES: Final = ("idle", "busy", "cheap", "pause")
_HIGHEST: Final = float(1 << 63)


class Statistics(NamedTuple):
    """uWSGI's figures about its workers."""

    states: Mapping[str, int]
    """How many workers are idle, busy, cheap (not started), paused, or in another state."""
    requests: int
    seconds: float
    """The time of all these requests together."""
    exceptions: int
    respawns: int


def read(file: Path) -> Generator[Wait, bool, Statistics | None]:
    """Return the statistics from the Unix socket `file`; None if uWSGI does not answer."""
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asked,
    ):
        if connect(asked, str(file)):
            return None
        data = b""
        while len(data) <= LONGEST:
            if not (yield Wait(asked.fileno(), EPOLLIN, PATIENCE)):
                return None
            received = asked.recv(_RECEIVED)
            if not received:
                return parse(data)
            data += received
    return None


def parse(data: bytes) -> Statistics | None:
    """Return the statistics; None if the text has another form."""
    try:
        told = json.loads(data)
        workers = told["workers"]
        states = Counter(each["status"] if each["status"] in _STATES else "other" for each in workers)
        return Statistics(
            states={state: states.get(state, 0) for state in (*_STATES, "other")},
            requests=int(sum(_number(each["requests"]) for each in workers)),
            seconds=round(sum(_number(each["running_time"]) for each in workers) / 1e6, 6),
            exceptions=int(sum(_number(each["exceptions"]) for each in workers)),
            respawns=int(sum(max(0, _number(each["respawn_count"]) - 1) for each in workers)),
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _number(value: Any) -> float:  # noqa: ANN401 - JSON
    """Return a number of JSON. Raises ValueError for any other value, and for a negative or huge number."""
    if type(value) not in {int, float} or not 0 <= value < _HIGHEST:
        raise ValueError(value)
    return float(value)
