"""The types of settings that are addresses: ports, networks, host names, URL paths and database URLs."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from entrypoint.boot.settings.types.values import items, of_form, of_type, text, utf8
from entrypoint.secret import Secret

Network = IPv4Network | IPv6Network

LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
"""The addresses of this machine or container itself."""

HIGHEST_PORT: Final = 65535
_LABEL: Final = r"[a-z0-9_][a-z0-9_-]{0,62}"
HOST: Final = re.compile(rf"(?:\*\.|\.)?{_LABEL}(?:\.{_LABEL})*|{_LABEL}(?:\.{_LABEL})*\.\*", re.ASCII)
LONGEST_HOST: Final = 255
_URL_PATH: Final = re.compile(r"(?!.*(?://|/\.))/[^?#$\s]*")
_LONGEST_NETWORK: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_EVERYONE: Final = "0.0.0.0/0 ::/0"
_DOMAIN_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*")
_LONGEST_DOMAIN: Final = 253  # RFC 1035
_MOST_DOMAINS: Final = 100  # Let's Encrypt's limit
_ADDRESS: Final = re.compile(r"[0-9.]+|\[?[0-9a-f.]*:[0-9a-f:.]*\]?")
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]{2,1024}={0,2}")
_HSTS: Final = re.compile(r"max-age=[0-9]{1,10}(?:; ?includeSubDomains)?(?:; ?preload)?")
_YEAR: Final = 365 * 24 * 3600
_DATABASE_URL: Final = re.compile(
    r"(?:postgres|postgresql|mysql|mariadb)://[^\x00-\x20\x7f/?#]+/[^\x00-\x20\x7f/?#]+(?:\?[^\x00-\x20\x7f#]*)?"
)


@dataclass(frozen=True)
class Listen:
    """A port to listen on, and the address; without an address, every address."""

    port: int
    address: str | None = None

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.address else str(self.port)

    @property
    def host(self) -> str:
        """The address that a client on this machine connects to."""
        return self.address.strip("[]") if self.address else "127.0.0.1"

    @property
    def probe(self) -> str:
        """The probe that shows that a program listens there."""
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


@of_type("port", pattern=r"(\S+:)?[0-9]{1,5}", examples=["8080", "127.0.0.1:8080", "[::1]:8080"])
def listen(value: str) -> Listen:
    """Parse `8080`, `127.0.0.1:8080` or `[::1]:8080`."""
    address, colon, port = value.rpartition(":")
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 1 <= int(port) <= HIGHEST_PORT:  # noqa: PLR2004 -- digits of the highest
        raise ValueError(f"a port is a number from 1 to {HIGHEST_PORT}, optionally after an IP address and a colon")
    if not colon:
        return Listen(int(port))
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if (":" in bare) != address.startswith("["):
        raise ValueError("an IPv6 address before a port must be in brackets")
    return Listen(int(port), f"[{ip_address(bare)}]" if ":" in bare else str(ip_address(bare)))


@of_type("port", pattern=r"(\S+:)?[0-9]{1,5}", examples=["9100", "127.0.0.1:9100"])
def metrics_port(value: str) -> Listen:
    """Parse a port as `listen` does. Kubernetes sets the variable, too, for a Service named entrypoint-metrics."""
    if value.startswith(("tcp://", "udp://")):
        raise ValueError("Kubernetes has set it for a Service of this name; set enableServiceLinks: false in the pod")
    return listen(value)


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


@of_type("networks", default="", pattern=r"[0-9A-Fa-f:./*, ]*", examples=["10.0.0.0/8,::1", "*"])
def networks(value: str) -> tuple[Network, ...]:
    """Parse a list of addresses and CIDR networks, separated by commas or spaces. `*` is every address."""
    found = [_network(item) for item in items(value.replace("*", _EVERYONE))]
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


@of_type("host names", default="", pattern=r"[^\x00-\x1f\x7f]*", examples=["example.com,*.example.com"])
def hosts(value: str) -> tuple[str, ...]:
    """Parse a list of host names in the form of nginx's `server_name`, separated by commas or spaces."""
    found = items(value.lower())
    for host in found:
        if len(host) > LONGEST_HOST or not HOST.fullmatch(host):
            raise ValueError("a host name has the form example.com, *.example.com or www.example.*, in ASCII")
    return tuple(dict.fromkeys(found))


@of_type("domains", default="", pattern=r"[A-Za-z0-9., -]*", examples=["shop.example.com,www.shop.example.com"])
def domains(value: str) -> tuple[str, ...]:
    """Parse the list of a certificate's host names, separated by commas or spaces."""
    found = items(value.lower())
    for host in found:
        if "*" in host:
            why = "a wildcard, which the authority cannot check over HTTP"
            raise ValueError(f"{host!r} is {why}; name each host, or set NGINX_TLS_CERTIFICATE")
        if _ADDRESS.fullmatch(host):
            raise ValueError(f"{host!r} is an IP address; name hosts such as shop.example.com")
        if len(host) > _LONGEST_DOMAIN or not _DOMAIN.fullmatch(host):
            raise ValueError("a host name has the form shop.example.com, in ASCII")
    if len(found) > _MOST_DOMAINS:
        raise ValueError(f"one certificate has at most {_MOST_DOMAINS} names")
    return tuple(dict.fromkeys(found))


https_url: Final = of_form(
    "URL",
    r"https://[A-Za-z0-9.\[\]:_-]+(?:/[!-\"$-~]*)?",
    "it is not a URL that begins with https://",
    "https://acme.example.com/directory",
)


@of_type("secret", pattern=_BASE64.pattern, writeOnly=True)
def base64url(value: str) -> Secret:
    """Parse a key in base64url."""
    if not _BASE64.fullmatch(value):
        raise ValueError("it is not base64url: letters, digits, - and _")
    return Secret(value.rstrip("="))


@of_type("on | off | value", pattern=f"on|off|{_HSTS.pattern}", examples=["on", "max-age=63072000; includeSubDomains"])
def hsts(value: str) -> str | None:
    """Parse the value of Strict-Transport-Security; `off` is None."""
    if value in ("on", "off"):
        return f"max-age={_YEAR}" if value == "on" else None
    if not _HSTS.fullmatch(value):
        raise ValueError("it is none of on, off and a value such as max-age=63072000; includeSubDomains; preload")
    return value


request_path: Final = of_form(
    "path of a request | off",
    r"/[!-\"$-~]{0,2000}|off",
    "it is neither off nor a path that begins with / and has only ASCII characters without spaces",
    "/health/",
    "off",
)


@of_type("URL paths", default="", pattern=r"[^?#$\x00-\x1f\x7f]*", examples=["/", "/news/ /feed.xml"])
def url_paths(value: str) -> tuple[str, ...]:
    """Parse a list of URL paths, separated by commas or spaces; each means all paths that begin with it."""
    found = items(value)
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
