"""The files that put nginx into maintenance. nginx includes two of them if they exist."""

from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.folders.artifacts import File
from entrypoint.boot.facts.maintenance import Allowed
from entrypoint.boot.facts.templates import MAINTENANCE_PAGE
from entrypoint.boot.files.protection import DOTTED, EXEMPT, STATUS_PAGE
from entrypoint.boot.files.render import render
from entrypoint.protocol import filenames

_PARTS: Final = ("maintenance-http.conf", filenames.MAINTENANCE.name)
_RETRY_AFTER: Final = 120  # seconds


def paths(config: ResolvedConfig) -> tuple[PurePosixPath, ...]:
    """Return the paths of the files: the two that nginx includes, and the page."""
    return tuple(config.www / name for name in (*_PARTS, MAINTENANCE_PAGE))


def parts(config: ResolvedConfig, allow: Allowed, page: str | None) -> tuple[File, ...]:
    """Return the two files that nginx includes. `page` is the URL path of the user's own page, if there is one."""
    values = {
        "allow": allow,
        "page": config.www / MAINTENANCE_PAGE,
        "retry_after": _RETRY_AFTER,
        "own_page": page,
        "dotted": DOTTED,
        "exempt": f"({EXEMPT}|{STATUS_PAGE})" if config.settings.status_page == "on" else EXEMPT,
    }
    return tuple(
        File(path, render(f"parts/{path.name.removesuffix('.conf')}.j2", values), "entrypoint maintenance on")
        for path in paths(config)[:2]
    )
