"""The project's file: `[tool.entrypoint]` in pyproject.toml, or entrypoint.toml."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.types.values import nearest, shown
from entrypoint.boot.trust.trust import Trust

PYPROJECT: Final = "pyproject.toml"
OWN: Final = "entrypoint.toml"
PROGRAMS: Final = "programs"
SITES: Final = "sites"
ENABLED: Final = "enabled"
_BITS: Final = 64  # TOML 1.0.0, "Integer"

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Project:
    """The content of the project's file."""

    file: str = ""  # its name; empty if no file has settings
    texts: Mapping[str, str] = field(default_factory=dict)  # the texts of settings, by key
    variables: frozenset[str] = frozenset()  # the variables that it refers to
    programs: Table = field(default_factory=dict)  # the tables of user programs, not yet parsed
    sites: Table = field(default_factory=dict)  # the tables of further sites, not yet parsed


def read(
    folder: Path,
    setting_specs: Mapping[str, SettingSpec],
    report: Callable[[str], None],
    trust: Trust,
    environ: Mapping[str, str],
) -> Project:
    """Return the content of the project's file in `folder`; an empty Project if there is none.

    `setting_specs` are all settings by key. Call `report` with each problem. A value may be that of a variable in
    `environ`: `port = {env = "LISTEN_PORT", default = 8000}`.
    """
    tables = {}
    for name, keys in ((PYPROJECT, ("tool", "entrypoint")), (OWN, ())):
        try:
            tables[name] = _table(folder / name, keys, trust)
        except ValueError as error:
            where = f" in {shown(str(folder))}" if folder.is_absolute() else ""
            report(f"cannot read {name}{where}: {error}")
    found = {name: table for name, table in tables.items() if table}
    if len(found) > 1:
        report(f"cannot use {OWN}: {PYPROJECT} has [tool.entrypoint] as well")
    if len(found) != 1:
        return Project()
    [(file, settings)] = found.items()
    # `programs` with a text is the setting ENTRYPOINT_PROGRAMS.
    programs, sites = (settings.pop(key) if isinstance(settings.get(key), dict) else {} for key in (PROGRAMS, SITES))
    references = References(file, environ, report)
    texts = _texts(file, references.resolved(settings), setting_specs, report)
    own = {key: references.of_program(key, program) for key, program in programs.items()}
    return Project(file, texts, frozenset(references.names), own, sites)


class References:
    """Replaces each value `{env = "NAME"}` of one file by the text of the variable."""

    def __init__(self, file: str, environ: Mapping[str, str], report: Callable[[str], None]) -> None:
        self.names: set[str] = set()
        self._file = file
        self._environ = environ
        self._report = report

    def resolved(self, table: Table) -> Table:
        """Return the table with the text of each variable; a key is left out if it is unset and has no default."""
        found = {key: self._value(key, value) for key, value in table.items()}
        return {key: value for key, value in found.items() if value is not None}

    def of_program(self, name: str, program: Any) -> Any:  # noqa: ANN401 -- any value of a TOML file
        """Return a program's table with the value of `enabled`; no other key of a program refers to a variable."""
        if not isinstance(program, dict) or not isinstance(program.get(ENABLED), dict):
            return program
        value = self._value(f"{PROGRAMS}.{shown(name)}.{ENABLED}", program[ENABLED])
        return {**program, ENABLED: value or False}

    def _value(self, key: str, value: Any) -> Any:  # noqa: ANN401 -- as above
        if not isinstance(value, dict):
            return value
        name = value.get("env")
        if not isinstance(name, str) or not name or value.keys() - {"env", "default"}:
            self._report(f'cannot use {shown(key)} in {self._file}: a table here has the form {{env = "NAME"}}')
            return None
        self.names.add(name)
        return self._environ.get(name) or value.get("default")


def _table(path: Path, keys: tuple[str, ...], trust: Trust) -> dict[str, Any]:
    """Return the table under `keys`. Raises ValueError with the reason if the file is invalid."""
    if not os.path.exists(path):  # noqa: PTH110 -- Path.exists raises if the name is too long
        return {}
    text = textfile.read(path, trust)
    if not all(key in text for key in keys):
        return {}  # a pyproject.toml without settings is not parsed, so it may even be invalid
    import tomllib  # noqa: PLC0415 -- 12 ms, needed for such a file only

    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    for key in keys:
        table = table.get(key, {})
        if not isinstance(table, dict):
            raise ValueError(f"{'.'.join(keys)} is not a table")  # noqa: TRY004 -- the file is wrong, not the code
    return table


def _texts(
    file: str, table: Table, setting_specs: Mapping[str, SettingSpec], report: Callable[[str], None]
) -> Mapping[str, str]:
    found = {}
    for key, value in table.items():
        spec = setting_specs.get(key)
        if spec is None:
            near = nearest(key.lower().removeprefix("entrypoint_"), setting_specs)
            report(f"cannot use {shown(key)} in {file}: there is no such setting{near}")
        elif not isinstance(value, str | int):
            report(f"cannot use {key} in {file}: it is not a string, an integer or a boolean")
        elif isinstance(value, int) and value.bit_length() >= _BITS:
            report(f"cannot use {key} in {file}: it is too large for a TOML integer")
        elif why := spec.type.secret_in(str(value)):
            report(f"cannot use {key} in {file}: {why}; set {spec.name}_FILE instead")
        else:
            found[key] = spec.type.booleans[value] if isinstance(value, bool) else str(value)
    return found
