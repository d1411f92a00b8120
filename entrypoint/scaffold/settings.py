"""What Django's settings say, found in their text."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_ENVIRONMENT: Final = re.compile(
    r"""(?:(?P<must>environ\[)|environ\.get\(|getenv\(|\b(?:env|config)(?:\.\w+)?\()\s*["'](?P<name>[A-Z][A-Z0-9_]*)["']"""
)
_FOLDER: Final = r"""^{name}\s*=\s*(?:\w+\s*/\s*|os\.path\.join\(\s*\w+\s*,\s*){{1}}["'](?P<folder>[\w./-]+)["']"""
_BASE: Final = r"(?:os\.path\.join\(\s*)?(?:BASE|ROOT|PROJECT)\w*"  # another name may be that of another folder
_PARTS: Final = r"""(?:\s*["'][\w./-]+["']\s*[/,]?)+"""
_SQLITE: Final = re.compile(
    rf"""["']NAME["']\s*:\s*(?:str\(\s*)?(?:{_BASE}\s*[/,]|(?=["']/))(?P<file>{_PARTS})"""
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
    """Return the path of SQLite's file below BASE_DIR, or an absolute one; empty if the settings do not show it.

    They write it as BASE_DIR / "data" / "db.sqlite3", or as sqlite:///data/db.sqlite3.
    """
    found = _SQLITE.search(settings)
    return "/".join(re.findall(r"[\w./-]*\w", found["file"] or found["url"])) if found else ""


def folder_of(name: str, settings: str) -> str:
    """Return the folder below BASE_DIR that the setting `name` names; empty if there is none."""
    found = re.search(_FOLDER.format(name=name), settings, re.MULTILINE)
    return found["folder"].strip("/") if found else ""
