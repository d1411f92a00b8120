"""Fixtures of the tests that boot a whole site on this machine."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from site_under_test import EXAMPLE, NewSite, Site


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[NewSite]:
    """A site of its own, not started."""
    with ExitStack() as stack:
        yield lambda project=EXAMPLE, **settings: stack.enter_context(Site(tmp_path, project, **settings))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that is ready, shared by the tests of a module, which leave it so."""
    with Site(
        tmp_path_factory.mktemp("site"), SUPERUSER_USERNAME="admin", SUPERUSER_PASSWORD="correct-horse"
    ) as running:
        yield running.start().ready()
        assert running.stop()[0] == 0, running.output


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example project, to break."""
    ignore = shutil.ignore_patterns("data", "static_root", "__pycache__")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "project", ignore=ignore))
