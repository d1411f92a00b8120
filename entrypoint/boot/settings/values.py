"""The types of settings: each reads one text and returns a typed value, or raises ValueError with why not."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import PurePosixPath
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from entrypoint.log import printable
from entrypoint.secret import Secret

T = TypeVar("T")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_SIZE: Final = re.compile(r"(\d{1,30})([kKmMgG])?", re.ASCII)
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_CALLABLE: Final = re.compile(_MODULE.pattern + r":[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:\(\))?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")  # where os.environ held bytes that are no UTF-8
_ACCOUNT: Final = re.compile(r"[A-Za-z_][\w.-]*\$?|\d+(?::\d+)?", re.ASCII)
_LARGEST_SIZE: Final = 2**63 - 1  # what nginx takes
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
HIGHEST_PORT: Final = 65535
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)
_HIGHEST_ID: Final = 2**32 - 2
_LONGEST_DURATION: Final = 366 * 24 * 3600.0
_LABEL: Final = r"[a-z0-9_][a-z0-9_-]{0,62}"
_HOST: Final = re.compile(rf"(?:\*\.|\.)?{_LABEL}(?:\.{_LABEL})*|{_LABEL}(?:\.{_LABEL})*\.\*", re.ASCII)
_LONGEST_HOST: Final = 255
_LONGEST_NETWORK: Final = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128")
_EVERYONE: Final = "0.0.0.0/0 ::/0"
_DATABASE_URL: Final = re.compile(
    r"(?:postgres|postgresql|mysql|mariadb)://[^\x00-\x20\x7f/?#]+/[^\x00-\x20\x7f/?#]+(?:\?[^\x00-\x20\x7f#]*)?"
)
_LONGEST_SHOWN: Final = 60

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, eq=False)
class Type(Generic[T]):
    """A type of settings: called with a text it returns the value, or raises ValueError with why not."""

    name: str  # as the reference shows it
    parse: Callable[[str], T]
    schema: Mapping[str, Any] = field(default_factory=dict)  # keywords of JSON Schema, beside `"type": "string"`
    booleans: tuple[str, str] = ("no", "yes")  # the texts that false and true of a TOML file stand for

    def __call__(self, value: str) -> T:
        """Read `value`. Raises ValueError."""
        return self.parse(value)


def of_type(name: str, **schema: object) -> Callable[[Callable[[str], T]], Type[T]]:
    """Make a function that reads a text a type; `pattern` of the schema need not be anchored."""
    if "pattern" in schema:
        schema["pattern"] = f"^(?:{schema['pattern']})$"

    def named(parse: Callable[[str], T]) -> Type[T]:
        return Type(name, parse, schema)

    return named


def shown(text: str) -> str:
    """Return `text` fit for one line of a message: printable, not endless."""
    found = printable(text)
    return found if len(found) <= _LONGEST_SHOWN else found[: _LONGEST_SHOWN - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the question which known name was meant, empty where none is near."""
    import difflib  # noqa: PLC0415 -- 5 ms that only a typing error has to pay

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


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

    @property
    def probe(self) -> str:
        """The probe that shows that a program listens there."""
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


@of_type("text", pattern=r"[^\x00-\x1f\x7f]*")
def text(value: str) -> str:
    """Return any text without control characters."""
    if _CONTROL.search(value):
        raise ValueError("it contains a control character")
    return _utf8(value)


def _utf8(value: str) -> str:
    if _UNDECODED.search(value):
        raise ValueError("it is not UTF-8 text")
    return value


@of_type("port", pattern=r"(\S+:)?[0-9]{1,5}", examples=["8080", "127.0.0.1:8080", "[::1]:8080"])
def listen(value: str) -> Listen:
    """Read `8080`, `127.0.0.1:8080` or `[::1]:8080`."""
    address, colon, port = value.rpartition(":")
    if not port.isascii() or not port.isdigit() or len(port) > 5 or not 1 <= int(port) <= HIGHEST_PORT:  # noqa: PLR2004 -- digits of the highest
        raise ValueError(
            f"a port is a number from 1 to {HIGHEST_PORT}, with an IP address and a colon before it or not"
        )
    if not colon:
        return Listen(int(port))
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if (":" in bare) != address.startswith("["):
        raise ValueError("an IPv6 address before a port stands in brackets")
    return Listen(int(port), f"[{ip_address(bare)}]" if ":" in bare else str(ip_address(bare)))


@of_type("number", pattern=r"0*[1-9][0-9]{0,5}", maxLength=6)
def count(value: str) -> int:
    """Read a whole number from 1 on."""
    if not value.isascii() or not value.isdigit() or not int(value[:9]) >= 1 or len(value) > 6:  # noqa: PLR2004 -- a million of anything here is a typing error
        raise ValueError("it is not a whole number from 1 to 999999")
    return int(value)


@of_type("duration", pattern=_DURATION.pattern, examples=["30s", "500ms", "5m", "1h"])
def duration(value: str) -> float:
    """Read `30s`, `500ms`, `5m`, `1h` or bare seconds; return seconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("a duration is a number with ms, s, m or h, such as 30s")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST_DURATION:
        raise ValueError("it is longer than a year")
    return seconds


@of_type("size", pattern=_SIZE.pattern, examples=["10m", "512k", "1g"])
def size(value: str) -> int:
    """Read `10m`, `512k`, `1g` or bare bytes; return bytes."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("a size is a whole number with k, m or g, such as 10m")
    found = int(match[1]) * _BYTES[(match[2] or "").lower()]
    if found > _LARGEST_SIZE:
        raise ValueError("a size has no more than 63 bits")
    return found


@of_type("path", pattern=r"/[^\x00-\x1f\x7f]*")
def path(value: str) -> PurePosixPath:
    """Read an absolute path."""
    if not text(value).startswith("/"):
        raise ValueError("a path begins with /")
    return PurePosixPath(value)


@of_type("e-mail address", pattern=_EMAIL.pattern)
def email(value: str) -> str:
    """Read an e-mail address, as loosely as Django's form field would take it at the least."""
    if not _EMAIL.fullmatch(text(value)):
        raise ValueError("it is not an e-mail address")
    return value


@of_type("module", pattern=_MODULE.pattern, examples=["config.settings"])
def module(value: str) -> str:
    """Read a dotted module name."""
    if not _MODULE.fullmatch(value):
        raise ValueError("it is not the dotted name of a module")
    return value


@of_type("module:callable", pattern=_CALLABLE.pattern, examples=["config.wsgi:application", "app:create()"])
def application(value: str) -> str:
    """Read `package.module:callable`; a callable that ends in `()` is a factory."""
    if not _CALLABLE.fullmatch(value):
        raise ValueError("it is not of the form package.module:callable")
    return value


@of_type("user", pattern=_ACCOUNT.pattern, examples=["www-data", "1000", "1000:1000"])
def account(value: str) -> str:
    """Read a user's name, or uid, or uid:gid."""
    numbers = [int(part) for part in value.split(":") if part.isascii() and part.isdigit()]
    if not _ACCOUNT.fullmatch(value) or any(number > _HIGHEST_ID for number in numbers):
        raise ValueError("it is neither a user's name nor uid nor uid:gid")
    return value


@of_type("secret", writeOnly=True)
def secret(value: str) -> Secret:
    """Read a text that is not to be shown."""
    if "\0" in value or not value:
        raise ValueError("it is empty or contains a NUL")
    return Secret(_utf8(value))


@of_type("database URL", pattern=_DATABASE_URL.pattern, writeOnly=True, examples=["postgres://name@db:5432/site"])
def database_url(value: str) -> Secret:
    """Read the URL of a PostgreSQL or MySQL database; it is not to be shown, for the password stands in it."""
    if not _DATABASE_URL.fullmatch(value):
        raise ValueError("it is not of the form postgres://name:password@host:port/database, or mysql://")
    try:
        parts = urlsplit(_utf8(value))
        _port, there = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError("its host or its port is none") from error
    if not there:
        raise ValueError("it names no host")
    return Secret(value)


def choice(*words: str) -> Type[str]:
    """Return a type that takes one of these words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"it is none of {', '.join(words)}")
        return value

    return Type(" | ".join(words), parse, {"enum": list(words)}, booleans=("off", "on"))


def _yes(value: str) -> bool:
    if value not in ("yes", "no"):
        raise ValueError("it is neither yes nor no")
    return value == "yes"


yes_or_no: Final = Type("yes | no", _yes, {"enum": ["yes", "no"]})


@of_type("names", pattern=rf"[\s,]*(({_NAME.pattern})([\s,]+|$))*", examples=["SECRET_KEY,API_TOKEN"])
def names(value: str) -> tuple[str, ...]:
    """Read a list of variables' names, with commas or spaces between them."""
    found = tuple(value.replace(",", " ").split())
    for name in found:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a variable's name")
    return found


@of_type("program names", pattern=r"[A-Za-z0-9_, -]*", examples=["web", "worker,beat"])
def program_names(value: str) -> tuple[str, ...]:
    """Read a list of programs' names, with commas or spaces between them; return each in its one spelling."""
    found = [name for name in text(value).replace(",", " ").split(" ") if name]
    for name in found:
        if not _PROGRAM.fullmatch(name):
            raise ValueError(f"{shown(name)!r} is not a program's name")
    return tuple(dict.fromkeys(map(program_name, found)))


def program_name(name: str) -> str:
    """Return the one spelling of a program's name: in lower case, with `-`, for a variable's name cannot have that."""
    return name.lower().replace("_", "-")


@of_type("networks", pattern=r"[0-9A-Fa-f:./*, ]*", examples=["10.0.0.0/8,::1", "*"])
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


@of_type("host names", pattern=r"[^\x00-\x1f\x7f]*", examples=["example.com,*.example.com"])
def hosts(value: str) -> tuple[str, ...]:
    """Read a list of host names as nginx's `server_name` has them, with commas or spaces between them."""
    found = [item.lower() for item in text(value).replace(",", " ").split(" ") if item]
    for host in found:
        if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):
            raise ValueError("a host name is one such as example.com, *.example.com or www.example.*, in ASCII")
    return tuple(dict.fromkeys(found))


@of_type("URL path", pattern=r"/[^?#$\x00-\x1f\x7f]*", examples=["/static/"])
def url_path(value: str) -> str:
    """Read the path under which a folder is served; return it between slashes."""
    if not text(value).startswith("/") or not value.strip("/"):
        raise ValueError("the path of a URL begins with /, and / alone would hide the application")
    if re.search(r"[?#$]|//|/\.", value):
        raise ValueError("the path of a URL has no ?, no #, no $, no empty part, and none that begins with a dot")
    return value if value.endswith("/") else f"{value}/"
