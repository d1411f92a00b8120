"""The metrics of this container, collected when a client asks for them."""

import sched
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from entrypoint import certificate
from entrypoint.protocol.status_record import ProgramRecord
from entrypoint.protocol.supervision import MetricsConfig
from entrypoint.supervision.internals import Program
from entrypoint.supervision.metrics import boot, queue, uwsgi
from entrypoint.supervision.metrics.exposition import (
    OPENMETRICS,
    PROMETHEUS,
    Family,
    Labels,
    Sample,
    counter,
    gauge,
    openmetrics,
    prometheus,
    summary,
    wants_old,
)
from entrypoint.supervision.metrics.programs import Usage, Usages, own_usage
from entrypoint.supervision.metrics.requests import INTERVAL, RequestCount
from entrypoint.supervision.tasks import Timer, Wait
from entrypoint.supervision.web.conversation import Request, Response

CONNECTIONS: Final = "x-entrypoint-connections"
"""The header in which nginx passes the numbers of its connections: active, reading, writing, waiting."""

T = TypeVar("T")

_STATES: Final = ("active", "reading", "writing", "waiting")


class Container(NamedTuple):
    """The facts that supervisord's plugin knows about this container."""

    programs: Callable[[], Iterable[tuple[Program, ProgramRecord]]]
    ready: Callable[[], bool]
    dropped: Callable[[], int]
    """How many log lines were dropped."""
    probing: Callable[[Program], int]
    """How many connections of supervision's own checks wait until the program accepts them."""


class Metrics:
    """The metrics, and what has to be remembered between two requests for them."""

    def __init__(self, config: MetricsConfig, container: Container, timers: sched.scheduler) -> None:
        self._config = config
        self._container = container
        self._usages = Usages()
        self._boot: boot.Boot | None = None
        self._requests: RequestCount | None = None
        self._timer = Timer(timers, self._count)
        self.use(config)

    def use(self, config: MetricsConfig) -> None:
        """Use the configuration that a reload has brought; what was counted stays."""
        self._config = config
        if config.requests is None:
            self._requests = None
        elif self._requests is None or self._requests.file != Path(config.requests):
            self._requests = RequestCount(Path(config.requests))
        if self._requests and not self._timer.running:
            self._count()

    def answer(self, request: Request) -> Generator[Wait, bool, Response]:
        """Return the metrics as text, in the format that the client prefers."""
        statistics = (yield from uwsgi.read(Path(self._config.uwsgi))) if self._config.uwsgi else None
        families = [
            *self._of_container(),
            *self._of_programs(),
            *self._of_nginx(request.headers.get(CONNECTIONS, "")),
            *self._of_server(statistics),
            *self._of_boot(),
        ]
        if wants_old(request.headers.get("accept", "")):
            return Response(prometheus(families), PROMETHEUS)
        return Response(openmetrics(families), OPENMETRICS)

    def figures(self) -> Generator[Wait, bool, Mapping[str, Any]]:
        """Return what the status page shows. A figure that is not known is None; times are Unix times."""
        statistics = (yield from uwsgi.read(Path(self._config.uwsgi))) if self._config.uwsgi else None
        counts = self._requests.read() if self._requests else {}
        shown = [(program, record) for ((_, program),), record in _labelled(self._container.programs())]
        usages = self._usages.of(record.pid for _, record in shown if record.pid)
        last = self._last_boot()
        return {
            "ready": self._container.ready(),
            "requests": sum(counts.values()) if counts else statistics.requests if statistics else None,
            "programs": [_figures(name, record, usages.get(record.pid)) for name, record in shown],
            "boot_seconds": last.seconds,
            "boot": [{"at": step.at, "line": step.line} for step in last.steps],
        }

    def _last_boot(self) -> boot.Boot:
        if self._boot is None or self._boot.seconds is None:
            self._boot = boot.read(Path(self._config.timeline), Path(self._config.first_ready))
        return self._boot

    def _count(self) -> None:
        """Count requests every so often, so that nginx's file stays small although nobody asks for metrics."""
        if self._requests:
            self._requests.read()
            self._timer.start(INTERVAL)

    def _of_container(self) -> Iterator[Family]:
        yield gauge(
            "entrypoint_ready", "Whether all essential programs are ready.", Sample(int(self._container.ready()))
        )
        lines = self._container.dropped()
        what = "Log lines that were dropped because nobody read the container's standard output."
        yield counter("entrypoint_log_lines_dropped", what, Sample(lines))
        if own := own_usage():
            yield counter("process_cpu_seconds", "CPU time of supervisord itself.", Sample(own.cpu))
            yield gauge("process_resident_memory_bytes", "Resident memory of supervisord itself.", Sample(own.memory))
            yield gauge("process_start_time_seconds", "When this container started: Unix time.", Sample(own.started))
        expiries = [(file, certificate.expiry(file)) for file in self._config.certificates]
        samples = [Sample(at, (("file", str(file)),)) for file, at in expiries if at is not None]
        what = "When the certificate in the file expires: Unix time."
        yield gauge("entrypoint_certificate_expiry_timestamp_seconds", what, *samples)

    def _of_programs(self) -> Iterator[Family]:
        shown = tuple(_labelled(self._container.programs()))
        what = "Whether the program has a running process."
        yield gauge("entrypoint_program_up", what, *_samples(shown, lambda record: int(bool(record.pid))))
        what = "Whether the program is ready."
        yield gauge("entrypoint_program_ready", what, *_samples(shown, lambda record: int(record.ready)))
        what = "The state of the program's process in supervisord, as a label of the value 1."
        states = (((*labels, ("state", record.state.lower())), record) for labels, record in shown)
        yield gauge("entrypoint_program_state", what, *_samples(states, lambda _: 1))
        what = "How often the program was started again."
        yield counter("entrypoint_program_restarts", what, *_samples(shown, lambda record: record.restarts))
        usages = self._usages.of(record.pid for _, record in shown if record.pid)
        used = [(labels, usages[record.pid]) for labels, record in shown if record.pid in usages]
        what = "CPU time of the program and its child processes, since it started."
        yield counter("entrypoint_program_cpu_seconds", what, *_samples(used, lambda usage: usage.cpu))
        what = "Memory of the program and its child processes: PSS, in which shared memory counts once."
        yield gauge("entrypoint_program_memory_bytes", what, *_samples(used, lambda usage: usage.memory))
        what = "Processes of the program, its child processes included."
        yield gauge("entrypoint_program_processes", what, *_samples(used, lambda usage: usage.processes))
        what = "When the program last started: Unix time."
        yield gauge("entrypoint_program_start_time_seconds", what, *_samples(used, lambda usage: usage.started))

    def _of_nginx(self, connections: str) -> Iterator[Family]:
        numbers = connections.split()
        if len(numbers) == len(_STATES) and all(each.isascii() and each.isdigit() for each in numbers):
            told = {state: int(number[:9]) for state, number in zip(_STATES, numbers, strict=True)}
            what = "Client connections of nginx, this scrape included; active is the sum of the others."
            yield gauge("entrypoint_nginx_connections", what, *_by("state", told))
        if self._requests:
            what = "Requests that nginx has answered, by the class of the status; none: the client went away first."
            yield counter("entrypoint_nginx_requests", what, *_by("class", self._requests.read()))

    def _of_server(self, statistics: uwsgi.Statistics | None) -> Iterator[Family]:
        if self._config.upstream and (waiting := queue.length(self._config.upstream)) is not None:
            server = (each for each, _ in self._container.programs() if each.name == self._config.server)
            clients = max(0, waiting - sum(map(self._container.probing, server)))
            what = "Connections of clients that wait until the application server accepts them."
            yield gauge("entrypoint_server_listen_queue", what, *_by("program", {self._config.server: clients}))
        if statistics:
            what = "Worker processes of uWSGI by state; cheap: not started."
            yield gauge("entrypoint_uwsgi_workers", what, *_by("state", statistics.states))
            what = "Requests that uWSGI's workers have finished, and the time of all together."
            yield summary("entrypoint_uwsgi_request_seconds", what, statistics.requests, statistics.seconds)
            what = "Exceptions that the application did not handle."
            yield counter("entrypoint_uwsgi_exceptions", what, Sample(statistics.exceptions))
            what = "How often uWSGI started a worker again."
            yield counter("entrypoint_uwsgi_respawns", what, Sample(statistics.respawns))

    def _of_boot(self) -> Iterator[Family]:
        last = self._last_boot()
        yield gauge(
            "entrypoint_boot_phase_seconds", "How long each phase of the boot took.", *_by("phase", last.phases)
        )
        if last.seconds is not None:
            what = "From the start of the container until the site was ready."
            yield gauge("entrypoint_boot_seconds", what, Sample(last.seconds))
        if last.migrations is not None:
            what = "Migrations that the boot has applied."
            yield gauge("entrypoint_migrations_applied", what, Sample(last.migrations))


def _samples(found: Iterable[tuple[Labels, T]], value: Callable[[T], float]) -> Iterator[Sample]:
    return (Sample(value(each), labels) for labels, each in found)


def _by(label: str, values: Mapping[str, float]) -> Iterator[Sample]:
    return (Sample(value, ((label, text),)) for text, value in values.items())


def _figures(name: str, record: ProgramRecord, usage: Usage | None) -> Mapping[str, Any]:
    used = {"cpu": usage.cpu, "memory": usage.memory, "started": usage.started} if usage else {}
    return {**record._asdict(), "name": name, "cpu": None, "memory": None, "started": None, **used}


def _labelled(programs: Iterable[tuple[Program, ProgramRecord]]) -> Iterator[tuple[Labels, ProgramRecord]]:
    """Yield the label of each program. supervisord allows programs of one name in several groups."""
    programs = tuple(programs)
    names = Counter(program.name for program, _ in programs)
    for program, record in programs:
        name = program.name if names[program.name] == 1 else f"{program.group}:{program.name}"
        yield (("program", name),), record
