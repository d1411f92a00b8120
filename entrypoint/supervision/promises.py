"""What boot asks supervision to keep: promises.json, read at the start of each round of supervisord."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class PromiseError(ValueError):
    """The promises cannot be read; the message names the file and the key."""


class Ready(StrEnum):
    """How a program is known to be ready."""

    RUNNING = "running"
    """supervisord calls it RUNNING: it has lived for `startsecs`."""
    NOTIFY = "notify"
    """It has sent READY=1 to $NOTIFY_SOCKET, see sd_notify(3)."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised of one program. The defaults hold for a program that the file does not name."""

    essential: bool = False
    """The container ends when it is lost for good, and is not ready without it."""
    ready: Ready = Ready.RUNNING


@dataclass(frozen=True, slots=True)
class Promises:
    """What is promised of all programs together."""

    ready_file: Path
    """It exists exactly while every essential program is ready and no stop has begun."""
    programs: Mapping[str, Promise] = field(default_factory=dict)
    """By supervisord's name of the process."""

    def of(self, name: str) -> Promise:
        """Return the promise for the process `name`."""
        return self.programs.get(name, Promise())


class _Object:
    """A JSON object whose keys are taken one by one, and where it stands in which file."""

    def __init__(self, file: Path, where: str, value: object) -> None:
        self._file = file
        self._where = where
        if not isinstance(value, dict):
            raise self._error("", "not an object")
        self._left: dict[str, Any] = dict(value)

    def text(self, key: str) -> str:
        value = self._left.pop(key, None)
        if not isinstance(value, str) or not value:
            raise self._error(key, "not a text" if value is not None else "missing")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._left.pop(key, default)
        if not isinstance(value, bool):
            raise self._error(key, f"{value!r} is neither true nor false")
        return value

    def ready(self, key: str, *, default: Ready) -> Ready:
        value = self._left.pop(key, default)
        try:
            return Ready(value)
        except ValueError:
            raise self._error(key, f"{value!r} is not one of {', '.join(Ready)}") from None

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
    ready_file = top.text("ready_file")
    programs = {name: _promise(each) for name, each in top.objects("programs").items()}
    top.end()
    return Promises(Path(ready_file), programs)


def _promise(each: _Object) -> Promise:
    unnamed = Promise()
    promise = Promise(
        essential=each.flag("essential", default=unnamed.essential),
        ready=each.ready("ready", default=unnamed.ready),
    )
    each.end()
    return promise
