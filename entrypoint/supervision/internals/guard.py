"""Keeps an exception of the plugin from ending supervisord, which does not survive one in a callback."""

import functools
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """Wraps functions so that an exception is logged."""

    def __init__(self, critical: Callable[[str], None]) -> None:
        self._critical = critical

    def __call__(self, function: Callable[P, R], *, otherwise: R) -> Callable[P, R]:
        """Return a function that calls `function`, and returns `otherwise` if that raises."""

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception:  # noqa: BLE001 - supervision has to continue
                self._critical(f"internal error, supervision continues: {traceback.format_exc().rstrip()}")
                return otherwise

        return guarded
