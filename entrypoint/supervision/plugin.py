"""The plugin that supervisord loads, `supervisor.rpcinterface_factory = entrypoint.supervision.plugin:make`.

It keeps the promises that supervisord alone does not make. Here is who takes part where; what each does
stands in its own module, and all knowledge of supervisord in `internals`.
"""

import os
import sched
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.supervision import files, loss, signals
from entrypoint.supervision.checks import Checks, variables, verify
from entrypoint.supervision.formats import FORMATS
from entrypoint.supervision.handover import Handover, take
from entrypoint.supervision.hooks import Hooks
from entrypoint.supervision.internals import Program, Sink, State, Supervisord
from entrypoint.supervision.logs import Elsewhere, ProgramLog, SupervisordLog
from entrypoint.supervision.loss import FAILURE, Loss
from entrypoint.supervision.notify import NotifySocket
from entrypoint.supervision.policy import Policy
from entrypoint.supervision.probes import Prober
from entrypoint.supervision.promises import Kind, OnFailure, Promise, PromiseError, Promises, load
from entrypoint.supervision.readiness import Readiness
from entrypoint.supervision.reaper import Reaper
from entrypoint.supervision.stdout import Stdout
from entrypoint.supervision.stop import Stop
from entrypoint.supervision.wakeup import WakeUp

IDLE = 60.0
"""Seconds that supervisord may sleep when nothing is due: a last resort, for whatever happens wakes it."""

LATE = 0.001
"""Seconds to be later than what is due: supervisord acts on what has passed, not on what is just now."""

INSTEAD_OF_HUP = "`entrypoint ctl signal HUP nginx` reloads nginx, `entrypoint ctl restart NAME` restarts a program"

LAST_WORDS = 0.5
"""Seconds that the end of the container waits for the reader of its standard output."""


class Plugin:
    """One round of supervisord, with its promises.

    It has no public attribute: supervisord offers the methods of what `make` returns to whoever may use its
    control socket.
    """

    def __init__(self, supervisord: Supervisord, promises: Promises, handover: Handover) -> None:
        self._begun = time.monotonic()
        self._supervisord = supervisord
        self._promises = promises
        self._losses: dict[str, Loss] = {}
        self._policies: dict[Program, Policy] = {}
        self._checks: dict[Program, Checks] = {}
        self._status: dict[Program, str] = {}
        self._timers = sched.scheduler(time.monotonic)
        self._prober = Prober(self._timers)
        # Python says by None that the descriptor is closed. By now it may be open as something else, not to
        # be written to.
        self._stdout = Stdout(None if sys.stdout is None else 1, form=FORMATS[promises.log_format])
        essential = [name for name, promise in promises.programs.items() if promise.essential]
        self._readiness = Readiness(
            essential, promises.ready_file, self._became_ready, self._timers, supervisord.critical
        )
        self._notify = NotifySocket(handover.notify)
        self._handover = handover
        self._wakeup = WakeUp()
        self._reaper = Reaper(lambda pid: supervisord.program_with(pid) is not None, self._died, self._is_stopping)
        self._files = files.Watch(files.INTERVAL, time.monotonic)
        self._hooks = Hooks(promises.pre_stop, handover.environments, supervisord, self._stdout.write)
        self._stop = Stop(supervisord, promises, self._hooks, self._readiness.end)
        for name, promise in promises.programs.items():
            verify(name, promise)
        supervisord.each_program(self._prepare)
        names = {program.name for program in supervisord.programs}
        for name in promises.programs.keys() - names:
            raise PromiseError(f"cannot keep the promises for {name}: supervisord has no such program")
        for name, promise in promises.programs.items():
            for missing in sorted(set(promise.after) - names):
                raise PromiseError(f"cannot start {name} after {missing}: supervisord has no such program")
        self._take_part()

    def _take_part(self) -> None:
        supervisord = self._supervisord
        supervisord.fork_with(signals.fork)
        supervisord.wait_with(self._reaper.wait)
        supervisord.poll_with(self._timeout, self._awake)
        supervisord.take_signals(lambda number: self._stop.take(number) or self._ignore(number))
        supervisord.stop_by(self._stop.stop_tier)
        supervisord.kill_groups()
        supervisord.watch(self._wakeup.fd, self._wakeup.clear)
        supervisord.watch(self._notify.fd, self._notified)
        supervisord.watch(self._prober.fd, self._prober.proceed)
        if self._stdout.room is not None:
            supervisord.watch(self._stdout.room, self._stdout.flush, while_=self._stdout.waiting)
        # Each by itself: where one fails, the next still does its part.
        log = SupervisordLog(self._stdout)
        supervisord.on_running(lambda: supervisord.log_to(log.write, instead_of=1))
        supervisord.on_running(self._adopt)
        supervisord.on_running(signals.release)
        supervisord.on_running(self._readiness.begin)
        supervisord.on_change(lambda program, _: self._policies[program].follow())
        supervisord.on_change(self._lose)
        supervisord.on_change(self._follow)
        supervisord.on_stopping(self._readiness.end)
        supervisord.on_cleanup(self._cleanup)
        supervisord.exit_with(lambda: next((each.code for each in self._losses.values()), None))

    def _adopt(self) -> None:
        for program in self._supervisord.programs:
            if running := self._handover.programs.get(program.name):
                program.adopt(running.pid, running.output, running.begun.encode("latin-1"))

    def _prepare(self, program: Program) -> None:
        for gone in self._policies.keys() - set(self._supervisord.programs):  # removed by `supervisorctl update`
            del self._policies[gone], self._checks[gone]
            self._status.pop(gone, None)
        promise = self._promises.of(program.name)
        checks = Checks(
            program,
            promise,
            self._prober,
            self._timers,
            became_ready=self._ready,
            silent=self._silent,
            failed=self._replace,
            complain=self._supervisord.critical,
        )
        self._checks[program] = checks
        self._policies[program] = policy = Policy(program, promise, self._supervisord.info)
        # A logfile in supervisord's files of the user's own is left to supervisord as it is.
        program.log_to(
            lambda stream: checks.sink(self._log_of(program, stream)),
            beside_file=program.name in self._promises.programs,
        )
        program.know_its_user()
        if promise.raw and sys.stdout is not None:
            program.inherit_output()
        if reload := promise.reload:
            self._files.add(reload.files, lambda: self._tell_of_files(program, promise))
        program.start_if(lambda: self._readiness.has(promise.after))
        program.restart_if(policy.may_restart, policy.waits, governed=promise.restart is not None)
        if not promise.restarts_success:
            program.take_success_at_once()
        program.extend_environment(variables(promise, self._notify.variables))
        as_root = program.as_root if promise.as_root is None else promise.as_root
        program.run_in(self._handover.environments.root if as_root else self._handover.environments.programs)

    def _log_of(self, program: Program, stream: str) -> Sink:
        if program.logfile:
            return Elsewhere()
        return ProgramLog(program.name, self._stdout, stream, lambda: program.pid)

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
        """Do what supervisord itself does too late, or does not know of."""
        self._supervisord.handle_signals()
        self._timers.run(blocking=False)
        self._stop.step()
        self._files.look()

    def _tell_of_files(self, program: Program, promise: Promise) -> bool:
        if promise.reload is None or not program.tell(signal.Signals[f"SIG{promise.reload.signal}"]):
            return False
        self._supervisord.info(f"files of {program.name} have changed: told it by {promise.reload.signal}")
        return True

    def _ignore(self, number: int) -> bool:
        """Ignore HUP: supervisord would stop all programs and start them again."""
        if number != signal.SIGHUP:
            return False
        self._supervisord.warn(f"received SIGHUP: ignored; {INSTEAD_OF_HUP}")
        return True

    def _is_stopping(self, pid: int) -> bool:
        program = self._supervisord.program_with(pid)
        return program is not None and program.state is State.STOPPING

    def _follow(self, program: Program, _: bool) -> None:  # noqa: FBT001 - a callback's signature
        kind = self._promises.of(program.name).ready.kind
        if program.state is State.STARTING:
            self._readiness.remove(program.name)
            self._checks[program].started()
        elif program.state is not State.RUNNING:
            self._checks[program].ended()
            if kind is Kind.EXIT and program.wait_status == 0 and program.state is State.EXITED:
                self._readiness.add(program.name)
            else:
                self._readiness.remove(program.name)
        elif kind is Kind.RUNNING and program.wait_status is None:  # else it is dead already
            self._ready(program)

    def _ready(self, program: Program) -> None:
        if not self._readiness.has([program.name]):
            self._readiness.add(program.name)
            self._checks[program].ready()

    def _notified(self) -> None:
        for pid, message in self._notify.messages():
            program = self._supervisord.program_with(pid) or self._supervisord.program_with(_group(pid))
            if program is not None:
                self._told(program, message)

    def _told(self, program: Program, message: Mapping[str, str]) -> None:
        by_notify = self._promises.of(program.name).ready.kind is Kind.NOTIFY
        status = message.get("STATUS", "")
        if status and status != self._status.get(program):
            self._status[program] = status
            self._supervisord.info(f"{program.name} says: {status}")
        if message.get("WATCHDOG") == "1":
            self._checks[program].lives()
        if message.get("STOPPING") == "1":
            self._checks[program].ended()
            self._readiness.remove(program.name)
        elif message.get("READY") == "1" and by_notify:
            self._ready(program)

    def _silent(self, program: Program, why: str | None) -> None:
        if why:
            self._supervisord.critical(f"{program.name} is not ready: {why}")
            self._readiness.remove(program.name)
        else:
            self._supervisord.critical(f"{program.name} answers again")
            self._readiness.add(program.name)

    def _replace(self, program: Program, why: str) -> None:
        if not self._supervisord.stopping and not self._stop.begun:
            self._supervisord.critical(f"{program.name} is replaced: {why}")
            program.replace()

    def _became_ready(self) -> None:
        self._supervisord.info(f"ready after {time.monotonic() - self._begun:.2f} s")

    def _died(self, pid: int, wait_status: int) -> None:
        program = self._supervisord.program_with(pid)
        if program is None:
            self._hooks.ended(pid, wait_status)
        else:
            program.died(wait_status)

    def _lose(self, program: Program, _: bool) -> None:  # noqa: FBT001 - a callback's signature
        """Note that a program will not be started again; for an essential one end the container, or keep the others."""
        if program.state is State.RUNNING:
            self._losses.pop(program.name, None)  # somebody has started it by hand
        if self._stop.begun or self._supervisord.stopping or not self._policies[program].lost():
            return
        for each in self._supervisord.programs:
            if each.unstarted and program.name in self._promises.of(each.name).after:
                self._supervisord.info(f"{each.name} is not started: {program.name} is lost, which comes before it")
        if not self._promises.of(program.name).essential:
            return
        if program.wait_status is not None:
            its = loss.of_status(program.wait_status)
        else:
            its = Loss(*(program.command_fault() or (FAILURE, "could not be started")))
        self._losses[program.name] = its
        keep = self._promises.on_failure is OnFailure.KEEP
        what = "keeping the others, not ready" if keep else "stopping all"
        self._supervisord.critical(f"{program.name} is lost for good ({its.reason}): {what}, exit code {its.code}")
        if not keep:
            self._stop.begin()

    def _cleanup(self) -> None:
        """Release everything, for the end or for the next round in this process."""
        if self._supervisord.reloading:
            # The handlers that stand note signals for this round, which is over.
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
        self._stdout.close(LAST_WORDS)
        self._readiness.end()


def _group(pid: int) -> int:
    """Return the process group of `pid`, 0 if it is gone. Each program leads a group of its own."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def make(supervisord: Any, **settings: str) -> Plugin:  # noqa: ANN401 - supervisor ships no types
    """Return the plugin for this round of supervisord, which asks for it once for each of its HTTP servers.

    `settings` are the keys of the section [rpcinterface:entrypoint]: `promises`, the path of promises.json, and
    `handover`, the path of handover.json, where there is one.
    """
    made = getattr(supervisord, "entrypoint", None)
    if isinstance(made, Plugin):
        return made
    try:
        promises, handover = _files(settings)
        plugin = Plugin(Supervisord(supervisord), load(promises), take(handover))
    except Exception as error:
        # supervisord says only that it could not make the interface: the reason goes to its log, which is
        # silent.
        sys.stderr.write(f"{error}\n")
        raise
    supervisord.entrypoint = plugin
    return plugin


def _files(settings: Mapping[str, str]) -> tuple[Path, Path | None]:
    left = dict(settings)
    file, handover = left.pop("promises", ""), left.pop("handover", "")
    if not file:
        raise PromiseError("cannot read [rpcinterface:entrypoint]: promises: missing")
    for key in left:
        raise PromiseError(f"cannot read [rpcinterface:entrypoint]: {key}: unknown key")
    return Path(file), Path(handover) if handover else None
