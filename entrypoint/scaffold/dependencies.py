"""What a project needs: its package manager, its packages and its versions of Python."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from entrypoint.errors import Unusable
from entrypoint.output.log import printable
from entrypoint.scaffold.sources import text_of, value_in

_MANAGERS: Final = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "requirements.txt": "pip",
    "requirements/production.txt": "pip",
    "requirements/prod.txt": "pip",
    "requirements/base.txt": "pip",
}
"""The file of each package manager; the first one that exists counts."""
_OF_POETRY: Final = ("tool", "poetry", "dependencies")


def manager(folder: Path, pyproject: dict[str, Any]) -> tuple[str, str]:
    """Return the package manager and its file; both empty if nothing is declared."""
    for name, program in _MANAGERS.items():
        if (folder / name).is_file():
            return program, name
    if value_in(pyproject, *_OF_POETRY):
        return "poetry", "pyproject.toml"
    return ("pyproject", "pyproject.toml") if value_in(pyproject, "project", "dependencies") else ("", "")


def packages(folder: Path, pyproject: dict[str, Any], requirements: str) -> Iterator[str]:
    """Yield the normalized names of the declared dependencies."""
    tables = (value_in(pyproject, "project", "dependencies"), value_in(pyproject, *_OF_POETRY))
    declared = [each for table in tables if isinstance(table, list | dict) for each in table if isinstance(each, str)]
    if requirements.endswith(".txt"):
        declared += _requirements(folder / requirements)
    for line in declared:
        if match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip()):
            yield re.sub(r"[-_.]+", "-", match[0]).lower()


def _requirements(file: Path, including: tuple[Path, ...] = ()) -> Iterator[str]:
    """Yield the lines of a requirements file and of those that it includes."""
    if file in including:
        raise Unusable(f"cannot read {file}: it includes itself")
    for line in text_of(file).splitlines():
        included = re.match(r"-r\s*(\S+)|--requirement[= ](\S+)", line.strip())
        if included:
            inner = Path(os.path.normpath(file.parent / (included[1] or included[2])))
            yield from _requirements(inner, (*including, file))
        else:
            yield line


def python_version(folder: Path, pyproject: dict[str, Any]) -> str:
    """Return the versions of Python that the project supports; empty if it does not say."""
    pinned = text_of(folder / ".python-version").strip()
    wanted = pinned or value_in(pyproject, "project", "requires-python") or value_in(pyproject, *_OF_POETRY, "python")
    return printable(" ".join(str(wanted or "").split()))
