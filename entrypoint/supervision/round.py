"""One round of supervisord, from its start or a reload to its end: connects the parts, which have modules of their own.

All knowledge of supervisord is in `internals`.
"""

import os
import sched
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from entrypoint import log
from entrypoint.protocol.codec import ConfigError
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.status_record import ProgramRecord
from entrypoint.protocol.supervision import Restart, SupervisionConfig
from entrypoint.supervision import files, signals
from entrypoint.supervision.checks.checks import Checks, variables, verify
from entrypoint.supervision.checks.probes import Prober
from entrypoint.supervision.failures import Failures
from entrypoint.supervision.handover import Inheritance
from entrypoint.supervision.internals import Program, Sink, State, Supervisord
from entrypoint.supervision.logs import formats
from entrypoint.supervision.logs.server_log import ServerLog
from entrypoint.supervision.logs.sinks import Elsewhere, ProgramLog, SupervisordLog
from entrypoint.supervision.logs.stdout import Stdout
from entrypoint.supervision.notify import NotifySocket, group
from entrypoint.supervision.policy import Policy
from entrypoint.supervision.readiness import Phase, Readiness
from entrypoint.supervision.reaper import Reaper
from entrypoint.supervision.reports.kills import Kills
from entrypoint.supervision.reports.record import NAME, Record
from entrypoint.supervision.reports.report import Report
from entrypoint.supervision.reports.waits import Waits, reason
from entrypoint.supervision.shutdown.hooks import Hooks
from entrypoint.supervision.shutdown.stop import Stop

IDLE = 60.0
"""Seconds that supervisord may sleep when nothing is due: a safeguard, because every event wakes it."""

LATE = 0.001
"""Seconds to wake up late: supervisord acts once a time has passed, not at the very moment."""

FLUSH = 0.5
"""Seconds that the end of the container waits for the reader of its standard output."""


class Round:
    """One round of supervisord.

    It has no public attribute: supervisord offers the public methods of what `make` returns on its control socket.
    """

    def __init__(self, supervisord: Supervisord, config: SupervisionConfig, inherited: Inheritance) -> None:
        self._supervisord = supervisord
        self._config = config
        self._inherited = inherited
        self._policies: dict[Program, Policy] = {}
        self._checks: dict[Program, Checks] = {}
        self._report = Report(supervisord, config)
        self._served: set[Program] = set()  # the programs that have been ready
        self._timers = sched.scheduler(time.monotonic)
        self._prober = Prober(self._timers)
        form = formats.of(config, inherited.environments.programs)
        # None means that descriptor 1 was closed at the start. By now another file may be open as 1.
        self._stdout = Stdout(None if sys.stdout is None else 1, form=form)
        essential = [name for name, program in config.programs.items() if program.essential]
        self._readiness = Readiness(
            essential, Path(config.ready_file), self._report.ready, self._timers, supervisord.critical
        )
        self._kills = Kills(config, self._timers, supervisord.critical)
        self._record = Record(
            Path(config.ready_file).with_name(NAME),
            supervisord,
            shown=self._shown,
            killed=self._kills.reason,
            stopping=lambda: supervisord.stopping or self._stop.begun,
        )
        self._waits = Waits(supervisord, config, self._timers, self._why_not_ready)
        self._notify = NotifySocket(inherited.notify)
        self._wakeup = signals.WakeUp()
        self._reaper = Reaper(lambda pid: supervisord.program_with(pid) is not None, self._died, self._is_stopping)
        self._files = files.Watch(files.INTERVAL, time.monotonic)
        self._hooks = Hooks(config.pre_stop, inherited.environments, supervisord, self._stdout.write)
        self._stop = Stop(supervisord, config, self._hooks, self._end)
        self._failures = Failures(
            supervisord,
            config,
            self._policies,
            killed=self._kills.reason,
            waits=self._waits,
            stop=self._stop,
            report=self._report,
        )
        for name, program in config.programs.items():
            verify(name, program)
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
        supervisord.take_signals(lambda number: self._stop.take(number) or self._ignore(number))
        supervisord.stop_by(self._stop.stop_next)
        supervisord.kill_groups()
        supervisord.watch(self._wakeup.fd, self._wakeup.clear)
        supervisord.watch(self._notify.fd, self._notified)
        supervisord.watch(self._prober.fd, self._prober.proceed)
        if self._stdout.room is not None:
            supervisord.watch(self._stdout.room, self._stdout.flush, while_=self._stdout.waiting)
        # Separate callbacks: if one fails, the next is still called.
        own_log = SupervisordLog(self._stdout, quiet=self._config.quiet)
        supervisord.on_running(lambda: supervisord.log_to(own_log.write, instead_of=1))
        supervisord.on_running(self._waits.open)
        supervisord.on_running(self._adopt)
        supervisord.on_running(signals.release)
        supervisord.on_running(lambda: self._readiness.begin(self._inherited.began))
        supervisord.on_running(self._kills.look)
        supervisord.on_change(lambda program, _: self._policies[program].follow())
        supervisord.on_change(lambda program, _: self._failures.follow(program))
        supervisord.on_change(self._follow)
        supervisord.on_change(lambda program, _: self._waits.follow(program, self._policies[program].waits()))
        supervisord.on_change(lambda program, _: self._record.follow(program))
        supervisord.on_stopping(self._end)
        supervisord.on_cleanup(self._cleanup)
        supervisord.exit_with(self._failures.exit_code)

    def _adopt(self) -> None:
        for program in self._supervisord.programs:
            if running := self._inherited.programs.get(program.name):
                program.adopt(running.pid, running.output, running.unwritten.encode("latin-1"))

    def _prepare(self, program: Program) -> None:
        for gone in self._policies.keys() - set(self._supervisord.programs):  # removed by `supervisorctl update`
            del self._policies[gone], self._checks[gone]
            self._report.forget(gone)
            self._served.discard(gone)
            self._record.forget(gone)
        config = self._config.program(program.name)
        checks = Checks(
            program,
            config,
            self._prober,
            self._timers,
            became_ready=self._ready,
            refused=self._refused,
            unresponsive=self._unresponsive,
            failed=self._replace,
            log=self._supervisord.warn,
        )
        self._checks[program] = checks
        self._policies[program] = policy = Policy(program, config, self._supervisord.info)
        # A logfile in the user's own supervisord files is left to supervisord.
        program.log_to(
            lambda stream: checks.sink(self._log_of(program, stream)),
            beside_file=program.name in self._config.programs,
        )
        program.know_its_user()
        if config.raw and sys.stdout is not None:
            program.inherit_output()
        if reload := config.reload:
            self._files.add(map(Path, reload.files), lambda: self._reload(program, reload.signal))
        program.start_if(lambda: self._readiness.has(config.after))
        program.restart_if(policy.may_restart, policy.waits, governed=config.restart is not None)
        if config.ready.kind is Kind.EXIT or config.restart in {Restart.ON_FAILURE, Restart.NEVER}:
            program.take_success_at_once()
        private = self._inherited.environments.private.get(program.name, {})
        program.extend_environment({**variables(config, self._notify.variables), **private})
        as_root = program.as_root if config.as_root is None else config.as_root
        program.run_in(self._inherited.environments.root if as_root else self._inherited.environments.programs)

    def _log_of(self, program: Program, stream: str) -> Sink:
        if program.logfile:
            return Elsewhere()
        own = ProgramLog(program.name, self._stdout, stream, lambda: program.pid)
        application = self._config.program(program.name).application
        if application is None:
            return own
        return ServerLog(
            own,
            application,
            self._timers,
            quiet=self._config.quiet,
            starting=lambda: program not in self._served,
            failed=lambda why: self._cannot_load(program, why),
        )

    def _cannot_load(self, program: Program, why: str) -> None:
        """Say why a server has ended before it was ready, and do not start it again.

        uvicorn and granian may run on: they replace a worker that cannot load the application, again and again.
        """
        status = program.wait_status
        if self._stop.begun or (status is not None and not os.WIFEXITED(status)):
            return
        self._stdout.write(log.ENTRYPOINT, [log.printable(why).encode()])
        self._record.explain(program, why)
        self._policies[program].give_up_loading()
        program.replace()

    def _before_sleep(self) -> float:
        self._record.write()
        return self._timeout()

    def _timeout(self) -> float:
        """Return the seconds that supervisord may sleep."""
        now = time.monotonic()
        waits = [self._supervisord.due(), self._stdout.due(), self._reaper.due(), self._stop.due(), self._files.due()]
        waits += [timer.time - now for timer in self._timers.queue[:1]]
        if not self._supervisord.stopping:
            waits += [self._policies[each].due(now) for each in self._supervisord.programs]
        wait = min(waits)
        return min(wait + LATE, IDLE) if wait > 0 else 0

    def _awake(self) -> None:
        """Do what supervisord itself does too late or not at all."""
        self._supervisord.handle_signals()
        self._timers.run(blocking=False)
        self._stop.step()
        self._files.check()

    def _reload(self, program: Program, signal_name: str) -> bool:
        if not program.signal(signal.Signals[f"SIG{signal_name}"]):
            return False
        self._report.reloaded(program, signal_name)
        return True

    def _ignore(self, number: int) -> bool:
        """Ignore HUP: supervisord would stop all programs and start them again."""
        if number != signal.SIGHUP:
            return False
        self._report.ignored_hup()
        return True

    def _is_stopping(self, pid: int) -> bool:
        program = self._supervisord.program_with(pid)
        return program is not None and program.state is State.STOPPING

    def _follow(self, program: Program, _: bool) -> None:  # noqa: FBT001 - a callback's signature
        kind = self._config.program(program.name).ready.kind
        if program.state is State.STARTING:
            self._readiness.remove(program.name)
            self._checks[program].started()
        elif program.state is not State.RUNNING:
            if program.state is State.STOPPING and (interval := self._config.program(program.name).stop_interval):
                self._timers.enter(interval, 0, self._repeat_stop_signal, (program, interval))
            self._checks[program].ended()
            if kind is Kind.EXIT and program.wait_status == 0 and program.state is State.EXITED:
                self._readiness.add(program.name)
                self._waits.end(program.name)
            else:
                self._readiness.remove(program.name, self._phase(program))
        elif kind is Kind.RUNNING and program.wait_status is None:  # otherwise it has ended already
            self._up(program)

    def _up(self, program: Program) -> None:
        if not self._readiness.has([program.name]):
            self._checks[program].up()

    def _shown(self, program: Program) -> ProgramRecord:
        config = self._config.program(program.name)
        ready = self._readiness.has([program.name])
        missing = [name for name in config.after if not self._readiness.has([name])] if program.unstarted else []
        if missing:
            why = f"waits for {', '.join(missing)}"
        elif self._policies[program].waits():
            why = "waits for its restart"
        else:
            why = "" if ready else self._why_not_ready(program)
        return ProgramRecord(program.name, program.state.name, program.pid, ready, config.essential, why=why)

    def _why_not_ready(self, program: Program) -> str:
        probe = self._config.program(program.name).ready
        return self._readiness.reason(program.name) or reason(program, probe, self._checks[program].fault)

    def _end(self) -> None:
        self._record.change()
        self._waits.close()
        self._readiness.end()

    def _phase(self, program: Program) -> Phase | None:
        if program.name in self._failures:
            return Phase.FAILED
        return Phase.STOPPED if program.state is State.STOPPED and not program.replaced else None

    def _repeat_stop_signal(self, program: Program, interval: float) -> None:
        if program.state is State.STOPPING:
            program.repeat_stop_signal()
            self._timers.enter(interval, 0, self._repeat_stop_signal, (program, interval))

    def _ready(self, program: Program) -> None:
        if not self._readiness.has([program.name]):
            self._served.add(program)
            self._record.change()
            self._readiness.add(program.name)
            self._waits.end(program.name)
            self._checks[program].ready()

    def _refused(self, program: Program, why: str) -> None:
        self._record.change()
        self._readiness.explain(program.name, why)
        self._report.refused(program, why)

    def _notified(self) -> None:
        for pid, message in self._notify.messages():
            program = self._supervisord.program_with(pid) or self._supervisord.program_with(group(pid))
            if program is not None:
                self._handle(program, message)

    def _handle(self, program: Program, message: Mapping[str, str]) -> None:
        by_notify = self._config.program(program.name).ready.kind is Kind.NOTIFY
        self._report.status(program, log.printable(message.get("STATUS", "")))
        if message.get("WATCHDOG") == "1":
            self._checks[program].watchdog_received()
        if message.get("STOPPING") == "1":
            self._record.change()
            self._checks[program].ended()
            self._readiness.remove(program.name)
        elif message.get("READY") == "1" and by_notify:
            self._up(program)

    def _unresponsive(self, program: Program, why: str | None) -> None:
        self._record.change()
        if why:
            self._report.unresponsive(program, why)
            self._readiness.remove(program.name, Phase.UNRESPONSIVE)
            self._readiness.explain(program.name, why)
        else:
            self._report.responds(program)
            self._readiness.add(program.name)

    def _replace(self, program: Program, why: str) -> None:
        if not self._supervisord.stopping and not self._stop.begun:
            self._report.restarting(program, why)
            self._record.explain(program, why)
            program.replace()

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
                    signals.send_again(number)
        self._hooks.close()
        for fd in (self._wakeup.fd, self._notify.fd, self._prober.fd, self._stdout.room):
            if fd is not None:
                self._supervisord.unwatch(fd)
        self._wakeup.close()
        self._notify.close()
        self._prober.close()
        self._stdout.close(FLUSH)
        self._readiness.end()
