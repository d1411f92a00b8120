"""The user's own configuration files for nginx, supervisord and the application servers."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.sources import textfile
from entrypoint.errors import Unusable

NGINX_FOLDER: Final = Path("/etc/nginx")
HTTP_FOLDER: Final = NGINX_FOLDER / "conf.d"
SERVER_FOLDER: Final = NGINX_FOLDER / "server.d"
SUPERVISOR_FOLDER: Final = Path("/etc/supervisor/conf.d")

_WELCOME: Final = re.compile(
    r"^\s*server_name\s+localhost;.*^\s*root\s+/usr/share/nginx/html;", re.DOTALL | re.MULTILINE
)


def nginx_files(folder: Path) -> tuple[PurePosixPath, ...]:
    """Return nginx's configuration files in a folder, in nginx's order, without the default.conf of nginx.org.

    That default.conf is a site of its own: it serves a welcome page for localhost. Raises Unusable for each path that
    is not a regular file: reading a FIFO would block nginx.
    """
    found = sorted(folder.glob("*.conf"))
    special = (path for path in found if os.path.exists(path) and not os.path.isfile(path))  # noqa: PTH110, PTH113 -- Path's may raise
    Unusable.check(f"cannot use {path}: it is not a regular file" for path in special)
    return tuple(PurePosixPath(path) for path in found if path.name != "default.conf" or not _is_welcome(path))


def names_of_nginx() -> tuple[str, ...]:
    """Return the names in nginx's own folder, such as mime.types and uwsgi_params."""
    try:
        return tuple(sorted(os.listdir(NGINX_FOLDER)))  # noqa: PTH208 -- names, not paths
    except OSError:
        return ()


def _is_welcome(path: Path) -> bool:
    try:
        return bool(_WELCOME.search(textfile.read_bytes(path).decode(errors="replace")))
    except (OSError, ValueError):
        return False  # nginx reports that it cannot read the file


def supervisor_files() -> Mapping[PurePosixPath, str]:
    """Return the texts of supervisord's configuration files, in supervisord's order. Raises Unusable."""
    found = {}
    problems = []
    for path in sorted(SUPERVISOR_FOLDER.glob("*.conf")):
        try:
            found[PurePosixPath(path)] = textfile.read(path)
        except ValueError as error:
            problems.append(f"cannot read {path}: {error}")
    Unusable.check(problems)
    return found


def app_server_files(environ: Mapping[str, str], app_dir: Path) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield each application server that has a configuration file, with that file's path.

    If UWSGI_INI is not a file, uWSGI reports it.
    """
    for server, conf in (
        ("uwsgi", app_dir / (environ.get("UWSGI_INI") or "uwsgi.ini")),
        ("gunicorn", app_dir / "gunicorn.conf.py"),
    ):
        if os.path.isfile(conf):  # noqa: PTH113 -- Path.is_file raises where the name is too long
            yield server, PurePosixPath(conf)
