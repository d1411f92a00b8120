"""Logs reminders: which program is not ready, and which programs wait for it."""

import sched
import time
from collections.abc import Callable

from entrypoint.protocol.probe import Kind
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State, Supervisord

FIRST = 10.0
"""Seconds until the first line about a program."""

SECOND = 60.0
"""Seconds until the second line. Each further delay is twice as long, but at most LONGEST."""

LONGEST = 3600.0

_MINUTES = 120.0
"""A time from so many seconds on is shown in minutes."""


class Waits:
    """The programs that are not ready although they should be, each with a timer for its next reminder."""

    def __init__(
        self, supervisord: Supervisord, current: Current, timers: sched.scheduler, why: Callable[[Program], str]
    ) -> None:
        """`why` returns why a program is not ready."""
        self._supervisord = supervisord
        self._current = current
        self._timers = timers
        self._why = why
        self._pending: dict[str, sched.Event] = {}
        self._open = False

    def open(self) -> None:
        """Log reminders from now on, also about the programs that others already wait for."""
        self._open = True
        for program in self._supervisord.programs:
            for name in self._current.program(program.name).after:
                self._begin(name)

    def follow(self, program: Program, restarts: bool) -> None:  # noqa: FBT001 - the state of the program
        """Follow a change of the program's state. `restarts`: whether it waits for its restart."""
        if program.state is State.STARTING:
            self._begin(program.name)
            return
        over = program.state in {State.STOPPED, State.EXITED} and not restarts
        if program.state is State.FATAL or (over and not self.waiting_for(program.name)):
            self.end(program.name)

    def waiting_for(self, name: str) -> list[str]:
        """Return the programs that are not started before the program `name` is ready."""
        programs = self._supervisord.programs
        return [each.name for each in programs if each.unstarted and name in self._current.program(each.name).after]

    def end(self, name: str) -> None:
        """Stop the reminders about the program `name`."""
        if timer := self._pending.pop(name, None):
            self._timers.cancel(timer)

    def close(self) -> None:
        """Stop all reminders."""
        self._open = False
        for name in list(self._pending):
            self.end(name)

    def _begin(self, name: str) -> None:
        """Log reminders about the program until it is ready, also if it is restarted meanwhile."""
        if self._open and name not in self._pending:
            self._enter(name, time.monotonic(), FIRST)

    def _enter(self, name: str, since: float, after: float) -> None:
        self._pending[name] = self._timers.enterabs(since + after, 0, self._due, (name, since, after))

    def _due(self, name: str, since: float, after: float) -> None:
        del self._pending[name]
        program = next((each for each in self._supervisord.programs if each.name == name), None)
        if program is None:  # removed by `supervisorctl update`
            return
        self._enter(name, since, max(SECOND, after + min(after, LONGEST)) if after > FIRST else SECOND)
        how_long = f"{after:.0f} s" if after < _MINUTES else f"{after / 60:.0f} min"
        waiting = self.waiting_for(name)
        if waiting:
            *others, last = waiting
            who = f"{', '.join(others)} and {last} have" if others else f"{last} has"
            self._supervisord.warn(f"{who} been waiting for {name} for {how_long}: {self._why(program)}")
        elif self._current.program(name).ready.kind not in {Kind.EXIT, Kind.RUNNING}:  # a job may take long
            self._supervisord.warn(f"{name} has not been ready for {how_long}: {self._why(program)}")
