"""The memory limit of a program, above which it is restarted."""

import sched
from collections.abc import Callable

INTERVAL = 10.0
"""Seconds between two checks. A check reads the memory maps of all processes of the program."""

MIB = 1024 * 1024


class MemoryLimit:
    """Checks the memory of a program while it runs."""

    def __init__(
        self,
        timers: sched.scheduler,
        limit: int,
        pid: Callable[[], int],
        exceeded: Callable[[str], None],
        unreadable: Callable[[str], None],
    ) -> None:
        """`limit` is in bytes; `exceeded` gets the reason, `unreadable` why the memory cannot be read."""
        self._timers = timers
        self._limit = limit
        self._pid = pid
        self._exceeded = exceeded
        self._unreadable = unreadable
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
        try:
            used = pss(self._pid())
        except PermissionError as error:
            self._unreadable(f"cannot read the memory of process {error.args[0]}: not allowed")
            return
        if used > self._limit:
            self._exceeded(f"{used / MIB:.1f} MiB of memory used, and the limit is {self._limit / MIB:.1f} MiB")
        else:
            self.begin()


def pss(pid: int) -> int:
    """Return the bytes that `pid` and its descendants use; shared memory is counted once.

    Raises PermissionError with the PID of a process whose memory may not be read.
    """
    import psutil  # noqa: PLC0415 - 16 ms, needed only for a limit

    try:
        leader = psutil.Process(pid)
        processes = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for each in processes:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:  # the process has ended
            continue
        except psutil.AccessDenied as error:
            raise PermissionError(each.pid) from error
    return total
