"""Follows the changes of each program: updates its readiness, its checks and the reports about it."""

import os
import sched
from collections.abc import Callable, Iterable, Mapping

from entrypoint.output import log
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.supervision import OnFailure
from entrypoint.supervision.checks.checks import Checks
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.logs.stdout import Stdout
from entrypoint.supervision.notify import Sender, group
from entrypoint.supervision.policy import FAILURE, UNLOADABLE, End, Policy
from entrypoint.supervision.readiness import Phase, Readiness
from entrypoint.supervision.reload.reload import Reload
from entrypoint.supervision.reports.record import Record
from entrypoint.supervision.reports.waits import Waits
from entrypoint.supervision.shutdown import stop_signals
from entrypoint.supervision.shutdown.stop import Stop

INSTEAD_OF_REQUEST = "see its log lines; set ENTRYPOINT_READY_PATH to another path, or to off"


class Lifecycle:
    """The lives of all programs: start, readiness, end."""

    def __init__(  # noqa: PLR0913 -- it connects what it is given
        self,
        supervisord: Supervisord,
        current: Current,
        policies: Mapping[Program, Policy],
        checks: Mapping[Program, Checks],
        *,
        timers: sched.scheduler,
        stdout: Stdout,
        readiness: Readiness,
        record: Record,
        waits: Waits,
        stop: Stop,
        reloading: Reload,
        killed: Callable[[Program], str],
    ) -> None:
        """`policies` and `checks` are those of the programs that supervisord has at the moment.

        `killed` returns why a program ended, if its wait status does not tell it.
        """
        self._supervisord = supervisord
        self._current = current
        self._policies = policies
        self._checks = checks
        self._timers = timers
        self._stdout = stdout
        self._readiness = readiness
        self._record = record
        self._waits = waits
        self._stop = stop
        self._reloading = reloading
        self._killed = killed
        self._failures: dict[str, End] = {}  # the permanent failures of essential programs
        self._served: set[Program] = set()  # the programs that have been ready
        self._status: dict[Program, str] = {}  # what they last reported as their STATUS

    def forget(self, program: Program) -> None:
        """Forget a program that supervisord has removed."""
        self._served.discard(program)
        self._status.pop(program, None)

    def has_served(self, program: Program) -> bool:
        """Return whether the program has been ready, in this run or an earlier one."""
        return program in self._served

    def follow(self, program: Program) -> None:
        """Follow a change of the program's state."""
        kind = self._current.program(program.name).ready.kind
        if program.state is State.STARTING:
            self._readiness.remove(program.name)
            self._checks[program].started()
        elif program.state is not State.RUNNING:
            self._stopping(program)
            self._checks[program].ended()
            if kind is Kind.EXIT and program.wait_status == 0 and program.state is State.EXITED:
                self._readiness.add(program.name)
                self._waits.end(program.name)
            else:
                self._readiness.remove(program.name, self._phase(program))
        elif kind is Kind.RUNNING and program.wait_status is None:  # otherwise it has ended already
            self._up(program)

    def follow_failure(self, program: Program) -> None:
        """Record a permanent failure; if the program is essential, stop the container or keep the others running."""
        if program.state is State.RUNNING:
            self._failures.pop(program.name, None)  # a client has started it
        if self._stop.begun or self._supervisord.stopping or not self._policies[program].failed_permanently():
            return
        for name in self._waits.waiting_for(program.name):
            self._supervisord.info(f"not starting {name}: {program.name} has failed permanently")
        if not self._current.program(program.name).essential:
            return
        if program.replaced and self._policies[program].unloadable:
            end = End(FAILURE, UNLOADABLE)  # its wait status is that of our stop
        else:
            end = End.of(program, self._killed(program))
        self._failures[program.name] = end
        keep = self._current.config.on_failure is OnFailure.KEEP
        action = "keeping the other programs running, not ready" if keep else "stopping all"
        self._supervisord.critical(
            f"{program.name} failed permanently ({end.reason}): {action}, exit code {end.exit_code}"
        )
        if not keep:
            self._stop.begin()

    def exit_code(self) -> int | None:
        """Return the exit code of the program that failed permanently first, None if none did."""
        return next((each.exit_code for each in self._failures.values()), None)

    def follow_beside(self, program: Program) -> None:
        """Follow a process of a reload: it is checked while it is new, and never affects the readiness."""
        if program.state is State.STARTING:
            self._checks[program].started()
        elif program.state is not State.RUNNING:
            self._checks[program].ended()
            self._stopping(program)

    def succeed(self, former: Program, following: Program) -> None:
        """Let the new process of a server be the one that serves and is checked."""
        self._checks[former].ended()
        self._record.succeed(former, following)
        self.follow_failure(following)
        if self._readiness.has([following.name]):
            self._served.add(following)
            self._checks[following].ready()
        else:
            self.ready(following)

    def ready(self, program: Program) -> None:
        """Record that all checks of its readiness have succeeded."""
        if self._reloading.has(program):
            self._reloading.ready()
        elif not self._readiness.has([program.name]):
            self._served.add(program)
            self._record.change()
            self._readiness.add(program.name)
            self._waits.end(program.name)
            self._checks[program].ready()

    def refused(self, program: Program, why: str) -> None:
        """Record why the program is not ready although its readiness probe has succeeded."""
        if self._reloading.has(program):
            fault = f"the new {program.name} failed its first request: {why}; see the container's log"
            self._reloading.fail(fault)
            return
        self._record.change()
        self._readiness.explain(program.name, why)
        self._supervisord.critical(f"{program.name} is not ready: {why}; {INSTEAD_OF_REQUEST}")

    def unresponsive(self, program: Program, why: str | None) -> None:
        """Record why the program no longer responds, None when it responds again."""
        if self._reloading.has(program):
            return
        self._record.change()
        if why:
            self._supervisord.critical(f"{program.name} is not ready: {why}")
            self._readiness.remove(program.name, Phase.UNRESPONSIVE)
            self._readiness.explain(program.name, why)
        else:
            self._supervisord.critical(f"{program.name} responds again")
            self._readiness.add(program.name)

    def restart(self, program: Program, why: str, *, asked: bool = False) -> None:
        """Restart a program whose checks have failed, or because a client has `asked` for it."""
        if not self._supervisord.stopping and not self._stop.begun and not self._reloading.has(program):
            (self._supervisord.info if asked else self._supervisord.critical)(f"restarting {program.name}: {why}")
            self._record.explain(program, why)
            program.replace()

    def cannot_load(self, program: Program, why: str) -> None:
        """Log why a server has ended before it was ready, and do not start it again.

        uvicorn and granian may run on: they replace a worker that cannot load the application, again and again.
        """
        status = program.wait_status
        if self._stop.begun or (status is not None and not os.WIFEXITED(status)):
            return
        if self._reloading.has(program):
            self._reloading.fail(why)
            return
        self._stdout.write(log.ENTRYPOINT, [log.printable(why).encode()])
        self._record.explain(program, why)
        self._policies[program].unloadable = True
        program.replace()

    def notified(self, messages: Iterable[tuple[Sender, Mapping[str, str]]]) -> None:
        """Take what programs have sent to the socket of sd_notify(3), each message with its sender."""
        for sender, message in messages:
            program = self._supervisord.program_with(sender.pid) or self._supervisord.program_with(group(sender))
            if program is not None:
                self._handle(program, message)

    def _handle(self, program: Program, message: Mapping[str, str]) -> None:
        by_notify = self._current.program(program.name).ready.kind is Kind.NOTIFY
        self._show_status(program, log.printable(message.get("STATUS", "")))
        if message.get("WATCHDOG") == "1":
            self._checks[program].watchdog_received()
        if message.get("STOPPING") == "1" and not self._reloading.has(program):
            self._record.change()
            self._checks[program].ended()
            self._readiness.remove(program.name)
        elif message.get("READY") == "1" and by_notify:
            self._up(program)

    def _show_status(self, program: Program, text: str) -> None:
        if text and text != self._status.get(program):
            self._status[program] = text
            if not (self._current.config.quiet and self._current.program(program.name).application):
                # Our servers report that they start.
                self._supervisord.info(f"{program.name} reports: {text}")

    def _up(self, program: Program) -> None:
        if self._reloading.has(program) or not self._readiness.has([program.name]):
            self._checks[program].up()

    def _phase(self, program: Program) -> Phase | None:
        if program.name in self._failures:
            return Phase.FAILED
        return Phase.STOPPED if program.state is State.STOPPED and not program.replaced else None

    def _stopping(self, program: Program) -> None:
        if program.state is State.STOPPING:
            stop_signals.begin(program, self._current.program(program.name), self._timers)
