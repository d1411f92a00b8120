"""Files that a program has to be told of when they change: a certificate was renewed."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

INTERVAL = 60.0
"""Seconds between two looks at the files."""

Stamp = tuple[int, int, int, int]


class Files:
    """Some files of one program, and how they were when it was last told."""

    def __init__(self, files: Iterable[Path], tell: Callable[[], bool]) -> None:
        """`tell` tells the program, and whether it could be told."""
        self._tell = tell
        self._stamps: dict[Path, Stamp | None] = {file: _stamp(file) for file in files}

    def look(self) -> None:
        """Tell the program if a file has changed; if it cannot be told now, the next look does it.

        A file that is missing is about to be replaced: it has changed when it is there again.
        """
        now = {file: _stamp(file) or before for file, before in self._stamps.items()}
        if now != self._stamps and self._tell():
            self._stamps = now


class Watch:
    """All such files, looked at every `interval` seconds of a monotonic clock."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._files: list[Files] = []
        self._next = clock() + interval

    def add(self, files: Iterable[Path], tell: Callable[[], bool]) -> None:
        """Look at `files`, too, and call `tell` until it says that the program was told."""
        self._files.append(Files(files, tell))

    def due(self) -> float:
        """Return the seconds until the next look."""
        return self._next - self._clock() if self._files else float("inf")

    def look(self) -> None:
        """Look if it is time."""
        if self.due() > 0:
            return
        self._next = self._clock() + self._interval
        for each in self._files:
            each.look()


def _stamp(file: Path) -> Stamp | None:
    """Return what tells a file from its successor, through all symbolic links; None if it is missing."""
    try:
        stat = os.stat(file)  # noqa: PTH116 - the name that the manual page of stat(2) is known by
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
