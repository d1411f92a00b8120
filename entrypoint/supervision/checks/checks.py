"""The checks of one running program, as its configuration says: readiness, first request, liveness, memory."""

import math
import re
from collections.abc import Callable, Mapping

from entrypoint.protocol.probe import CONNECTS, Kind
from entrypoint.protocol.supervision import ProgramConfig
from entrypoint.supervision.checks import health
from entrypoint.supervision.checks.first_request import FirstRequest
from entrypoint.supervision.checks.frozen import Acceptance, FrozenProbe
from entrypoint.supervision.checks.health import FAILURES, FailuresInARow, LivenessProbe, ReadinessProbe, Watchdog
from entrypoint.supervision.checks.line_probe import LineProbe
from entrypoint.supervision.checks.memory import MemoryLimit
from entrypoint.supervision.checks.probes import Connect, Endpoint
from entrypoint.supervision.internals import Sink
from entrypoint.supervision.tasks import Tasks


class Checks:
    """The checks of one program, through all its runs."""

    def __init__(  # noqa: PLR0913 - what to check, by what means, and what to call
        self,
        pid: Callable[[], int],
        config: ProgramConfig,
        tasks: Tasks,
        *,
        became_ready: Callable[[], None],
        refused: Callable[[str], None],
        unresponsive: Callable[[str | None], None],
        failed: Callable[[str], None],
        log: Callable[[str], None],
        connect_to: Connect,
    ) -> None:
        """Call `failed` with the reason to restart the program, and `log` with what is measured instead of the PSS.

        Call `refused` with the reason why the program is not ready although its readiness probe has succeeded.
        Call `unresponsive` with the reason why the program is no longer ready, and with None when it responds again.
        `connect_to` connects to the program before it is ready.
        """
        self._became_ready = became_ready
        self._while_up: list[ReadinessProbe | MemoryLimit] = []
        self._while_ready: list[LivenessProbe | FrozenProbe | Watchdog] = []
        self._probe: ReadinessProbe | None = None
        self._first: FirstRequest | None = None
        self._watchdog: Watchdog | None = None
        self._line = re.compile(config.ready.target) if config.ready.kind is Kind.LOG else None
        if request := config.first_request:
            self._first = FirstRequest(tasks, request, connect_to, succeeded=became_ready, failed=refused)
        if config.ready.kind in CONNECTS:
            to = Endpoint.of(config.ready)._replace(connect=connect_to)
            if config.listen:  # its socket listens before it does: it is ready when it closes the connection, too
                to = to._replace(seconds=math.inf, until_closed=True)
            self._probe = ReadinessProbe(tasks, to, self.up)
            self._while_up.append(self._probe)
        if config.memory_limit is not None:
            self._while_up.append(MemoryLimit(tasks.timers, config.memory_limit, pid, failed, log))
        if (probe := config.liveness) is None:
            return
        if probe.kind in CONNECTS:
            failures = FailuresInARow(FAILURES, unresponsive, failed)
            self._while_ready.append(LivenessProbe(tasks, Endpoint.of(probe), failures))
        elif probe.kind is Kind.PROCESS:
            acceptance = Acceptance(tasks, Endpoint.of(config.accepts), config.patience) if config.accepts else None
            failures = FailuresInARow(_most(config.frozen_seconds), unresponsive, failed)
            self._while_ready.append(FrozenProbe(tasks.timers, pid, acceptance, failures))
        else:
            self._watchdog = Watchdog(tasks.timers, failed)
            self._while_ready.append(self._watchdog)

    def sink(self, sink: Sink) -> Sink:
        """Return the sink for the program's output: `sink`, behind a probe if a line makes the program ready."""
        return sink if self._line is None else LineProbe(sink, self._line, self.up)

    def started(self) -> None:
        """Start the checks that apply from the start of the program."""
        for each in self._while_up:
            each.begin()

    def up(self) -> None:
        """Record that the readiness probe has succeeded: the program is ready, or has to answer the first request."""
        if self._first is None:
            self._became_ready()
        else:
            self._first.begin()

    def ready(self) -> None:
        """Start the checks that apply once the program is ready."""
        for each in self._while_ready:
            each.begin()

    @property
    def connections(self) -> int:
        """How many connections of the liveness check wait until the program accepts them."""
        return sum(isinstance(each, FrozenProbe) and each.connected for each in self._while_ready)

    @property
    def fault(self) -> str:
        """Why the last readiness probe failed, if one did."""
        return self._probe.fault if self._probe else ""

    def watchdog_received(self) -> None:
        """Record that the program has sent WATCHDOG=1."""
        if self._watchdog is not None:
            self._watchdog.received()

    def ended(self) -> None:
        """Stop all checks."""
        for each in (*self._while_up, self._first, *self._while_ready):
            if each:
                each.end()


def _most(seconds: float | None) -> float:
    """Return how many failures in a row take so many seconds; None means that the program is never restarted."""
    return math.inf if seconds is None else max(health.UNRESPONSIVE, math.ceil(seconds / health.INTERVAL))


def variables(config: ProgramConfig, notify: Mapping[str, str]) -> Mapping[str, str]:
    """Return the program's own variables; `notify` are those that name the socket of sd_notify(3)."""
    watchdog = config.liveness is not None and config.liveness.kind is Kind.NOTIFY
    notifies = watchdog or config.ready.kind is Kind.NOTIFY
    return {**config.environment, **(notify if notifies else {}), **(Watchdog.VARIABLES if watchdog else {})}
