"""How a command of the agent reports its progress and its errors."""

import traceback
from typing import Protocol

from entrypoint.protocol.agent import ErrorKind


class AgentError(Exception):
    """An error for the user, in one line; `hint` may add a line that says how to fix it."""

    def __init__(self, message: str, kind: ErrorKind, hint: str = "") -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.hint = hint


class Progress(Protocol):
    """Logs one line; where the work can be counted, also how much of it is done."""

    def __call__(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Log the line."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def last_line(error: BaseException) -> str:
    """Return the last line of the exception's traceback, on one line."""
    return " ".join(traceback.format_exception_only(error)[-1].split())
