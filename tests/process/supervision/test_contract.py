import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from entrypoint.supervision.internals import IncompatibleError, verify
from entrypoint.supervision.internals.contract import RELIED_UPON

from .rig import Container


class Without:
    """An object without one of its attributes."""

    def __init__(self, whole: object, name: str) -> None:
        self._whole = whole
        self._name = name

    def __getattr__(self, name: str) -> object:
        if name == self._name:
            raise AttributeError(name)
        return getattr(self._whole, name)


@pytest.fixture
def options(container: Container) -> Iterator[ServerOptions]:
    made = ServerOptions()
    made.realize(["-c", str(container.configure())])
    made.make_logger()
    yield made
    made.close_logger()


def test_this_release_has_all_that_we_rely_on(options: ServerOptions) -> None:
    verify(Supervisor(options))


@pytest.mark.parametrize("name", RELIED_UPON["ServerOptions"].split())
def test_what_a_release_lacks_is_named(options: ServerOptions, name: str) -> None:
    with pytest.raises(IncompatibleError, match=f"its ServerOptions has no {name}$"):
        verify(Supervisor(Without(options, name)))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "cannot read {file}: No such file or directory"),
        ("{", "cannot read {file}: Expecting property name"),
        (
            {"ready_file": "/x", "programs": {"a": {"esential": True}}},
            "cannot read {file}: programs.a.esential: unknown key",
        ),
    ],
)
def test_supervisord_does_not_start_without_its_supervision_config(
    container: Container, content: object, error: str
) -> None:
    config = container.configure()
    file = container.home / "supervision.json"
    file.unlink()
    if content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    supervisord = Path(sys.executable).with_name("supervisord")
    done = subprocess.run([supervisord, "-n", "-c", config], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert error.format(file=file) in done.stderr
