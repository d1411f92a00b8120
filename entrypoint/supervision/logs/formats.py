"""The two formats of the container's log: text for a person, JSON for a collector."""

import functools
import json
import time
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quoted

from entrypoint import log

Format = Callable[[str, Sequence[bytes], str, int], bytes]
"""Formats lines, adding newlines: takes the program's name, the lines, the stream and the PID."""


def text(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Put the name before each line; the bytes of the line are not changed."""
    del stream, pid  # not shown to a person
    head = _head(name)
    return head + (b"\n" + head).join(lines) + b"\n"


def as_json(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Make each line an object; a line that is an object itself becomes the value of `message` as it is."""
    head = f"{_time(int(time.time() * 1000))}{_source(name, stream, pid)}"
    return "".join([f"{head}{_message(line)}}}\n" for line in lines]).encode()


def _message(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if text.startswith("{") and _is_json(text) else quoted(text)


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
def _source(name: str, stream: str, pid: int) -> str:
    return f'"program":{quoted(name)},"stream":"{stream}","pid":{pid},"message":'


def _is_json(text: str) -> bool:
    try:
        _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python parses although they are not JSON."""
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)  # json.loads would create one for each line

FORMATS: dict[str, Format] = {"text": text, "json": as_json}
