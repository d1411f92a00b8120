"""Rows of a matrix: `make test` runs some of them, `make test-all` all."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def thorough(*cases: Any) -> list[Any]:
    """Return rows for the thorough run alone; a tuple has a value for each of several parameters."""
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=pytest.mark.thorough) for row in rows]


def rows(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Return the rows of one parameter, each but those of `quick` marked as thorough."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.thorough) for value in values]
