"""What the agent's commands answer with, and tell meanwhile."""

from typing import Protocol


class Changed(str):
    """What was done, where that changed something that an application loaded before has read."""

    __slots__ = ()


class Progress(Protocol):
    """How a command tells what it is doing, and how much of all is done where it counts."""

    def __call__(self, text: str, count: int | None = None, of: int | None = None) -> None:
        """Tell it."""
