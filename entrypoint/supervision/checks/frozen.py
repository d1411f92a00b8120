"""Whether one of our own servers, which is ready, is frozen: stopped by SIGSTOP, or in a deadlock."""

import errno
import math
import os
import sched
import time
from collections.abc import Callable

from entrypoint.processes.children import children
from entrypoint.processes.table import read
from entrypoint.supervision.checks.health import FailuresInARow, until_next_look
from entrypoint.supervision.checks.probes import Endpoint, attempt
from entrypoint.supervision.tasks import Tasks, Timer

STOPPED = "T"
"""The state in proc(5) after SIGSTOP. A debugger's stop, which strace causes thousands of times a second, is `t`."""


class FrozenProbe:
    """Checks every `health.INTERVAL` seconds whether a ready program is frozen.

    The kernel accepts connections for a frozen program too, so a connection alone shows nothing. The probe reads the
    state of the program's processes. It also opens a connection, closes its own side at once, and waits until the
    program closes the other side. A program in a deadlock does not.
    """

    def __init__(
        self, timers: sched.scheduler, pid: Callable[[], int], acceptance: "Acceptance | None", failures: FailuresInARow
    ) -> None:
        self._timer = Timer(timers, self._check)
        self._pid = pid
        self._acceptance = acceptance
        self._failures = failures

    @property
    def connected(self) -> bool:
        """Whether a connection of this probe is open: to the program it is one that waits."""
        return self._acceptance is not None and self._acceptance.connected

    def begin(self) -> None:
        """Start checking."""
        self.end()
        self._failures.forget()
        if self._acceptance:
            self._acceptance.check()
        self._timer.start(until_next_look())

    def end(self) -> None:
        """Stop checking."""
        if self._acceptance:
            self._acceptance.end()
        self._timer.stop()

    def _check(self) -> None:
        missing = self._acceptance.check() if self._acceptance else None
        if self._failures.record(frozen(self._pid()) or missing):
            self._timer.start(until_next_look())


class Acceptance:
    """Connects to a program again and again, and measures for how long the program has taken no connection."""

    def __init__(self, tasks: Tasks, endpoint: Endpoint, patience: float) -> None:
        """`patience`: the seconds within which a working program takes each connection."""
        self._tasks = tasks
        self._endpoint = endpoint._replace(seconds=math.inf, until_closed=True)
        self._patience = patience
        self._since: float | None = None  # when the first connection began that was not taken
        self._cancel: Callable[[], None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection is open that the program has not closed yet."""
        return self._cancel is not None

    def check(self) -> str | None:
        """Return why the program is frozen, None if it is not. Open the next connection if the last one was taken."""
        waited = 0.0 if self._since is None else time.monotonic() - self._since
        if self._cancel is None:
            self._since = self._since or time.monotonic()
            self._connect()
        return f"took no connection for {waited:.0f} s" if waited > self._patience else None

    def end(self) -> None:
        """Forget the connection that waits."""
        if self._cancel is not None:
            self._cancel()
        self._cancel = self._since = None

    def _connect(self) -> None:
        done = False

        def report(fault: str | None) -> None:
            nonlocal done
            done, self._cancel = True, None
            # EAGAIN: the queue of waiting connections is full, so the program may be frozen. Any other fault does not
            # show that. For example, the user's own configuration may make the program listen at another address.
            if fault != os.strerror(errno.EAGAIN):
                self._since = None

        try:
            cancel = attempt(self._tasks, self._endpoint, report)
        except OSError:  # no descriptor is free
            self._since = None
            return
        if not done:
            self._cancel = cancel


def frozen(pid: int) -> str | None:
    """Return why the program with the first process `pid` is frozen; None if it is not, or if that is unknown.

    A program is frozen if its first process is stopped, or all children of that process are.
    """
    if _stopped(pid):
        return f"process {pid} is stopped (SIGSTOP)"
    started = children(pid)
    if started and all(map(_stopped, started)):
        return f"all children of process {pid} are stopped (SIGSTOP)"
    return None


def _stopped(pid: int) -> bool:
    process = read(pid)
    return process is not None and process.state == STOPPED
