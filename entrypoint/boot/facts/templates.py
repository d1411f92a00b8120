"""The user's templates in ENTRYPOINT_CONF_DIR; each replaces the built-in template of the same name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.settings.types.protection_types import OWN_PAGES
from entrypoint.boot.settings.types.values import nearest, shown
from entrypoint.boot.trust.trust import NO_SUSPECTS, REMEDY, Trust
from entrypoint.errors import NotAllowed, Unusable

NGINX_APP: Final = "nginx-app.conf.j2"
OF_NGINX: Final = ("nginx.conf.j2", NGINX_APP)
STARTING_PAGE: Final = "starting.html"
ERROR_PAGE: Final = "error.html"
MAINTENANCE_PAGE: Final = "maintenance.html"
PAGES: Final = (STARTING_PAGE, ERROR_PAGE)
"""The pages that nginx shows visitors in place of the application."""
ERROR_PAGES: Final = {f"{status}.html": status for status in OWN_PAGES}
"""The user's pages for errors that nginx itself reports; without one, nginx shows ours or its own."""
SUPERVISORD: Final = "supervisord.conf.j2"
NAMES: Final = (SUPERVISORD, *OF_NGINX, "uwsgi.ini.j2", "gunicorn.conf.py.j2", *PAGES, MAINTENANCE_PAGE)
"""The templates that a user can replace."""
NGINX_CONF: Final = "nginx.conf"
"""The complete file; it is not a template."""


def read_templates(folder: Path) -> Mapping[str, str]:
    """Return the texts of the templates in `folder`, by name.

    Raises Unusable with every problem at once: a missing folder, a file with another name, an unreadable file.
    """
    try:
        # A mounted ConfigMap keeps versions of its files under hidden names.
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise Unusable(f"cannot use ENTRYPOINT_CONF_DIR={folder}: {error.strerror}") from error
    texts: dict[str, str] = {}
    problems = []
    for path in found:
        if path.name not in (*NAMES, *ERROR_PAGES, NGINX_CONF):
            hint = nearest(path.name, NAMES) or f"; the templates are {', '.join(NAMES)}"
            problems.append(f"cannot use {folder}/{shown(path.name)}: no template has this name{hint}")
            continue
        try:
            texts[path.name] = textfile.read(path)
        except ValueError as error:
            problems.append(f"cannot read {path}: {error}")
    Unusable.check(problems)
    return texts


def read_beside_app(folder: Path, trust: Trust = NO_SUSPECTS) -> Mapping[str, str]:
    """Return the text of a complete nginx.conf in the application's folder; none if there is none.

    Raises NotAllowed if root must not use it, Unusable if it cannot be read.
    """
    path = folder / NGINX_CONF
    if not os.path.lexists(path):
        return {}
    # Not checked earlier, with the other paths: the application's user might create the file after that.
    if fault := trust.fault(path):
        raise NotAllowed(f"cannot use {path} as root: {fault}; {REMEDY}")
    try:
        return {NGINX_CONF: textfile.read(path)}
    except ValueError as error:
        raise Unusable(f"cannot read {path}: {error}") from error
