"""The files of a project, read without importing its code."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from entrypoint.errors import NotAllowed, Unusable

LARGEST: Final = 1 << 20  # bytes; a larger source file is not searched

_SKIPPED: Final = frozenset({"node_modules", "venv", "site-packages", "tests", "build", "dist", "__pycache__"})
_DEPTH: Final = 4  # levels of folders, the project's own included: backend/site/settings/production.py


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files of the project, those of outer folders first."""
    level = [folder]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for place in level:
            try:
                # A line feed in a name would begin another line of the Dockerfile.
                entries = [path for path in sorted(place.iterdir()) if path.name.isprintable()]
                files = [path for path in entries if path.suffix == ".py" and path.is_file()]
                below += [path for path in entries if path.is_dir() and _is_source(path)]
            except PermissionError as error:
                raise NotAllowed(f"cannot read {place}: {error.strerror}") from error
            yield from files
        level = below


def _is_source(folder: Path) -> bool:
    environment = os.path.exists(folder / "pyvenv.cfg")  # noqa: PTH110 -- Path.exists raises without permission
    return folder.name[0] != "." and folder.name not in _SKIPPED and not environment


def text_of(path: Path) -> str:
    """Return the text of a file; empty if there is none. Raises NotAllowed or Unusable."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ""
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotAllowed(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"cannot read {path}: it is not UTF-8 text") from error


def toml_of(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; empty if there is none. Raises NotAllowed or Unusable."""
    try:
        return tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"cannot read {path}: {error}") from error
    except RecursionError as error:
        raise Unusable(f"cannot read {path}: it is nested too deeply") from error


def value_in(table: Any, *keys: str) -> Any:  # noqa: ANN401 -- any value of TOML
    """Return the value under these keys; None if there is none."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table
