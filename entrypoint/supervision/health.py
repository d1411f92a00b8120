"""What is asked of one program while it runs: whether it is ready, and then whether it is still alive."""

import sched
import time
from collections.abc import Callable

from entrypoint.supervision.polling import Polling
from entrypoint.supervision.probes import Prober, Target

SOONEST = 0.005
LATEST = 1.0
PART = 0.02
"""A program that starts is asked again after this part of the time that it has taken so far, within these
seconds: being asked makes a start longer by a fiftieth at most."""

INTERVAL = 10.0
"""Seconds between two questions to a program that is ready."""

FAILURES = 3
"""So many failures in a row, and the program is alive no more."""


class ReadyProbe:
    """Asks a program that starts until it is ready."""

    def __init__(
        self, prober: Prober, timers: sched.scheduler, target: Target, became_ready: Callable[[], None]
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


class LiveProbe:
    """Asks a program that is ready whether it is still alive."""

    def __init__(self, prober: Prober, timers: sched.scheduler, target: Target, failed: Callable[[str], None]) -> None:
        """Call `failed` with the last reason when there were too many failures in a row."""
        self._polling = Polling(prober, timers, target, self._told)
        self._failed = failed
        self._failures = 0

    def begin(self) -> None:
        """Ask from now on."""
        self._failures = 0
        self._polling.begin(INTERVAL)

    def end(self) -> None:
        """Ask no more."""
        self._polling.end()

    def _told(self, fault: str | None) -> float | None:
        self._failures = self._failures + 1 if fault else 0
        if fault and self._failures == FAILURES:
            self._failed(f"no sign of life {FAILURES} times in a row: {fault}")
            return None
        return INTERVAL


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
