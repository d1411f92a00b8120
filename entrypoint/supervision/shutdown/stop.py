"""The stop of the container: the drain, the hooks, the programs in their stop order, and the stop timeout."""

import signal
import time
from collections.abc import Callable, Collection

from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import NEVER, Program, State, Supervisord
from entrypoint.supervision.reload.listeners import Listeners
from entrypoint.supervision.shutdown.accept_guard import CLOSING, SETTLING, AcceptGuard
from entrypoint.supervision.shutdown.hooks import Hooks

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
"""The signals that stop the container."""

MARGIN = 0.1
"""Seconds before the end of the stop timeout at which the remaining programs are killed: that takes time, too."""

UP = frozenset({State.STARTING, State.RUNNING, State.BACKOFF})

LONGER = "docker run --stop-timeout or terminationGracePeriodSeconds"


class Stop:
    """Two stages: during the preparation all programs run, restarts included; then they stop in their stop order.

    Each order has all the time that is left, except what is guaranteed to the programs of later orders.
    """

    def __init__(
        self,
        supervisord: Supervisord,
        current: Current,
        hooks: Hooks,
        listeners: Listeners,
        *,
        begins: Callable[[], None],
    ) -> None:
        """`begins` is called first when a stop begins."""
        self._supervisord = supervisord
        self._current = current
        self._hooks = hooks
        self._listeners = listeners
        self._accept_guard = AcceptGuard(current.config.listen, supervisord.warn)
        self._begins = begins
        self._asked = False
        self._killed = False
        self._deadline = NEVER
        self._serve_until = 0.0
        self._hooks_until = 0.0
        self._settled = 0.0
        self._closed = NEVER
        self._order_now: int | None = None
        self._order_since = 0.0
        self._order_until = NEVER

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
        now = time.monotonic()
        self._deadline = now + self._current.config.stop_seconds - MARGIN
        self._begins()
        # A reload stops the programs by itself; without programs there is nothing to prepare.
        if self._supervisord.stopping or not any(each.state in UP for each in self._supervisord.programs):
            self._supervisord.stop()
            return
        self._serve_until = now + drain
        self._hooks_until = now + self._current.config.hook_seconds
        self._hooks.start()
        self.step()

    def step(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if not self.begun or self._killed:
            return
        if now >= self._deadline:
            self._kill(self._overran)
        elif self._supervisord.stopping:
            if now >= self._closed:
                self._closed = NEVER
                self._accept_guard.release()
            if now >= self._order_until:
                self._kill_order()
        elif now >= self._prepared():
            # A server without nginx accepts the connections that wait while its workers are busy, but not after TERM.
            serves_on = now < self._deadline - self._current.config.stop_seconds / 2 and self._listeners.waiting()
            if self._accept_guard.hold() or serves_on:
                self._settled = now + SETTLING
            else:
                self._go_on()

    def due(self) -> float:
        """Return the seconds until something is due."""
        if not self.begun or self._killed:
            return NEVER
        until = min(self._closed, self._order_until) if self._supervisord.stopping else self._prepared()
        return min(self._deadline, until) - time.monotonic()

    def stop_next(self) -> None:
        """Stop all programs that are next in the stop order, once those before them have ended."""
        left = self._left()
        highest = max(map(self._order, left), default=0)
        if self.begun and self._order_now != highest:
            later: dict[int, int] = {}
            for each in left:
                if (order := self._order(each)) < highest:
                    later[order] = max(later.get(order, 0), self._guaranteed(each) or 0)
            self._order_now, self._order_since = highest, time.monotonic()
            self._order_until = self._deadline - sum(later.values())
        for each in left:
            if each.state in UP and self._order(each) == highest:
                own = not self.begun or self._guaranteed(each) is None
                each.stop(None if own else self._order_until - self._order_since + MARGIN)

    def _ask(self) -> None:
        again, self._asked = self._asked, True
        if not again:
            self.begin(self._current.config.drain_seconds)
        elif not self._supervisord.stopping:
            self._go_on()
        elif not self._killed:
            self._kill(lambda names: f"another stop signal: killing {names}")

    def _prepared(self) -> float:
        """Return when the first programs may be stopped, as far as it is known."""
        return max(self._serve_until, self._hooks_until if self._hooks.running else 0, self._settled)

    def _go_on(self) -> None:
        self._hooks.kill()
        self._closed = time.monotonic() + CLOSING
        self._supervisord.stop()

    def _kill(self, message: Callable[[str], str]) -> None:
        """Kill all that run; `message` makes the line for the log from their names."""
        self._killed = True
        self._go_on()
        self._kill_each(self._left(), message)

    def _kill_order(self) -> None:
        """Kill what runs of the order that is being stopped: the rest of the time belongs to the later ones."""
        late = [each for each in self._left() if self._order(each) == self._order_now]
        self._kill_each(late, self._overran)
        self._order_until = NEVER

    def _kill_each(self, programs: Collection[Program], message: Callable[[str], str]) -> None:
        if programs:
            self._supervisord.critical(message(", ".join(each.name for each in programs)))
        for each in programs:
            each.kill()

    def _overran(self, names: str) -> str:
        took, most = time.monotonic() - self._order_since, self._current.config.stop_seconds
        how = f"still running after {took:.1f} s: killed; raise ENTRYPOINT_STOP_TIMEOUT (now {most}s) and {LONGER}"
        return f"{names} {'were' if ', ' in names else 'was'} {how}"

    def _left(self) -> list[Program]:
        return [each for each in self._supervisord.programs if each.state in UP or each.state is State.STOPPING]

    def _order(self, program: Program) -> int:
        return self._current.program(program.name).stop_order

    def _guaranteed(self, program: Program) -> int | None:
        return self._current.program(program.name).stop_seconds
