"""The two formats of the container's log: text for a person, JSON for a collector."""

import functools
import json
import time
from collections.abc import Callable
from json.encoder import encode_basestring as quoted

from entrypoint import log

Format = Callable[[str, bytes, str, int], bytes]
"""Makes one line, its newline included, of who speaks, what it said, on which stream, and its PID."""


def text(name: str, line: bytes, stream: str, pid: int) -> bytes:
    """Put the name before the line, whose bytes come out as they came in."""
    del stream, pid  # a person is told neither
    return _head(name) + line + b"\n"


def as_json(name: str, line: bytes, stream: str, pid: int) -> bytes:
    """Return an object; a line that is an object itself stays one, under the same key as any message."""
    said = line.decode("utf-8", "replace")
    message = said if said.startswith("{") and _is_json(said) else quoted(said)
    now = time.time()
    stamp = f"{_second(int(now))}.{int(now % 1 * 1000):03}Z"
    whole = f'{{"time":"{stamp}","program":{quoted(name)},"stream":"{stream}","pid":{pid},"message":{message}}}\n'
    return whole.encode()


@functools.cache
def _head(name: str) -> bytes:
    return log.line(name, "").encode()


@functools.lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _is_json(said: str) -> bool:
    try:
        json.loads(said, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(constant)


FORMATS: dict[str, Format] = {"text": text, "json": as_json}
