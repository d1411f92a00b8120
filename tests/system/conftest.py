"""Fixtures of the tests that boot a whole site on this machine."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import databases
import pytest
from databases import Database
from mariadb_server import MariaDB
from pgbouncer_server import PgBouncer
from plain_application import write_plain_application
from postgres_server import Postgres
from shared import made_once
from site_under_test import EXAMPLE, NewSite, Site, copy_example, quick_hashing


@pytest.fixture
def new_site(tmp_path: Path) -> Iterator[NewSite]:
    """A site of its own, not started."""
    with ExitStack() as stack:
        yield lambda project=EXAMPLE, **settings: stack.enter_context(Site(tmp_path, project, **settings))


@pytest.fixture(scope="session")
def prepared(shared: Path) -> Callable[[Path], Path]:
    """A function that puts into a folder what a site has after its first boot, and returns it: half the CPU of a boot.

    It is the database and the static files of the example. Where they do not fit, the boot makes them anew.
    """

    def prepare(folder: Path) -> None:
        folder.mkdir()
        with Site(folder) as site:  # not by `entrypoint prepare`, which takes 4 s of CPU to compress the static files
            assert site.start().ready().stop()[0] == 0, site.output

    def copy(to: Path) -> Path:
        source = made_once(shared / "prepared", prepare)
        for name in ("data", "static"):
            shutil.copytree(source / name, to / name, symlinks=True)
        return to

    return copy


@pytest.fixture
def prepared_site(tmp_path: Path, prepared: Callable[[Path], Path]) -> Iterator[NewSite]:
    """A site of its own after its first boot, not started: for a test whose subject is not that boot."""
    with ExitStack() as stack:
        yield lambda project=EXAMPLE, **settings: stack.enter_context(Site(prepared(tmp_path), project, **settings))


@pytest.fixture
def plain_project(tmp_path: Path) -> Path:
    """The project of `plain_site`."""
    return write_plain_application(tmp_path / "plain")


@pytest.fixture
def plain_site(new_site: NewSite, plain_project: Path) -> NewSite:
    """A site of its own without Django, not started: for a test whose subject is what surrounds the application."""
    static = {"NGINX_STATIC_URL": "/static/", "NGINX_STATIC_ROOT": str(plain_project / "static")}
    return lambda **settings: new_site(plain_project, **{"ENTRYPOINT_APP": "plain:wsgi", **static, **settings})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path]) -> Iterator[Site]:
    """A site that is ready, shared by the tests of a module, which leave it so."""
    folder = prepared(tmp_path_factory.mktemp("site"))
    admin = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-horse"}
    with Site(folder, EXAMPLE, **admin, **quick_hashing(folder)) as running:
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
