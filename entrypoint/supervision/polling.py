"""A target that is tried again and again."""

import sched
from collections.abc import Callable

from entrypoint.supervision.probes import Endpoint, Prober


class Polling:
    """One target, from `begin` to `end`."""

    def __init__(
        self, prober: Prober, timers: sched.scheduler, target: Endpoint, told: Callable[[str | None], float | None]
    ) -> None:
        """`told` takes each outcome, as `Prober` tells it, and returns the seconds until the next attempt."""
        self._prober = prober
        self._timers = timers
        self._target = target
        self._told = told
        self._timer: sched.Event | None = None
        self._break_off: Callable[[], None] | None = None

    def begin(self, seconds: float) -> None:
        """Try it for the first time in so many seconds."""
        self.end()
        self._timer = self._timers.enter(seconds, 0, self._attempt)

    def end(self) -> None:
        """Try it no more."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None
        if self._break_off is not None:
            self._break_off()
            self._break_off = None

    def _attempt(self) -> None:
        self._timer = None
        try:
            self._break_off = self._prober.attempt(self._target, self._answered)
        except OSError as error:  # no descriptor is free
            self._answered(error.strerror)

    def _answered(self, fault: str | None) -> None:
        seconds = self._told(fault)
        if seconds is not None:
            self._timer = self._timers.enter(seconds, 0, self._attempt)
