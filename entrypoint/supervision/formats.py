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
    return f"{_time(int(time.time() * 1000))}{_speaker(name, stream, pid)}{message}}}\n".encode()


@functools.cache
def _head(name: str) -> bytes:
    return log.line(name, "").encode()


# A program may write hundreds of thousands of lines a second: what many lines share is made once.
@functools.lru_cache(maxsize=1)
def _time(milliseconds: int) -> str:
    second, rest = divmod(milliseconds, 1000)
    return f'{{"time":"{_second(second)}.{rest:03}Z",'


@functools.lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@functools.lru_cache
def _speaker(name: str, stream: str, pid: int) -> str:
    return f'"program":{quoted(name)},"stream":"{stream}","pid":{pid},"message":'


def _is_json(said: str) -> bool:
    try:
        _DECODER.decode(said)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # json.loads would make one for each line

FORMATS: dict[str, Format] = {"text": text, "json": as_json}
