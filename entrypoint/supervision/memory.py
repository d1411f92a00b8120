"""The memory limit of a program, above which it is restarted."""

import os
import re
import sched
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

INTERVAL = 10.0
"""Seconds between two checks. A check reads the memory of all processes of the program."""

MIB = 1024 * 1024

_PSS = re.compile(rb"^Pss: +([0-9]+) kB$", re.MULTILINE)
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4  # <linux/prctl.h>


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
        self._timers = timers
        self._limit = limit
        self._pid = pid
        self._exceeded = exceeded
        self._log = log
        self._measure = pss
        self._timer: sched.Event | None = None

    def begin(self) -> None:
        """Start checking."""
        self.end()
        self._timer = self._timers.enter(INTERVAL, 0, self._check)

    def end(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        used = self._used()
        if used > self._limit:
            self._exceeded(f"{used / MIB:.1f} MiB of memory used, and the limit is {self._limit / MIB:.1f} MiB")
        else:
            self.begin()

    def _used(self) -> int:
        processes = tree(self._pid())
        try:
            return sum(map(self._measure, processes))
        except PermissionError as error:  # a program that runs as another user again, or has capabilities
            self._measure = resident
            self._log(
                f"counts resident memory without files, because {error.filename} cannot be read ({error.strerror}): "
                "memory that several processes share counts once for each"
            )
            return sum(map(self._measure, processes))


def tree(pid: int) -> list[int]:
    """Return `pid` and its descendants; nothing if it has ended."""
    import psutil  # noqa: PLC0415 - 16 ms, needed only for a limit

    try:
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def pss(pid: int) -> int:
    """Return the bytes that a process uses: its own memory, and its part of what it shares; 0 if it has ended.

    Raises PermissionError.
    """
    file = Path(f"/proc/{pid}/smaps_rollup")
    try:
        with _as_owner(file.parent):
            text = file.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = _PSS.search(text)
    return int(found[1]) * 1024 if found else 0  # a process that has just ended has no memory


def resident(pid: int) -> int:
    """Return the bytes of a process that are in memory and belong to no file, which every user may read."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGESIZE")  # proc(5): resident, shared


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Access files as the owner of a process's `folder` in /proc.

    Root may read the memory of other users' processes only with CAP_SYS_PTRACE, which Docker does not grant; their
    owner may. The kernel checks the user for access to files, setfsuid(2), when the file is opened (ptrace(2)).
    """
    owner = folder.stat()
    if os.geteuid() or not owner.st_uid:
        yield
        return
    import ctypes  # noqa: PLC0415 - 8 ms, needed only for a limit

    libc = ctypes.CDLL(None)
    dumpable = libc.prctl(_GET_DUMPABLE)
    libc.setfsgid(owner.st_gid)
    libc.setfsuid(owner.st_uid)
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)
        libc.prctl(_SET_DUMPABLE, dumpable)  # the change of user has reset it, and hidden our own memory
