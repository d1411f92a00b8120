"""The values for nginx's treatment of the application's responses: caching, compression, private files."""

import re
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.protocol import filenames

_OF_DJANGO: Final = "sessionid"
_OTHER_SESSIONS: Final = "(?:sessionid|session)"  # of other frameworks: Flask and Starlette call it session
_SMALLEST_ZONE, _LARGEST_ZONE = 1 << 20, 64 << 20
_BYTES_PER_RESPONSE: Final = 8 << 10  # in the cache; fewer make nginx forget responses that it has room for
# nginx makes room in the cache only after it has stored a response, so a response may take one part of it or a few.
_PARTS: Final = 100
_BYTES_PER_KEY: Final = 128  # in the shared memory of nginx's workers


class Cache(NamedTuple):
    """The cache of responses."""

    folder: PurePosixPath
    size: int  # bytes
    digits: int  # of the smallest Content-Length that is not stored
    zone: int  # bytes of the workers' shared memory, for the keys
    locked: tuple[str, ...]  # the URL paths where one request at a time fetches a page
    sessions: bool  # whether requests with a session cookie use it


class Private(NamedTuple):
    """The files that nginx sends if the application says so."""

    url: str  # ends with a slash
    root: str  # ends with a slash


def session_cookie(config: ResolvedConfig) -> str:
    """Return a regular expression for the name of the session cookie."""
    if config.application:
        return re.escape(config.application.session_cookie)
    # While Django's settings are still unknown, its default saves nginx a reload. No request is passed on yet.
    return _OF_DJANGO if config.machine.django else _OTHER_SESSIONS


def cache(config: ResolvedConfig) -> Cache | None:
    """Return the cache; None if there is none, or no application whose responses it could hold."""
    size = config.settings.cache
    if size is None or config.protocol is None:
        return None
    zone = size // _BYTES_PER_RESPONSE * _BYTES_PER_KEY
    return Cache(
        folder=config.run_dir / filenames.CACHE,
        size=size,
        digits=len(str(size // _PARTS)) + 1,
        zone=min(max(zone, _SMALLEST_ZONE), _LARGEST_ZONE),
        locked=config.settings.cache_lock,
        sessions=config.settings.cache_sessions,
    )


def private(config: ResolvedConfig) -> Private | None:
    """Return the private files; None if there are none, or no application that could send them."""
    root = config.settings.private_root
    if root is None or config.protocol is None:
        return None
    return Private(config.settings.private_url, f"{str(root).rstrip('/')}/")
