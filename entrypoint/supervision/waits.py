"""Says every so often which program is not ready, and which programs wait for it."""

import sched
import time
from collections.abc import Callable, Sequence

from entrypoint.protocol.probe import Kind, Probe
from entrypoint.supervision.internals import State

FIRST = 10.0
"""Seconds until the first line about a program."""

SECOND = 60.0
"""Seconds until the second line. Each further one comes after twice as long, but at least once in LONGEST."""

LONGEST = 3600.0

_MINUTES = 120.0
"""A time of so many seconds is shown in minutes."""


class Waits:
    """The programs that are not ready although they should be. While there is none, nothing is due."""

    def __init__(self, timers: sched.scheduler, remind: Callable[[str, str], None]) -> None:
        """`remind` gets the name of a program, and for how long it has not been ready."""
        self._timers = timers
        self._remind = remind
        self._pending: dict[str, sched.Event] = {}

    def begin(self, name: str) -> None:
        """Remind of the program `name` until it is ready, also if it is restarted meanwhile."""
        if name not in self._pending:
            self._enter(name, time.monotonic(), FIRST)

    def end(self, name: str) -> None:
        """Remind of it no longer."""
        if timer := self._pending.pop(name, None):
            self._timers.cancel(timer)

    def close(self) -> None:
        """Remind of no program any longer."""
        for name in list(self._pending):
            self.end(name)

    def _enter(self, name: str, since: float, after: float) -> None:
        self._pending[name] = self._timers.enterabs(since + after, 0, self._due, (name, since, after))

    def _due(self, name: str, since: float, after: float) -> None:
        self._enter(name, since, max(SECOND, after + min(after, LONGEST)) if after > FIRST else SECOND)
        self._remind(name, f"{after:.0f} s" if after < _MINUTES else f"{after / 60:.0f} min")


def line(name: str, waiting: Sequence[str], how_long: str, why: str, *, may_take_long: bool) -> str:
    """Return the line about the program `name`; empty if nobody is `waiting` for it and it `may_take_long`."""
    if not waiting:
        return "" if may_take_long else f"{name} has not been ready for {how_long}: {why}"
    *others, last = waiting
    who = f"{', '.join(others)} and {last} have" if others else f"{last} has"
    return f"{who} been waiting for {name} for {how_long}: {why}"


def reason(name: str, state: State, probe: Probe, fault: str) -> str:
    """Return why the program `name` is not ready: by its state, its readiness `probe` and the probe's last `fault`."""
    if state is State.STOPPED:
        return f"{name} is stopped"
    if state not in {State.STARTING, State.RUNNING}:
        return f"{name} does not run"
    missing = {
        Kind.UNIX: f"listen on {probe.target}",
        Kind.TCP: f"listen on {probe.text.partition(':')[2]}",
        Kind.HTTP: f"answer {probe.text} with a status below 400",
        Kind.NOTIFY: "send READY=1",
        Kind.EXIT: "end",
        Kind.LOG: f"write a line with {probe.target}",
    }.get(probe.kind, "run")
    return f"{name} does not {missing} yet{f' ({fault})' if fault else ''}"
