"""Refuse to serve a folder that contains private files.

The check compares real paths: a link, or a volume that is mounted twice, gives one folder two names.
"""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files import nginx, sites
from entrypoint.errors import Unusable


class Place(NamedTuple):
    """A folder or file, and the setting that names it."""

    setting: str
    path: PurePosixPath

    def __str__(self) -> str:
        real = os.path.realpath(self.path)
        return f"{self.setting}={self.path}{'' if real == str(self.path) else f' ({real})'}"

    def contains(self, other: "Place") -> bool:
        """Return whether the other place is this folder, or lies below it."""
        real = PurePosixPath(os.path.realpath(other.path))
        ours = PurePosixPath(os.path.realpath(self.path))
        return any(ours == place or _same(ours, place) for place in (real, *real.parents))


def check(config: ResolvedConfig) -> None:
    """Raise Unusable if a served folder contains something private."""
    if not config.settings.serves:
        return
    private = tuple(_private(config))
    files = (*nginx.served(config), *sites.served_by_sites(config))
    served = [Place(setting, PurePosixPath(folder)) for _, _, folder, setting in files]
    sent = Place("NGINX_PRIVATE_ROOT", config.settings.private_root) if config.settings.private_root else None
    problems = [
        f"cannot serve {folder}: it contains {place}; use a separate folder for served files"
        for folder in (*served, *([sent] if sent else []))
        for place in private
        if folder.contains(place)
    ]
    if sent:
        problems += [
            f"cannot use {sent}: everyone can read {folder}; use a folder that is not inside it"
            for folder in served
            if folder.contains(sent)
        ]
    Unusable.check(problems)


def _private(config: ResolvedConfig) -> Iterator[Place]:
    places = {
        "ENTRYPOINT_APP_DIR": config.machine.app_dir,
        "ENTRYPOINT_RUN_DIR": config.run_dir,
        "ENTRYPOINT_DATA_DIR": config.settings.data_dir,
        "NGINX_TLS_KEY": config.settings.tls_key,
        "NGINX_BASIC_AUTH_FILE": config.settings.basic_auth_file,
    }
    yield from (Place(setting, path) for setting, path in places.items() if path)
    kept = config.settings.secret_key_file and str(config.settings.secret_key_file)
    for name, origin in config.settings.origins.items():
        if origin.startswith("/") and origin != kept:
            yield Place(f"{name}_FILE", PurePosixPath(origin))
    for alias, name in _sqlite_names(config).items():
        if path := _sqlite_path(name):
            yield Place(f'DATABASES["{alias}"]["NAME"]', config.machine.app_dir / path)


def _sqlite_names(config: ResolvedConfig) -> dict[str, str]:
    """Return the SQLite databases' names by alias. A loaded application knows more than its settings say."""
    if config.application is None:
        return {}
    loaded = {database.alias: database.name for database in config.application.databases if database.vendor == "sqlite"}
    return {**config.application.sqlite, **loaded}


def _sqlite_path(name: str) -> str:
    """Return the path of an SQLite database, or "" if it is in memory. See https://www.sqlite.org/uri.html."""
    if not name.startswith("file:"):
        return "" if name == ":memory:" else name
    path, _, query = name.removeprefix("file:").partition("?")
    if path == ":memory:" or "mode=memory" in query:
        return ""
    return f"/{path.lstrip('/')}" if path.startswith("/") else path


def _same(one: PurePosixPath, other: PurePosixPath) -> bool:
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 -- PurePosixPath has no samefile
    except OSError:
        return False  # one of them does not exist
