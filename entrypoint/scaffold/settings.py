"""What Django's settings say, found in their text."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_ENVIRONMENT: Final = re.compile(
    r"""(?:(?P<must>environ\[)|environ\.get\(|getenv\(|\b(?:env|config)(?:\.\w+)?\()\s*["'](?P<name>[A-Z][A-Z0-9_]*)["']"""
)
_PARTS: Final = r"""(?:\s*["'][\w./-]+["']\s*[/,]?)+"""  # "a" / "b", or "a", "b"
_FOLDER: Final = (
    rf"^{{name}}\s*=\s*(?:(?:str|Path)\(\s*)?(?:\w+\s*/|[\w.]*join\(\s*\w+\s*,)?(?P<path>{_PARTS})"  # BASE_DIR / …
)
_BASE: Final = r"(?:[\w.]*join\(\s*)?(?:BASE|ROOT|PROJECT)\w*"  # a variable with another name may hold another folder
_SQLITE: Final = re.compile(
    rf"""["']NAME["']\s*:\s*(?:str\(\s*)?(?:{_BASE}\s*[/,]|(?=["']/))(?P<path>{_PARTS})"""
    rf"""|sqlite:///(?:\{{{_BASE}\}}?\s*[/,]\s*)?(?P<url>{_PARTS}|[\w./-]+)"""
)


class Variable(NamedTuple):
    """A variable that the settings read."""

    name: str
    required: bool  # whether the settings fail without it


def variables(settings: str) -> Iterator[Variable]:
    """Yield the variables that the settings read."""
    found: dict[str, bool] = {}
    for match in _ENVIRONMENT.finditer(settings):
        found[match["name"]] = found.get(match["name"], False) or bool(match["must"])
    yield from (Variable(name, required) for name, required in found.items() if name != "DJANGO_SETTINGS_MODULE")


def sqlite_file(settings: str) -> str:
    """Return the path of SQLite's file below manage.py's folder, or an absolute one; empty if they do not show it.

    The settings write it as BASE_DIR / "data" / "db.sqlite3", or as sqlite:///data/db.sqlite3.
    """
    found = _SQLITE.search(settings)
    return _joined(found["path"] or found["url"]) if found else ""


def folder_of(name: str, settings: str) -> str:
    """Return the folder that the setting `name` names, below manage.py's folder; empty if it is none or elsewhere."""
    found = re.search(_FOLDER.format(name=name), settings, re.MULTILINE)
    path = _joined(found["path"]) if found else ""
    return "" if path.startswith("/") else path


def _joined(parts: str) -> str:
    return "/".join(re.findall(r"[\w./-]*[\w.-]", parts))
