"""What boot asks supervision to keep: promises.json, read at the start of each round of supervisord.

Named tuples, not dataclasses: supervisord loads this before it starts anything, and to import those takes 3 to 5 ms.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar


class PromiseError(ValueError):
    """The promises cannot be read; the message names the file and the key."""


class Restart(StrEnum):
    """When a program that has ended is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    """After any end but exit status 0."""
    NEVER = "never"


class OnFailure(StrEnum):
    """What the loss of an essential program means."""

    EXIT = "exit"
    """All others are stopped, and the container ends with the exit code of the one that was lost."""
    KEEP = "keep"
    """The others run on; the container is not ready."""


class LogFormat(StrEnum):
    """How the lines of the container's log look."""

    TEXT = "text"
    """The name of the program, and what it said."""
    JSON = "json"
    """An object a line: time, program, stream, pid, message."""


class Kind(StrEnum):
    """The kinds of a probe, which are the words that its text begins with."""

    RUNNING = "running"
    """supervisord calls the program RUNNING: it has lived for `startsecs`."""
    NOTIFY = "notify"
    """It has sent READY=1 to $NOTIFY_SOCKET, see sd_notify(3)."""
    EXIT = "exit"
    """It has ended with exit status 0."""
    UNIX = "unix"
    """`unix:PATH` takes a connection."""
    TCP = "tcp"
    """`tcp:HOST:PORT` takes a connection."""
    HTTP = "http"
    """`http://HOST[:PORT]/PATH` answers with a status below 400."""
    LOG = "log"
    """`log:REGEX` is found in a line that it writes."""
    PROCESS = "process"
    """Neither its first process nor all children of that one are stopped by SIGSTOP; of `live` alone."""


class Probe(NamedTuple):
    """How something is known of a program."""

    kind: Kind
    target: str = ""
    """What stands after the first colon; for http the whole URL."""

    @classmethod
    def parse(cls, text: str) -> "Probe":
        """Read the text of a probe. Raises ValueError."""
        word, colon, target = text.partition(":")
        kind = Kind(word)
        if (kind in {Kind.RUNNING, Kind.NOTIFY, Kind.EXIT, Kind.PROCESS}) == bool(colon):
            raise ValueError(text)
        return cls(kind, text if kind is Kind.HTTP else target)


RUNNING = Probe(Kind.RUNNING)


class Reload(NamedTuple):
    """A program that has to be told when files change: a certificate was renewed."""

    files: tuple[Path, ...]
    signal: str
    """Its name, such as HUP."""


class Promise(NamedTuple):
    """What is promised of one program. The defaults hold for a program that the file does not name."""

    essential: bool = False
    """The container ends when it is lost for good, and is not ready without it."""
    after: tuple[str, ...] = ()
    """It is started once these are ready."""
    ready: Probe = RUNNING
    live: Probe | None = None
    """It is restarted when this fails several times in a row: unix, tcp, http, process, or notify for WATCHDOG=1."""
    restart: Restart | None = None
    """None: as supervisord's configuration says by `autorestart` and `startretries`."""
    memory_limit: int | None = None
    """Bytes (PSS, its children included) above which it is restarted."""
    tier: int = 0
    """Programs of the highest tier are stopped first, together; the next tier when they have ended."""
    environment: Mapping[str, str] = MappingProxyType({})
    """Variables of its own: supervisord's configuration cannot carry every value."""
    raw: bool = False
    """It writes to the container's standard output by itself."""
    reload: Reload | None = None
    as_root: bool | None = None
    """It runs as root, and gets the environment that root may have; None: as supervisord's configuration says."""

    @property
    def restarts_success(self) -> bool:
        """Whether it is started again after it has ended with exit status 0, as far as we decide."""
        return self.ready.kind is not Kind.EXIT and self.restart in {Restart.ALWAYS, None}


class PreStop(NamedTuple):
    """A command that is run before the first tier is stopped."""

    name: str
    command: tuple[str, ...]
    """Its first word is a path."""
    as_root: bool = False


class Promises(NamedTuple):
    """What is promised of all programs together."""

    ready_file: Path
    """It exists exactly while every essential program is ready and no stop has begun."""
    programs: Mapping[str, Promise] = MappingProxyType({})
    """By supervisord's name of the process."""
    on_failure: OnFailure = OnFailure.EXIT
    stop_seconds: int = 8
    """The whole stop takes no longer, the drain and the hooks included."""
    drain_seconds: int = 0
    """After a stop was asked for, requests are served for so long while readiness is gone."""
    pre_stop: tuple[PreStop, ...] = ()
    """They are run one after the other."""
    log_format: LogFormat = LogFormat.TEXT
    listen: tuple[str, ...] = ()
    """Where nginx listens, such as 0.0.0.0:80 and [::]:80."""

    def of(self, name: str) -> Promise:
        """Return the promise for the process `name`."""
        return self.programs.get(name, Promise())


_Word = TypeVar("_Word", bound=StrEnum)
_Number = TypeVar("_Number", int, int | None)
_Probe = TypeVar("_Probe", Probe, Probe | None)


class _Object:
    """A JSON object whose keys are taken one by one, and where it stands in which file."""

    def __init__(self, file: Path, where: str, value: object) -> None:
        self._file = file
        self._where = where
        if not isinstance(value, dict):
            raise self._error("", "not an object")
        self._left: dict[str, Any] = dict(value)

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str) or not value:
            raise self._error(key, "not a text" if value is not None else "missing")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise self._error(key, f"{value!r} is neither true nor false")
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    def word(self, key: str, default: _Word) -> _Word:
        """Return one of the words of an enumeration."""
        value = self._left.pop(key, default)
        try:
            return type(default)(value)
        except ValueError:
            raise self._error(key, f"{value!r} is not one of {', '.join(type(default))}") from None

    def restart(self) -> Restart | None:
        return self.word("restart", Restart.ALWAYS) if self.has("restart") else None

    def number(self, key: str, default: _Number) -> _Number:
        value = self._left.pop(key, default)
        if value is not default and (not isinstance(value, int) or isinstance(value, bool)):
            raise self._error(key, f"{value!r} is not a whole number")
        return value

    def probe(self, key: str, default: _Probe) -> _Probe:
        value = self._left.pop(key, None)
        if value is None:
            return default
        try:
            return Probe.parse(value)
        except (ValueError, AttributeError):
            raise self._error(key, f"{value!r} is no probe: it begins with one of {', '.join(Kind)}") from None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._error(key, "not a list of texts")
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        value = self._left.pop(key, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._error(key, "not an object of texts")
        return value

    def list_of_objects(self, key: str) -> list["_Object"]:
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise self._error(key, "not a list")
        return [_Object(self._file, f"{self._path(key)}.{at}", each) for at, each in enumerate(value)]

    def object(self, key: str) -> "_Object | None":
        value = self._left.pop(key, None)
        return None if value is None else _Object(self._file, self._path(key), value)

    def objects(self, key: str) -> dict[str, "_Object"]:
        """Return the objects in the object `key` by name."""
        inner = _Object(self._file, self._path(key), self._left.pop(key, {}))
        return {name: _Object(self._file, inner._path(name), value) for name, value in inner._left.items()}

    def end(self) -> None:
        """Refuse what nobody took: a key that is misspelt would be a promise silently not kept."""
        for key in self._left:
            raise self._error(key, "unknown key")

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}".strip(".")

    def _error(self, key: str, why: str) -> PromiseError:
        where = self._path(key)
        return PromiseError(f"cannot read {self._file}: {f'{where}: ' if where else ''}{why}")


def load(file: Path) -> Promises:
    """Read the promises in `file`; PromiseError if it is missing, no JSON, or has what is not known."""
    try:
        value = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise PromiseError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise PromiseError(f"cannot read {file}: {error}") from error
    top = _Object(file, "", value)
    promises = Promises(
        ready_file=Path(top.text("ready_file")),
        programs={name: _promise(each) for name, each in top.objects("programs").items()},
        on_failure=top.word("on_failure", OnFailure.EXIT),
        stop_seconds=top.number("stop_seconds", 8),
        drain_seconds=top.number("drain_seconds", 0),
        pre_stop=tuple(map(_pre_stop, top.list_of_objects("pre_stop"))),
        log_format=top.word("log_format", LogFormat.TEXT),
        listen=top.texts("listen"),
    )
    top.end()
    return promises


def _promise(each: _Object) -> Promise:
    promise = Promise(
        essential=each.flag("essential", default=False),
        after=each.texts("after"),
        ready=each.probe("ready", RUNNING),
        live=each.probe("live", None),
        restart=each.restart(),
        memory_limit=each.number("memory_limit", None),
        tier=each.number("tier", 0),
        environment=each.mapping("environment"),
        raw=each.flag("raw", default=False),
        reload=_reload(each.object("reload")),
        as_root=each.flag("as_root", default=False) if each.has("as_root") else None,
    )
    each.end()
    return promise


def _pre_stop(each: _Object) -> PreStop:
    hook = PreStop(each.text("name"), each.texts("command"), each.flag("as_root", default=False))
    each.end()
    return hook


def _reload(each: _Object | None) -> Reload | None:
    if each is None:
        return None
    reload = Reload(tuple(map(Path, each.texts("files"))), each.text("signal"))
    each.end()
    return reload
