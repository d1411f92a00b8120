from collections.abc import Iterator
from pathlib import Path

import pytest

from .rig import Container


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    yield made
    made.end()
