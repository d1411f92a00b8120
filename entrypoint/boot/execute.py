"""The one loop behind a dry and a real run; only the object that applies the steps differs."""

from collections.abc import Sequence
from typing import Protocol

from entrypoint.boot.plan import Plan
from entrypoint.boot.steps import Read, Step


class Performer(Protocol):
    """Whoever applies the steps."""

    def announce(self, line: str, level: str = "info") -> None:
        """Show the line of the step that comes next; `level` is the log's."""

    def apply(self, step: Step) -> None:
        """Carry the step out."""


def execute(plan: Plan, performer: Performer) -> None:
    """Carry out all steps of the plan, and announce its exec, which is the caller's."""
    total = len(plan.steps) + 1
    _each(plan.steps, total, performer)
    performer.announce(f"{total}/{total} {plan.exec}")


def execute_steps(steps: Sequence[Step], performer: Performer) -> None:
    """Carry out these steps alone."""
    _each(steps, len(steps), performer)


def _each(steps: Sequence[Step], total: int, performer: Performer) -> None:
    for number, step in enumerate(steps, 1):
        performer.announce(f"{number}/{total} {step}", step.level if isinstance(step, Read) else "info")
        performer.apply(step)
