"""The health of one running program: whether it is ready, and then whether it is still alive."""

import sched
import time
from collections.abc import Callable

from entrypoint.supervision.checks.probes import Endpoint, attempt
from entrypoint.supervision.tasks import Tasks, Timer

SOONEST = 0.005
LATEST = 1.0
PART = 0.02
"""The delay between two readiness probes: PART of the time since the start, from SOONEST to LATEST seconds. So the
probes delay a start by a fiftieth at most."""

INTERVAL = 10.0
"""Seconds between two liveness probes."""

UNRESPONSIVE = 2
"""After this many failures in a row the program is not ready, until it responds again."""

FAILURES = 3
"""After this many failures in a row the program is restarted."""


class Polling:
    """Probes one endpoint again and again."""

    def __init__(self, tasks: Tasks, endpoint: Endpoint) -> None:
        self._tasks = tasks
        self._endpoint = endpoint
        self._timer = Timer(tasks.timers, self._attempt)
        self._cancel: Callable[[], None] | None = None

    def end(self) -> None:
        """Stop probing."""
        self._timer.stop()
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _begin(self, seconds: float) -> None:
        """Make the first attempt in `seconds`."""
        self.end()
        self._timer.start(seconds)

    def _report(self, fault: str | None) -> float | None:
        """Take an outcome, None for success; return the seconds until the next attempt, None to stop."""
        raise NotImplementedError

    def _attempt(self) -> None:
        try:
            self._cancel = attempt(self._tasks, self._endpoint, self._finished)
        except OSError as error:  # no descriptor is free
            self._finished(error.strerror)

    def _finished(self, fault: str | None) -> None:
        seconds = self._report(fault)
        if seconds is not None:
            self._timer.start(seconds)


class ReadinessProbe(Polling):
    """Probes a starting program until it is ready."""

    def __init__(self, tasks: Tasks, endpoint: Endpoint, became_ready: Callable[[], None]) -> None:
        super().__init__(tasks, endpoint)
        self._became_ready = became_ready
        self._begun = 0.0
        self.fault = ""
        """Why the last attempt failed."""

    def begin(self) -> None:
        """Start probing."""
        self._begun = time.monotonic()
        self.fault = ""
        self._begin(SOONEST)

    def _report(self, fault: str | None) -> float | None:
        if fault is None:
            self._became_ready()
            return None
        self.fault = fault
        return min(max(SOONEST, PART * (time.monotonic() - self._begun)), LATEST)


class FailuresInARow:
    """Counts the failed liveness probes of one program since the last success."""

    def __init__(self, most: float, unresponsive: Callable[[str | None], None], failed: Callable[[str], None]) -> None:
        """Call `failed` with the reason after `most` failures; infinity stands for never.

        Before that, call `unresponsive` with the reason when the program is no longer ready, and with None when it
        responds again.
        """
        self._most = most
        self._unresponsive = unresponsive
        self._failed = failed
        self._count = 0

    def forget(self) -> None:
        """Reset the count."""
        self._count = 0

    def record(self, fault: str | None) -> bool:
        """Record an outcome, None for success. Return whether to continue probing."""
        before, self._count = self._count, self._count + 1 if fault else 0
        if before >= UNRESPONSIVE and not fault:
            self._unresponsive(None)
        if self._count == UNRESPONSIVE:
            self._unresponsive(f"liveness probe failed {UNRESPONSIVE} times in a row: {fault}")
        if self._count == self._most:
            self._failed(f"liveness probe failed {self._most} times in a row: {fault}")
        return self._count < self._most


class LivenessProbe(Polling):
    """Probes a ready program for its liveness."""

    def __init__(self, tasks: Tasks, endpoint: Endpoint, failures: FailuresInARow) -> None:
        super().__init__(tasks, endpoint)
        self._failures = failures

    def begin(self) -> None:
        """Start probing."""
        self._failures.forget()
        self._begin(INTERVAL)

    def _report(self, fault: str | None) -> float | None:
        return INTERVAL if self._failures.record(fault) else None


def until_next_look() -> float:
    """Return the seconds until the next check of processes in /proc.

    All programs are checked at the same time, so that an idle container wakes up once and not for each program.
    """
    return INTERVAL - time.monotonic() % INTERVAL


class Watchdog:
    """Waits for the regular WATCHDOG=1 of a ready program."""

    SECONDS = INTERVAL * FAILURES
    """The longest time between two messages."""

    VARIABLES = {"WATCHDOG_USEC": str(int(SECONDS * 1_000_000))}  # noqa: RUF012 - read by all, written by none
    """The variable that sd_watchdog_enabled(3) reads. A program should send twice as often as required."""

    def __init__(self, timers: sched.scheduler, failed: Callable[[str], None]) -> None:
        self._timer = Timer(timers, lambda: failed(f"no WATCHDOG=1 for {self.SECONDS:g} s"))
        self.end = self._timer.stop

    def begin(self) -> None:
        """Start waiting."""
        self._timer.start(self.SECONDS)

    def received(self) -> None:
        """Start again, unless the program is not ready."""
        if self._timer.running:
            self.begin()
