"""Whether the container is ready, and the file that says so."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

READY = '{"phase": "ready"}\n'
FIRST = "first-ready"
"""The empty file beside it, as old as the first moment of readiness: a later one says nothing of the boot."""


class Readiness:
    """The programs that are ready, and a file that exists exactly while all the essential ones are."""

    def __init__(self, essential: Iterable[str], file: Path, became_ready: Callable[[], None]) -> None:
        """Remove what a killed container left; call `became_ready` each time all are ready."""
        self._essential = frozenset(essential)
        self._ready: set[str] = set()
        self._file = file
        self._became_ready = became_ready
        self._open = False
        self._written = False
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
        if ready and not self._written:
            _write(self._file, READY)
            if not self._first.exists():
                self._first.touch()
            self._written = True
            self._became_ready()
        elif self._written and not ready:
            self._file.unlink(missing_ok=True)
            self._written = False


def _write(file: Path, text: str) -> None:
    """Write `file` so that a reader, of any user, finds all of it or nothing."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text, "utf-8")
    beside.chmod(0o644)
    os.replace(beside, file)  # noqa: PTH105 - the name that the manual page of rename(2) is known by
