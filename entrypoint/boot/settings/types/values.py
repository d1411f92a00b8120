"""The types of settings. Each parses a text into a value, or raises ValueError with the reason."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final, Generic, TypeVar

from entrypoint.output.log import printable
from entrypoint.secret import Secret

T = TypeVar("T")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", re.ASCII)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_SIZE: Final = re.compile(r"(\d{1,30})([kKmMgG])?", re.ASCII)
_BYTES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_DOTTED: Final = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")  # bytes in os.environ that are not UTF-8
_ACCOUNT: Final = re.compile(r"[A-Za-z_][\w.-]*\$?|\d+(?::\d+)?", re.ASCII)
_SHORTEST_PASSWORD: Final = 8
_LARGEST_SIZE: Final = 2**63 - 1  # nginx's limit
_SMALLEST_CACHE: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)
_HIGHEST_ID: Final = 2**32 - 2
_LONGEST_DURATION: Final = 366 * 24 * 3600.0
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, eq=False)
class Type(Generic[T]):
    """A type of settings: call it with a text to get the value."""

    name: str  # as the reference shows it
    parse: Callable[[str], T]
    schema: Mapping[str, Any] = field(default_factory=dict)  # JSON Schema keywords, besides `"type": "string"`
    default: str | None = None  # the text that an unset setting means, unless the setting names another one
    booleans: tuple[str, str] = ("no", "yes")  # the texts that TOML's false and true mean
    exposes: Callable[[str], str] | None = None  # why a text must not be shown; None: `writeOnly` decides

    def __call__(self, value: str) -> T:
        """Parse `value`. Raises ValueError with the reason if it is invalid."""
        return self.parse(value)

    @property
    def secret(self) -> bool:
        """Whether its texts may hold secrets."""
        return bool(self.schema.get("writeOnly"))

    def secret_in(self, value: str) -> str:
        """Return why `value` must not be shown or stand in the project's file; an empty text if it may."""
        if not self.secret:
            return ""
        return self.exposes(value) if self.exposes else "secrets are not allowed there"


def of_type(
    name: str, *, default: str | None = None, exposes: Callable[[str], str] | None = None, **schema: object
) -> Callable[[Callable[[str], T]], Type[T]]:
    """Turn a parsing function into a type. `schema` are JSON Schema keywords; its `pattern` is anchored here."""
    if "pattern" in schema:
        schema["pattern"] = f"^(?:{schema['pattern']})$"

    def decorate(parse: Callable[[str], T]) -> Type[T]:
        return Type(name, parse, schema, default, exposes=exposes)

    return decorate


def of_form(name: str, pattern: str, why: str, *examples: str) -> Type[str]:
    """Return the type of the texts that match `pattern`. `why` says that a text does not."""
    form = re.compile(pattern, re.ASCII)

    @of_type(name, pattern=pattern, examples=list(examples))
    def parse(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(why)
        return value

    return parse


def shown(text: str) -> str:
    """Return `text` for use in a message: printable, and shortened to 60 characters."""
    found = printable(text)
    return found if len(found) <= _LONGEST_SHOWN else found[: _LONGEST_SHOWN - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the most similar known name, or an empty text."""
    import difflib  # noqa: PLC0415 -- 5 ms, needed after a typing error only

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


@of_type("text", pattern=r"[^\x00-\x1f\x7f]*")
def text(value: str) -> str:
    """Return the text. It must not contain control characters."""
    if _CONTROL.search(value):
        raise ValueError("it contains a control character")
    return utf8(value)


def items(value: str) -> list[str]:
    """Return the items of a list, separated by commas or spaces. It must not contain control characters."""
    return [item for item in text(value).replace(",", " ").split(" ") if item]


def utf8(value: str) -> str:
    """Return the text. Raises ValueError if it has bytes that are not UTF-8."""
    if _UNDECODED.search(value):
        raise ValueError("it is not UTF-8 text")
    return value


@of_type("number", pattern=r"0*[1-9][0-9]{0,5}", maxLength=6)
def count(value: str) -> int:
    """Parse a whole number from 1 to 999999."""
    if not value.isascii() or not value.isdigit() or not int(value[:9]) >= 1 or len(value) > 6:  # noqa: PLR2004 -- a larger number is a typing error
        raise ValueError("it is not a whole number from 1 to 999999")
    return int(value)


@of_type("number | auto", pattern=r"0*[1-9][0-9]{0,5}|auto", examples=["2", "auto"])
def count_or_auto(value: str) -> int | None:
    """Parse a whole number from 1 to 999999; `auto` is None, as if the setting were not set."""
    if value == "auto":
        return None
    try:
        return count(value)
    except ValueError as error:
        raise ValueError(f"{error}, or auto") from None


@of_type("duration", pattern=_DURATION.pattern, examples=["30s", "500ms", "5m", "1h"])
def duration(value: str) -> float:
    """Parse `30s`, `500ms`, `5m`, `1h` or bare seconds; return seconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("a duration is a number with ms, s, m or h, such as 30s")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST_DURATION:
        raise ValueError("it is longer than a year")
    return seconds


@of_type("duration | off", pattern=rf"({_DURATION.pattern})|off", examples=["60s", "off"])
def duration_or_off(value: str) -> float:
    """Parse a duration; return seconds. `off` is infinity."""
    if value == "off":
        return math.inf
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError(f"it is neither off nor a duration: {error}") from error


@of_type("size", pattern=_SIZE.pattern, examples=["10m", "512k", "1g"])
def size(value: str) -> int:
    """Parse `10m`, `512k`, `1g` or bare bytes; return bytes."""
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("a size is a whole number with k, m or g, such as 10m")
    found = int(match[1]) * _BYTES[(match[2] or "").lower()]
    if found > _LARGEST_SIZE:
        raise ValueError("a size must fit into 63 bits")
    return found


@of_type("size | off", pattern=rf"{_SIZE.pattern}|off", examples=["64m", "1g", "off"])
def cache_size(value: str) -> int | None:
    """Parse the size of a cache; return bytes. `off` is None, as if the setting were not set."""
    if value == "off":
        return None
    try:
        found = size(value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None
    if found < _SMALLEST_CACHE:
        raise ValueError("a cache needs at least 1m; off turns it off")
    return found


@of_type("path", pattern=r"/[^\x00-\x1f\x7f]*")
def path(value: str) -> PurePosixPath:
    """Parse an absolute path."""
    if not text(value).startswith("/"):
        raise ValueError("a path must begin with /")
    return PurePosixPath(value)


file_name: Final = of_form(  # without its folder; it becomes a part of a URL
    "file name",
    r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}",
    "it is not a file name of ASCII letters, digits, ., _ and -",
    "index.html",
)


@of_type("e-mail address", pattern=_EMAIL.pattern)
def email(value: str) -> str:
    """Parse an e-mail address. Every address that Django accepts is accepted."""
    if not _EMAIL.fullmatch(text(value)):
        raise ValueError("it is not an e-mail address")
    return value


module: Final = of_form("module", _DOTTED, "it is not a dotted module name", "config.settings")
application: Final = of_form(  # a callable that ends in () is a factory
    "module:callable",
    rf"{_DOTTED}:{_DOTTED}(?:\(\))?",
    "it is not of the form package.module:callable",
    "config.wsgi:application",
    "app:create()",
)


@of_type("user", pattern=_ACCOUNT.pattern, examples=["www-data", "1000", "1000:1000"])
def account(value: str) -> str:
    """Parse a user name, a uid or uid:gid."""
    numbers = [int(part) for part in value.split(":") if part.isascii() and part.isdigit()]
    if not _ACCOUNT.fullmatch(value) or any(number > _HIGHEST_ID for number in numbers):
        raise ValueError("it is not a user name, a uid or uid:gid")
    return value


@of_type("uid", pattern="[0-9]+", examples=["1000"])
def user_id(value: str) -> int:
    """Parse the number of a user or a group."""
    if not value.isascii() or not value.isdigit() or int(value[:11]) > _HIGHEST_ID:
        raise ValueError(f"it is not a whole number from 0 to {_HIGHEST_ID}")
    return int(value)


@of_type("secret", writeOnly=True)
def secret(value: str) -> Secret:
    """Parse a text that must not be shown."""
    if "\0" in value or not value:
        raise ValueError("it is empty or contains a NUL")
    return Secret(utf8(value))


@of_type("secret", writeOnly=True, minLength=_SHORTEST_PASSWORD)
def password(value: str) -> Secret:
    """Parse a password that guards something on the network."""
    if len(value) < _SHORTEST_PASSWORD:
        raise ValueError(f"it has fewer than {_SHORTEST_PASSWORD} characters")
    return Secret(utf8(value))


def choice(*words: str) -> Type[str]:
    """Return a type that accepts one of these words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"it is not one of {', '.join(words)}")
        return value

    return Type(" | ".join(words), parse, {"enum": list(words)}, booleans=("off", "on"))


@of_type("yes | no", enum=["yes", "no"])
def yes_or_no(value: str) -> bool:
    """Parse yes or no."""
    if value not in ("yes", "no"):
        raise ValueError("it is not yes or no")
    return value == "yes"


@of_type("names", default="", pattern=rf"[\s,]*(({_NAME.pattern})([\s,]+|$))*", examples=["SECRET_KEY,API_TOKEN"])
def names(value: str) -> tuple[str, ...]:
    """Parse a list of variable names, separated by commas or spaces."""
    found = tuple(value.replace(",", " ").split())
    for name in found:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a variable name")
    return found


@of_type("program names", default="", pattern=r"[A-Za-z0-9_, -]*", examples=["web", "worker,beat"])
def program_names(value: str) -> tuple[str, ...]:
    """Parse a list of program names, separated by commas or spaces; return each one normalized."""
    found = items(value)
    for name in found:
        if not _PROGRAM.fullmatch(name):
            raise ValueError(f"{shown(name)!r} is not a program name")
    return tuple(dict.fromkeys(map(program_name, found)))


def program_name(name: str) -> str:
    """Return a program's name in lower case and with `-`, which a variable name cannot contain."""
    return name.lower().replace("_", "-")
