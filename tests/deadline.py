"""Waiting for a fact, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds until a test gives up waiting for a fact: many, for other tests and programs may keep the machine busy."""
TRIES = 5
"""How often `ever_within` measures."""


def ever_within(seconds: float, measure: Callable[[], float]) -> bool:
    """Return whether one of several tries takes less: what is too slow always is, a busy machine slows some tries."""
    return any(measure() < seconds for _ in range(TRIES))


def until(
    fact: Callable[[], T | None],
    what: str = "it",
    seconds: float = PATIENCE,
    instead: Callable[[], str] = str,
    *,
    longest: float = 0.1,
) -> T:
    """Return the first true value of `fact`, asked again and again; after `seconds` fail with `what` and `instead`.

    The longer it has waited, the longer it pauses, up to `longest` seconds: asking would take the CPU from what it
    waits for.
    """
    began = time.monotonic()
    while True:
        value = fact()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{instead()}")
        time.sleep(min(max(0.005, waited / 20), longest))
