"""The present state of each program, and why it is not ready: for `entrypoint status` and for the log."""

from collections.abc import Callable, Mapping

from entrypoint.protocol.probe import Kind, Probe
from entrypoint.protocol.status_record import ProgramRecord
from entrypoint.supervision.checks.checks import Checks
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State
from entrypoint.supervision.policy import Policy
from entrypoint.supervision.readiness import Readiness


class Present:
    """The present state of each program."""

    def __init__(
        self,
        current: Current,
        policies: Mapping[Program, Policy],
        checks: Mapping[Program, Checks],
        readiness: Readiness,
        hidden: Callable[[Program], bool],
    ) -> None:
        """`policies` and `checks` are those of the programs that supervisord has at the moment."""
        self._current = current
        self._policies = policies
        self._checks = checks
        self._readiness = readiness
        self._hidden = hidden

    def record(self, program: Program) -> ProgramRecord | None:
        """Return the program's state, without its restarts and its last end; None for a process of a reload."""
        if self._hidden(program):
            return None
        config = self._current.program(program.name)
        ready = self._readiness.has([program.name])
        missing = [name for name in config.after if not self._readiness.has([name])] if program.unstarted else []
        if missing:
            why = f"waits for {', '.join(missing)}"
        elif self._policies[program].waits():
            why = "waits for its restart"
        else:
            why = "" if ready else self.why_not_ready(program)
        return ProgramRecord(program.name, program.state.name, program.pid, ready, config.essential, why=why)

    def why_not_ready(self, program: Program) -> str:
        """Return why the program is not ready: the finding of a check, or else the condition that is not met yet."""
        probe = self._current.program(program.name).ready
        return self._readiness.reason(program.name) or _missing(program, probe, self._checks[program].fault)


def _missing(program: Program, probe: Probe, fault: str) -> str:
    """Return the condition that is not met: from the state, the readiness `probe` and the last `fault` of the probe."""
    if program.state is State.STOPPED:
        return f"{program.name} is stopped"
    if program.state not in {State.STARTING, State.RUNNING}:
        return f"{program.name} does not run"
    missing = {
        Kind.UNIX: f"listen on {probe.target}",
        Kind.TCP: f"listen on {probe.text.partition(':')[2]}",
        Kind.HTTP: f"answer {probe.text} with a status below 400",
        Kind.NOTIFY: "send READY=1",
        Kind.EXIT: "end",
        Kind.LOG: f"write a line with {probe.target}",
    }.get(probe.kind, "run")
    return f"{program.name} does not {missing} yet{f' ({fault})' if fault else ''}"
