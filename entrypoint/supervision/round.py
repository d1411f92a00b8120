"""One round of supervisord, from its start or a reload to its end: connects the parts, which have modules of their own.

All knowledge of supervisord is in `internals`.
"""

import os
import sched
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from entrypoint.protocol import filenames
from entrypoint.protocol.codec import ConfigError
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.supervision import LISTENER, Environments, Restart, SupervisionConfig
from entrypoint.supervision import files, signals
from entrypoint.supervision.checks.checks import Checks, variables
from entrypoint.supervision.clients.clients import Clients
from entrypoint.supervision.handover import Current, Inheritance, keep
from entrypoint.supervision.internals import Program, Sink, State, Supervisord
from entrypoint.supervision.lifecycle import Lifecycle
from entrypoint.supervision.logs import formats
from entrypoint.supervision.logs.server_log import ServerLog
from entrypoint.supervision.logs.sinks import ProgramLog, SupervisordLog
from entrypoint.supervision.logs.stdout import Stdout
from entrypoint.supervision.notify import NotifySocket
from entrypoint.supervision.policy import Policy
from entrypoint.supervision.readiness import Readiness
from entrypoint.supervision.reaper import Reaper
from entrypoint.supervision.reload.listeners import Listeners
from entrypoint.supervision.reload.reload import ENDED, Reload
from entrypoint.supervision.reports.kills import Kills
from entrypoint.supervision.reports.record import Record
from entrypoint.supervision.reports.waits import Waits
from entrypoint.supervision.shutdown.accept_guard import CLOSING
from entrypoint.supervision.shutdown.hooks import Hooks
from entrypoint.supervision.shutdown.stop import Stop
from entrypoint.supervision.tasks import Tasks

IDLE = 60.0
"""Seconds that supervisord may sleep when nothing is due: a safeguard, because every event wakes it."""

LATE = 0.001
"""Seconds to wake up late: supervisord acts once a time has passed, not at the very moment."""

FLUSH = 0.5
"""Seconds that the end of the container waits for the reader of its standard output."""


class Round:
    """One round of supervisord. It offers its clients nothing but `interface`."""

    def __init__(self, supervisord: Supervisord, config: SupervisionConfig, inherited: Inheritance) -> None:
        self._supervisord = supervisord
        self._current = current = Current(config, inherited.environments)
        self._inherited = inherited
        self._policies: dict[Program, Policy] = {}
        self._checks: dict[Program, Checks] = {}
        self._timers = sched.scheduler(time.monotonic)
        self._tasks = Tasks(self._timers)
        self._listeners = Listeners()
        form = formats.of(config, inherited.environments.programs)
        # None means that descriptor 1 was closed at the start. By now another file may be open as 1.
        self._stdout = Stdout(None if sys.stdout is None else 1, form=form)
        essential = [name for name, program in config.programs.items() if program.essential]
        self._readiness = Readiness(
            essential, Path(config.ready_file), self._became_ready, self._timers, supervisord.critical
        )
        self._kills = Kills(config, self._timers, supervisord.critical)
        self._reloading = Reload(
            supervisord,
            self._timers,
            self._listeners,
            Path(config.ready_file).parent.with_name(filenames.SUPERVISION.name),
            current=current,
            use=self._use,
            succeed=self._succeed,
        )
        self._record = Record(
            Path(config.ready_file).with_name(filenames.PROGRAMS.name),
            supervisord,
            current,
            self._policies,
            self._checks,
            readiness=self._readiness,
            hidden=self._reloading.has,
            killed=self._kills.reason,
            stopping=lambda: supervisord.stopping or self._stop.begun,
        )
        self._waits = Waits(supervisord, current, self._timers, self._record.why_not_ready)
        self._notify = NotifySocket(inherited.notify)
        self._wakeup = signals.WakeUp()
        self._reaper = Reaper(supervisord.program_with, self._died)
        self._hooks = Hooks(current, supervisord, self._stdout.write)
        self._stop = Stop(supervisord, current, self._hooks, self._listeners, begins=self._end)
        self._lifecycle = Lifecycle(
            supervisord,
            current,
            self._policies,
            self._checks,
            timers=self._timers,
            stdout=self._stdout,
            readiness=self._readiness,
            record=self._record,
            waits=self._waits,
            stop=self._stop,
            reloading=self._reloading,
            killed=self._kills.reason,
        )
        self._clients = Clients(
            supervisord,
            current,
            self._checks,
            tasks=self._tasks,
            stdout=self._stdout,
            readiness=self._readiness,
            record=self._record,
            stop=self._stop,
            lifecycle=self._lifecycle,
            reloading=self._reloading,
        )
        self.interface = self._clients.interface
        supervisord.each_program(self._prepare)
        names = {program.name for program in supervisord.programs}
        for name in config.programs.keys() - names:
            raise ConfigError(f"cannot supervise {name}: supervisord has no such program")
        for name, program in config.programs.items():
            for missing in sorted(set(program.after) - names):
                raise ConfigError(f"cannot start {name} after {missing}: supervisord has no such program")
        self._install()

    def _install(self) -> None:
        supervisord = self._supervisord
        supervisord.fork_with(signals.fork)
        supervisord.wait_with(self._reaper.wait)
        supervisord.poll_with(self._before_sleep, self._awake)
        supervisord.take_signals(lambda number: self._stop.take(number) or self._clients.take_hup(number))
        supervisord.stop_by(self._stop.stop_next)
        supervisord.kill_groups()
        supervisord.watch(self._wakeup.fd, self._wakeup.clear)
        supervisord.watch(self._notify.fd, lambda: self._lifecycle.notified(self._notify.messages()))
        supervisord.watch(self._tasks.fd, self._tasks.proceed)
        if self._stdout.room is not None:
            supervisord.watch(self._stdout.room, self._stdout.flush, while_=self._stdout.waiting)
        # Separate callbacks: if one fails, the next is still called.
        own_log = SupervisordLog(self._stdout, quiet=self._current.config.quiet)
        supervisord.on_running(lambda: supervisord.log_to(own_log.write, instead_of=1))
        supervisord.on_running(self._waits.open)
        supervisord.on_running(self._adopt)
        supervisord.on_running(signals.release)
        supervisord.on_running(lambda: self._readiness.begin(self._inherited.began))
        supervisord.on_running(self._kills.look)
        supervisord.on_running(self._clients.web.open)
        serving = self._of_those_that_serve
        supervisord.on_change(serving(lambda program: self._policies[program].follow()))
        supervisord.on_change(serving(self._lifecycle.follow_failure))
        supervisord.on_change(serving(self._lifecycle.follow))
        supervisord.on_change(serving(lambda program: self._waits.follow(program, self._policies[program].waits())))
        supervisord.on_change(self._record.follow)
        supervisord.on_change(self._follow_beside)
        supervisord.on_change(self._close_listener)
        supervisord.on_stopping(self._end)
        supervisord.on_cleanup(self._cleanup)
        supervisord.exit_with(self._lifecycle.exit_code)

    def _adopt(self) -> None:
        for program in self._supervisord.programs:
            if running := self._inherited.programs.get(program.name):
                program.child.adopt(running.pid, running.output, running.unwritten.encode("latin-1"))

    def _prepare(self, program: Program) -> None:
        for gone in self._policies.keys() - set(self._supervisord.programs):  # removed by `supervisorctl update`
            del self._policies[gone], self._checks[gone]
            self._lifecycle.forget(gone)
            self._record.forget(gone)
        self._reloading.prepare(program)
        current = self._reloading.next or self._current
        config, environments = current.program(program.name), current.environments
        checks = Checks(
            lambda: program.pid,
            config,
            self._tasks,
            became_ready=partial(self._lifecycle.ready, program),
            refused=partial(self._lifecycle.refused, program),
            unresponsive=partial(self._lifecycle.unresponsive, program),
            failed=partial(self._lifecycle.restart, program),
            log=lambda what: self._supervisord.warn(f"memory_limit of {program.name} {what}"),
            connect_to=self._listeners.connect_to(program),
        )
        self._checks[program] = checks
        self._policies[program] = policy = Policy(program, config, self._supervisord.info)
        # A logfile in the user's own supervisord files is left to supervisord.
        program.child.log_to(
            lambda stream: checks.sink(self._log_of(program, stream)),
            beside_file=program.name in self._current.config.programs,
        )
        if config.listen:
            program.child.inherit(LISTENER, lambda: self._open_listener(program, config.listen))
        if reload := config.reload:
            files.watch(map(Path, reload.files), lambda: self._reload(program, reload.signal), self._timers)
        program.start_if(lambda: self._readiness.has(config.after))
        program.restart_if(
            lambda: not self._reloading.has(program) and policy.may_restart(),
            policy.waits,
            governed=config.restart is not None,
        )
        if config.ready.kind is Kind.EXIT or config.restart in {Restart.ON_FAILURE, Restart.NEVER}:
            program.take_success_at_once()
        private = environments.private.get(program.name, {})
        as_root = program.child.as_root and not config.identity
        program.child.start_with(
            environments.root if as_root else environments.programs,
            {**variables(config, self._notify.variables), **private},
            identity=config.identity,
            raw=config.raw and sys.stdout is not None,
        )

    def _log_of(self, program: Program, stream: str) -> Sink:
        in_file = program.child.logfile  # supervisord writes it
        own = ProgramLog(program.name, Stdout(None) if in_file else self._stdout, stream, lambda: program.pid)
        application = self._current.program(program.name).application
        if in_file or application is None:
            return own
        return ServerLog(
            own,
            application,
            self._timers,
            quiet=self._current.config.quiet,
            starting=lambda: not self._lifecycle.has_served(program),
            failed=lambda why: self._lifecycle.cannot_load(program, why),
        )

    def _became_ready(self, when: str) -> None:
        address = self._current.config.address
        self._supervisord.info(f"ready {when}{f': {address}' if address else ''}")

    def _before_sleep(self) -> float:
        """Write the record; return the seconds that supervisord may sleep."""
        self._record.write()
        now = time.monotonic()
        waits = [self._supervisord.due(), self._stdout.due(), self._reaper.due(), self._stop.due()]
        waits += [timer.time - now for timer in self._timers.queue[:1]]
        if not self._supervisord.stopping:
            waits += [
                self._policies[each].due(now) for each in self._supervisord.programs if not self._reloading.has(each)
            ]
        wait = min(waits)
        return min(wait + LATE, IDLE) if wait > 0 else 0

    def _awake(self) -> None:
        """Do what supervisord itself does too late or not at all."""
        self._supervisord.handle_signals()
        self._timers.run(blocking=False)
        self._stop.step()

    def _reload(self, program: Program, signal_name: str) -> bool:
        if not program.signal(signal.Signals[f"SIG{signal_name}"]):
            return False
        self._supervisord.info(f"files of {program.name} have changed: sent it {signal_name}")
        return True

    def _use(self, config: SupervisionConfig, environments: Environments) -> None:
        """Use what a reload has brought, from now on."""
        self._current.config, self._current.environments = config, environments
        keep(environments)
        self._readiness.require(name for name, program in config.programs.items() if program.essential)
        self._clients.web.renew(config.metrics)

    def _succeed(self, former: Program, following: Program) -> None:
        self._lifecycle.succeed(former, following)

    def _of_those_that_serve(self, callback: Callable[[Program], None]) -> Callable[[Program], None]:
        """Return a callback that leaves out the processes of a reload, which run beside the one that serves."""

        def follow(program: Program) -> None:
            if not self._reloading.has(program):
                callback(program)

        return follow

    def _follow_beside(self, program: Program) -> None:
        if self._reloading.has(program):
            self._lifecycle.follow_beside(program)

    def _open_listener(self, program: Program, address: str) -> int:
        try:
            return self._listeners.open(program, address)
        except OSError as error:
            self._supervisord.critical(f"cannot listen on {address} for {program.name}: {error.strerror}")
            raise

    def _close_listener(self, program: Program) -> None:
        """Close the socket of a program that accepts no connections: its restart is not due yet, or the site stops."""
        if program.state in ENDED and self._policies[program].due(time.monotonic()) > 0:
            self._listeners.close(program)
        elif program.state is State.STOPPING and self._stop.begun:
            self._timers.enter(CLOSING, 0, self._listeners.close, (program,))

    def _end(self) -> None:
        self._reloading.stop()
        self._record.change()
        self._waits.close()
        self._readiness.end()

    def _died(self, pid: int, wait_status: int) -> None:
        program = self._supervisord.program_with(pid)
        if program is None:
            self._hooks.ended(pid, wait_status)
        else:
            self._kills.ended(program, wait_status)
            program.died(wait_status)

    def _cleanup(self) -> None:
        """Release all resources, at the end or before the next round in this process."""
        if self._supervisord.reloading:
            # The installed handlers note signals for this round, which is over.
            signals.hold()
            for number in self._supervisord.signals:
                if number in signals.HELD:
                    os.kill(os.getpid(), number)
        self._hooks.close()
        self._clients.web.close()
        for fd in (self._wakeup.fd, self._notify.fd, self._tasks.fd, self._stdout.room):
            if fd is not None:
                self._supervisord.unwatch(fd)
        self._wakeup.close()
        self._notify.close()
        self._tasks.close()
        self._listeners.close_all()
        self._stdout.close(FLUSH)
        self._readiness.end()
