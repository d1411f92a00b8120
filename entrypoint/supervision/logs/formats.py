"""The two formats of the container's log: text for a person, JSON for a collector."""

import functools
import os
from collections.abc import Callable, Mapping, Sequence

from entrypoint.output import log
from entrypoint.output.clock import timestamp
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


def as_text(*, timestamps: bool = False, colour: bool = False) -> Format:
    """Return the format that puts the program's name before each line, whose bytes it does not change.

    It may also put the time before each line, and show names, warnings and errors in colours.
    """

    def form(name: str, lines: Sequence[bytes], stream: str, pid: int) -> bytes:
        del stream, pid  # not shown to a person
        head = _head(name, colour=colour)
        if timestamps:
            head = f"{timestamp()} ".encode() + head
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
    """Make each line an object, see log_object."""
    from entrypoint.output import log_object  # noqa: PLC0415 -- only this format needs it

    texts = b"\n".join(lines).decode("utf-8", "replace").split("\n")
    objects = log_object.of_lines(timestamp(), log_object.Source(name, stream, pid), texts)
    return "\n".join((*objects, "")).encode("utf-8", "backslashreplace")  # an escaped surrogate stays escaped


@functools.cache
def _head(name: str, *, colour: bool = False) -> bytes:
    return log.line(name, "", colour=colour).encode()
