"""Whether the container is ready, and the file that says so."""

import os
import sched
from collections.abc import Callable, Iterable
from pathlib import Path

READY = '{"phase": "ready"}\n'
FIRST = "first-ready"
"""The empty file beside it, as old as the first moment of readiness: a later one says nothing of the boot."""

AGAIN = 1.0
"""Seconds until a change of the file that failed is tried again."""


class Readiness:
    """The programs that are ready, and a file that exists exactly while all the essential ones are."""

    def __init__(
        self,
        essential: Iterable[str],
        file: Path,
        became_ready: Callable[[], None],
        timers: sched.scheduler,
        complain: Callable[[str], None],
    ) -> None:
        """Remove what a killed container left; call `became_ready` each time all are ready.

        `complain` is told when the file begins to be wrong, because the disk is full for example, and when it is right.
        """
        self._essential = frozenset(essential)
        self._ready: set[str] = set()
        self._file = file
        self._became_ready = became_ready
        self._open = False
        self._written = False
        self._timers = timers
        self._complain = complain
        self._failing = False
        self._retry: sched.Event | None = None
        self._first = file.with_name(FIRST)
        for left in (file, self._first):
            left.unlink(missing_ok=True)

    def begin(self) -> None:
        """Take programs that are ready for what they are: supervisord runs."""
        self._open = True
        self._tell()

    def end(self) -> None:
        """Be not ready any more: a stop has begun."""
        self._open = False
        self._tell()

    def add(self, name: str) -> None:
        """Note that the program `name` is ready."""
        self._ready.add(name)
        self._tell()

    def remove(self, name: str) -> None:
        """Note that the program `name` is not ready."""
        self._ready.discard(name)
        self._tell()

    def has(self, names: Iterable[str]) -> bool:
        """Return whether all the programs `names` are ready."""
        return self._ready.issuperset(names)

    def _tell(self) -> None:
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
            self._complain(f"{'wrote' if ready else 'removed'} {self._file} after all")
        self._failing = False
        self._written = ready
        if ready:
            self._became_ready()

    def _failed(self, why: str) -> None:
        """Say it once, and try until the file says what is true."""
        if not self._failing:
            self._complain(f"{why}; trying again every {AGAIN:g} s")
        self._failing = True
        if self._retry is None:
            self._retry = self._timers.enter(AGAIN, 0, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._tell()

    def _write(self) -> None:
        """Write the file so that a reader, of any user, finds all of it or nothing."""
        beside = self._file.with_name(f".{self._file.name}.new")
        beside.write_text(READY, "utf-8")
        beside.chmod(0o644)
        if not self._first.exists():
            self._first.touch()
        os.replace(beside, self._file)  # noqa: PTH105 - the name that the manual page of rename(2) is known by
