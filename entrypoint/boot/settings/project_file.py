"""What a project's own file sets: `[tool.entrypoint]` of its pyproject.toml, or its entrypoint.toml."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from entrypoint.boot.settings import textfile
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.values import Type, nearest, shown
from entrypoint.boot.trust.trust import NO_SUSPECTS, Trust

PYPROJECT: Final = "pyproject.toml"
OWN: Final = "entrypoint.toml"
PROGRAMS: Final = "programs"
_BITS: Final = 64  # TOML 1.0.0, "Integer"

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """What the file says."""

    file: str = ""  # its name; empty where none says anything
    texts: Mapping[str, str] = field(default_factory=dict)  # of settings, by key
    programs: Table = field(default_factory=dict)  # the tables of programs of the user's own, as they are


def read(
    folder: Path,
    setting_specs: Mapping[str, SettingSpec],
    refuse: Callable[[str], None],
    trust: Trust = NO_SUSPECTS,
) -> Project:
    """Return what the file in `folder` that says anything does say.

    `setting_specs` are all settings by key; `refuse` gets each problem.
    """
    tables = {}
    for name, keys in ((PYPROJECT, ("tool", "entrypoint")), (OWN, ())):
        try:
            tables[name] = _table(folder / name, keys, trust)
        except ValueError as error:
            where = f" in {shown(str(folder))}" if folder.is_absolute() else ""
            refuse(f"cannot read {name}{where}: {error}")
    found = {name: table for name, table in tables.items() if table}
    if len(found) > 1:
        refuse(f"cannot use {OWN}: {PYPROJECT} has [tool.entrypoint] as well")
        return Project()
    for name, table in found.items():
        # A text is the setting of that name, which chooses among them.
        programs = table[PROGRAMS] if isinstance(table.get(PROGRAMS), dict) else {}
        settings = {key: value for key, value in table.items() if value is not programs}
        return Project(name, dict(_texts(name, settings, setting_specs, refuse)), programs)
    return Project()


def _table(path: Path, keys: tuple[str, ...], trust: Trust) -> Table:
    """Return the table under `keys`. Raises ValueError with why there is none."""
    if not os.path.exists(path):  # noqa: PTH110 -- Path.exists raises where the name is too long
        return {}
    text = textfile.read(path, trust)
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
    file: str, table: Table, setting_specs: Mapping[str, SettingSpec], refuse: Callable[[str], None]
) -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        spec = setting_specs.get(key)
        if spec is None:
            near = nearest(key.lower().removeprefix("entrypoint_"), setting_specs)
            refuse(f"cannot use {shown(key)} in {file}: there is no such setting{near}")
        elif spec.secret:
            refuse(f"cannot use {key} in {file}: a secret has no place there; {spec.name}_FILE names one")
        elif not isinstance(value, str | int):
            refuse(f"cannot use {key} in {file}: it is neither a string nor an integer nor a boolean")
        elif isinstance(value, int) and value.bit_length() >= _BITS:
            refuse(f"cannot use {key} in {file}: it is larger than an integer of TOML may be")
        else:
            found.append((key, _text(value, spec.type)))
    return found


def _text(value: str | int, kind: Type[Any]) -> str:
    return kind.booleans[value] if isinstance(value, bool) else str(value)
