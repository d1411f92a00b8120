"""The log format of the container: the program's name and its line, or a JSON object."""

import os
import time
from collections.abc import Mapping
from typing import Final, Protocol

from entrypoint.output.clock import timestamp
from entrypoint.output.stderr import Stderr

ENTRYPOINT: Final = "entrypoint"
"""The program name in entrypoint's own lines."""
LEVELS: Final = ("debug", "info", "warning", "error")
PROGRESS: Final = "progress"
"""The level of a line that the next one replaces on a terminal. Elsewhere at most one of them a second is logged."""
_EACH: Final = 1.0  # seconds

_COLOURS: Final = {"name": "36", "warning": "33", "error": "31"}  # ECMA-48, "Select Graphic Rendition"


class Tell(Protocol):
    """A function that logs a line."""

    def __call__(self, name: str, text: str, level: str = "info") -> None:
        """Log one line of the program `name`."""


class _Use:
    """The settings of the log."""

    form = "text"
    level = "info"
    timestamps = False
    colour = False
    terminal = False
    progress_due = 0.0  # when the next line of progress may be logged
    at: Mapping[str, str] = {}  # replaced, never changed: the step and the phase of the boot


_use = _Use()
_stderr = Stderr()


def use(form: str, level: str = "info", *, timestamps: bool = False) -> None:
    """Set the format, `text` or `json`, the lowest level of entrypoint's own lines, and whether text has the time."""
    _use.form, _use.level, _use.timestamps = form, level, timestamps


def use_terminal(*, terminal: bool, colour: bool) -> None:
    """Set whether lines of progress replace each other on stderr, and whether names and levels have colours."""
    _use.terminal, _use.colour = terminal, colour


def at_step(step: str, phase: str = "") -> None:
    """Set the step of the boot, and its phase as `/-/ready` names it: fields of all further lines in JSON."""
    _use.at = {"step": step, **({"phase": phase} if phase else {})}


def shows(level: str) -> bool:
    """Return whether entrypoint's own lines of this level are logged."""
    return LEVELS.index(level) >= LEVELS.index(_use.level)


def line(name: str, text: str, level: str = "info", *, colour: bool = False) -> str:
    """Return a line of the program `name` in text format, without a newline."""
    if colour:
        text = painted(text, level) if level in _COLOURS else text
        return f"{painted(f'[{name}]', 'name')} {text}"
    return f"[{name}] {text}"


def painted(text: str, what: str) -> str:
    """Return `text` in the colour of a `name`, a `warning` or an `error`."""
    return f"\033[{_COLOURS[what]}m{text}\033[0m"


def printable(text: str) -> str:
    """Return `text` with each character escaped that a terminal would not show as it is."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tell(name: str, text: str, level: str = "info") -> None:
    """Write a line to stderr. The level filters entrypoint's own lines only."""
    if level == PROGRESS:
        _tell_progress(name, text)
    elif name != ENTRYPOINT or shows(level):
        write(_formatted(name, text, level, _use.at))


def offer(name: str, text: str, patience: float) -> bool:
    """Write a line if stderr accepts it within `patience` seconds; return whether it did."""
    return _stderr.write(_formatted(name, text, "info", {}), patience)


def write(text: str) -> None:
    """Write text to stderr unchanged. It is lost if stderr or its reader is closed."""
    _stderr.write(text)


def tell_traceback(text: str) -> None:
    """Write the traceback of a bug to stderr: its lines, or one object."""
    if _use.form == "json":
        text = _formatted(ENTRYPOINT, text.rstrip("\n"), "error", _use.at)
    write(text)


def _tell_progress(name: str, text: str) -> None:
    now = time.monotonic()
    if _use.terminal and _use.form != "json":
        _stderr.draw(_formatted(name, printable(text), "info", {}))
    elif now >= _use.progress_due or _use.level == "debug":
        _use.progress_due = now + _EACH
        write(_formatted(name, text, "info", _use.at))


def _formatted(name: str, text: str, level: str, fields: Mapping[str, str]) -> str:
    if _use.form == "json":
        return _json(name, text, level, fields) + "\n"
    head = f"{timestamp()} " if _use.timestamps else ""
    return f"{head}{line(name, text, level, colour=_use.colour)}\n"


def _json(name: str, text: str, level: str, fields: Mapping[str, str]) -> str:
    from entrypoint.output import log_object  # noqa: PLC0415 -- 5 ms, needed for this format only

    source = log_object.Source(name, "stderr", os.getpid())
    return log_object.of_line(timestamp(), source, text, level, fields)
