"""The grammar of probes: how a text such as `tcp:127.0.0.1:8000` is parsed. boot and supervisord's plugin use it."""

import os
import re
import socket
from collections.abc import Container
from enum import StrEnum
from typing import Final, NamedTuple

LONGEST_SOCKET: Final = 107
"""Bytes in the path of a socket: unix(7)."""
_HIGHEST_PORT: Final = 65535
_HTTP_PORT: Final = 80

# Not compiled here: a start without such probes need not pay for them.
_HOST: Final = r"(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+)"
_ADDRESS: Final = rf"{_HOST}:([0-9]{{1,5}})"
_URL: Final = rf"http://{_HOST}(?::([0-9]{{1,5}}))?(/[!-~]*)"


class Kind(StrEnum):
    """The kinds of a probe. Each is the word that the text of the probe begins with."""

    RUNNING = "running"
    """supervisord reports the program as RUNNING: it has lived for `startsecs`."""
    NOTIFY = "notify"
    """The program has sent READY=1 (readiness) or WATCHDOG=1 (liveness) to $NOTIFY_SOCKET, see sd_notify(3)."""
    EXIT = "exit"
    """The program has ended with exit status 0."""
    UNIX = "unix"
    """The socket accepts a connection."""
    TCP = "tcp"
    """The address accepts a connection."""
    HTTP = "http"
    """The URL returns a status below 400."""
    LOG = "log"
    """The program has written a line that matches the regular expression."""
    PROCESS = "process"
    """Neither its first process nor all children of that process are stopped by SIGSTOP."""


_FORMS: Final = {
    Kind.UNIX: "unix:PATH",
    Kind.TCP: "tcp:HOST:PORT",
    Kind.HTTP: "http://HOST[:PORT]/PATH",
    Kind.LOG: "log:REGEX",
}
CONNECTS: Final = frozenset({Kind.UNIX, Kind.TCP, Kind.HTTP})
"""The kinds that connect to the program."""
READINESS: Final = tuple(kind for kind in Kind if kind is not Kind.PROCESS)
"""The kinds that show that a program is ready."""
LIVENESS: Final = (Kind.NOTIFY, Kind.UNIX, Kind.TCP, Kind.HTTP)
"""The kinds that a user may choose to show that a program is alive; boot itself uses PROCESS, too."""


class Probe(NamedTuple):
    """How a program shows that it is ready or alive."""

    kind: Kind
    text: str
    """What the probe was parsed from."""
    target: str = ""
    """The path of the socket (unix), the path of the URL (http) or the regular expression (log)."""
    host: str = ""
    """The IP address to connect to, without brackets (tcp, http)."""
    port: int = 0

    @classmethod
    def parse(cls, text: str, kinds: Container[Kind] = frozenset(Kind)) -> "Probe":
        """Parse the text of a probe of one of `kinds`. Raises ValueError, which says why."""
        word, colon, rest = text.partition(":")
        kind = Kind(word) if word in Kind.__members__.values() and Kind(word) in kinds else None
        match kind:
            case Kind.UNIX if rest.startswith("/"):
                if len(os.fsencode(rest)) > LONGEST_SOCKET:
                    raise ValueError(f"a socket's path must not be longer than {LONGEST_SOCKET} bytes")
                return cls(kind, text, rest)
            case Kind.TCP if address := re.fullmatch(_ADDRESS, rest):
                return cls(kind, text, "", _host(address[1]), _port(address[2]))
            case Kind.HTTP if url := re.fullmatch(_URL, text):
                return cls(kind, text, url[3], _host(url[1]), _port(url[2]))
            case Kind.LOG if rest:
                try:
                    re.compile(rest)
                except (re.error, OverflowError, RecursionError) as error:
                    raise ValueError(f"its regular expression is invalid: {error}") from error
                return cls(kind, text, rest)
            case Kind.RUNNING | Kind.NOTIFY | Kind.EXIT | Kind.PROCESS if not colon:
                return cls(kind, text)
        raise ValueError(f"it is not one of {', '.join(_FORMS.get(each, each) for each in Kind if each in kinds)}")


RUNNING: Final = Probe(Kind.RUNNING, "running")


def _host(text: str) -> str:
    """Return the IP address. Names are not resolved: supervision never waits, and a resolver may be slow."""
    host = "127.0.0.1" if text == "localhost" else text.strip("[]")
    family = socket.AF_INET6 if text.startswith("[") else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        raise ValueError("its host must be an IP address (IPv6 in brackets) or localhost") from None
    return host


def _port(text: str | None) -> int:
    port = _HTTP_PORT if text is None else int(text)
    if not 1 <= port <= _HIGHEST_PORT:
        raise ValueError(f"a port is a number from 1 to {_HIGHEST_PORT}")
    return port
