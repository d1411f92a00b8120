"""Applies a reload: `entrypoint reload` has replaced the files, and the programs that they concern take them.

A new process of the application server starts beside the old one, on a socket of its own. Once it has answered its
first request, new requests get to it: nginx reads its configuration, which names that socket, or without nginx the
kernel gives it the new connections. The old process serves the requests of nginx's old workers, or those of the
connections that it has, and then stops. So a new process that cannot serve has no effect.
"""

import sched
import signal
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from entrypoint.processes.children import children
from entrypoint.protocol.codec import read_json
from entrypoint.protocol.reload import ReloadRequest, ReloadResult
from entrypoint.protocol.supervision import Environments, SupervisionConfig
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.reload.listeners import Listeners

PAUSE = 0.02
"""Seconds between two checks of the condition that a reload waits for."""

NGINX_STARTS_WITHIN = 10.0
"""Seconds for nginx to start its new workers."""

NGINX = "nginx"

ENDED = frozenset({State.STOPPED, State.EXITED, State.FATAL, State.UNKNOWN, State.BACKOFF})

Steps = Iterator[None]


class _RefusedError(Exception):
    """The reload cannot be applied."""

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class Reload:
    """At most one reload at a time. Each step is a generator that is resumed until it ends."""

    def __init__(  # noqa: PLR0913 - it connects what it is given
        self,
        supervisord: Supervisord,
        timers: sched.scheduler,
        listeners: Listeners,
        file: Path,
        *,
        current: Current,
        use: Callable[[SupervisionConfig, Environments], None],
        succeed: Callable[[Program, Program], None],
    ) -> None:
        """`file` is supervision.json. Call `use` with the configuration and the environments that apply from now on.

        Call `succeed` with the old and the new process of the application server when the new one takes over.
        """
        self._supervisord = supervisord
        self._timers = timers
        self._listeners = listeners
        self._file = file
        self._current = current
        self._use = use
        self._succeed = succeed
        self._steps: Steps | None = None
        self._result = ReloadResult()
        self._done: list[str] = []
        self._beside: set[Program] = set()
        self._fault: str | None = None  # of the new process: empty once it can serve, None until that is known
        self.next: Current | None = None
        """What applies to the programs that are added now, before it applies to all."""

    @property
    def running(self) -> bool:
        """Whether a reload is being applied."""
        return self._steps is not None

    def has(self, program: Program) -> bool:
        """Return whether the program is a new or an old process of a server, beside the one that serves."""
        return program in self._beside

    def prepare(self, program: Program) -> None:
        """Record a program that is added to serve later."""
        if self.next:
            self._beside.add(program)

    def ready(self) -> None:
        """Record that the new process can serve."""
        self._fault = ""

    def fail(self, why: str) -> None:
        """Record why the new process cannot serve."""
        self._fault = why

    def begin(self, request: ReloadRequest) -> Callable[[], ReloadResult | None]:
        """Begin a reload; return a function that returns its result once it has ended."""
        self._done = []
        self._steps = self._apply(request)
        self._proceed()
        return lambda: None if self.running else self._result

    def stop(self) -> None:
        """End the reload: the container stops, and with it all programs."""
        if self.running:
            self._end("the container is stopping", late=True)

    def _proceed(self) -> None:
        steps = self._steps
        if steps is None:
            return
        try:
            next(steps)
        except StopIteration:
            self._end()
        except _RefusedError as error:
            self._end(str(error), late=error.late)
        except ValueError as error:  # in supervision.json, or in supervisord's configuration
            self._end(str(error) or type(error).__name__)
        except Exception as error:
            self._end(f"{type(error).__name__}: {error}")
            raise  # the guard of timers logs it
        else:
            self._timers.enter(PAUSE, 0, self._proceed)

    def _end(self, error: str = "", *, late: bool = False) -> None:
        self._steps, self.next = None, None
        self._result = ReloadResult(tuple(self._done), error, late)

    def _apply(self, request: ReloadRequest) -> Steps:
        new, old = read_json(SupervisionConfig, self._file), self._current.config
        groups = self._supervisord.groups
        groups.read()
        renewed = request.environments[:2] != self._current.environments[:2]
        changes = groups.changes()
        running = {program.group: program.name for program in self._supervisord.programs}
        ours = {name for name, process in running.items() if name == NGINX or old.program(process).application}
        again = {name for name in running if renewed or self._differs(name, old, new)}
        stops = (changes.changed | changes.removed | again | set(request.programs)) - ours
        starts = (stops - changes.removed) | changes.added
        following, workers = None, frozenset[int]()
        if request.server:
            following = yield from self._start_beside(request, new)
        try:
            if request.nginx:
                workers = yield from self._reload_nginx()
        except _RefusedError:
            if following:
                yield from self._remove([following.group])
            raise
        former = self._take_over(request.server, following) if following else None
        self._use(new, request.environments)
        yield from self._remove(sorted(stops))
        for name in sorted(starts):
            groups.add(name)
        self._done += [f"restarted {name}" for name in sorted(starts & stops)]
        self._done += [f"started {name}" for name in sorted(starts - stops)]
        self._done += [f"stopped {name}" for name in sorted(stops - starts)]
        if former:
            yield from self._retire(former, workers, request.finish_seconds)

    def _differs(self, group: str, old: SupervisionConfig, new: SupervisionConfig) -> bool:
        names = [program.name for program in self._supervisord.groups.programs(group)]
        return any(old.program(name).unlike(new.program(name)) for name in names)

    def _start_beside(self, request: ReloadRequest, config: SupervisionConfig) -> Generator[None, None, Program]:
        """Start the new process; return its program once that is ready."""
        try:
            self._listeners.check()
        except OSError as error:
            raise _RefusedError(f"this kernel cannot direct connections to a new process: {error.strerror}") from error
        called = f"{request.server}.new"
        self.next, self._fault = Current(config, request.environments), None
        self._supervisord.groups.add(request.server, called)
        self.next = None
        (program,) = self._supervisord.groups.programs(called)
        try:
            yield from self._wait_for(program, request)
        except _RefusedError:
            yield from self._remove([called])
            raise
        self._done.append(f"replaced {request.server}")
        return program

    def _wait_for(self, program: Program, request: ReloadRequest) -> Steps:
        """Wait until the new process can serve."""
        deadline = time.monotonic() + request.start_seconds
        while self._fault is None:
            if program.state in ENDED and not program.unstarted:
                raise _RefusedError(f"the new {request.server} has ended; see its lines in the log")
            if time.monotonic() > deadline:
                why = f"the new {request.server} was not ready within {request.start_seconds:g} s"
                raise _RefusedError(why, late=True)
            yield
        if self._fault:
            raise _RefusedError(self._fault)

    def _take_over(self, name: str, following: Program) -> Program:
        """Let the new process be the program `name`; return the old one."""
        groups = self._supervisord.groups
        (former,) = groups.programs(name)
        self._supervisord.rename(name, f"{name}.old")
        self._supervisord.rename(following.group, name)
        self._beside.add(former)
        self._beside.discard(following)
        self._listeners.turn_to(following)
        self._succeed(former, following)
        return former

    def _retire(self, former: Program, workers: frozenset[int], seconds: float) -> Steps:
        """Stop the old process once no client reaches it: nginx's old workers have ended, or its queue is empty."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (
            any(Path(f"/proc/{pid}").exists() for pid in workers) or self._listeners.has_clients(former)
        ):
            yield
        yield from self._remove([former.group])

    def _reload_nginx(self) -> Generator[None, None, frozenset[int]]:
        """Let nginx read its files; return the PIDs of its old workers."""
        (nginx,) = self._supervisord.groups.programs(NGINX)
        before = children(nginx.pid)
        while nginx.state is State.STARTING:  # supervisord sends a signal only to a program that is RUNNING
            yield
        if not nginx.signal(signal.SIGHUP):
            raise _RefusedError("nginx does not run")
        deadline = time.monotonic() + NGINX_STARTS_WITHIN
        while not children(nginx.pid) - before:
            if time.monotonic() > deadline:
                raise _RefusedError("nginx has started no new workers; see its lines in the log")
            yield
        self._done.append("reloaded nginx")
        return before

    def _remove(self, names: list[str]) -> Steps:
        """Stop groups, and remove them once they have ended."""
        groups = self._supervisord.groups
        left = [name for name in names if groups.programs(name)]
        while left:
            for program in (each for name in left for each in groups.programs(name)):
                if program.state in {State.STARTING, State.RUNNING, State.BACKOFF}:
                    program.stop()  # in each round: a client may have started it again
            left = [name for name in left if not groups.remove(name)]
            if left:
                yield
        self._beside &= set(self._supervisord.programs)
