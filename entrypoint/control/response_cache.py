"""Removes responses from nginx's cache. nginx notices that a file is gone, and asks the application again.

The folder belongs to the user of nginx's workers, which is the application's user. So root opens each folder and file
by the descriptor of the folder above it, and follows no link.
"""

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from entrypoint.errors import NotAllowed, Unusable

_NAME: Final = re.compile("[0-9a-f]{32}")  # a longer name is a response that nginx still receives
_LEVELS: Final = 2  # folders in folders: levels=1:2 of nginx-app.conf.j2
_KEY: Final = b"\nKEY: "
_READ: Final = 16 << 10  # bytes: nginx's own header, then the key; a request line may have 8 KiB


def purge(folder: Path, path: str | None) -> int:
    """Remove the responses to requests for `path`, or all; return their number.

    `/news/` means this page with any query, `/news/?page=2` only with this one, and `/news/*` all that begin so.
    Raises Unusable without a cache, NotAllowed if this user may not remove them.
    """
    fits = _wanted(path) if path else None
    removed = 0
    try:
        for place, folders, names, descriptor in os.fwalk(folder, onerror=_fail):
            if len(Path(place).relative_to(folder).parts) == _LEVELS:
                folders.clear()  # deeper ones are not nginx's, and may have no end
            for name in names:
                if _NAME.fullmatch(name) and (fits is None or fits(_target(name, descriptor))):
                    with suppress(FileNotFoundError):  # nginx has removed it
                        os.unlink(name, dir_fd=descriptor)
                        removed += 1
    except FileNotFoundError as error:
        raise Unusable(f"cannot purge the cache: there is no {folder}; set NGINX_CACHE") from error
    except OSError as error:
        hint = "; run the command as root, or as the application's user" if isinstance(error, PermissionError) else ""
        raise NotAllowed(f"cannot purge {folder}: {error.strerror}{hint}") from error
    return removed


def _fail(error: OSError) -> None:
    raise error


def _wanted(path: str) -> Callable[[bytes], bool]:
    """Return whether the target of a request is meant by `path`; percent-encoding makes no difference."""
    wanted = unquote_to_bytes(path.removesuffix("*"))
    if path.endswith("*"):
        return lambda target: unquote_to_bytes(target).startswith(wanted)
    if "?" in path:
        return lambda target: unquote_to_bytes(target) == wanted
    return lambda target: unquote_to_bytes(target.partition(b"?")[0]) == wanted


def _target(name: str, folder: int) -> bytes:
    """Return the path and query of the request whose response this file holds; "" if it holds none."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except PermissionError:
        raise
    except OSError:  # nginx has removed it, or it is a link
        return b""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        begin = file.read(_READ) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    _, found, rest = (begin or b"").partition(_KEY)
    _, _, url = rest.partition(b"\n")[0].partition(b"://") if found else (b"", b"", b"")
    return url[url.find(b"/") :] if b"/" in url else b""
