"""A real Docker Engine: without one these tests are skipped for a person, and fail in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import Engine, example_image, missing_engine

BUILD = 900
"""Seconds in which an image is certainly built, by the first test that wants it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(BUILD))


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    why = missing_engine()
    if why and os.environ.get("CI"):
        pytest.fail(f"CI has no Docker Engine: {why}")
    if why:
        pytest.skip(f"there is no Docker Engine: {why}")


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Containers and images of one test, removed after it."""
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def image(_engine: None) -> str:
    """The image of the example."""
    return example_image("3.13")


@pytest.fixture(scope="session")
def base(_engine: None) -> str:
    """The image that others inherit from."""
    return example_image("3.13", "base")
