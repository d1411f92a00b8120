"""Hooks: the user's scripts that run at fixed steps of a boot, found by folder and file name."""

import codecs
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Final

from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import NO_SUSPECTS, Trust

PRE_MIGRATE: Final = "pre-migrate"
POST_MIGRATE: Final = "post-migrate"
PRE_START: Final = "pre-start"
PRE_STOP: Final = "pre-stop"
_STEPS: Final = (PRE_MIGRATE, POST_MIGRATE, PRE_START, PRE_STOP)
_SHELL: Final = "/bin/sh"
SOURCED_SUFFIX: Final = ".envsh"
_ONCE: Final = ".once"  # before the suffix
_DIGITS: Final = 16
_LONGEST_LINE: Final = 4096
_PRESTART: Final = "prestart.sh"  # the tiangolo/ images source this file too


@dataclass(frozen=True)
class Hook:
    """One script that a boot or a stop runs."""

    path: PurePosixPath
    command: tuple[str, ...] = ()  # empty if it is sourced, to keep its exports
    account: Account | None = None  # the user that it runs as; None for the current user
    once_for: str = ""  # a hook that runs once: the digest of its text, or the release; empty: it runs at each start

    @property
    def sourced(self) -> bool:
        """Whether a shell sources it for its exported variables."""
        return not self.command

    @property
    def ends_at_an_error(self) -> bool:
        """Whether a failing command ends it: the tiangolo/ images source prestart.sh under `set -e`."""
        return self.path.name == _PRESTART

    def __str__(self) -> str:
        return shown(self.path.name)


@dataclass(frozen=True)
class Hooks:
    """The hooks of each step in their order, the ignored names and the problems."""

    by_step: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, step: str) -> tuple[Hook, ...]:
        """Return the hooks of a step, in their order."""
        return self.by_step.get(step, ())

    @property
    def prepare(self) -> bool:
        """Whether any hook runs after the application is loaded and before it is served."""
        late = (*self.of(PRE_MIGRATE), *self.of(POST_MIGRATE), *self.of(PRE_START))
        return any(hook not in self.before_loading for hook in late)

    @property
    def before_loading(self) -> tuple[Hook, ...]:
        """The hooks that are sourced before the application is loaded, for its settings and migrations."""
        return tuple(hook for hook in self.of(PRE_MIGRATE) if hook.sourced)


@dataclass(frozen=True)
class Finder:
    """Finds the hooks in their folders."""

    folder: Path
    app_dir: Path
    python: PurePosixPath
    python_path: str  # the PYTHONPATH of the environment
    root: bool
    account: Account | None = None  # the application's user; None for the current user
    trust: Trust = NO_SUSPECTS

    def find(self, *, required: bool) -> Hooks:
        """Return the hooks. If the folder is `required`, it is a problem if it does not exist."""
        found: dict[str, list[Hook]] = {step: [] for step in _STEPS}
        ignored: list[str] = []
        problems: list[str] = []
        for step, path in self._candidates(problems, required=required):
            hook = self._hook(path) if _is_file(path) else None
            if step is None or hook is None:
                ignored.append(shown(path.name))
            elif step == PRE_STOP and hook.sourced:
                problems.append(f"cannot use hook {shown(str(path))}: no program after it can use its exports")
            elif self.root and (open_to_all := _writable_by_all(path)):
                what = "it" if open_to_all == path else shown(str(open_to_all))
                problems.append(
                    f"cannot use hook {shown(str(path))} as root: anyone can write {what}; run chmod o-w to fix it"
                )
            elif why := _once_fault(step, hook) or self.trust.read(path, partial(_windows_fault, path)):
                problems.append(f"cannot run hook {hook}: {why}")
            elif _runs_once(path):
                found[step].append(replace(hook, once_for=self.trust.read(path, partial(_digest, path))))
            else:
                found[step].append(hook)
        for hooks in found.values():  # the hooks of pre-start come from three folders
            hooks.sort(key=lambda hook: in_version_order(hook.path.name))
        return Hooks({step: tuple(hooks) for step, hooks in found.items() if hooks}, tuple(ignored), tuple(problems))

    def _candidates(self, problems: list[str], *, required: bool) -> Iterator[tuple[str | None, Path]]:
        """Yield every candidate file with its step; None if its folder is not a step's."""
        for path in _listed(self.folder, problems, required=required):
            if not os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises without permission
                yield PRE_START, path
            elif (step := path.name.removesuffix(".d")) in _STEPS and path.name.endswith(".d"):
                yield from ((step, inner) for inner in _listed(path, problems, required=True))
            else:
                yield None, path
        for folder in dict.fromkeys((Path("/app"), self.app_dir)):
            if _is_file(folder / _PRESTART):
                yield PRE_START, folder / _PRESTART

    def _hook(self, path: Path) -> Hook | None:
        # A file that the application's user can write runs as that user.
        account = self.account if self.trust.fault(path) else None
        if path.suffix == SOURCED_SUFFIX or path.name == _PRESTART:
            return Hook(PurePosixPath(path), account=account)
        if path.suffix == ".py":
            # As with `python manage.py`, the application can be imported. Never import it as root.
            modules = ":".join(filter(None, (str(self.app_dir), self.python_path)))
            command = ("/usr/bin/env", f"PYTHONPATH={modules}", str(self.python), str(path))
            return Hook(PurePosixPath(path), command, self.account)
        if path.suffix == ".sh":
            by_itself = self.trust.read(path, partial(_runs_by_itself, path))
            return Hook(PurePosixPath(path), (str(path),) if by_itself else (_SHELL, str(path)), account)
        return None


def _once_fault(step: str, hook: Hook) -> str | None:
    """Return why a hook cannot run once."""
    if not _runs_once(hook.path):
        return None
    if hook.sourced:
        return "its variables are needed at each start, so it cannot run once"
    if step not in (POST_MIGRATE, PRE_START):
        return f"a hook that runs once is recorded in the database; move it to {POST_MIGRATE}.d or {PRE_START}.d"
    return None


def _runs_once(path: PurePath) -> bool:
    return path.stem.endswith(_ONCE)


def _digest(path: Path) -> str:
    import hashlib  # noqa: PLC0415 -- needed for such hooks only

    return f"text {hashlib.sha256(_beginning(path, -1)).hexdigest()[:_DIGITS]}"


def _beginning(path: Path, size: int) -> bytes:
    """Return the first bytes of a hook, or with -1 all; none if it cannot be read, for which the shell says why."""
    try:
        with path.open("rb") as opened:
            return opened.read(size)
    except OSError:
        return b""


def in_version_order(name: str) -> tuple[str | int, ...]:
    """Return the sort key of a name in version order, as `sort -V`: 9 before 10."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split(r"([0-9]+)", name)))


def _listed(folder: Path, problems: list[str], *, required: bool) -> list[Path]:
    """Return the paths in a folder in version order, without hidden names, such as a ConfigMap's versions."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 -- names are sorted
    except OSError as error:
        if required or not isinstance(error, FileNotFoundError):
            problems.append(f"cannot read the hooks in {shown(str(folder))}: {error.strerror}")
        return []
    return [folder / name for name in sorted(names, key=in_version_order)]


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 -- Path.is_file raises without permission


def _runs_by_itself(path: Path) -> bool:
    return os.access(path, os.X_OK) and _beginning(path, 2) == b"#!"


def _windows_fault(path: Path) -> str | None:
    """Return why a shell cannot run a script that a Windows editor saved, and the fix; None for a Python script."""
    if path.suffix == ".py":
        return None
    first, newline, _ = _beginning(path, _LONGEST_LINE).partition(b"\n")
    if first.startswith(codecs.BOM_UTF8):
        return f"it begins with a byte order mark (BOM); sed -i '1s/^\\xef\\xbb\\xbf//' {shown(path.name)} removes it"
    if newline and first.endswith(b"\r"):
        return f"it has Windows line endings (CRLF); sed -i 's/\\r$//' {shown(path.name)} removes them"
    return None


def _writable_by_all(path: Path) -> Path | None:
    """Return the file or its folder if any user can write it; nobody can write a read-only mount."""
    for place in (path, path.parent):
        if place.stat().st_mode & stat.S_IWOTH and not os.statvfs(place).f_flag & os.ST_RDONLY:
            return place
    return None
