"""The one loop behind a dry and a real run; only the object that applies the steps differs."""

from collections.abc import Sequence
from typing import Protocol

from entrypoint.boot.plan import Plan
from entrypoint.boot.steps import Exec, Step
from entrypoint.errors import EntrypointError, Several, Stopped
from entrypoint.log import printable


class Performer(Protocol):
    """Whoever applies the steps."""

    def announce(self, line: str) -> None:
        """Show the line of the step that comes next."""

    def apply(self, step: Step) -> None:
        """Carry the step out."""


def execute(plan: Plan, performer: Performer) -> None:
    """Carry out all steps of the plan, and announce its exec, which is the caller's."""
    total = len(plan.steps) + 1
    _each(plan.steps, total, performer)
    performer.announce(_line(total, total, plan.exec))


def execute_steps(steps: Sequence[Step], performer: Performer) -> None:
    """Carry out these steps alone."""
    _each(steps, len(steps), performer)


def execute_each(steps: Sequence[Step], performer: Performer) -> None:
    """Carry out each of these steps, whatever became of the others. Raises all that went wrong as one error."""
    errors = []
    for number, step in enumerate(steps, 1):
        performer.announce(_line(number, len(steps), step))
        try:
            performer.apply(step)
        except Stopped:
            raise
        except EntrypointError as error:
            errors.append(error)
    Several.check(errors)


def _each(steps: Sequence[Step], total: int, performer: Performer) -> None:
    for number, step in enumerate(steps, 1):
        performer.announce(_line(number, total, step))
        performer.apply(step)


def _line(number: int, total: int, step: Step | Exec) -> str:
    return f"{number}/{total} {printable(str(step))}"
