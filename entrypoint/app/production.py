"""The facts from Django's settings that a site in production depends on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from entrypoint.app import writable
from entrypoint.app.databases import sqlite_error

_SHORTEST_KEY: Final = 32  # characters: 128 bits in hexadecimal
_LEAST_VARIETY: Final = 5  # different characters, as in Django's own check, security.W009
_INSECURE: Final = "django-insecure-"  # the prefix of the keys that `startproject` generates
_FOLDER_STORAGES: Final = ("django.contrib.staticfiles.storage.", "whitenoise.storage.")


def weak_key(key: str | bytes) -> str:
    """Return why a SECRET_KEY can be guessed; "" if it cannot. The reason does not contain the key."""
    text = key.decode(errors="replace") if isinstance(key, bytes) else str(key)
    if text.startswith(_INSECURE):
        return f"it begins with {_INSECURE}"
    if len(text) < _SHORTEST_KEY:
        return f"it has fewer than {_SHORTEST_KEY} characters"
    if len(set(text)) < _LEAST_VARIETY:
        return f"it has fewer than {_LEAST_VARIETY} different characters"
    return ""


def needs_static_root(settings: Any) -> bool:
    """Return whether static files are served from STATIC_ROOT alone: not from their sources and not from elsewhere."""
    storage = _backend(settings, "staticfiles")
    finders = getattr(settings, "WHITENOISE_USE_FINDERS", False) or getattr(settings, "WHITENOISE_AUTOREFRESH", False)
    return storage.startswith(_FOLDER_STORAGES) and not finders


def unwritable(settings: Any, media_root: str, sqlite: dict[str, str]) -> Iterator[str]:
    """Yield why the application's user cannot write MEDIA_ROOT and each of the SQLite databases."""
    uploads = media_root and _backend(settings, "default") == "django.core.files.storage.FileSystemStorage"
    if uploads and (why := writable.fault(Path(media_root))):
        yield f"cannot use MEDIA_ROOT: {why}"
    for alias, name in sqlite.items():
        usual = name and name != ":memory:" and not name.startswith("file:")  # a URI may ask for memory or reading only
        if usual and (why := sqlite_error.fault(Path(os.path.realpath(name)))):
            yield f"cannot use database {alias}: {why}"


def _backend(settings: Any, alias: str) -> str:
    return str(getattr(settings, "STORAGES", {}).get(alias, {}).get("BACKEND", ""))
