"""The endpoints of ENTRYPOINT_WAIT_FOR, each a URL."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from entrypoint.boot.settings.types.values import items, of_type
from entrypoint.protocol.probe import LONGEST_SOCKET
from entrypoint.secret import Secret

_PORTS: Final[Mapping[str, int | None]] = {  # the default ports; None if the scheme has none
    "tcp": None,
    "http": 80,
    "https": 443,
    "postgres": 5432,
    "mysql": 3306,
    "redis": 6379,
    "amqp": 5672,
}
_PATHS: Final = ("unix", "file")
_SAME: Final = {"postgresql": "postgres"}  # DATABASE_URL uses both
_HOST: Final = re.compile(r"(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?", re.ASCII)
_LONGEST_HOST: Final = 253


@dataclass(frozen=True)
class Endpoint:
    """One endpoint to wait for; its text omits user, password and query."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""  # a file or socket; for http, the path and query; for a database, its name
    user: str = ""
    password: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.scheme in _PATHS:
            return f"{self.scheme}:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = self.path.partition("?")[0] if self.scheme.startswith("http") else ""
        return f"{self.scheme}://{host}:{self.port}{path}"


def _exposed(value: str) -> str:
    """Return why the URLs must not be shown; an empty text if they hold no password, token or query."""
    try:
        found = endpoints(value)
    except ValueError:
        public = not re.search("[@?#]", value)
    else:
        users = sum(bool(each.user and not each.password and not each.scheme.startswith("http")) for each in found)
        # An @ after the host may be part of a password with an unquoted slash.
        public = not re.search("[?#]", value) and value.count("@") == users
    return "" if public else "a URL with a password or a query is not allowed there"


@of_type(
    "URLs",
    default="",
    exposes=_exposed,
    pattern=r"[^\x00-\x1f\x7f]*",
    examples=["redis://cache:6379 tcp://mail:25"],
    writeOnly=True,  # they may contain passwords
)
def endpoints(value: str) -> tuple[Endpoint, ...]:
    """Parse a list of URLs, separated by commas or spaces."""
    found = []
    for number, item in enumerate(items(value), 1):
        try:
            found.append(_endpoint(item))
        except ValueError as error:
            # The URL and urllib's message may contain a password, so the message must not show them.
            raise ValueError(f"URL number {number} {error}") from None
    return tuple(dict.fromkeys(found))


def _endpoint(item: str) -> Endpoint:
    try:
        url = urlsplit(item)
    except ValueError:
        raise ValueError("is not a URL") from None
    scheme = _SAME.get(url.scheme, url.scheme)
    if scheme in _PATHS:
        return Endpoint(scheme, path=_path(scheme, url, unquote(url.path)))
    if scheme not in _PORTS:
        raise ValueError(f"does not begin with one of {', '.join((*_PORTS, *_PATHS))}")
    host = url.hostname or ""
    if not _is_host(host):
        raise ValueError(f"({scheme}) has no host; in a password, write @, /, ?, # and a comma as %40 and so on")
    return Endpoint(
        scheme,
        host,
        _port(scheme, url),
        f"{url.path}{'?' if url.query else ''}{url.query}" if scheme.startswith("http") else unquote(url.path[1:]),
        unquote(url.username or ""),
        Secret(unquote(url.password)) if url.password else None,
    )


def _is_host(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return len(host) <= _LONGEST_HOST and bool(_HOST.fullmatch(host))
    return True


def _path(scheme: str, url: SplitResult, path: str) -> str:
    if url.netloc or not path.startswith("/"):
        raise ValueError(f"({scheme}) has no absolute path, such as {scheme}:/run/it")
    if scheme == "unix" and len(path.encode()) > LONGEST_SOCKET:
        raise ValueError(f"({scheme}) has a path that is too long for a socket")
    return path


def _port(scheme: str, url: SplitResult) -> int:
    try:
        port = url.port or _PORTS[scheme]
    except ValueError:
        raise ValueError(f"({scheme}) has a port that is not a number from 1 to 65535") from None
    if port is None:
        raise ValueError(f"({scheme}) has no port")
    return port
