"""The plugin that supervisord loads, `supervisor.rpcinterface_factory = entrypoint.supervision.plugin:make`.

It keeps the promises that supervisord alone does not make. Here is who takes part where; what each does
stands in its own module, and all knowledge of supervisord in `internals`.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from entrypoint.supervision import loss, signals
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.logs import ProgramLog, SupervisordLog
from entrypoint.supervision.loss import FAILURE, Loss
from entrypoint.supervision.notify import NotifySocket
from entrypoint.supervision.promises import Kind, PromiseError, Promises, load
from entrypoint.supervision.readiness import Readiness
from entrypoint.supervision.reaper import Reaper
from entrypoint.supervision.restarts import CRASHES, WINDOW, Restarts, Verdict
from entrypoint.supervision.stdout import Stdout
from entrypoint.supervision.wakeup import WakeUp

IDLE = 60.0
"""Seconds that supervisord may sleep when nothing is due: a last resort, for whatever happens wakes it."""

LATE = 0.001
"""Seconds to be later than what is due: supervisord acts on what has passed, not on what is just now."""

LAST_WORDS = 0.5
"""Seconds that the end of the container waits for the reader of its standard output."""


class Plugin:
    """One round of supervisord, with its promises.

    It has no public attribute: supervisord offers the methods of what `make` returns to whoever may use its
    control socket.
    """

    def __init__(self, supervisord: Supervisord, promises: Promises) -> None:
        self._begun = time.monotonic()
        self._supervisord = supervisord
        self._promises = promises
        self._loss: Loss | None = None
        self._restarts: WeakKeyDictionary[Program, Restarts] = WeakKeyDictionary()
        # Python says by None that the descriptor is closed. By now it may be open as something else, not to
        # be written to.
        self._stdout = Stdout(None if sys.stdout is None else 1)
        essential = [name for name, promise in promises.programs.items() if promise.essential]
        self._readiness = Readiness(essential, promises.ready_file, self._became_ready)
        self._notify = NotifySocket()
        self._wakeup = WakeUp()
        self._reaper = Reaper(lambda pid: supervisord.program_with(pid) is not None, self._died)
        supervisord.each_program(self._prepare)
        for name in promises.programs.keys() - {program.name for program in supervisord.programs}:
            raise PromiseError(f"cannot keep the promises for {name}: supervisord has no such program")
        self._take_part()

    def _take_part(self) -> None:
        supervisord = self._supervisord
        supervisord.fork_with(signals.fork)
        supervisord.wait_with(self._reaper.wait)
        supervisord.poll_with(self._timeout, supervisord.handle_signals)
        supervisord.watch(self._wakeup.fd, self._wakeup.clear)
        supervisord.watch(self._notify.fd, self._notified)
        if self._stdout.room is not None:
            supervisord.watch(self._stdout.room, self._stdout.flush, while_=self._stdout.waiting)
        # Each by itself: where one fails, the next still does its part.
        log = SupervisordLog(self._stdout)
        supervisord.on_running(lambda: supervisord.log_to(log.write, instead_of=1))
        supervisord.on_running(signals.release)
        supervisord.on_running(self._readiness.begin)
        supervisord.on_change(self._count)
        supervisord.on_change(self._lose)
        supervisord.on_change(self._tell_readiness)
        supervisord.on_stopping(self._readiness.end)
        supervisord.on_cleanup(self._cleanup)
        supervisord.exit_with(lambda: self._loss.code if self._loss else None)

    def _prepare(self, program: Program) -> None:
        self._restarts[program] = Restarts()
        program.log_to(lambda: ProgramLog(program.name, self._stdout))
        program.restart_if(self._may_restart)
        program.extend_environment(self._promises.of(program.name).environment)
        if self._promises.of(program.name).ready.kind is Kind.NOTIFY:
            program.extend_environment(self._notify.variables)

    def _timeout(self) -> float:
        """Return the seconds that supervisord may sleep."""
        if self._reaper.more:
            return 0
        now = time.monotonic()
        waits = [self._supervisord.due(), self._stdout.due()]
        if not self._supervisord.stopping:
            waits += [
                self._restarts[each].due(now)
                for each in self._supervisord.programs
                if each.state is State.EXITED and each.restarts
            ]
        wait = min(waits)
        return min(wait + LATE, IDLE) if wait > 0 else 0

    def _count(self, program: Program, expected: bool) -> None:  # noqa: FBT001 - a callback's signature
        if program.state is State.STARTING:
            self._restarts[program].started(time.monotonic())
        # An essential program should not end at all; of any other a good end may be its way of working.
        if program.state is State.EXITED and not (expected and not self._promises.of(program.name).essential):
            self._restarts[program].crashed(time.monotonic())

    def _tell_readiness(self, program: Program, _: bool) -> None:  # noqa: FBT001 - a callback's signature
        if program.state not in {State.STARTING, State.RUNNING}:
            self._readiness.remove(program.name)
        elif program.state is State.RUNNING and self._promises.of(program.name).ready.kind is Kind.RUNNING:
            self._readiness.add(program.name)

    def _notified(self) -> None:
        for pid in self._notify.ready():
            program = self._supervisord.program_with(pid) or self._supervisord.program_with(_group(pid))
            if program is not None and self._promises.of(program.name).ready.kind is Kind.NOTIFY:
                self._readiness.add(program.name)

    def _became_ready(self) -> None:
        self._supervisord.info(f"ready after {time.monotonic() - self._begun:.2f} s")

    def _died(self, pid: int, wait_status: int) -> None:
        program = self._supervisord.program_with(pid)
        if program is not None:
            program.died(wait_status)

    def _may_restart(self, program: Program) -> bool:
        restarts = self._restarts[program]
        verdict = restarts.verdict(time.monotonic())
        if verdict is Verdict.GIVE_UP:
            restarts.forget()
            self._supervisord.info(f"gave up: {program.name} crashed {CRASHES} times within {WINDOW:.0f} s")
            program.give_up()
        return verdict is Verdict.START

    def _lose(self, program: Program, _: bool) -> None:  # noqa: FBT001 - a callback's signature
        """End the container if an essential program will not be started again, unless it ends already."""
        lost = program.state is State.FATAL or (program.state is State.EXITED and not program.restarts)
        if not lost or self._supervisord.stopping or not self._promises.of(program.name).essential:
            return
        if program.wait_status is not None:
            self._loss = loss.of_status(program.wait_status)
        else:
            self._loss = Loss(*(program.command_fault() or (FAILURE, "could not be started")))
        self._supervisord.critical(
            f"{program.name} is lost for good ({self._loss.reason}): stopping all, exit code {self._loss.code}"
        )
        self._supervisord.stop()

    def _cleanup(self) -> None:
        """Release everything, for the end or for the next round in this process."""
        if self._supervisord.reloading:
            # The handlers that stand note signals for this round, which is over.
            signals.hold()
            for number in self._supervisord.signals:
                if number in signals.HELD:
                    signals.send_again(number)
        for fd in (self._wakeup.fd, self._notify.fd, self._stdout.room):
            if fd is not None:
                self._supervisord.unwatch(fd)
        self._wakeup.close()
        self._notify.close()
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

    `settings` are the keys of the section [rpcinterface:entrypoint]: `promises`, the path of promises.json.
    """
    made = getattr(supervisord, "entrypoint", None)
    if isinstance(made, Plugin):
        return made
    try:
        plugin = Plugin(Supervisord(supervisord), load(_promises_file(settings)))
    except Exception as error:
        # supervisord says only that it could not make the interface: the reason goes to its log, which is
        # silent.
        sys.stderr.write(f"{error}\n")
        raise
    supervisord.entrypoint = plugin
    return plugin


def _promises_file(settings: Mapping[str, str]) -> Path:
    left = dict(settings)
    file = left.pop("promises", "")
    if not file:
        raise PromiseError("cannot read [rpcinterface:entrypoint]: promises: missing")
    for key in left:
        raise PromiseError(f"cannot read [rpcinterface:entrypoint]: {key}: unknown key")
    return Path(file)
