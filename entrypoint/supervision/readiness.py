"""Whether the container is ready, and the file that shows it."""

import contextlib
import json
import os
import sched
from collections.abc import Callable, Iterable
from pathlib import Path

READY = '{"phase": "ready"}\n'
PHASE = "starting application"
REASON = "unready.json"
"""A file beside it: why the container is not ready although its programs run. nginx serves it as /-/ready."""

FIRST = "first-ready"
"""An empty file beside it, created when the container is ready for the first time: the end of the boot."""

AGAIN = 1.0
"""Seconds until a failed change of the file is tried again."""


class Readiness:
    """The programs that are ready, and a file that exists exactly while all the essential ones are."""

    def __init__(
        self,
        essential: Iterable[str],
        file: Path,
        became_ready: Callable[[], None],
        timers: sched.scheduler,
        log: Callable[[str], None],
    ) -> None:
        """Remove the files that a killed container left; call `became_ready` whenever the container becomes ready.

        `log` is called when the file cannot be changed, because the disk is full for example, and when it can again.
        """
        self._essential = frozenset(essential)
        self._ready: set[str] = set()
        self._file = file
        self._became_ready = became_ready
        self._open = False
        self._written = False
        self._timers = timers
        self._log = log
        self._failing = False
        self._retry: sched.Event | None = None
        self._first = file.with_name(FIRST)
        self._reason = file.with_name(REASON)
        self._reasons: dict[str, str] = {}
        for left in (file, self._first, self._reason):
            left.unlink(missing_ok=True)

    def begin(self) -> None:
        """Report readiness from now on: supervisord runs."""
        self._open = True
        self._update()

    def end(self) -> None:
        """Report no readiness from now on: a stop has begun."""
        self._open = False
        self._update()

    def add(self, name: str) -> None:
        """Record that the program `name` is ready."""
        self._ready.add(name)
        self._forget(name)
        self._update()

    def remove(self, name: str) -> None:
        """Record that the program `name` is not ready."""
        self._ready.discard(name)
        self._forget(name)
        self._update()

    def explain(self, name: str, why: str) -> None:
        """Tell clients why the program `name` is not ready, until it is ready or no longer runs."""
        self._reasons[name] = why
        self._write_reason()

    def _forget(self, name: str) -> None:
        if self._reasons.pop(name, None):
            self._write_reason()

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all the programs `names` are ready."""
        return self._ready.issuperset(names)

    def _update(self) -> None:
        ready = self._open and self._essential <= self._ready
        if ready == self._written:
            self._failing = False
            return
        try:
            if ready:
                self._write()
            else:
                self._file.unlink(missing_ok=True)
        except OSError as error:
            self._failed(f"cannot {'write' if ready else 'remove'} {self._file}: {error.strerror}")
            return
        if self._failing:
            self._log(f"{'wrote' if ready else 'removed'} {self._file} after earlier failures")
        self._failing = False
        self._written = ready
        if ready:
            self._became_ready()

    def _failed(self, why: str) -> None:
        """Log the first failure, and try again until the file is correct."""
        if not self._failing:
            self._log(f"{why}; trying again every {AGAIN:g} s")
        self._failing = True
        if self._retry is None:
            self._retry = self._timers.enter(AGAIN, 0, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._update()

    def _write(self) -> None:
        beside = _written_beside(self._file, READY)
        if not self._first.exists():
            self._first.touch()
        os.replace(beside, self._file)  # noqa: PTH105 - named like rename(2)

    def _write_reason(self) -> None:
        with contextlib.suppress(OSError):  # the reason is in the log, too
            if self._reasons:
                value = {"phase": PHASE, "why": "; ".join(f"{name}: {why}" for name, why in self._reasons.items())}
                os.replace(_written_beside(self._reason, json.dumps(value) + "\n"), self._reason)  # noqa: PTH105 - as above
            else:
                self._reason.unlink(missing_ok=True)


def _written_beside(file: Path, text: str) -> Path:
    """Write `text` into a new file, readable for every user, that can replace `file` atomically."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    beside.chmod(0o644)
    return beside
