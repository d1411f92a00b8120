"""The types of settings that are addresses: networks, host names, URL paths and database URLs."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import urlsplit

from entrypoint.boot.settings.values import of_type, text, utf8
from entrypoint.secret import Secret

Network = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
"""The addresses of this machine or container itself."""

_LABEL: Final = r"[a-z0-9_][a-z0-9_-]{0,62}"
HOST: Final = re.compile(rf"(?:\*\.|\.)?{_LABEL}(?:\.{_LABEL})*|{_LABEL}(?:\.{_LABEL})*\.\*", re.ASCII)
LONGEST_HOST: Final = 255
_REQUEST_PATH: Final = re.compile(r"/[!-\"$-~]{0,2000}")
_URL_PATH: Final = re.compile(r"(?!.*(?://|/\.))/[^?#$\s]*")
_LONGEST_NETWORK: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_EVERYONE: Final = "0.0.0.0/0 ::/0"
_DATABASE_URL: Final = re.compile(
    r"(?:postgres|postgresql|mysql|mariadb)://[^\x00-\x20\x7f/?#]+/[^\x00-\x20\x7f/?#]+(?:\?[^\x00-\x20\x7f#]*)?"
)


@of_type("database URL", pattern=_DATABASE_URL.pattern, writeOnly=True, examples=["postgres://name@db:5432/site"])
def database_url(value: str) -> Secret:
    """Parse the URL of a PostgreSQL or MySQL database. It may contain a password, so it must not be shown."""
    if not _DATABASE_URL.fullmatch(value):
        raise ValueError("it is not of the form postgres://name:password@host:port/database, or mysql://")
    try:
        parts = urlsplit(utf8(value))
        _port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError("its host or port is invalid") from error
    if not host:
        raise ValueError("it has no host")
    return Secret(value)


@of_type("networks", pattern=r"[0-9A-Fa-f:./*, ]*", examples=["10.0.0.0/8,::1", "*"])
def networks(value: str) -> tuple[Network, ...]:
    """Parse a list of addresses and CIDR networks, separated by commas or spaces. `*` is every address."""
    found = [_network(item) for item in text(value).replace("*", _EVERYONE).replace(",", " ").split(" ") if item]
    return tuple(dict.fromkeys(found))


def _network(item: str) -> Network:
    if len(item) > _LONGEST_NETWORK:
        raise ValueError("an item is too long for an address or a network")
    if "%" in item:
        raise ValueError(f"{item!r} has a zone, which is not allowed here")
    try:
        return ip_network(item)
    except ValueError as error:
        raise ValueError(f"{error}; give addresses or networks such as 10.0.0.0/8, or * for all") from error


@of_type("host names", pattern=r"[^\x00-\x1f\x7f]*", examples=["example.com,*.example.com"])
def hosts(value: str) -> tuple[str, ...]:
    """Parse a list of host names in the form of nginx's `server_name`, separated by commas or spaces."""
    found = [item.lower() for item in text(value).replace(",", " ").split(" ") if item]
    for host in found:
        if len(host) > LONGEST_HOST or not HOST.fullmatch(host):
            raise ValueError("a host name has the form example.com, *.example.com or www.example.*, in ASCII")
    return tuple(dict.fromkeys(found))


@of_type("path of a request | off", pattern=r"/[!-\"$-~]{0,2000}|off", examples=["/health/", "off"])
def request_path(value: str) -> str:
    """Parse the path of a request, with its query, or `off`."""
    if value != "off" and not _REQUEST_PATH.fullmatch(value):
        raise ValueError("it is neither off nor a path that begins with / and has only ASCII characters without spaces")
    return value


@of_type("URL paths", pattern=r"[^?#$\x00-\x1f\x7f]*", examples=["/", "/news/ /feed.xml"])
def url_paths(value: str) -> tuple[str, ...]:
    """Parse a list of URL paths, separated by commas or spaces; each means all paths that begin with it."""
    found = [item for item in text(value).replace(",", " ").split(" ") if item]
    for item in found:
        if not _URL_PATH.fullmatch(item):
            raise ValueError(
                "a URL path must begin with /, and must not contain ?, #, $, an empty part or a part that "
                "begins with a dot"
            )
    return tuple(dict.fromkeys(found))


@of_type("URL path", pattern=r"/[^?#$\x00-\x1f\x7f]*", examples=["/static/"])
def url_path(value: str) -> str:
    """Parse the URL path of a folder; return it with a slash at each end."""
    if not text(value).startswith("/") or not value.strip("/"):
        raise ValueError("a URL path must begin with /, and / alone would hide the application")
    if re.search(r"[?#$]|//|/\.", value):
        raise ValueError("a URL path must not contain ?, #, $, an empty part or a part that begins with a dot")
    return value if value.endswith("/") else f"{value}/"
