"""The superuser on a database that many containers share."""

import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from deadline import PATIENCE
from postgres_server import Postgres
from site_under_test import COMMAND, NewSite


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        server.start()
        yield server


def test_of_several_containers_at_once_one_creates_the_superuser(new_site: NewSite, postgres: Postgres) -> None:
    site = new_site(DATABASE_URL=postgres.url, SUPERUSER_USERNAME="admin", SUPERUSER_PASSWORD="correct-battery")
    assert site.command("prepare", "--only", "wait", "--only", "migrate").returncode == 0
    running = [
        subprocess.Popen(
            [COMMAND, "prepare", "--only", "superuser"],
            cwd=site.project,
            env=site.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    said = [process.communicate(timeout=PATIENCE)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 5, said
    assert sum("user admin created" in text for text in said) == 1
    assert sum("user admin exists" in text for text in said) == 4
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("select username, is_superuser from members_user").fetchall() == [("admin", True)]
