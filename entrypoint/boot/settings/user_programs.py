"""Programs of the user's own: what the project's file, the environment and a Procfile say of them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from entrypoint.boot.settings import program_keys, server_names, values
from entrypoint.boot.settings.values import nearest, shown, text

WEB: Final = "web"
"""The application server: of one's own, where a source has a program of this name."""
RELEASE: Final = "release"
"""Run once before the start, and no program that runs on."""
NGINX: Final = "nginx"
VARIABLE: Final = "ENTRYPOINT_PROGRAM_"
PROCFILE: Final = "Procfile"

_OURS: Final = (NGINX, *server_names.NAMES, "supervisord", "entrypoint", "application")
# Not compiled here: a boot without programs of one's own need not pay for them.
_NAME: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_LINE: Final = r"([A-Za-z0-9][A-Za-z0-9_-]*):\s*(\S.*)"
_SHELL: Final = r"[$&|;<>()`*?~]|^\s*\w+="
_NEEDS_THE_SHELL: Final = r"[&|;()]|^\s*\w+="
_TIER: Final = "tier"  # the former name of stop_order
_OF_RELEASE: Final = ("command", "directory", "environment", "user")

Refuse = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class UserProgram:
    """One program as it was declared; None where the plan decides."""

    name: str
    command: tuple[str, ...]
    source: str  # who said the command
    file: str = ""  # the project's file, where that says more of it
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

    @property
    def log_file(self) -> str | None:
        """The path of the file that its output goes to, if it does not go to the container's."""
        kind, _, path = self.log.partition(":")
        return path if kind == "file" else None

    def told(self, key: str) -> str:
        """Return how a message names a key of it, with its value."""
        value = getattr(self, key)
        given = (
            " ".join(value) if isinstance(value, tuple) else f"{value:g}s" if isinstance(value, float) else str(value)
        )
        return f"programs.{self.name}.{key}={shown(given)} in {self.file}"


class UserPrograms:
    """The sources one after the other, the later over the earlier, key by key."""

    def __init__(self, refuse: Refuse) -> None:
        """`refuse` gets each problem."""
        self._refuse = refuse
        self._found: dict[str, dict[str, Any]] = {}

    def add_procfile(self, content: str) -> None:
        """Take the lines `name: command` of a Procfile."""
        names: set[str] = set()
        for number, line in enumerate(content.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = re.fullmatch(_LINE, line.strip())
            if match is None:
                self._refuse(f"cannot read {PROCFILE}, line {number}: it is not of the form name: command")
            elif name := self._name(match[1], f"{match[1]}: in {PROCFILE}", names):
                self._command(name, match[2], f"{match[1]}: in {PROCFILE}", _procfile_words, PROCFILE)

    def add_tables(self, file: str, tables: Mapping[str, Any]) -> None:
        """Take the tables `programs.NAME` of the project's file."""
        names: set[str] = set()
        for key, table in tables.items():
            where = f"programs.{shown(key)} in {file}"
            name = self._name(key, where, names)
            if not name:
                continue
            if not isinstance(table, dict):
                self._refuse(f"cannot use {where}: it is not a table")
                continue
            given = self._found.setdefault(name, {})
            given["file"] = file
            if _TIER in table and "stop_order" in table:
                self._refuse(f"cannot use programs.{name}.{_TIER} in {file}: it means stop_order, which is given, too")
            for each, value in table.items():
                self._key(name, each, value, file)

    def add_variable(self, variable: str, command: str) -> None:
        """Take the command that ENTRYPOINT_PROGRAM_<NAME> says."""
        if name := self._name(variable.removeprefix(VARIABLE), variable, set()):
            self._command(name, command, f"{variable}={shown(command)}", program_keys.command, variable)

    def programs(self) -> dict[str, UserProgram]:
        """Return the programs by name, those that were refused left out."""
        found = {}
        for name, given in self._found.items():
            if "command" not in given:
                self._refuse(f"cannot use programs.{name} in {given['file']}: command is missing")
            elif given["command"]:
                found[name] = UserProgram(name=name, **given)
        for own in found.values():
            if own.log == "raw" and (own.ready or "").startswith("log:"):
                self._refuse(f"cannot use {own.told('ready')}: with log=raw nobody reads its lines")
        if WEB in found and found[WEB].replicas > 1:
            self._refuse(f"cannot use {found[WEB].told('replicas')}: there is one $PORT to listen on")
        if WEB in found and "PORT" in found[WEB].environment:
            self._check_port(found[WEB])
        return found

    def _check_port(self, web: UserProgram) -> None:
        try:
            if values.listen(web.environment["PORT"]).address:
                raise ValueError("nginx reaches it on 127.0.0.1, by a port alone")  # noqa: TRY301 -- as its type would
        except ValueError as error:
            self._refuse(f"cannot use programs.{WEB}.environment.PORT in {web.file}: {error}")

    def _name(self, name: str, where: str, names: set[str]) -> str | None:
        spelt = values.program_name(name)
        if not re.fullmatch(_NAME, spelt):
            self._refuse(f"cannot use {where}: a program's name is of letters, digits, - and _, at most 63")
        elif spelt in _OURS:
            self._refuse(f"cannot use {where}: {spelt} is a name of ours")
        elif spelt in names:
            self._refuse(f"cannot use {where}: there is another one of that name, - and _ being the same")
        else:
            names.add(spelt)
            return spelt
        return None

    def _key(self, name: str, key: str, value: object, file: str) -> None:
        read = program_keys.READERS.get(key)
        where = f"programs.{name}.{shown(key)}"
        if read is None:
            self._refuse(f"cannot use {where} in {file}: there is no such key{nearest(key, program_keys.READERS)}")
        elif name == RELEASE and key not in _OF_RELEASE:
            self._refuse(f"cannot use {where} in {file}: it is run once, and has {', '.join(_OF_RELEASE)} alone")
        elif key == "command":
            self._command(name, value, f"{where} in {file}", program_keys.command, file)
        else:
            try:
                self._found[name]["stop_order" if key == _TIER else key] = read(value)
            except ValueError as error:
                self._refuse(f"cannot use {where}{_shown_value(value)} in {file}: {error}")

    def _command(
        self,
        name: str,
        value: Any,  # noqa: ANN401 -- of a TOML file
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
            self._refuse(f"cannot use {where}: {error}")


def problems(programs: Mapping[str, UserProgram], chosen: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with the names in `after` and with those that ENTRYPOINT_PROGRAMS chose."""
    runnable = {name: None for name in (WEB, *programs) if name != RELEASE}
    for name in chosen:
        if name not in runnable:
            yield f"cannot use ENTRYPOINT_PROGRAMS: there is no program {name}{nearest(name, runnable)}"
    known = {**runnable, NGINX: None}
    unknown = False
    for own in programs.values():
        for name in own.after:
            if name not in known:
                unknown = True
                yield f"cannot use {own.told('after')}: there is no program {name}{nearest(name, known)}"
    if any(own.after for own in programs.values()) and not unknown:
        yield from _cycle(programs)


def _cycle(programs: Mapping[str, UserProgram]) -> Iterator[str]:
    import graphlib  # noqa: PLC0415 -- only who has an order has to pay

    try:
        graphlib.TopologicalSorter({name: own.after for name, own in programs.items()}).prepare()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))  # each of them is after the next
        yield f"cannot use {programs[circle[0]].told('after')}: {' after '.join(circle)} would wait for itself"


def _procfile_words(line: str) -> tuple[str, ...]:
    """Return the words of a line that others hand to a shell: where it has a shell's syntax, it gets one here too."""
    if not re.search(_SHELL, text(line)):
        return program_keys.command(line)
    # By `exec` the stop signal reaches the program, and not a shell that keeps it for itself.
    return ("sh", "-c", line if re.search(_NEEDS_THE_SHELL, line) else f"exec {line}")


def _shown_value(value: object) -> str:
    return f"={shown(str(value))}" if isinstance(value, str | int) and not isinstance(value, bool) else ""
