"""What becomes of one program after each of its ends, by its promise and its past."""

import time
from collections.abc import Callable

from entrypoint.supervision.internals import NEVER, Program, State
from entrypoint.supervision.promises import Kind, Promise
from entrypoint.supervision.restarts import CRASHES, WINDOW, Restarts, starts_again


class Policy:
    """One program, through all its ends."""

    def __init__(self, program: Program, promise: Promise, say: Callable[[str], None]) -> None:
        self._program = program
        self._promise = promise
        self._say = say
        self._restarts = Restarts()

    def follow(self) -> None:
        """Take note of the program's new state."""
        program, now = self._program, time.monotonic()
        if program.state is State.STARTING:
            self._restarts.started(now)
        elif program.ended:
            # An essential program should not end at all; of any other a good end may be its way of working.
            if program.wait_status == 0 and not self._promise.essential and not program.replaced:
                self._restarts.ended_well(now)
            else:
                self._restarts.crashed(now)
            if self._starts_again() and (wait := self._restarts.due(now)) >= 1:
                self._say(f"{program.name} is started again in {wait:.0f} s")

    def lost(self) -> bool:
        """Return whether the program has not done its part and will not be started again."""
        program = self._program
        if program.state in {State.FATAL, State.BACKOFF} or not program.ended:
            return program.state is State.FATAL
        succeeded = self._promise.ready.kind is Kind.EXIT and program.wait_status == 0
        return not self._starts_again() and not succeeded

    def may_restart(self) -> bool:
        """Return whether the program, which has ended, may be started now. Give it up if it is hopeless."""
        now = time.monotonic()
        if hopeless := self._hopeless(now):
            self._restarts.forget()
            self._say(f"gave up: {self._program.name} {hopeless}")
            self._program.give_up()
            return False
        return self._starts_again() and self._restarts.due(now) <= 0

    def due(self, now: float) -> float:
        """Return the seconds from `now`, of the monotonic clock, until `may_restart` does something."""
        if not self._program.ended:
            return NEVER
        if self._hopeless(now):
            return 0
        return self._restarts.due(now) if self._starts_again() else NEVER

    def waits(self) -> bool:
        """Return whether the program has ended and is to be started again by itself."""
        return self._program.ended and self._starts_again()

    def _starts_again(self) -> bool:
        program = self._program
        return starts_again(self._promise, program.wait_status, asked_for=program.replaced, configured=program.restarts)

    def _hopeless(self, now: float) -> str:
        """Return why a program that has ended is tried no more; nothing if it is, or was not to be anyway."""
        failed_start = self._program.state is State.BACKOFF
        if failed_start and not self._starts_again():
            return "did not start"
        if failed_start and self._program.command_fault():
            return "cannot be started"
        if not self._promise.essential or not self._starts_again():
            return ""
        if failed_start and self._program.exhausted:
            return "did not start, as often as it was tried"
        return f"crashed {CRASHES} times within {WINDOW:.0f} s" if self._restarts.hopeless(now) else ""
