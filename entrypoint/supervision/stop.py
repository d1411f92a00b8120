"""The stop, from the moment that it is asked for: the drain, the hooks, the tiers, and a time that it keeps."""

import signal
import time
from collections.abc import Callable

from entrypoint.supervision.arrivals import CLOSING, SETTLING, Arrivals
from entrypoint.supervision.hooks import Hooks
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.promises import Promises

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""What asks for a stop."""

MARGIN = 0.1
"""Seconds before the end of its time at which whatever is left is killed: dying takes some, too."""

HOOKS_SHARE = 0.5
"""The part of the stop's time that the hooks may use, unless the drain is longer: the programs need the rest."""

UP = frozenset({State.STARTING, State.RUNNING, State.BACKOFF})

NEVER = float("inf")


class Stop:
    """Two stages: while it is prepared all programs run on, restarts included; then they are stopped by tiers."""

    def __init__(
        self,
        supervisord: Supervisord,
        promises: Promises,
        hooks: Hooks,
        begins: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`begins` is called when a stop is asked for, before anything else."""
        self._supervisord = supervisord
        self._promises = promises
        self._hooks = hooks
        self._arrivals = Arrivals(promises.listen, supervisord.warn)
        self._begins = begins
        self._clock = clock
        self._asked = False
        self._hurried = False
        self._deadline = NEVER
        self._serve_until = 0.0
        self._hooks_until = 0.0
        self._settled = 0.0
        self._closed = NEVER

    @property
    def begun(self) -> bool:
        """Whether a stop was asked for, by a signal or by the loss of a program."""
        return self._deadline < NEVER

    def take(self, number: int) -> bool:
        """Take the signal `number` if it is about the stop, and tell whether it was."""
        if number in SIGNALS:
            self._supervisord.warn(f"received {signal.Signals(number).name} indicating exit request")
            self._ask()
            return True
        return False

    def begin(self, drain: float = 0) -> None:
        """Begin, and let the programs serve on for `drain` seconds."""
        if self.begun:
            return
        now = self._clock()
        self._deadline = now + self._promises.stop_seconds - MARGIN
        self._begins()
        # A reload has its own stop under way; and where nothing runs, nothing is to be prepared.
        if self._supervisord.stopping or not any(each.state in UP for each in self._supervisord.programs):
            self._supervisord.stop()
            return
        self._serve_until = now + drain
        self._hooks_until = now + max(drain, self._promises.stop_seconds * HOOKS_SHARE)
        self._hooks.start()
        self.step()

    def step(self) -> None:
        """Do what is due by now."""
        now = self._clock()
        if not self.begun or self._hurried:
            return
        if now >= self._deadline:
            self._kill("its time is over")
        elif self._supervisord.stopping:
            if now >= self._closed:
                self._closed = NEVER
                self._arrivals.release()
        elif now >= self._prepared():
            if self._arrivals.hold():
                self._settled = now + SETTLING
            else:
                self._go_on()

    def due(self) -> float:
        """Return the seconds until something is due."""
        if not self.begun or self._hurried:
            return NEVER
        until = self._closed if self._supervisord.stopping else self._prepared()
        return min(self._deadline, until) - self._clock()

    def stop_tier(self) -> None:
        """Stop the programs of the highest tier that has not ended yet, all together."""
        left = [each for each in self._supervisord.programs if each.state in UP or each.state is State.STOPPING]
        highest = max((self._tier(each) for each in left), default=0)
        for each in left:
            if each.state in UP and self._tier(each) == highest:
                each.stop()

    def _ask(self) -> None:
        again, self._asked = self._asked, True
        if not again:
            self.begin(self._promises.drain_seconds)
        elif not self._supervisord.stopping:
            self._go_on()
        elif not self._hurried:
            self._kill("it was asked for again")

    def _prepared(self) -> float:
        """Return when the first tier may be stopped, as far as it is known."""
        return max(self._serve_until, self._hooks_until if self._hooks.running else 0, self._settled)

    def _go_on(self) -> None:
        self._hooks.kill()
        self._closed = self._clock() + CLOSING
        self._supervisord.stop()

    def _kill(self, why: str) -> None:
        self._hurried = True
        self._go_on()
        left = [each for each in self._supervisord.programs if each.state in UP or each.state is State.STOPPING]
        if left:
            names = ", ".join(each.name for each in left)
            self._supervisord.critical(f"the stop is hurried, {why}: killing {names}")
        for each in left:
            each.kill()

    def _tier(self, program: Program) -> int:
        return self._promises.of(program.name).tier
