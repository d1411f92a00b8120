"""Permanent failures of programs: the container ends, or the other programs continue."""

from collections.abc import Callable, Mapping

from entrypoint.protocol.supervision import OnFailure
from entrypoint.supervision.handover import Current
from entrypoint.supervision.internals import Program, State, Supervisord
from entrypoint.supervision.policy import FAILURE, UNLOADABLE, End, Policy
from entrypoint.supervision.reports.waits import Waits
from entrypoint.supervision.shutdown.stop import Stop


class Failures:
    """The permanent failures of essential programs."""

    def __init__(  # noqa: PLR0913 -- it connects what it is given
        self,
        supervisord: Supervisord,
        current: Current,
        policies: Mapping[Program, Policy],
        *,
        killed: Callable[[Program], str],
        waits: Waits,
        stop: Stop,
    ) -> None:
        """`killed` returns why a program ended, if its wait status does not tell it."""
        self._supervisord = supervisord
        self._current = current
        self._policies = policies
        self._killed = killed
        self._waits = waits
        self._stop = stop
        self._failures: dict[str, End] = {}

    def __contains__(self, name: str) -> bool:
        """Return whether the program `name` failed permanently."""
        return name in self._failures

    def exit_code(self) -> int | None:
        """Return the exit code of the program that failed first, None if none failed."""
        return next((each.exit_code for each in self._failures.values()), None)

    def follow(self, program: Program) -> None:
        """Record a permanent failure; if the program is essential, stop the container or keep the others running."""
        if program.state is State.RUNNING:
            self._failures.pop(program.name, None)  # a client has started it
        if self._stop.begun or self._supervisord.stopping or not self._policies[program].failed_permanently():
            return
        for name in self._waits.waiting_for(program.name):
            self._supervisord.info(f"not starting {name}: {program.name} failed permanently before")
        if not self._current.program(program.name).essential:
            return
        failure = self._failures[program.name] = self._failure(program)
        keep = self._current.config.on_failure is OnFailure.KEEP
        action = "keeping the others, not ready" if keep else "stopping all"
        self._supervisord.critical(
            f"{program.name} failed permanently ({failure.reason}): {action}, exit code {failure.exit_code}"
        )
        if not keep:
            self._stop.begin()

    def _failure(self, program: Program) -> End:
        if program.replaced and self._policies[program].unloadable:
            return End(FAILURE, UNLOADABLE)  # its status is that of our stop
        return End.of(program, self._killed(program))
