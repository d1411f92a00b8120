"""The checks of one running program, as its configuration says: readiness, first request, liveness, memory."""

import math
import re
import sched
from collections.abc import Callable, Mapping

from entrypoint.protocol.codec import ConfigError
from entrypoint.protocol.probe import CONNECTS, LIVENESS, READINESS, Kind
from entrypoint.protocol.supervision import ProgramConfig
from entrypoint.supervision.checks.first_request import FirstRequest
from entrypoint.supervision.checks.frozen import Acceptance, FrozenProbe
from entrypoint.supervision.checks.health import LivenessProbe, ReadinessProbe, Watchdog
from entrypoint.supervision.checks.line_probe import LineProbe
from entrypoint.supervision.checks.memory import MemoryLimit
from entrypoint.supervision.checks.probes import Connect, Endpoint, connect
from entrypoint.supervision.internals import Program, Sink
from entrypoint.supervision.tasks import Tasks


class Checks:
    """The checks of one program, through all its runs."""

    def __init__(  # noqa: PLR0913 - what to check, by what means, and what to call
        self,
        program: Program,
        config: ProgramConfig,
        tasks: Tasks,
        timers: sched.scheduler,
        *,
        became_ready: Callable[[Program], None],
        refused: Callable[[Program, str], None],
        unresponsive: Callable[[Program, str | None], None],
        failed: Callable[[Program, str], None],
        log: Callable[[str], None],
        connect_to: Connect = connect,
    ) -> None:
        """Call `failed` with the reason to restart the program, and `log` with what is measured instead of the PSS.

        Call `refused` with the reason why the program is not ready although its readiness probe has succeeded.
        Call `unresponsive` with the reason why the program is no longer ready, and with None when it responds again.
        `connect_to` connects to the program before it is ready.
        """
        self._became_ready: Callable[[], None] = lambda: became_ready(program)
        fail = lambda reason: failed(program, reason)  # noqa: E731 - three checks get it
        silence = lambda reason: unresponsive(program, reason)  # noqa: E731 - as above
        self._while_up: list[ReadinessProbe | MemoryLimit] = []
        self._while_ready: list[LivenessProbe | FrozenProbe | Watchdog] = []
        self._watchdog: Watchdog | None = None
        self._line: re.Pattern[str] | None = None
        self._first: FirstRequest | None = None
        if request := config.first_request:
            refuse = lambda reason: refused(program, reason)  # noqa: E731 - as above
            self._first = FirstRequest(tasks, timers, request, connect_to, succeeded=self._became_ready, failed=refuse)
        if config.ready.kind in CONNECTS:
            to = Endpoint.of(config.ready)._replace(connect=connect_to)
            if config.listen:  # its socket listens before it does: it is ready when it closes the connection, too
                to = to._replace(seconds=math.inf, until_closed=True)
            self._while_up.append(ReadinessProbe(tasks, timers, to, self.up))
        if config.ready.kind is Kind.LOG:
            self._line = re.compile(config.ready.target)
        if config.memory_limit is not None:
            pid, limit = (lambda: program.pid), config.memory_limit
            say = lambda what: log(f"memory_limit of {program.name} {what}")  # noqa: E731 - one line
            self._while_up.append(MemoryLimit(timers, limit, pid, fail, say))
        if config.liveness is not None and config.liveness.kind in CONNECTS:
            self._while_ready.append(LivenessProbe(tasks, timers, Endpoint.of(config.liveness), silence, fail))
        elif config.liveness is not None and config.liveness.kind is Kind.PROCESS:
            acceptance = Acceptance(tasks, Endpoint.of(config.accepts), config.patience) if config.accepts else None
            report = (silence, fail)
            self._while_ready.append(
                FrozenProbe(timers, lambda: program.pid, acceptance, config.frozen_seconds, report)
            )
        elif config.liveness is not None:
            self._watchdog = Watchdog(timers, fail)
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
    def fault(self) -> str:
        """Why the last readiness probe failed, if one did."""
        return next((each.fault for each in self._while_up if isinstance(each, ReadinessProbe)), "")

    def watchdog_received(self) -> None:
        """Record that the program has sent WATCHDOG=1."""
        if self._watchdog is not None:
            self._watchdog.received()

    def ended(self) -> None:
        """Stop all checks."""
        for each in (*self._while_up, *self._while_ready, *([self._first] if self._first else [])):
            each.end()


def verify(name: str, config: ProgramConfig) -> None:
    """Raise ConfigError if a probe of the program `name` is of a kind that its key cannot have."""
    fault = ""
    if config.ready.kind not in READINESS:
        fault = f"ready: {config.ready.kind}: shows nothing about a program that starts"
    elif config.liveness and config.liveness.kind not in {*LIVENESS, Kind.PROCESS}:
        fault = f"liveness: {config.liveness.kind}: shows nothing about a program that is ready"
    elif config.raw and config.ready.kind is Kind.LOG:
        fault = "ready: log: nothing reads the lines of a program that writes directly to the container's output"
    if fault:
        raise ConfigError(f"cannot supervise {name}: {fault}")


def variables(config: ProgramConfig, notify: Mapping[str, str]) -> Mapping[str, str]:
    """Return the program's own variables; `notify` are those that name the socket of sd_notify(3)."""
    watchdog = config.liveness is not None and config.liveness.kind is Kind.NOTIFY
    notifies = watchdog or config.ready.kind is Kind.NOTIFY
    return {**config.environment, **(notify if notifies else {}), **(Watchdog.VARIABLES if watchdog else {})}
