"""nginx's locations: those that pass requests to the application, and those of files."""

from collections.abc import Iterable
from typing import NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files.responses import cache


class Location(NamedTuple):
    """The requests whose path begins with `path`, and not with that of a longer location."""

    path: str
    largest: int | None
    """Bytes of the largest upload; None: as elsewhere."""
    locked: bool
    """Whether one request at a time fetches a page for the cache."""


class Served(NamedTuple):
    """Files that nginx or uWSGI serves without the application."""

    kind: str  # STATIC or MEDIA
    url: str  # the prefix of the path, ends with a slash
    root: str  # the folder, ends with a slash
    source: str  # the setting that names the folder


def locations(config: ResolvedConfig) -> tuple[Location, ...]:
    """Return the locations, the one of all other paths first. An option of a location applies below its path as well.

    Outside of NGINX_PREFIX nothing is passed on.
    """
    anywhere = f"{config.prefix}/"
    sizes, responses = dict(config.settings.client_max_body_size.paths), cache(config)
    locks = responses.locked if responses else ()
    return tuple(
        Location(path, sizes.get(_longest(path, sizes)), bool(_longest(path, locks)))
        for path in dict.fromkeys((anywhere, *sizes, *locks))
        if path.startswith(anywhere)
    )


def _longest(path: str, beginnings: Iterable[str]) -> str:
    """Return the longest of these that `path` begins with; an empty text if there is none."""
    return max((each for each in beginnings if path.startswith(each)), key=len, default="")
