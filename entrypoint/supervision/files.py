"""Reloads a program when its files change, such as a renewed certificate."""

import os
import sched
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

INTERVAL = 60.0
"""Seconds between two checks of the files."""

Stamps = Mapping[Path, tuple[int, int, int, int] | None]


def watch(files: Iterable[Path], reload: Callable[[], bool], timers: sched.scheduler) -> None:
    """Call `reload` after a change of the files; if it returns False, call it again at the next check."""
    stamps = {file: _stamp(file) for file in files}
    timers.enter(INTERVAL, 0, _check, (stamps, reload, timers))


def _check(before: Stamps, reload: Callable[[], bool], timers: sched.scheduler) -> None:
    """Compare the files with their state when the program last read them."""
    # A missing file is about to be replaced: it counts as changed once it exists again.
    now = {file: _stamp(file) or stamp for file, stamp in before.items()}
    stamps = now if now == before or reload() else before
    timers.enter(INTERVAL, 0, _check, (stamps, reload, timers))


def _stamp(file: Path) -> tuple[int, int, int, int] | None:
    """Return what distinguishes a file from its replacement, following links; None if it is missing."""
    try:
        stat = os.stat(file)  # noqa: PTH116 - the name that the manual page of stat(2) is known by
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
