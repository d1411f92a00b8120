"""What is looked at in one program while it runs, by its promise: readiness, liveness, memory."""

import re
import sched
from collections.abc import Callable, Mapping

from entrypoint.supervision.health import FrozenProbe, LivenessProbe, ReadinessProbe, Watchdog
from entrypoint.supervision.internals import Program, Sink
from entrypoint.supervision.lineprobe import LineProbe
from entrypoint.supervision.memory import MemoryLimit
from entrypoint.supervision.probes import Endpoint, Prober
from entrypoint.supervision.promises import Kind, Probe, Promise, PromiseError

ASKED = frozenset({Kind.UNIX, Kind.TCP, Kind.HTTP})
"""The kinds of probes that ask. Of the others we are told."""


class Checks:
    """The looks at one program, through all its runs."""

    def __init__(  # noqa: PLR0913 - whom to look at, by what means, and whom to tell
        self,
        program: Program,
        promise: Promise,
        prober: Prober,
        timers: sched.scheduler,
        *,
        became_ready: Callable[[Program], None],
        silent: Callable[[Program, str | None], None],
        failed: Callable[[Program, str], None],
        complain: Callable[[str], None],
    ) -> None:
        """`failed` is told why the program has to be replaced, `complain` what cannot be looked at.

        `silent` is told why the program is not ready any more, and None when it answers again.
        """
        self._became_ready = lambda: became_ready(program)
        tell = lambda reason: failed(program, reason)  # noqa: E731 - a name for what three of them get
        hush = lambda reason: silent(program, reason)  # noqa: E731 - as above
        self._while_up: list[ReadinessProbe | MemoryLimit] = []
        self._while_ready: list[LivenessProbe | FrozenProbe | Watchdog] = []
        self._watchdog: Watchdog | None = None
        self._line: re.Pattern[str] | None = None
        if promise.ready.kind in ASKED:
            self._while_up.append(ReadinessProbe(prober, timers, Endpoint.of(promise.ready), self._became_ready))
        if promise.ready.kind is Kind.LOG:
            self._line = re.compile(promise.ready.target)
        if promise.memory_limit is not None:
            pid, limit = (lambda: program.pid), promise.memory_limit
            self._while_up.append(MemoryLimit(timers, limit, pid, tell, lambda why: complain(f"{program.name}: {why}")))
        if promise.live is not None and promise.live.kind in ASKED:
            self._while_ready.append(LivenessProbe(prober, timers, Endpoint.of(promise.live), hush, tell))
        elif promise.live is not None and promise.live.kind is Kind.PROCESS:
            self._while_ready.append(FrozenProbe(timers, lambda: program.pid, hush, tell))
        elif promise.live is not None:
            self._watchdog = Watchdog(timers, tell)
            self._while_ready.append(self._watchdog)

    def sink(self, sink: Sink) -> Sink:
        """Return where the program's lines go: to `sink`, read by us if one of them makes it ready."""
        return sink if self._line is None else LineProbe(sink, self._line, self._became_ready)

    def started(self) -> None:
        """Begin with what is looked at from the start."""
        for each in self._while_up:
            each.begin()

    def ready(self) -> None:
        """Begin with what is looked at once the program is ready."""
        for each in self._while_ready:
            each.begin()

    def lives(self) -> None:
        """Know that the program has sent WATCHDOG=1."""
        if self._watchdog is not None:
            self._watchdog.heard()

    def ended(self) -> None:
        """Look no more."""
        for each in (*self._while_up, *self._while_ready):
            each.end()


def verify(name: str, promise: Promise) -> None:
    """Raise PromiseError if there is a probe in `promise` for the program `name` that cannot be made."""
    for key, probe in (("ready", promise.ready), ("live", promise.live)):
        fault = None if probe is None else _fault(probe, live=key == "live", raw=promise.raw)
        if probe is not None and fault:
            raise PromiseError(f"cannot keep the promises for {name}: {key}: {probe.kind}: {fault}")


def _fault(probe: Probe, *, live: bool, raw: bool) -> str | None:
    if live and probe.kind not in {*ASKED, Kind.NOTIFY, Kind.PROCESS}:
        return "says nothing of a program that is up"
    if not live and probe.kind is Kind.PROCESS:
        return "says nothing of a program that starts"
    if raw and probe.kind is Kind.LOG:
        return "nobody reads the lines of a program that writes them to the container's output by itself"
    try:
        if probe.kind in ASKED:
            Endpoint.of(probe)
        if probe.kind is Kind.LOG:
            re.compile(probe.target)
    except (ValueError, re.error) as error:
        return str(error)
    return None


def variables(promise: Promise, notify: Mapping[str, str]) -> Mapping[str, str]:
    """Return what its environment needs beside what all programs get; `notify` names the socket to tell."""
    live = promise.live is not None and promise.live.kind is Kind.NOTIFY
    told = notify if live or promise.ready.kind is Kind.NOTIFY else {}
    return {**promise.environment, **told, **(Watchdog.VARIABLES if live else {})}
