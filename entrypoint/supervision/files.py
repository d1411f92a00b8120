"""Reloads a program when its files change, such as a renewed certificate."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

INTERVAL = 60.0
"""Seconds between two checks of the files."""

Stamp = tuple[int, int, int, int]


class Files:
    """Files of one program, and their state when the program last read them."""

    def __init__(self, files: Iterable[Path], reload: Callable[[], bool]) -> None:
        """`reload` reloads the program and returns whether that was possible."""
        self._reload = reload
        self._stamps: dict[Path, Stamp | None] = {file: _stamp(file) for file in files}

    def check(self) -> None:
        """Reload the program if a file has changed; if that is not possible now, the next check tries again.

        A missing file is about to be replaced: it counts as changed once it exists again.
        """
        now = {file: _stamp(file) or before for file, before in self._stamps.items()}
        if now != self._stamps and self._reload():
            self._stamps = now


class Watch:
    """The files of all programs, checked every `interval` seconds of a monotonic clock."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._files: list[Files] = []
        self._next = clock() + interval

    def add(self, files: Iterable[Path], reload: Callable[[], bool]) -> None:
        """Watch `files`; after a change call `reload` at each check until it returns True."""
        self._files.append(Files(files, reload))

    def due(self) -> float:
        """Return the seconds until the next check."""
        return self._next - self._clock() if self._files else float("inf")

    def check(self) -> None:
        """Check the files if it is time."""
        if self.due() > 0:
            return
        self._next = self._clock() + self._interval
        for each in self._files:
            each.check()


def _stamp(file: Path) -> Stamp | None:
    """Return what distinguishes a file from its replacement, following links; None if it is missing."""
    try:
        stat = os.stat(file)  # noqa: PTH116 - the name that the manual page of stat(2) is known by
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
