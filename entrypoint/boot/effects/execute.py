"""The one loop behind a dry and a real run; only the object that performs the steps differs."""

from collections.abc import Iterable
from typing import Protocol

from entrypoint.boot.plan.steps import Exec, Step
from entrypoint.errors import EntrypointError, Several, Stopped


class Performer(Protocol):
    """Shows and performs steps."""

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the next step, with its number."""

    def apply(self, step: Step) -> None:
        """Carry the step out. Raises an EntrypointError that says what could not be done."""


def execute(steps: Iterable[Step], performer: Performer) -> None:
    """Carry out the steps. Raises the first error."""
    for step in steps:
        performer.announce(step)
        performer.apply(step)


def execute_each(steps: Iterable[Step], performer: Performer) -> None:
    """Carry out each of the steps, even if others fail. Raises all errors as one."""
    errors = []
    for step in steps:
        performer.announce(step)
        try:
            performer.apply(step)
        except Stopped:
            raise
        except EntrypointError as error:
            errors.append(error)
    Several.check(errors)
