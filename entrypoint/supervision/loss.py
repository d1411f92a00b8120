"""What the loss of a program says of the exit code."""

import os
import signal
from typing import NamedTuple

FAILURE = 1
"""The exit code when there is no better one: a program that must not end has ended well, or could not be
forked."""


class Loss(NamedTuple):
    """A program that is lost for good: the exit code that says so, and the reason in words."""

    code: int
    reason: str


def of_status(wait_status: int) -> Loss:
    """Return the loss of a program that ended with the `wait_status` of wait(2), coded as by a shell."""
    if os.WIFSIGNALED(wait_status):
        number = os.WTERMSIG(wait_status)
        return Loss(128 + number, f"killed by {_name(number)}")
    code = os.WEXITSTATUS(wait_status)
    return Loss(code or FAILURE, f"exit status {code}")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most of the real-time signals have none
        return f"signal {number}"
