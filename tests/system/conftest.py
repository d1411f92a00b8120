"""Fixtures of the tests that boot a whole site on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import databases
import pytest
from databases import Database
from mariadb_server import MariaDB
from pgbouncer_server import PgBouncer
from postgres_server import Postgres
from site_under_test import EXAMPLE, NewSite, Site, copy_example


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
    return copy_example(tmp_path / "project")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL that runs, for all tests."""
    with Postgres() as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """A MariaDB that runs, for all tests."""
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: Postgres) -> Iterator[PgBouncer]:
    """A PgBouncer before that PostgreSQL."""
    with PgBouncer(postgres_server.url) as pooler:
        yield pooler


@pytest.fixture
def new_database(request: pytest.FixtureRequest, place: Path) -> Callable[[str], Database]:
    """A function that makes an empty database of the kind that it is given; a server starts with the first on it."""

    def make(kind: str) -> Database:
        if kind == "sqlite":
            return databases.on_sqlite(place)
        if kind == "mariadb":
            return databases.on_mariadb(request.getfixturevalue("mariadb_server"))
        server = request.getfixturevalue("postgres_server")
        if kind == "postgres":
            return databases.on_postgres(server)
        pooler = request.getfixturevalue("pgbouncer")
        by_way = databases.past_pgbouncer if kind == "pgbouncer and past it" else databases.behind_pgbouncer
        return by_way(server, pooler)

    return make
