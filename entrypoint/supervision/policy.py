"""Decides after each end of a program when it is restarted, and whether it has failed permanently."""

import os
import random
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from entrypoint.processes.endings import exit_code, signal_name
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.supervision import ProgramConfig, Restart
from entrypoint.supervision.internals import NEVER, Program, State

FIRST = 1.0
"""Seconds before the second restart in a row; the first is immediate, and each further delay is twice as long. Also
the shortest time between two starts of a program that ends with exit status 0, to avoid a busy loop."""

LONGEST = 30.0
"""The longest delay of a restart, in seconds."""

JITTER = 0.2
"""The part by which a delay varies at random, so that many containers do not restart at the same moment."""

HEALTHY = 10.0
"""Seconds of uptime after which former crashes no longer lengthen the delay."""

CRASHES = 5
WINDOW = 60.0
"""An essential program that crashes this often within this many seconds has failed permanently. supervisord never
gives up a program that was RUNNING before it crashed; but nobody notices a container that restarts its site every few
seconds, whereas the orchestrator notices a container that ends. Other programs are never given up: nothing else would
start them again."""

FAILURE = 1
"""The exit code if the program has none: it ended with exit status 0 although it must not end, or fork failed."""


UNLOADABLE = "cannot load the application"


class End(NamedTuple):
    """How a program has ended."""

    exit_code: int
    """The exit code of the container, if this is a permanent failure that ends it."""
    reason: str

    @classmethod
    def of(cls, program: Program, why: str) -> "End":
        """Return how the program last ended. `why` says more than its wait status does, if it is known."""
        if program.wait_status is not None:
            return cls.of_status(program.wait_status, why)
        return cls(*(program.command_fault() or (FAILURE, "could not be started")))

    @classmethod
    def of_status(cls, wait_status: int, why: str = "") -> "End":
        """Return the end with the `wait_status` of wait(2); the code is a shell's."""
        code = os.waitstatus_to_exitcode(wait_status)
        how = f"killed by {signal_name(-code)}" if code < 0 else f"exit status {code}"
        return cls(exit_code(code) or FAILURE, why or how)


def starts_again(config: ProgramConfig, wait_status: int | None, *, replaced: bool, configured: bool) -> bool:
    """Return whether a program that has ended is started again.

    `wait_status` is that of wait(2), None if the program could not be started; `replaced` is whether the plugin has
    stopped it to restart it; `configured` is what supervisord's own configuration says.
    """
    if config.ready.kind is Kind.EXIT and wait_status == 0:
        return False
    match config.restart:
        case Restart.ALWAYS:
            return True
        case Restart.ON_FAILURE:
            return wait_status != 0 or replaced
        case Restart.NEVER:
            return False
        case None:
            return configured or replaced


class Restarts:
    """Starts and ends of one program. All times are seconds of one monotonic clock."""

    def __init__(self, jitter: Callable[[], float] = lambda: random.uniform(-JITTER, JITTER)) -> None:  # noqa: S311 - no secret
        self._jitter = jitter
        self._started = float("-inf")
        self._next = float("-inf")
        self._in_a_row = 0
        self._crashes: deque[float] = deque(maxlen=CRASHES)

    def started(self, now: float) -> None:
        """Record a start."""
        self._started = now

    def ended_well(self, now: float) -> None:
        """Record an expected end."""
        self._in_a_row = 0
        self._next = max(now, self._started + FIRST)

    def crashed(self, now: float) -> None:
        """Record an unexpected end."""
        if now - self._started >= HEALTHY:
            self._in_a_row = 0
        self._next = now + self._delay()
        self._in_a_row += 1
        self._crashes.append(now)

    def forget(self) -> None:
        """Forget all crashes: a program that is started by hand after it was given up has probably been repaired."""
        self._in_a_row = 0
        self._crashes.clear()

    def hopeless(self, now: float) -> bool:
        """Return whether the program has crashed too often recently."""
        return len(self._crashes) == CRASHES and now - self._crashes[0] <= WINDOW

    def due(self, now: float) -> float:
        """Return the seconds until the program may be started."""
        return self._next - now

    def _delay(self) -> float:
        if self._in_a_row == 0:
            return 0
        # The exponent is capped too: a float has no 2 ** 1024.
        return min(LONGEST, FIRST * 2.0 ** min(self._in_a_row - 1, 10)) * (1 + self._jitter())


class Policy:
    """Decides about the restarts of one program."""

    def __init__(self, program: Program, config: ProgramConfig, log: Callable[[str], None]) -> None:
        self._program = program
        self._config = config
        self._log = log
        self._restarts = Restarts()
        self.unloadable = False
        """Whether it ends because it cannot load the application: another attempt would fail in the same way."""

    def follow(self) -> None:
        """Record the program's new state."""
        program, now = self._program, time.monotonic()
        if program.state is State.STARTING:
            self._restarts.started(now)
            self.unloadable = False
        elif program.ended:
            # An essential program should never end; for any other program exit status 0 may be normal.
            if program.wait_status == 0 and not self._config.essential and not program.replaced:
                self._restarts.ended_well(now)
            else:
                self._restarts.crashed(now)
            if self._starts_again() and not self.unloadable and (wait := self._restarts.due(now)) >= 1:
                self._log(f"restarting {program.name} in {wait:.0f} s")

    def failed_permanently(self) -> bool:
        """Return whether the program has failed and will not be started again."""
        program = self._program
        if program.state in {State.FATAL, State.BACKOFF} or not program.ended:
            return program.state is State.FATAL
        succeeded = self._config.ready.kind is Kind.EXIT and program.wait_status == 0
        return not self._starts_again() and not succeeded

    def may_restart(self) -> bool:
        """Return whether the program, which has ended, may be started now. A hopeless program is given up."""
        now = time.monotonic()
        if hopeless := self._hopeless(now):
            self._restarts.forget()
            self._log(f"gave up: {self._program.name} {hopeless}")
            self._program.give_up()
            return False
        return self._starts_again() and self._restarts.due(now) <= 0

    def due(self, now: float) -> float:
        """Return the seconds from `now`, of the monotonic clock, until `may_restart` has an effect."""
        if not self._program.ended:
            return NEVER
        if self._hopeless(now):
            return 0
        return self._restarts.due(now) if self._starts_again() else NEVER

    def waits(self) -> bool:
        """Return whether the program has ended and waits for its automatic restart."""
        return self._program.ended and self._starts_again()

    def _starts_again(self) -> bool:
        program = self._program
        return starts_again(self._config, program.wait_status, replaced=program.replaced, configured=program.restarts)

    def _hopeless(self, now: float) -> str:
        """Return why an ended program is given up, or "" if it is not."""
        if self.unloadable:
            return UNLOADABLE
        failed_start = self._program.state is State.BACKOFF
        if failed_start and not self._starts_again():
            return "did not start"
        if failed_start and self._program.command_fault():
            return "cannot be started"
        if not self._config.essential or not self._starts_again():
            return ""
        if failed_start and self._program.exhausted:
            return "failed every attempt to start"
        return f"crashed {CRASHES} times within {WINDOW:.0f} s" if self._restarts.hopeless(now) else ""
