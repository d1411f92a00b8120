"""The state of each program and why it is not ready: for the log, and in a file for `entrypoint status`.

Each user may read the file, also while supervisord hangs.
"""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from entrypoint.protocol.codec import to_json
from entrypoint.protocol.probe import Kind, Probe
from entrypoint.protocol.status_record import ProgramRecord, StatusRecord
from entrypoint.supervision.checks.checks import Checks
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.policy import End, Policy
from entrypoint.supervision.readiness import Readiness, publish

_ENDS = frozenset({State.STOPPED, State.BACKOFF, State.EXITED, State.FATAL})


class Record:
    """The present state, the starts and the ends of all programs, and the file that shows them."""

    def __init__(  # noqa: PLR0913 -- it connects what it is given
        self,
        file: Path,
        supervisord: Supervisord,
        current: Current,
        policies: Mapping[Program, Policy],
        checks: Mapping[Program, Checks],
        *,
        readiness: Readiness,
        hidden: Callable[[Program], bool],
        killed: Callable[[Program], str],
        stopping: Callable[[], bool],
    ) -> None:
        """`policies` and `checks` are those of the programs that supervisord has at the moment.

        `hidden` returns whether a program is a process of a reload. `killed` returns why a program ended, if its wait
        status does not tell it.
        """
        self._file = file
        self._supervisord = supervisord
        self._current = current
        self._policies = policies
        self._checks = checks
        self._readiness = readiness
        self._hidden = hidden
        self._killed = killed
        self._stopping = stopping
        self._starts: dict[Program, int] = {}
        self._ends: dict[Program, tuple[str, float]] = {}
        self._causes: dict[Program, str] = {}
        self._running: set[Program] = set()
        self._changed = False
        file.unlink(missing_ok=True)

    def explain(self, program: Program, why: str) -> None:
        """Record why a program ends: it cannot load the application, or it is restarted."""
        self._causes[program] = why

    def follow(self, program: Program) -> None:
        """Record the program's new state."""
        self._changed = True
        if program.state is State.STARTING:
            self._starts[program] = self._starts.get(program, 0) + 1
            self._running.add(program)
            self._causes.pop(program, None)
        elif program.state in _ENDS and program in self._running:
            self._running.remove(program)
            self._ends[program] = (self._end(program), time.time())

    def succeed(self, former: Program, following: Program) -> None:
        """Give `following` the starts and the last end of `former`: a reload does not count as a restart."""
        self._starts[following] = self._starts.get(former, 1)
        if former in self._ends:
            self._ends[following] = self._ends[former]
        self._changed = True

    def change(self) -> None:
        """Record that something other than a program's state has changed, so that `write` writes the file."""
        self._changed = True

    def forget(self, program: Program) -> None:
        """Forget a program that supervisord has removed."""
        for each in (self._starts, self._ends, self._causes):
            each.pop(program, None)
        self._running.discard(program)
        self._changed = True

    def programs(self) -> tuple[tuple[Program, ProgramRecord], ...]:
        """Return each program that is not hidden, with its present state and its history."""
        return tuple((each, self._record(each)) for each in self._supervisord.programs if not self._hidden(each))

    def why_not_ready(self, program: Program) -> str:
        """Return why the program is not ready: the finding of a check, or else the condition that is not met yet."""
        probe = self._current.program(program.name).ready
        return self._readiness.reason(program.name) or _missing(program, probe, self._checks[program].fault)

    def write(self) -> None:
        """Write the file if anything has changed. Call this before each sleep, so that it causes no wake-up."""
        if not self._changed:
            return
        self._changed = False
        programs = tuple(record for _, record in self.programs())
        text = to_json(StatusRecord(os.getpid(), _started(), self._stopping(), programs))
        with contextlib.suppress(OSError):  # the readiness file says that the disk is full
            publish(self._file, text)

    def _record(self, program: Program) -> ProgramRecord:
        ready = self._readiness.has([program.name])
        last_end, at = self._ends.get(program, ("", 0.0))
        return ProgramRecord(
            program.name,
            program.state.name,
            program.pid,
            ready,
            self._current.program(program.name).essential,
            restarts=max(0, self._starts.get(program, 0) - 1),
            last_end=last_end,
            ended=round(at, 3),
            why=self._why(program, ready=ready),
        )

    def _why(self, program: Program, *, ready: bool) -> str:
        """Return what the program waits for, or else why it is not ready."""
        after = self._current.program(program.name).after if program.unstarted else ()
        if missing := [name for name in after if not self._readiness.has([name])]:
            return f"waits for {', '.join(missing)}"
        if self._policies[program].waits():
            return "waits for its restart"
        return "" if ready else self.why_not_ready(program)

    def _end(self, program: Program) -> str:
        words = End.of(program, self._killed(program)).reason
        cause = self._causes.pop(program, "")
        return f"{words}: {cause}" if cause else words


def _started() -> int:
    """Return when this process started, in clock ticks since the boot of the machine."""
    return int(Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])


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
