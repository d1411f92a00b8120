"""The two formats of the container's log: text for a person, JSON for a collector."""

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quoted

from entrypoint import log
from entrypoint.protocol.supervision import LogFormat, SupervisionConfig

SUPERVISORD = "supervisord"
"""The program name of supervisord's own lines."""

_LEVELS = {b"WARN": "warning", b"ERRO": "error", b"CRIT": "error"}

Format = Callable[[str, Sequence[bytes], str, int], bytes]
"""Formats lines, adding newlines: takes the program's name, the lines, the stream and the PID."""


def of(config: SupervisionConfig, environment: Mapping[str, str]) -> Format:
    """Return the format that the configuration names; text has colours if stdout is a terminal that shows them."""
    if config.log_format is LogFormat.JSON:
        return as_json
    colour = os.isatty(1) and environment.get("TERM") != "dumb" and not environment.get("NO_COLOR")
    return as_text(timestamps=config.log_timestamps, colour=colour)


def text(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Put the name before each line; the bytes of the line are not changed."""
    del stream, pid  # not shown to a person
    head = _head(name)
    return head + (b"\n" + head).join(lines) + b"\n"


def as_text(*, timestamps: bool, colour: bool) -> Format:
    """Return the text format, with the time before each line, and with colours for names, warnings and errors."""
    if not timestamps and not colour:
        return text

    def form(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
        del stream, pid  # as above
        head = _head(name, colour=colour)
        if timestamps:
            head = f"{log.timestamp()} ".encode() + head
        if colour and name == SUPERVISORD:
            lines = list(map(_with_level, lines))
        return head + (b"\n" + head).join(lines) + b"\n"

    return form


def _with_level(line: bytes) -> bytes:
    """Return a line of supervisord's log in the colour of its level."""
    level = _LEVELS.get(line.partition(b" ")[0])
    if level is None:
        return line
    return log.painted(line.decode("utf-8", "surrogateescape"), level).encode("utf-8", "surrogateescape")


def as_json(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
    """Make each line an object; a line that is an object itself becomes the value of `message` as it is."""
    head = f'{{"time":"{log.timestamp()}",{_source(name, stream, pid)}'
    return "".join([f"{head}{_message(line)}}}\n" for line in lines]).encode()


def _message(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if text.startswith("{") and _is_json(text) else quoted(text)


@functools.cache
def _head(name: str, *, colour: bool = False) -> bytes:
    return log.line(name, "", colour=colour).encode()


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
