"""The types of settings: each reads one text and returns a typed value, or raises ValueError with why not."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import PurePosixPath
from typing import Final

from entrypoint.secret import Secret

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_SIZE: Final = re.compile(r"(\d{1,30})([kmg])?", re.IGNORECASE | re.ASCII)
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_CALLABLE: Final = re.compile(_MODULE.pattern + r":[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")  # where os.environ held bytes that are no UTF-8
_ACCOUNT: Final = re.compile(r"[A-Za-z_][\w.-]*\$?|\d+(?::\d+)?", re.ASCII)
_LARGEST_SIZE: Final = 2**63 - 1  # what nginx takes
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_HIGHEST_PORT: Final = 65535
_HIGHEST_ID: Final = 2**32 - 2
_LONGEST_DURATION: Final = 366 * 24 * 3600.0
_LABEL: Final = r"[a-z0-9_][a-z0-9_-]{0,62}"
_HOST: Final = re.compile(rf"(?:\*\.|\.)?{_LABEL}(?:\.{_LABEL})*|{_LABEL}(?:\.{_LABEL})*\.\*", re.ASCII)
_LONGEST_HOST: Final = 255
_LONGEST_NETWORK: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_EVERYONE: Final = "0.0.0.0/0 ::/0"

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Listen:
    """Where a server listens: a port, on every address or on one."""

    port: int
    address: str | None = None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.address else str(self.port)

    @property
    def host(self) -> str:
        """The address under which a program on this machine reaches it."""
        return self.address.strip("[]") if self.address else "127.0.0.1"


def text(value: str) -> str:
    """Return any text without control characters."""
    if _CONTROL.search(value):
        raise ValueError("it contains a control character")
    return _utf8(value)


def _utf8(value: str) -> str:
    if _UNDECODED.search(value):
        raise ValueError("it is not UTF-8 text")
    return value


def listen(value: str) -> Listen:
    """Read `8080`, `127.0.0.1:8080` or `[::1]:8080`."""
    address, colon, port = value.rpartition(":")
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 1 <= int(port) <= _HIGHEST_PORT:  # noqa: PLR2004 -- digits of the highest
        raise ValueError(
            f"a port is a number from 1 to {_HIGHEST_PORT}, with an IP address and a colon before it or not"
        )
    if not colon:
        return Listen(int(port))
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if (":" in bare) != address.startswith("["):
        raise ValueError("an IPv6 address before a port stands in brackets")
    return Listen(int(port), f"[{ip_address(bare)}]" if ":" in bare else str(ip_address(bare)))


def count(value: str) -> int:
    """Read a whole number from 1 on."""
    if not value.isascii() or not value.isdigit() or not int(value[:9]) >= 1 or len(value) > 6:  # noqa: PLR2004 -- a million of anything here is a typing error
        raise ValueError("it is not a whole number from 1 to 999999")
    return int(value)


def duration(value: str) -> float:
    """Read `30s`, `500ms`, `5m`, `1h` or bare seconds; return seconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("a duration is a number with ms, s, m or h, such as 30s")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST_DURATION:
        raise ValueError("it is longer than a year")
    return seconds


def size(value: str) -> int:
    """Read `10m`, `512k`, `1g` or bare bytes; return bytes."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("a size is a whole number with k, m or g, such as 10m")
    found = int(match[1]) * _BYTES[(match[2] or "").lower()]
    if found > _LARGEST_SIZE:
        raise ValueError("a size has no more than 63 bits")
    return found


def path(value: str) -> PurePosixPath:
    """Read an absolute path."""
    if not text(value).startswith("/"):
        raise ValueError("a path begins with /")
    return PurePosixPath(value)


def email(value: str) -> str:
    """Read an e-mail address, as loosely as Django's form field would take it at the least."""
    if not _EMAIL.fullmatch(text(value)):
        raise ValueError("it is not an e-mail address")
    return value


def module(value: str) -> str:
    """Read a dotted module name."""
    if not _MODULE.fullmatch(value):
        raise ValueError("it is not the dotted name of a module")
    return value


def application(value: str) -> str:
    """Read `package.module:callable`; a callable that ends in `()` is a factory."""
    if not _CALLABLE.fullmatch(value):
        raise ValueError("it is not of the form package.module:callable")
    return value


def account(value: str) -> str:
    """Read a user's name, or uid, or uid:gid."""
    numbers = [int(part) for part in value.split(":") if part.isascii() and part.isdigit()]
    if not _ACCOUNT.fullmatch(value) or any(number > _HIGHEST_ID for number in numbers):
        raise ValueError("it is neither a user's name nor uid nor uid:gid")
    return value


def secret(value: str) -> Secret:
    """Read a text that is not to be shown."""
    if "\0" in value or not value:
        raise ValueError("it is empty or contains a NUL")
    return Secret(_utf8(value))


def choice(*words: str) -> Callable[[str], str]:
    """Return a type that takes one of these words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"it is none of {', '.join(words)}")
        return value

    parse.__name__ = " | ".join(words)
    return parse


def names(value: str) -> tuple[str, ...]:
    """Read a list of variables' names, with commas or spaces between them."""
    found = tuple(value.replace(",", " ").split())
    for name in found:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a variable's name")
    return found


def networks(value: str) -> tuple[Network, ...]:
    """Read a list of addresses and networks (CIDR), with commas or spaces between them; `*` is everyone."""
    found = [_network(item) for item in text(value).replace("*", _EVERYONE).replace(",", " ").split(" ") if item]
    return tuple(dict.fromkeys(found))


def _network(item: str) -> Network:
    if len(item) > _LONGEST_NETWORK:
        raise ValueError("no address and no network is that long")
    if "%" in item:
        raise ValueError(f"{item!r} has a zone, which no proxy's address in a list can have")
    return ip_network(item)


def hosts(value: str) -> tuple[str, ...]:
    """Read a list of host names as nginx's `server_name` has them, with commas or spaces between them."""
    found = [item.lower() for item in text(value).replace(",", " ").split(" ") if item]
    for host in found:
        if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
            raise ValueError("a host name is one such as example.com, *.example.com or www.example.*, in ASCII")
    return tuple(dict.fromkeys(found))


def url_path(value: str) -> str:
    """Read the path under which a folder is served; return it between slashes."""
    if not text(value).startswith("/") or not value.strip("/"):
        raise ValueError("the path of a URL begins with /, and / alone would hide the application")
    if re.search(r"[?#$]|//|/\.", value):
        raise ValueError("the path of a URL has no ?, no #, no $, no empty part, and none that begins with a dot")
    return value if value.endswith("/") else f"{value}/"
