"""The one loop behind a dry and a real run; only the object that applies the steps differs."""

from collections.abc import Sequence
from typing import Protocol

from entrypoint.boot.plan.plan import Plan
from entrypoint.boot.plan.steps import WARNING, Exec, Step
from entrypoint.errors import EntrypointError, Several, Stopped
from entrypoint.log import printable


class Performer(Protocol):
    """Whoever applies the steps."""

    def announce(self, line: str, level: str) -> None:
        """Show the line of the step that comes next; `level` is the log's."""

    def apply(self, step: Step) -> None:
        """Carry the step out."""


def execute(plan: Plan, performer: Performer, *, done: int = 0) -> None:
    """Carry out the steps of the plan but those that are `done`, and announce its exec, which is the caller's."""
    execute_steps(plan.steps[done:], performer, done=done)
    _announce(performer, len(plan.steps) + 1, plan.exec)


def execute_steps(steps: Sequence[Step], performer: Performer, *, done: int = 0) -> None:
    """Carry out these steps alone; their numbers follow on those that are `done`."""
    for number, step in enumerate(steps, done + 1):
        _announce(performer, number, step)
        performer.apply(step)


def execute_each(steps: Sequence[Step], performer: Performer) -> None:
    """Carry out each of these steps, whatever became of the others. Raises all that went wrong as one error."""
    errors = []
    for number, step in enumerate(steps, 1):
        _announce(performer, number, step)
        try:
            performer.apply(step)
        except Stopped:
            raise
        except EntrypointError as error:
            errors.append(error)
    Several.check(errors)


def _announce(performer: Performer, number: int, step: Step | Exec) -> None:
    level = "warning" if not isinstance(step, Exec) and step.name == WARNING else "info"
    performer.announce(f"{number}. {printable(str(step))}", level)
