"""The memory limit of a program, above which it is restarted."""

import os
import sched
from collections.abc import Callable
from pathlib import Path

from entrypoint.processes.memory import pss
from entrypoint.processes.table import family
from entrypoint.supervision.tasks import Timer

INTERVAL = 10.0
"""Seconds between two checks. A check reads the memory of all processes of the program."""

MIB = 1024 * 1024


class MemoryLimit:
    """Checks the memory of a program while it runs."""

    def __init__(
        self,
        timers: sched.scheduler,
        limit: int,
        pid: Callable[[], int],
        exceeded: Callable[[str], None],
        log: Callable[[str], None],
    ) -> None:
        """`limit` is in bytes; `exceeded` gets the reason, `log` once what is measured if it is not the PSS."""
        self._timer = Timer(timers, self._check)
        self.end = self._timer.stop
        self._limit = limit
        self._pid = pid
        self._exceeded = exceeded
        self._log = log
        self._logged = False

    def begin(self) -> None:
        """Start checking."""
        self._timer.start(INTERVAL)

    def _check(self) -> None:
        used = self._used()
        if used > self._limit:
            self._exceeded(f"{used / MIB:.1f} MiB of memory used, and the limit is {self._limit / MIB:.1f} MiB")
        else:
            self.begin()

    def _used(self) -> int:
        processes = [each.pid for each in family(self._pid())]
        try:
            return sum(map(pss, processes))
        except PermissionError as error:  # a program that changes its user, runs as another one, or has capabilities
            if not self._logged:
                self._logged = True
                self._log(
                    f"counts resident memory without files, because {error.filename} cannot be read "
                    f"({error.strerror}): memory that several processes share counts once for each"
                )
            return sum(map(resident, processes))


def resident(pid: int) -> int:
    """Return the resident memory of a process without that of files, in bytes. Every user may read it."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGESIZE")  # proc(5): resident, shared
