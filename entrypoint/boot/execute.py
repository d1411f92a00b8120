"""The one loop behind a dry and a real run; only the object that applies the steps differs."""

from collections.abc import Sequence
from typing import Protocol

from entrypoint.boot.plan import Plan
from entrypoint.boot.steps import Exec, Step


class Performer(Protocol):
    """Whoever applies the steps."""

    def announce(self, line: str) -> None:
        """Show the line of the step that comes next."""

    def apply(self, step: Step) -> None:
        """Carry the step out."""

    def become(self, program: Exec) -> None:
        """Carry the last one out, from which there is no return."""


def execute(plan: Plan, performer: Performer) -> None:
    """Carry out the whole plan."""
    total = len(plan.steps) + 1
    for number, step in enumerate(plan.steps, 1):
        performer.announce(f"{number}/{total} {step}")
        performer.apply(step)
    performer.announce(f"{total}/{total} {plan.exec}")
    performer.become(plan.exec)


def prepare(steps: Sequence[Step], performer: Performer) -> None:
    """Carry out the steps alone."""
    for number, step in enumerate(steps, 1):
        performer.announce(f"{number}/{len(steps)} {step}")
        performer.apply(step)
