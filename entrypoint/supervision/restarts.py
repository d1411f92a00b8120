"""How soon and how often a program that has ended is started again."""

import random
from collections import deque
from collections.abc import Callable

from entrypoint.supervision.promises import Kind, Promise, Restart

FIRST = 1.0
"""Seconds until the second restart in a row; the first is at once, each further one waits twice as long. Also
the least time between two starts of a program that ends well: it must not become a busy loop."""

LONGEST = 30.0
"""Seconds that no restart waits longer than."""

JITTER = 0.2
"""The part of a wait by which it is longer or shorter, so that many containers do not all come back at once."""

HEALTHY = 10.0
"""Seconds of life after which former crashes count no more for the wait."""

CRASHES = 5
WINDOW = 60.0
"""So many unexpected ends within so many seconds are an essential program that will not heal. supervisord
itself never gives one up that has been RUNNING before it crashed; but a container that restarts its site every
few seconds tells nobody, whereas one that ends is seen by the orchestrator. A program that is not essential is
never given up: nobody else would start it again."""


def starts_again(promise: Promise, wait_status: int | None, *, asked_for: bool, configured: bool) -> bool:
    """Say whether a program that has ended is to be started again.

    `wait_status` is that of wait(2), None if it could not be started; `asked_for` if we have stopped it to
    replace it; `configured` is what supervisord's configuration says.
    """
    if promise.ready.kind is Kind.EXIT and wait_status == 0:
        return False
    match promise.restart:
        case Restart.ALWAYS:
            return True
        case Restart.ON_FAILURE:
            return wait_status != 0 or asked_for
        case Restart.NEVER:
            return False
        case None:
            return configured or asked_for


class Restarts:
    """Starts and ends of one program. All times are seconds of one monotonic clock."""

    def __init__(self, jitter: Callable[[], float] = lambda: random.uniform(-JITTER, JITTER)) -> None:  # noqa: S311 - no secret
        self._jitter = jitter
        self._started = float("-inf")
        self._next = float("-inf")
        self._in_a_row = 0
        self._crashes: deque[float] = deque(maxlen=CRASHES)

    def started(self, now: float) -> None:
        """Note a start."""
        self._started = now

    def ended_well(self, now: float) -> None:
        """Note an end that is the program's way of working."""
        self._in_a_row = 0
        self._next = max(now, self._started + FIRST)

    def crashed(self, now: float) -> None:
        """Note an end that nobody asked for."""
        if now - self._started >= HEALTHY:
            self._in_a_row = 0
        self._next = now + self._wait()
        self._in_a_row += 1
        self._crashes.append(now)

    def forget(self) -> None:
        """Begin anew: who starts a program by hand that was given up has done something about it."""
        self._in_a_row = 0
        self._crashes.clear()

    def hopeless(self, now: float) -> bool:
        """Say whether it has crashed too often of late."""
        return len(self._crashes) == CRASHES and now - self._crashes[0] <= WINDOW

    def due(self, now: float) -> float:
        """Return the seconds until it may be started."""
        return self._next - now

    def _wait(self) -> float:
        if self._in_a_row == 0:
            return 0
        # The exponent is capped too: a float has no 2 ** 1024.
        return min(LONGEST, FIRST * 2.0 ** min(self._in_a_row - 1, 10)) * (1 + self._jitter())
