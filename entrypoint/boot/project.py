"""What a project's own file sets: `[tool.entrypoint]` of its pyproject.toml, or its entrypoint.toml."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from entrypoint.boot import textfile
from entrypoint.boot.declaration import Declaration
from entrypoint.boot.values import Type, shown

PYPROJECT: Final = "pyproject.toml"
OWN: Final = "entrypoint.toml"
_BITS: Final = 64  # TOML 1.0.0, "Integer"

Table = Mapping[str, Any]


def read(
    folder: Path, declarations: Mapping[str, Declaration], refuse: Callable[[str], None]
) -> tuple[str, dict[str, str]]:
    """Return the name of the file in `folder` that sets anything, and its texts by the setting's key.

    `declarations` are all settings by key; `refuse` gets each problem.
    """
    tables = {}
    for name, keys in ((PYPROJECT, ("tool", "entrypoint")), (OWN, ())):
        try:
            tables[name] = _table(folder / name, keys)
        except ValueError as error:
            where = f" in {shown(str(folder))}" if folder.is_absolute() else ""
            refuse(f"cannot read {name}{where}: {error}")
    found = {name: table for name, table in tables.items() if table}
    if len(found) > 1:
        refuse(f"cannot use {OWN}: {PYPROJECT} has [tool.entrypoint] as well")
        return "", {}
    for name, table in found.items():
        return name, dict(_texts(name, table, declarations, refuse))
    return "", {}


def _table(path: Path, keys: tuple[str, ...]) -> Table:
    """Return the table under `keys`. Raises ValueError with why there is none."""
    if not os.path.exists(path):  # noqa: PTH110 -- Path.exists raises where the name is too long
        return {}
    text = textfile.read(path)
    if not all(key in text for key in keys):
        return {}  # most projects' pyproject.toml says nothing of us: it need not be parsed, nor be without fault
    import tomllib  # noqa: PLC0415 -- 12 ms that only a project with such a file has to pay

    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    for key in keys:
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise ValueError(f"{'.'.join(keys)} is not a table")  # noqa: TRY004 -- it is the file that is wrong
    return table


def _texts(
    file: str, table: Table, declarations: Mapping[str, Declaration], refuse: Callable[[str], None]
) -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        declaration = declarations.get(key)
        if declaration is None:
            near = nearest(key.lower().removeprefix("entrypoint_"), declarations)
            refuse(f"cannot use {shown(key)} in {file}: there is no such setting{near}")
        elif declaration.secret:
            refuse(f"cannot use {key} in {file}: a secret has no place there; {declaration.name}_FILE names one")
        elif not isinstance(value, str | int):
            refuse(f"cannot use {key} in {file}: it is neither a string nor an integer nor a boolean")
        elif isinstance(value, int) and value.bit_length() >= _BITS:
            refuse(f"cannot use {key} in {file}: it is larger than an integer of TOML may be")
        else:
            found.append((key, _text(value, declaration.kind)))
    return found


def _text(value: str | int, kind: Type[Any]) -> str:
    return kind.booleans[value] if isinstance(value, bool) else str(value)


def nearest(name: str, known: Mapping[str, object]) -> str:
    """Return the question which known name was meant, empty where none is near."""
    import difflib  # noqa: PLC0415 -- 5 ms that only a typing error has to pay

    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
