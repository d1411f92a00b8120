"""The keys of a user program, `programs.NAME.KEY`: each parses its value, or raises ValueError with the reason."""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from entrypoint.boot.settings import values
from entrypoint.boot.settings.values import Type

SIGNALS: Final = ("TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2")  # the signals that supervisord accepts
_MOST_REPLICAS: Final = 99
_HIGHEST_TIER: Final = 999
_HIGHEST_PORT: Final = 65535
_IPV6: Final = 6
LONGEST_SOCKET: Final = 107
"""The longest path of a socket, in bytes: unix(7)."""
# Not compiled here: see user_programs.
_ADDRESS: Final = r"(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+):([0-9]{1,5})"
_URL: Final = r"http://(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+)(?::([0-9]{1,5}))?(/[!-~]*)"
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


def probe(value: str) -> str:
    """Parse the readiness probe of a program."""
    kind, _, target = values.text(value).partition(":")
    if value in ("running", "notify", "exit"):
        return value
    if kind == "log" and target:
        try:
            re.compile(target)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"its regular expression is invalid: {error}") from error
        return value
    return _connection(
        value, "it is not one of running, notify, exit, unix:PATH, tcp:HOST:PORT, http://HOST[:PORT]/PATH, log:REGEX"
    )


def live(value: str) -> str:
    """Parse the liveness probe of a program."""
    if values.text(value) == "notify":  # WATCHDOG=1, see sd_notify(3)
        return value
    return _connection(value, "it is not one of notify, unix:PATH, tcp:HOST:PORT, http://HOST[:PORT]/PATH")


def _connection(value: str, reason: str) -> str:
    kind, _, target = value.partition(":")
    if kind == "unix" and target.startswith("/"):
        if len(os.fsencode(target)) > LONGEST_SOCKET:
            raise ValueError(f"a socket's path must not be longer than {LONGEST_SOCKET} bytes")
        return value
    match = re.fullmatch(_ADDRESS, target) if kind == "tcp" else re.fullmatch(_URL, value)
    if match is None:
        raise ValueError(reason)
    host, port = match[1], match[2]
    if host != "localhost":
        try:
            if (ip_address(host.strip("[]")).version == _IPV6) != host.startswith("["):
                raise ValueError(host)  # noqa: TRY301 -- like an invalid address
        except ValueError:
            # Resolving a name could block supervision.
            raise ValueError("its host must be an IP address (IPv6 in brackets) or localhost") from None
    if port and not 1 <= int(port) <= _HIGHEST_PORT:
        raise ValueError(f"a port is a number from 1 to {_HIGHEST_PORT}")
    return value


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
    name = value.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise ValueError(f"it is not one of {', '.join(SIGNALS)}")
    return name


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


READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "command": command,
    "essential": _boolean,
    "restart": _typed(values.choice("always", "on-failure", "never")),
    "after": _names,
    "ready": _typed(probe),
    "live": _typed(live),
    "user": _typed(values.account),
    "directory": _typed(_directory),
    "environment": _environment,
    "memory_limit": _typed(_memory),
    "stop_signal": _typed(_stop_signal),
    "stop_timeout": _typed(values.duration),
    "tier": partial(_whole, least=1, most=_HIGHEST_TIER),
    "replicas": partial(_whole, least=1, most=_MOST_REPLICAS),
    "log": _typed(log),
}
