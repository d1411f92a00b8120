"""Processes that the kernel has killed because the memory of the container is used up."""

import os
import sched
import signal
from collections.abc import Callable

from entrypoint.processes.oom import OutOfMemory
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.supervision import SupervisionConfig
from entrypoint.supervision.checks.health import until_next_look
from entrypoint.supervision.internals import Program

_KILLED = frozenset({-signal.SIGKILL, 128 + signal.SIGKILL})
"""The exit codes of a program that was killed, and of a shell whose child was."""


class Kills:
    """Detects which kills came from the kernel, by the counter of the control group."""

    def __init__(self, config: SupervisionConfig, timers: sched.scheduler, log: Callable[[str], None]) -> None:
        self._out_of_memory = OutOfMemory()
        self._timers = timers
        self._log = log
        self._reasons: dict[Program, str] = {}
        liveness = [program.liveness for program in config.programs.values()]
        self._looks = self._out_of_memory.known and any(each and each.kind is Kind.PROCESS for each in liveness)

    def ended(self, program: Program, wait_status: int) -> None:
        """Log a line if the kernel has killed the program, which ended with the `wait_status` of wait(2)."""
        self._reasons.pop(program, None)
        if os.waitstatus_to_exitcode(wait_status) in _KILLED and self._out_of_memory.killed():
            self._reasons[program] = f"killed by the kernel: {self._out_of_memory}"
            self._log(f"{program.name} was {self._reasons[program]}")

    def reason(self, program: Program) -> str:
        """Return why the program has ended, if the kernel killed it."""
        return self._reasons.get(program, "")

    def look(self) -> None:
        """Log each kill of a process whose program continues, such as a worker of uWSGI, and schedule the next look.

        The looks are at the same moments as the checks for frozen programs, when supervisord is awake anyway.
        """
        if killed := self._out_of_memory.killed():
            who = "a process" if killed == 1 else f"{killed} processes"
            self._log(f"the kernel killed {who} of this container: {self._out_of_memory}")
        if self._looks:
            self._timers.enter(until_next_look(), 1, self.look)
