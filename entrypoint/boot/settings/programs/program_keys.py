"""The keys of a user program, `programs.NAME.KEY`, each with the function that parses its value."""

import re
import shlex
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from entrypoint.boot.settings.types import values
from entrypoint.boot.settings.types.values import Type
from entrypoint.protocol.probe import LIVENESS, READINESS, Kind, Probe

SIGNALS: Final = ("TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2")  # the signals that supervisord accepts
_ON: Final = ("yes", "on", "true", "1")
_OFF: Final = ("no", "off", "false", "0")
_MOST_REPLICAS: Final = 99
_HIGHEST_ORDER: Final = 999
# As in user_programs, not compiled here.
_VARIABLE: Final = r"[A-Za-z_][A-Za-z0-9_]*"


def command(value: object) -> tuple[str, ...]:
    """Parse a command: a text, which is split into shell words, or a list. No shell runs it: `$` is plain text."""
    if isinstance(value, str):
        words = tuple(shlex.split(values.text(value)))
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        words = tuple(map(values.text, value))
    else:
        raise ValueError("it is not a string or a list of strings")
    if not words or not words[0]:
        raise ValueError("it is empty")
    return words


def _probe(value: str, kinds: Collection[Kind]) -> str:
    return Probe.parse(values.text(value), kinds).text


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("it is not a string or an integer")  # noqa: TRY004 -- the file is wrong, not the code
    return str(value)


def _typed(kind: Type[Any] | Callable[[str], Any]) -> Callable[[object], Any]:
    return lambda value: kind(_text(value))


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it is not true or false")  # noqa: TRY004 -- as above
    return value


def _switch(value: object) -> bool:
    """Parse true or false, or the text of a variable, such as `yes` or `1`."""
    if not isinstance(value, str):
        return _boolean(value)
    if value.lower() not in (*_ON, *_OFF):
        raise ValueError(f"it is not one of {', '.join((*_ON, *_OFF))}")
    return value.lower() in _ON


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"it is not a whole number from {least} to {most}")
    return value


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return values.program_names(value)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("it is not a list of names")
    return values.program_names(",".join(value))


def _stop_signal(value: str) -> str:
    return values.choice(*SIGNALS)(value.upper().removeprefix("SIG"))


def _directory(value: str) -> str:
    if not values.text(value):
        raise ValueError("it is empty")
    return value


def log(value: str) -> str:
    """Parse the destination of a program's output."""
    kind, _, path = values.text(value).partition(":")
    if kind == "file" and path:
        if not PurePosixPath(path).name or path.endswith("/"):
            raise ValueError("it is a folder, not a file")
    elif value not in ("lines", "raw"):
        raise ValueError("it is not one of lines, raw, file:PATH")
    return value


def _memory(value: str) -> int:
    size = values.size(value)
    if not size:
        raise ValueError("it must be more than 0")
    return size


def _environment(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError("it is not a table")  # noqa: TRY004 -- as above
    found = {}
    for name, each in value.items():
        if not re.fullmatch(_VARIABLE, name):
            raise ValueError(f"{values.shown(name)!r} is not a variable name")
        if isinstance(each, bool) or not isinstance(each, str | int) or "\0" in str(each):
            raise ValueError(f"{name} must be a string without a NUL, or an integer")
        found[name] = str(each)
    return MappingProxyType(found)


# Each raises ValueError with the reason if the value is invalid.
READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "command": command,
    "enabled": _switch,
    "essential": _boolean,
    "restart": _typed(values.choice("always", "on-failure", "never")),
    "after": _names,
    "ready": _typed(partial(_probe, kinds=READINESS)),
    "live": _typed(partial(_probe, kinds=LIVENESS)),
    "user": _typed(values.account),
    "directory": _typed(_directory),
    "environment": _environment,
    "memory_limit": _typed(_memory),
    "stop_signal": _typed(_stop_signal),
    "stop_timeout": _typed(values.duration),
    "stop_order": partial(_whole, least=1, most=_HIGHEST_ORDER),
    "tier": partial(_whole, least=1, most=_HIGHEST_ORDER),  # its former name
    "replicas": partial(_whole, least=1, most=_MOST_REPLICAS),
    "log": _typed(log),
}
