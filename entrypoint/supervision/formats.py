"""The two formats of the container's log: text for a person, JSON for a collector."""

import functools
import json
import time
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quoted

from entrypoint import log

Format = Callable[[str, Sequence[bytes], str, int], bytes]
"""Makes lines, their newlines included, of who speaks, what was said at a time, on which stream, and the PID."""


def text(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Put the name before each line, whose bytes come out as they came in."""
    del stream, pid  # a person is told neither
    head = _head(name)
    return head + (b"\n" + head).join(lines) + b"\n"


def as_json(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Make an object of each; a line that is an object itself stays one, under the same key as any message."""
    head = f"{_time(int(time.time() * 1000))}{_speaker(name, stream, pid)}"
    return "".join([f"{head}{_message(line)}}}\n" for line in lines]).encode()


def _message(line: bytes) -> str:
    said = line.decode("utf-8", "replace")
    return said if said.startswith("{") and _is_json(said) else quoted(said)


@functools.cache
def _head(name: str) -> bytes:
    return log.line(name, "").encode()


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
