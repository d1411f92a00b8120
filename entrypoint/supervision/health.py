"""What is asked of one program while it runs: whether it is ready, and then whether it is still alive."""

import sched
import time
from collections.abc import Callable

from entrypoint.supervision import frozen
from entrypoint.supervision.polling import Polling
from entrypoint.supervision.probes import Endpoint, Prober

SOONEST = 0.005
LATEST = 1.0
PART = 0.02
"""A program that starts is asked again after this part of the time that it has taken so far, within these
seconds: being asked makes a start longer by a fiftieth at most."""

INTERVAL = 10.0
"""Seconds between two questions to a program that is ready."""

SILENT = 2
"""After so many failures in a row the program is not ready, until it answers again."""

FAILURES = 3
"""After so many failures in a row the program is replaced."""

FROZEN = 6
"""The same for a program that is stopped by SIGSTOP: somebody may have stopped it to look at it."""


class ReadinessProbe:
    """Asks a program that starts until it is ready."""

    def __init__(
        self, prober: Prober, timers: sched.scheduler, target: Endpoint, became_ready: Callable[[], None]
    ) -> None:
        self._polling = Polling(prober, timers, target, self._told)
        self._became_ready = became_ready
        self._begun = 0.0

    def begin(self) -> None:
        """Ask from now on, until it is ready."""
        self._begun = time.monotonic()
        self._polling.begin(SOONEST)

    def end(self) -> None:
        """Ask no more."""
        self._polling.end()

    def _told(self, fault: str | None) -> float | None:
        if fault is None:
            self._became_ready()
            return None
        return min(max(SOONEST, PART * (time.monotonic() - self._begun)), LATEST)


class Failures:
    """The failures of one program in a row, and what follows from them."""

    def __init__(self, most: int, silent: Callable[[str | None], None], failed: Callable[[str], None]) -> None:
        """Call `failed` after `most` of them.

        Before that, `silent` is called with the reason when the program is not ready any more, and with None when it
        answers again.
        """
        self._most = most
        self._silent = silent
        self._failed = failed
        self._count = 0

    def forget(self) -> None:
        """Begin anew."""
        self._count = 0

    def note(self, fault: str | None) -> bool:
        """Note an outcome, None for a good one. Return whether the program is to be asked again."""
        before, self._count = self._count, self._count + 1 if fault else 0
        if before >= SILENT and not fault:
            self._silent(None)
        if self._count == SILENT:
            self._silent(f"no sign of life {SILENT} times in a row: {fault}")
        if self._count == self._most:
            self._failed(f"no sign of life {self._most} times in a row: {fault}")
        return self._count < self._most


class LivenessProbe:
    """Asks a program that is ready whether it is still alive."""

    def __init__(
        self,
        prober: Prober,
        timers: sched.scheduler,
        target: Endpoint,
        silent: Callable[[str | None], None],
        failed: Callable[[str], None],
    ) -> None:
        self._polling = Polling(prober, timers, target, self._told)
        self._failures = Failures(FAILURES, silent, failed)

    def begin(self) -> None:
        """Ask from now on."""
        self._failures.forget()
        self._polling.begin(INTERVAL)

    def end(self) -> None:
        """Ask no more."""
        self._polling.end()

    def _told(self, fault: str | None) -> float | None:
        return INTERVAL if self._failures.note(fault) else None


class FrozenProbe:
    """Looks whether a program that is ready is stopped by SIGSTOP."""

    def __init__(
        self,
        timers: sched.scheduler,
        pid: Callable[[], int],
        silent: Callable[[str | None], None],
        failed: Callable[[str], None],
    ) -> None:
        self._timers = timers
        self._pid = pid
        self._failures = Failures(FROZEN, silent, failed)
        self._timer: sched.Event | None = None

    def begin(self) -> None:
        """Look from now on."""
        self.end()
        self._failures.forget()
        self._enter()

    def end(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    def _enter(self) -> None:
        # All programs at the same moments: an idle container wakes up once for all of them.
        self._timer = self._timers.enterabs((time.monotonic() // INTERVAL + 1) * INTERVAL, 0, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._failures.note(frozen.fault(self._pid())):
            self._enter()


class Watchdog:
    """Waits for the WATCHDOG=1 of a program that is ready."""

    SECONDS = INTERVAL * FAILURES
    """It has to come within so many seconds of the last."""

    VARIABLES = {"WATCHDOG_USEC": str(int(SECONDS * 1_000_000))}  # noqa: RUF012 - read by all, written by none
    """What sd_watchdog_enabled(3) reads. A program sends twice as often as it has to."""

    def __init__(self, timers: sched.scheduler, failed: Callable[[str], None]) -> None:
        self._timers = timers
        self._failed = failed
        self._timer: sched.Event | None = None

    def begin(self) -> None:
        """Wait from now on; also: it has come."""
        self.end()
        self._timer = self._timers.enter(self.SECONDS, 0, self._bark)

    def heard(self) -> None:
        """Know that it has come, if it is waited for."""
        if self._timer is not None:
            self.begin()

    def end(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    def _bark(self) -> None:
        self._timer = None
        self._failed(f"no WATCHDOG=1 for {self.SECONDS:g} s")
