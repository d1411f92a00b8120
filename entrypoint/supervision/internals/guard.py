"""Keeps an exception of ours from ending supervisord, which does not survive one in a callback."""

import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Wraps functions so that an exception becomes one entry of the log."""

    def __init__(self, critical: Callable[[str], None]) -> None:
        self._critical = critical

    def __call__(self, function: Callable[P, R], *, otherwise: R) -> Callable[P, R]:
        """Return `function`, made to answer `otherwise` where it would raise."""

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception:  # noqa: BLE001 - whatever it is: supervision goes on, and the log tells
                self._critical(f"supervision goes on after an error of its own: {traceback.format_exc().rstrip()}")
                return otherwise

        return guarded
