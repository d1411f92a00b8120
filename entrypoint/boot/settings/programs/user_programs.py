"""User programs, which the project's file, the environment and a Procfile define."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from entrypoint.boot.settings import server_names
from entrypoint.boot.settings.programs import program_keys
from entrypoint.boot.settings.programs.sites import Site
from entrypoint.boot.settings.types import addresses, values
from entrypoint.boot.settings.types.values import nearest, shown, text

WEB: Final = "web"
"""The program that serves the site; a user program of this name replaces the application server."""
RELEASE: Final = "release"
"""The program that runs once, before the others start."""
NGINX: Final = "nginx"
CERTIFICATES: Final = "certificates"
VARIABLE: Final = "ENTRYPOINT_PROGRAM_"
PROCFILE: Final = "Procfile"

_RESERVED: Final = (NGINX, *server_names.NAMES, "supervisord", "entrypoint", "application")
# Not compiled here: a boot without user programs does not need them.
_NAME: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_LINE: Final = r"([A-Za-z0-9][A-Za-z0-9_-]*):\s*(\S.*)"
_SHELL: Final = r"[$&|;<>()`*?~]|^\s*\w+="
_NEEDS_THE_SHELL: Final = r"[&|;()]|^\s*\w+="
_RELEASE_KEYS: Final = ("command", "directory", "environment", "user")
_TIER: Final = "tier"  # the former name of stop_order

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class UserProgram:
    """One program as the user defined it; None where the plan decides."""

    name: str
    command: tuple[str, ...]
    source: str  # the variable or file that defines the command
    file: str = ""  # the project's file, if it defines the program
    enabled: bool = True  # whether it runs where ENTRYPOINT_PROGRAMS names no programs
    essential: bool | None = None
    restart: str | None = None
    after: tuple[str, ...] = ()
    ready: str | None = None
    live: str | None = None
    user: str | None = None
    directory: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    memory_limit: int | None = None  # bytes
    stop_signal: str | None = None
    stop_timeout: float | None = None  # seconds
    stop_order: int | None = None
    replicas: int = 1
    log: str = "lines"
    site: Site | None = None  # the further site that it serves, on $PORT

    @property
    def serves(self) -> bool:
        """Whether it serves requests on $PORT, as an application server does."""
        return self.name == WEB or self.site is not None

    @property
    def log_file(self) -> str | None:
        """The path of its log file; None if its output goes to the container's."""
        kind, _, path = self.log.partition(":")
        return path if kind == "file" else None

    def describe(self, key: str) -> str:
        """Return `programs.NAME.KEY=VALUE in FILE` for a message."""
        value = getattr(self, key)
        given = (
            " ".join(value) if isinstance(value, tuple) else f"{value:g}s" if isinstance(value, float) else str(value)
        )
        return f"programs.{self.name}.{key}={shown(given)} in {self.file}"


class UserPrograms:
    """The user programs of all sources; a later source overrides an earlier one, key by key."""

    def __init__(self, report: Report) -> None:
        """Call `report` with each problem."""
        self._report = report
        self._found: dict[str, dict[str, Any]] = {}

    def add_procfile(self, content: str) -> None:
        """Add the lines `name: command` of a Procfile."""
        names: set[str] = set()
        for number, line in enumerate(content.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = re.fullmatch(_LINE, line.strip())
            if match is None:
                self._report(f"cannot read {PROCFILE}, line {number}: it is not of the form name: command")
            elif name := self._name(match[1], f"{match[1]}: in {PROCFILE}", names):
                self._command(name, match[2], f"{match[1]}: in {PROCFILE}", _procfile_words, PROCFILE)

    def add_tables(self, file: str, tables: Mapping[str, Any]) -> None:
        """Add the tables `programs.NAME` of the project's file."""
        names: set[str] = set()
        for key, table in tables.items():
            where = f"programs.{shown(key)} in {file}"
            name = self._name(key, where, names)
            if not name:
                continue
            if not isinstance(table, dict):
                self._report(f"cannot use {where}: it is not a table")
                continue
            given = self._found.setdefault(name, {})
            given["file"] = file
            if _TIER in table and "stop_order" in table:
                self._report(f"cannot use programs.{name}.{_TIER} in {file}: it means stop_order, which is given, too")
            for each, value in table.items():
                self._key(name, each, value, file)

    def add_variable(self, variable: str, command: str) -> None:
        """Add the command in ENTRYPOINT_PROGRAM_<NAME>."""
        if name := self._name(variable.removeprefix(VARIABLE), variable, set()):
            self._command(name, command, f"{variable}={shown(command)}", program_keys.command, variable)

    def programs(self, sites: Mapping[str, Site]) -> dict[str, UserProgram]:
        """Return the valid programs, by name; `sites` are the further sites, by the programs that serve them."""
        found = {}
        for name, given in self._found.items():
            if "command" not in given:
                self._report(f"cannot use programs.{name} in {given['file']}: command is missing")
            elif given["command"]:
                found[name] = UserProgram(name=name, site=sites.get(name), **given)
        for program in found.values():
            if program.log == "raw" and (program.ready or "").startswith("log:"):
                self._report(f"cannot use {program.describe('ready')}: with log=raw, its lines are not read")
            if program.serves and program.replicas > 1:
                self._report(f"cannot use {program.describe('replicas')}: all replicas would listen on the same $PORT")
            if program.serves and "PORT" in program.environment:
                self._check_port(program)
        return found

    def _check_port(self, program: UserProgram) -> None:
        try:
            address = addresses.listen(program.environment["PORT"]).address
            why = "nginx connects to 127.0.0.1, so it must be a port without an address" if address else ""
        except ValueError as error:
            why = str(error)
        if why:
            self._report(f"cannot use programs.{program.name}.environment.PORT in {program.file}: {why}")

    def _name(self, name: str, where: str, names: set[str]) -> str | None:
        normalized = values.program_name(name)
        if not re.fullmatch(_NAME, normalized):
            self._report(f"cannot use {where}: a program name has at most 63 characters: letters, digits, - and _")
        elif normalized in _RESERVED:
            self._report(f"cannot use {where}: {normalized} is a reserved name; choose another one")
        elif normalized in names:
            self._report(f"cannot use {where}: another program has the same name (- and _ are equal)")
        else:
            names.add(normalized)
            return normalized
        return None

    def _key(self, name: str, key: str, value: object, file: str) -> None:
        read = program_keys.READERS.get(key)
        where = f"programs.{name}.{shown(key)}"
        if read is None:
            self._report(f"cannot use {where} in {file}: there is no such key{nearest(key, program_keys.READERS)}")
        elif name == RELEASE and key not in _RELEASE_KEYS:
            self._report(f"cannot use {where} in {file}: release runs once and takes only {', '.join(_RELEASE_KEYS)}")
        elif key == "command":
            self._command(name, value, f"{where} in {file}", program_keys.command, file)
        else:
            try:
                self._found[name]["stop_order" if key == _TIER else key] = read(value)
            except ValueError as error:
                self._report(f"cannot use {where}{_shown_value(value)} in {file}: {error}")

    def _command(
        self,
        name: str,
        value: Any,  # noqa: ANN401 -- any value of a TOML file
        where: str,
        read: Callable[[Any], tuple[str, ...]],
        source: str,
    ) -> None:
        given = self._found.setdefault(name, {})
        given["source"] = source
        try:
            given["command"] = read(value)
        except ValueError as error:
            given["command"] = ()
            self._report(f"cannot use {where}: {error}")


def problems(programs: Mapping[str, UserProgram], chosen: tuple[str, ...]) -> Iterator[str]:
    """Yield the problems with the names in `after` and in ENTRYPOINT_PROGRAMS."""
    runnable = {name: None for name in (WEB, *programs) if name != RELEASE}
    for name in chosen:
        if name not in runnable:
            yield f"cannot use ENTRYPOINT_PROGRAMS: there is no program {name}{nearest(name, runnable)}"
    known = {**runnable, NGINX: None}
    unknown = False
    for program in programs.values():
        for name in program.after:
            if name not in known:
                unknown = True
                yield f"cannot use {program.describe('after')}: there is no program {name}{nearest(name, known)}"
    if any(program.after for program in programs.values()) and not unknown:
        yield from _cycle(programs)


def _cycle(programs: Mapping[str, UserProgram]) -> Iterator[str]:
    import graphlib  # noqa: PLC0415 -- needed for an order only

    try:
        graphlib.TopologicalSorter({name: program.after for name, program in programs.items()}).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))  # each is after the next one
        names = " after ".join(circle)
        yield f"cannot use {programs[circle[0]].describe('after')}: {circle[0]} would wait for itself ({names})"


def _procfile_words(line: str) -> tuple[str, ...]:
    """Return the command of a Procfile line; a line with shell syntax gets a shell."""
    if not re.search(_SHELL, text(line)):
        return program_keys.command(line)
    # With `exec`, the stop signal reaches the program instead of the shell.
    return ("sh", "-c", line if re.search(_NEEDS_THE_SHELL, line) else f"exec {line}")


def _shown_value(value: object) -> str:
    return f"={shown(str(value))}" if isinstance(value, str | int) and not isinstance(value, bool) else ""
