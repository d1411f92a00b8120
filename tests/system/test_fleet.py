"""Many replicas at once on one database, and killed ones: each migration is applied once, and nothing is lost."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from databases import on_sqlite
from deadline import until
from rows import rows
from site_under_test import EXAMPLE, Site, quick_hashing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Running
    from databases import Database

    NewDatabase = Callable[[str], Database]

ONLY = ("prepare", "--only", "wait", "--only", "migrate", "--only", "superuser")


def environ(database: Database, place: Path, **more: str) -> dict[str, str]:
    return {
        "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
        "DATA_DIR": str(place),
        "STATIC_ROOT": str(place / "static"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ENTRYPOINT_LOG_LEVEL": "debug",  # a line for each migration
        "SUPERUSER_USERNAME": "admin",
        "SUPERUSER_EMAIL": "admin@example.com",
        "SUPERUSER_PASSWORD": "correct-battery",
        **quick_hashing(place),
        **database.environ,
        **more,
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> object:
    """What a boot that nobody disturbs leaves in a database."""
    place = tmp_path_factory.mktemp("clean")
    database = on_sqlite(place)
    with Site(place, EXAMPLE, **environ(database, place)) as site:
        done = site.command(*ONLY)
    assert done.returncode == 0, done.stderr
    return database.state()


def ended(running: Running) -> int:
    until(lambda: running.process.poll() is not None, "the end", instead=lambda: running.err)
    return int(running.process.wait())


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        # One that migrates, and two of which one is the next.
        *((kind, 3) for kind in ("postgres", "sqlite", "pgbouncer")),
        pytest.param("mariadb", 3, marks=pytest.mark.thorough),
        pytest.param("pgbouncer and past it", 3, marks=pytest.mark.thorough),  # test_migrations.py migrates so, too
        pytest.param("postgres", 20, marks=pytest.mark.thorough),
    ],
)
def test_of_many_at_once_one_migrates(
    entrypoint: Command, place: Path, new_database: NewDatabase, kind: str, number: int
) -> None:
    database = new_database(kind)
    replicas = [entrypoint.start(EXAMPLE, *ONLY, **environ(database, place)) for _ in range(number)]
    codes = [ended(replica) for replica in replicas]
    assert codes == [0] * number, "\n".join(replica.err for replica in replicas)
    migrations, (_permissions, _types, users) = database.state()
    assert {count for _app, _name, count in migrations} == {1}
    assert users == (1,)
    applied = [replica.err.count("[application] migrated ") for replica in replicas]
    assert max(applied) == sum(applied) == len(migrations)
    assert sum(replica.err.count("user admin created") for replica in replicas) == 1
    assert "correct-" not in "".join(replica.err for replica in replicas)


@pytest.mark.parametrize("after", [0, *(pytest.param(n, marks=pytest.mark.thorough) for n in (1, 7)), "all"])
@pytest.mark.parametrize("kind", rows(["postgres", "mariadb", "sqlite"], ["postgres", "sqlite"]))
def test_after_a_kill_the_next_boot_ends_as_a_clean_one_or_refuses(
    entrypoint: Command, new_database: NewDatabase, clean: object, kind: str, after: int | str
) -> None:
    database = new_database(kind)
    known = environ(database, entrypoint.place)
    running = entrypoint.start(EXAMPLE, *ONLY, **known)
    wanted = "apply pending migrations" if after == 0 else "[application] migrated "

    def far_enough() -> bool:
        said = running.err
        if after == "all":
            return any(f" {n}/{n} " in said for n in range(1, 60))
        return said.count(wanted) >= max(1, int(after))

    until(lambda: far_enough() or running.process.poll() is not None)
    kill(running)
    until(lambda: not entrypoint.left_running(), "the agent to notice")
    done = entrypoint.run(EXAMPLE, *ONLY, **known)
    if kind == "mariadb" and done.code == 78:  # it was killed within a migration: see test_repair.py
        assert re.search(r"migration \w+\.\w+ was begun and not finished", done.err)
        return
    assert done.code == 0, done.err
    assert database.state() == clean


def kill(running: Running) -> None:
    """Kill a boot with its agent, as the end of a container does."""
    family = [running.process.pid]
    with suppress(psutil.NoSuchProcess):
        family += [child.pid for child in psutil.Process(running.process.pid).children(recursive=True)]
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.process.wait()
