"""Waiting for a fact, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds until a test gives up waiting for a fact: many, for other tests and programs may keep the machine busy."""


def until(
    fact: Callable[[], T | None],
    what: str = "it",
    seconds: float = PATIENCE,
    instead: Callable[[], str] = str,
) -> T:
    """Return the first true value of `fact`, asked again and again; after `seconds` fail with `what` and `instead`."""
    end = time.monotonic() + seconds
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{instead()}")
        time.sleep(0.005)
