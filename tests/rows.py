"""Rows of a matrix: `make test` runs some of them, `make test-all` all."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def rows(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Return the rows of a parameter, each but those of `quick` marked as thorough."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.thorough) for value in values]
