"""How soon and how often a program that crashes is started again."""

from collections import deque
from enum import Enum, auto

INTERVAL = 1.0
"""Seconds between two starts of a program. A program that has lived as long is restarted at once; one that
dies at once does not turn the faster loop into a busy one."""

CRASHES = 5
WINDOW = 60.0
"""So many unexpected ends within so many seconds are a program that will not heal. supervisord itself never
gives one up that has been RUNNING before it crashed; but a container that restarts its site every few seconds
tells nobody, whereas one that ends is seen by the orchestrator."""


class Verdict(Enum):
    """What becomes of a program that supervisord would start again."""

    START = auto()
    WAIT = auto()
    GIVE_UP = auto()


class Restarts:
    """Starts and crashes of one program. All times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._started = float("-inf")
        self._crashes: deque[float] = deque(maxlen=CRASHES)

    def started(self, now: float) -> None:
        """Note a start."""
        self._started = now

    def crashed(self, now: float) -> None:
        """Note an end that nobody asked for."""
        self._crashes.append(now)

    def forget(self) -> None:
        """Begin anew: who starts a program by hand that was given up has done something about it."""
        self._crashes.clear()

    def verdict(self, now: float) -> Verdict:
        """Say whether the program may be started."""
        if self._hopeless(now):
            return Verdict.GIVE_UP
        return Verdict.START if self.due(now) <= 0 else Verdict.WAIT

    def due(self, now: float) -> float:
        """Return the seconds until the verdict is not to wait."""
        return 0 if self._hopeless(now) else self._started + INTERVAL - now

    def _hopeless(self, now: float) -> bool:
        return len(self._crashes) == CRASHES and now - self._crashes[0] <= WINDOW
