"""PostgreSQL instead of SQLite, started after the site."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deadline import until
from postgres_server import Postgres
from site_under_test import NewSite, quick_hashing


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def test_a_database_that_comes_later_is_waited_for(new_site: NewSite, postgres: Postgres, tmp_path: Path) -> None:
    admin = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "correct-battery", **quick_hashing(tmp_path)}
    site = new_site(DATABASE_URL=postgres.url, **admin).start()
    until(lambda: "waiting for database default: " in site.output, "the wait")
    postgres.start()
    site.ready()
    assert "user admin created" in site.output
    assert "correct-horse" not in site.output
    assert site.status("/upload/") == 200


def test_a_database_that_never_comes_ends_the_boot_with_75(new_site: NewSite, free_port: int) -> None:
    url = f"postgres://tester:correct-horse@127.0.0.1:{free_port}/postgres"
    site = new_site(DATABASE_URL=url, ENTRYPOINT_WAIT_TIMEOUT="1s").start()
    assert site.wait() == 75
    assert "cannot reach database default within 1 s" in site.output
    assert "correct-horse" not in site.output
