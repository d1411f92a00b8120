"""How much memory a program takes, and the limit above which it is replaced."""

import sched
from collections.abc import Callable

INTERVAL = 10.0
"""Seconds between two looks: each reads the memory maps of all its processes."""

MIB = 1024 * 1024


class MemoryLimit:
    """Looks at a program while it runs."""

    def __init__(
        self,
        timers: sched.scheduler,
        limit: int,
        pid: Callable[[], int],
        exceeded: Callable[[str], None],
        unreadable: Callable[[str], None],
    ) -> None:
        """`limit` is in bytes; `exceeded` is told the reason, `unreadable` why the memory cannot be known."""
        self._timers = timers
        self._limit = limit
        self._pid = pid
        self._exceeded = exceeded
        self._unreadable = unreadable
        self._timer: sched.Event | None = None

    def begin(self) -> None:
        """Look from now on."""
        self.end()
        self._timer = self._timers.enter(INTERVAL, 0, self._look)

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        try:
            taken = pss(self._pid())
        except PermissionError as error:
            self._unreadable(f"cannot read the memory of process {error.args[0]}: not allowed")
            return
        if taken > self._limit:
            self._exceeded(f"{taken / MIB:.1f} MiB of memory, and its limit is {self._limit / MIB:.1f} MiB")
        else:
            self.begin()


def pss(pid: int) -> int:
    """Return the bytes that `pid` and its descendants take, what they share counted once.

    Raises PermissionError with the PID of a process that we may not look into.
    """
    import psutil  # noqa: PLC0415 - 16 ms, for those alone who have a limit

    try:
        leader = psutil.Process(pid)
        processes = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for each in processes:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:  # it has ended meanwhile
            continue
        except psutil.AccessDenied as error:
            raise PermissionError(each.pid) from error
    return total
