"""Hooks: the user's own commands at fixed points of a boot, found in folders and told apart by their names."""

import codecs
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot.settings.values import shown
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import NO_SUSPECTS, Trust

PRE_MIGRATE: Final = "pre-migrate"
POST_MIGRATE: Final = "post-migrate"
PRE_START: Final = "pre-start"
PRE_STOP: Final = "pre-stop"
_PHASES: Final = (PRE_MIGRATE, POST_MIGRATE, PRE_START, PRE_STOP)
_SHELL: Final = "/bin/sh"
_SOURCED: Final = ".envsh"
_LONGEST_LINE: Final = 4096
_PRESTART: Final = "prestart.sh"  # known from images that begin with tiangolo/, which source it too


@dataclass(frozen=True)
class Hook:
    """One file of the user's that a boot, or a stop, runs."""

    path: PurePosixPath
    command: tuple[str, ...] = ()  # none: it is sourced, so that what it exports lasts
    account: Account | None = None  # who it runs as; None: whoever runs us

    @property
    def sourced(self) -> bool:
        """Whether a shell reads it for the variables that it exports."""
        return not self.command

    def __str__(self) -> str:
        return shown(self.path.name)


@dataclass(frozen=True)
class Hooks:
    """What was found: the hooks of each phase in their order, and what is none."""

    by_phase: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, phase: str) -> tuple[Hook, ...]:
        """Return the hooks of a phase, in their order."""
        return self.by_phase.get(phase, ())

    @property
    def prepare(self) -> bool:
        """Whether there are any that run after the application was loaded, and before it is served."""
        late = (*self.of(PRE_MIGRATE), *self.of(POST_MIGRATE), *self.of(PRE_START))
        return any(hook not in self.before_loading for hook in late)

    @property
    def before_loading(self) -> tuple[Hook, ...]:
        """What is sourced before the application is loaded, for its settings and its migrations."""
        return tuple(hook for hook in self.of(PRE_MIGRATE) if hook.sourced)


@dataclass(frozen=True)
class Finder:
    """Where hooks are looked for, and what runs them."""

    folder: Path
    app_dir: Path
    python: PurePosixPath
    python_path: str  # PYTHONPATH as the environment has it
    root: bool
    account: Account | None = None  # who the application runs as; None: as we do
    trust: Trust = NO_SUSPECTS

    def find(self, *, required: bool) -> Hooks:
        """Return the hooks; where the folder is `required`, it is a problem that it is not there."""
        found: dict[str, list[Hook]] = {phase: [] for phase in _PHASES}
        passed_over: list[str] = []
        problems: list[str] = []
        for phase, path in self._candidates(problems, required=required):
            hook = self._hook(path) if _is_file(path) else None
            if phase is None or hook is None:
                passed_over.append(shown(path.name))
            elif phase == PRE_STOP and hook.sourced:
                problems.append(f"cannot use hook {shown(str(path))}: nothing that it could export to comes after it")
            elif self.root and (open_to_all := _writable_by_all(path)):
                what = "it" if open_to_all == path else shown(str(open_to_all))
                problems.append(
                    f"cannot use hook {shown(str(path))} as root: anyone may write {what}; chmod o-w mends it"
                )
            elif why := _of_windows(path):
                problems.append(f"cannot run hook {hook}: {why}")
            else:
                found[phase].append(hook)
        for hooks in found.values():  # those of pre-start come from three places
            hooks.sort(key=lambda hook: in_version_order(hook.path.name))
        return Hooks(
            {phase: tuple(hooks) for phase, hooks in found.items() if hooks}, tuple(passed_over), tuple(problems)
        )

    def _candidates(self, problems: list[str], *, required: bool) -> Iterator[tuple[str | None, Path]]:
        """Yield every file in question with its phase; None where the place is no phase's."""
        for path in _listed(self.folder, problems, required=required):
            if not os.path.isdir(path):  # noqa: PTH112 -- Path.is_dir raises where it may not look
                yield PRE_START, path
            elif (phase := path.name.removesuffix(".d")) in _PHASES and path.name.endswith(".d"):
                yield from ((phase, inner) for inner in _listed(path, problems, required=True))
            else:
                yield None, path
        for folder in dict.fromkeys((Path("/app"), self.app_dir)):
            if _is_file(folder / _PRESTART):
                yield PRE_START, folder / _PRESTART

    def _hook(self, path: Path) -> Hook | None:
        # What the application's user can write runs as that user.
        account = self.account if self.trust.fault(path) else None
        if path.suffix == _SOURCED or path.name == _PRESTART:
            return Hook(PurePosixPath(path), account=account)
        if path.suffix == ".py":
            # As `python manage.py` would have it: the application can be imported. Root imports no application.
            modules = ":".join(filter(None, (str(self.app_dir), self.python_path)))
            command = ("/usr/bin/env", f"PYTHONPATH={modules}", str(self.python), str(path))
            return Hook(PurePosixPath(path), command, self.account)
        if path.suffix == ".sh":
            return Hook(PurePosixPath(path), (str(path),) if _runs_by_itself(path) else (_SHELL, str(path)), account)
        return None


def in_version_order(name: str) -> tuple[str | int, ...]:
    """Return what sorts names as `sort -V` does: 9 before 10."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split(r"([0-9]+)", name)))


def _listed(folder: Path, problems: list[str], *, required: bool) -> list[Path]:
    """Return what is in a folder, in order, without what begins with a dot, as a ConfigMap's own versions do."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]  # noqa: PTH208 -- names are what is sorted
    except OSError as error:
        if required or not isinstance(error, FileNotFoundError):
            problems.append(f"cannot read the hooks in {shown(str(folder))}: {error.strerror}")
        return []
    return [folder / name for name in sorted(names, key=in_version_order)]


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 -- Path.is_file raises where it may not look


def _runs_by_itself(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            return os.access(path, os.X_OK) and opened.read(2) == b"#!"
    except OSError:
        return False  # the shell will say why it cannot be read


def _of_windows(path: Path) -> str | None:
    """Return why neither the kernel nor a shell can read a script as an editor of Windows saves it, and what mends it.

    Python can read both.
    """
    if path.suffix == ".py":
        return None
    try:
        with path.open("rb") as opened:
            first = opened.readline(_LONGEST_LINE)
    except OSError:
        return None  # the shell will say why it cannot be read
    if first.startswith(codecs.BOM_UTF8):
        return f"it begins with a byte order mark (BOM); sed -i '1s/^\\xef\\xbb\\xbf//' {shown(path.name)} removes it"
    if first.endswith(b"\r\n"):
        return f"it has Windows line endings (CRLF); sed -i 's/\\r$//' {shown(path.name)} removes them"
    return None


def _writable_by_all(path: Path) -> Path | None:
    """Return the file or its folder, whichever anyone may write; a mount that is read-only nobody may."""
    for place in (path, path.parent):
        if place.stat().st_mode & stat.S_IWOTH and not os.statvfs(place).f_flag & os.ST_RDONLY:
            return place
    return None
