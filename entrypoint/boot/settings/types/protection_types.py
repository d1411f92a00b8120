"""The types of the settings that protect the site: rates, sizes by path, statuses, host names."""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from entrypoint.boot.settings.types.addresses import HIGHEST_PORT, HOST, LONGEST_HOST
from entrypoint.boot.settings.types.values import items, of_type, shown, size, text

_PATH: Final = r"/[!#%-+./0-9:;=@A-Z_a-z~-]{0,500}"  # ASCII without characters that a query or nginx needs
_PREFIX: Final = re.compile(_PATH)
_RATE: Final = re.compile(r"([1-9][0-9]{0,5})r?/([sm])", re.ASCII)
_PERIODS: Final = {"s": 1, "m": 60}
_USUAL_SIZE: Final = "10m"
OWN_PAGES: Final = (404, 413, 429, 500, 502, 503, 504)
"""The statuses of the errors that nginx itself reports."""


class RateLimit(NamedTuple):
    """How many requests one client may send to the paths that begin with `path`."""

    path: str
    requests: int
    seconds: int  # 1 or 60

    @property
    def wait(self) -> int:
        """The seconds, rounded up, after which one more request is allowed."""
        return -(-self.seconds // self.requests)


class BodySizes(NamedTuple):
    """The largest request bodies, in bytes: for all paths, and for those that begin with one of `paths`."""

    anywhere: int
    paths: tuple[tuple[str, int], ...] = ()


def _items(value: str) -> list[list[str]]:
    items = ([word for word in item.split(" ") if word] for item in text(value).split(","))
    return [words for words in items if words]


def _path(word: str) -> str:
    if not _PREFIX.fullmatch(word) or "//" in word or "/." in word:
        raise ValueError(f"{shown(word)} is not a path that begins with /, in ASCII, without // and /.")
    return word


@of_type("rates", default="", pattern=r"[!-~ ]*", examples=["/admin/login/ 5/m, /api/ 20/s"])
def rates(value: str) -> tuple[RateLimit, ...]:
    """Parse a list of paths with their rates, separated by commas."""
    found = []
    for words in _items(value):
        rate = _RATE.fullmatch(words[-1])
        if len(words) != 2 or rate is None:  # noqa: PLR2004 -- a path and a rate
            why = "a limit is a path and a number with /s or /m"
            raise ValueError(f"{why}, such as /admin/login/ 5/m; commas separate limits")
        found.append(RateLimit(_path(words[0]), int(rate[1]), _PERIODS[rate[2]]))
    return tuple(found)


@of_type("sizes", pattern=r"[!-~ ]*", examples=["10m", "512k", "10m, /upload/ 1g"])
def body_sizes(value: str) -> BodySizes:
    """Parse one size for all paths, sizes with their paths, or both, separated by commas."""
    anywhere = None
    paths: dict[str, int] = {}
    for words in _items(value):
        if len(words) == 1 and anywhere is None:
            anywhere = size(words[0])
        elif len(words) == 2 and words[0].startswith("/") and _path(words[0]) not in (*paths, "/"):  # noqa: PLR2004 -- a path and a size
            paths[words[0]] = size(words[1])
        else:
            raise ValueError("give one size such as 10m, and one for each other path, such as 10m, /upload/ 1g")
    return BodySizes(size(_USUAL_SIZE) if anywhere is None else anywhere, tuple(paths.items()))


@of_type("statuses", default="", pattern=r"[0-9, ]*", examples=["404,502,503"])
def statuses(value: str) -> tuple[int, ...]:
    """Parse a list of the statuses of nginx's own errors, separated by commas or spaces."""
    found = items(value)
    for word in found:
        if word not in map(str, OWN_PAGES):
            raise ValueError(f"{shown(word)} is not one of {', '.join(map(str, OWN_PAGES))}")
    return tuple(sorted(set(map(int, found))))


@of_type("host name", pattern=r"[^\x00-\x20\x7f]*", examples=["www.example.com"])
def host(value: str) -> str:
    """Parse one host name, with or without a port."""
    name, colon, port = value.lower().partition(":")
    plain = HOST.fullmatch(name) and "*" not in name and not name.startswith(".") and len(name) <= LONGEST_HOST
    if not plain or (colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT)):
        raise ValueError("it is not one host name such as www.example.com, in ASCII and without https://")
    return value.lower()


@of_type("URL", pattern=r"(https?:/)?/[!#-&(-+\-./0-:=?-Z_a-z~]+", examples=["https://reports.example.com/csp"])
def report_uri(value: str) -> str:
    """Parse the address that browsers send reports to: a URL, or a path of this site. It stands in a policy."""
    if not re.fullmatch(r"[!#%&(-+\-./0-:=?-Z_a-z~]+", value) or "/" not in value:
        raise ValueError("it is not a URL or a path without spaces, quotes, commas and semicolons")
    if not value.startswith("/") and urlsplit(value).scheme not in ("http", "https"):
        raise ValueError("it begins neither with / nor with https://")
    return value


@of_type("URL path", pattern=r"/[0-9A-Za-z._~/-]*", examples=["/shop"])
def prefix(value: str) -> str:
    """Parse the path below which the site is served; return it without a slash at its end."""
    if not value.startswith("/"):
        raise ValueError(f"a prefix begins with a slash: set /{shown(value)}")
    if not re.fullmatch(r"(/[0-9A-Za-z_~-][0-9A-Za-z._~-]*)+/?", value) or value.startswith("/-/"):
        raise ValueError("a prefix is a path of ASCII letters, digits, ., _, ~ and -, such as /shop")
    return value.rstrip("/")
