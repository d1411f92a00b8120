"""The stop of the container: the drain, the hooks, the programs in their stop order, and the stop timeout."""

import signal
import time
from collections.abc import Callable

from entrypoint.protocol.supervision import SupervisionConfig
from entrypoint.supervision.accept_guard import CLOSING, SETTLING, AcceptGuard
from entrypoint.supervision.hooks import Hooks
from entrypoint.supervision.internals import NEVER, Program, State, Supervisord

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""The signals that stop the container."""

MARGIN = 0.1
"""Seconds before the end of the stop timeout at which the remaining programs are killed: that takes time, too."""

UP = frozenset({State.STARTING, State.RUNNING, State.BACKOFF})


class Stop:
    """Two stages: during the preparation all programs run, restarts included; then they stop in their stop order."""

    def __init__(
        self,
        supervisord: Supervisord,
        config: SupervisionConfig,
        hooks: Hooks,
        begins: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`begins` is called first when a stop begins."""
        self._supervisord = supervisord
        self._config = config
        self._hooks = hooks
        self._accept_guard = AcceptGuard(config.listen, supervisord.warn)
        self._begins = begins
        self._clock = clock
        self._asked = False
        self._killed = False
        self._deadline = NEVER
        self._serve_until = 0.0
        self._hooks_until = 0.0
        self._settled = 0.0
        self._closed = NEVER

    @property
    def begun(self) -> bool:
        """Whether a stop has begun, by a signal or by the permanent failure of a program."""
        return self._deadline < NEVER

    def take(self, number: int) -> bool:
        """Handle the signal `number` if it stops the container, and return whether it does."""
        if number in SIGNALS:
            self._supervisord.warn(f"received {signal.Signals(number).name} indicating exit request")
            self._ask()
            return True
        return False

    def begin(self, drain: float = 0) -> None:
        """Begin the stop; the programs serve requests for another `drain` seconds."""
        if self.begun:
            return
        now = self._clock()
        self._deadline = now + self._config.stop_seconds - MARGIN
        self._begins()
        # A reload stops the programs by itself; without programs there is nothing to prepare.
        if self._supervisord.stopping or not any(each.state in UP for each in self._supervisord.programs):
            self._supervisord.stop()
            return
        self._serve_until = now + drain
        self._hooks_until = now + self._config.hook_seconds
        self._hooks.start()
        self.step()

    def step(self) -> None:
        """Do what is due."""
        now = self._clock()
        if not self.begun or self._killed:
            return
        if now >= self._deadline:
            self._kill("stop timeout reached")
        elif self._supervisord.stopping:
            if now >= self._closed:
                self._closed = NEVER
                self._accept_guard.release()
        elif now >= self._prepared():
            if self._accept_guard.hold():
                self._settled = now + SETTLING
            else:
                self._go_on()

    def due(self) -> float:
        """Return the seconds until something is due."""
        if not self.begun or self._killed:
            return NEVER
        until = self._closed if self._supervisord.stopping else self._prepared()
        return min(self._deadline, until) - self._clock()

    def stop_next(self) -> None:
        """Stop all programs that are next in the stop order, once those before them have ended."""
        left = [each for each in self._supervisord.programs if each.state in UP or each.state is State.STOPPING]
        highest = max(map(self._order, left), default=0)
        for each in left:
            if each.state in UP and self._order(each) == highest:
                each.stop()

    def _ask(self) -> None:
        again, self._asked = self._asked, True
        if not again:
            self.begin(self._config.drain_seconds)
        elif not self._supervisord.stopping:
            self._go_on()
        elif not self._killed:
            self._kill("another stop signal")

    def _prepared(self) -> float:
        """Return when the first programs may be stopped, as far as it is known."""
        return max(self._serve_until, self._hooks_until if self._hooks.running else 0, self._settled)

    def _go_on(self) -> None:
        self._hooks.kill()
        self._closed = self._clock() + CLOSING
        self._supervisord.stop()

    def _kill(self, why: str) -> None:
        self._killed = True
        self._go_on()
        left = [each for each in self._supervisord.programs if each.state in UP or each.state is State.STOPPING]
        if left:
            names = ", ".join(each.name for each in left)
            self._supervisord.critical(f"{why}: killing {names}")
        for each in left:
            each.kill()

    def _order(self, program: Program) -> int:
        return self._config.program(program.name).stop_order
