"""`entrypoint doctor` beside real databases."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from databases import on_mariadb, on_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from mariadb_server import MariaDB
    from postgres_server import Postgres
    from site_under_test import NewSite, Site

WORKERS = "WEB_CONCURRENCY"
FAST_CLOCK = """
import time
from config.settings import *
right = time.time
time.time = lambda: right() + 65
"""


def findings(site: Site) -> list[dict[str, Any]]:
    done = site.command("doctor", "--format", "json")
    assert done.stdout, done.stderr
    return [each for each in json.loads(done.stdout) if "database" in each["problem"]]


@pytest.mark.thorough
def test_a_database_that_is_too_small_for_the_workers_is_found_and_mended(
    new_site: NewSite, postgres_server: Postgres
) -> None:
    database = on_postgres(postgres_server)
    name = database.environ["DATABASE_URL"].rpartition("/")[2]
    site = new_site(**database.environ, WEB_CONCURRENCY="8")
    assert findings(site) == []
    database.ask(f"ALTER DATABASE {name} CONNECTION LIMIT 6")
    [found] = findings(site)
    assert found["problem"] == "database default accepts 6 connections, and 8 workers may open one each: too few"
    assert (found["where"], found["wrong"]) == ("in the environment", True)
    variable, _, number = found["remedy"].partition("=")
    site.environment[variable] = number
    assert findings(site) == []
    site.environment[WORKERS] = "4"
    [found] = findings(site)
    assert found["problem"].endswith("too few for two containers, as during a rolling update")


@pytest.mark.thorough
def test_mariadb_is_asked_as_well(new_site: NewSite, mariadb_server: MariaDB) -> None:
    site = new_site(**on_mariadb(mariadb_server).environ, WEB_CONCURRENCY="100")
    [found] = findings(site)
    assert found["problem"].startswith("database default accepts 151 connections, and 100 workers may open one each: ")


def test_a_database_that_does_not_answer_is_no_problem_and_a_wrong_password_is_one(
    new_site: NewSite, postgres_server: Postgres, free_port: int
) -> None:
    site = new_site(DATABASE_URL=f"postgres://tester:correct-horse@127.0.0.1:{free_port}/site")
    [found] = findings(site)
    assert found["problem"].startswith("cannot reach database default within 2 s: ")
    assert not found["wrong"]
    site.environment["DATABASE_URL"] = postgres_server.url.replace("correct-horse", "another-horse")
    [found] = findings(site)
    assert found["problem"].startswith("cannot use database default: ")
    assert "another-horse" not in str(found)
    assert found["wrong"]


def test_a_clock_that_differs_from_the_databases_is_found(
    new_site: NewSite, postgres_server: Postgres, project: Path
) -> None:
    (project / "fast.py").write_text(FAST_CLOCK)
    site = new_site(project, **on_postgres(postgres_server).environ, DJANGO_SETTINGS_MODULE="fast")
    [found] = findings(site)
    assert found["problem"].startswith("the clock of this container is 65 s ahead of that of database default: ")
    assert found["wrong"]
