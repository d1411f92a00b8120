"""The file with the programs' state, for `entrypoint status`. Each user may read it, also while supervisord hangs."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from entrypoint.protocol.codec import to_json
from entrypoint.protocol.status_record import ProgramRecord, StatusRecord
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.policy import PermanentFailure
from entrypoint.supervision.readiness import publish

NAME = "programs.json"
"""The file's name; it is beside the ready file."""

_ENDS = frozenset({State.STOPPED, State.BACKOFF, State.EXITED, State.FATAL})


class Record:
    """The starts and ends of all programs, and the file that shows them."""

    def __init__(
        self,
        file: Path,
        supervisord: Supervisord,
        *,
        shown: Callable[[Program], ProgramRecord | None],
        killed: Callable[[Program], str],
        stopping: Callable[[], bool],
    ) -> None:
        """`shown` returns a program's present state, None to hide it.

        `killed` returns why it ended, if its wait status does not tell it.
        """
        self._file = file
        self._supervisord = supervisord
        self._shown = shown
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
        shown = ((each, self._shown(each)) for each in self._supervisord.programs)
        return tuple((each, self._complete(each, record)) for each, record in shown if record)

    def write(self) -> None:
        """Write the file if anything has changed. Call this before each sleep, which wakes nobody."""
        if not self._changed:
            return
        self._changed = False
        programs = tuple(record for _, record in self.programs())
        text = to_json(StatusRecord(os.getpid(), _started(), self._stopping(), programs))
        with contextlib.suppress(OSError):  # the readiness file says that the disk is full
            publish(self._file, text)

    def _complete(self, program: Program, record: ProgramRecord) -> ProgramRecord:
        words, at = self._ends.get(program, ("", 0.0))
        restarts = max(0, self._starts.get(program, 0) - 1)
        return record._replace(restarts=restarts, last_end=words, ended=round(at, 3))

    def _end(self, program: Program) -> str:
        if program.wait_status is None:
            _, words = program.command_fault() or (0, "could not be started")
        else:
            words = PermanentFailure.of_status(program.wait_status, self._killed(program)).reason
        cause = self._causes.pop(program, "")
        return f"{words}: {cause}" if cause else words


def _started() -> int:
    """Return when this process started, in clock ticks since the boot of the machine."""
    return int(Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19])
