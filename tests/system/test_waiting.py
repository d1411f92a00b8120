"""Databases that are not reachable yet, and errors that waiting cannot mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ports import free_port
from site_under_test import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Done
    from databases import Database

ONLY = ("prepare", "--only", "wait")


def wait(entrypoint: Command, project: Path, url: str, **more: str) -> Done:
    known = {
        "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATABASE_URL": url,
        **more,
    }
    return entrypoint.run(project, *ONLY, **known)


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "why"),
    [
        ("postgres", "correct-horse", "broken-staple", "password authentication failed for user"),
        ("postgres", "/site_", "/no_site_", "does not exist"),
        ("postgres", "?", "?sslmode=require", "server does not support SSL"),
        ("pgbouncer", "correct-horse", "broken-staple", "password authentication failed"),
        ("mariadb", "correct-horse", "broken-staple", "Access denied for user"),
        ("mariadb", "/site_", "/no_site_", "Unknown database"),
    ],
)
def test_a_permanent_error_ends_the_boot_at_once(  # noqa: PLR0913, PLR0917 -- each column of the table is one
    entrypoint: Command, new_database: Callable[[str], Database], kind: str, right: str, wrong: str, why: str
) -> None:
    url = f"{new_database(kind).environ['DATABASE_URL']}?"
    done = wait(entrypoint, EXAMPLE, url.replace(right, wrong).rstrip("?"))
    assert done.code == 78, done.err  # and not 75, as at the end of a wait
    assert done.err.splitlines()[-1].startswith("[entrypoint] cannot use database default: ")
    assert why in done.err.splitlines()[-1]
    assert "horse" not in done.err
    assert "staple" not in done.err
    assert "Traceback" not in done.err


def test_all_databases_are_waited_for_under_one_deadline(entrypoint: Command, project: Path) -> None:
    with (project / "config/settings/production.py").open("a") as settings:
        settings.write(f"DATABASES['other'] = {{**DATABASES['default'], 'PORT': {free_port()}}}\n")
    done = wait(
        entrypoint, project, f"postgres://tester:secret@127.0.0.1:{free_port()}/site", ENTRYPOINT_WAIT_TIMEOUT="1500ms"
    )
    assert done.code == 75
    last = done.err.splitlines()[-1]
    assert last.startswith("[entrypoint] cannot reach databases within 1.5 s: default: ")
    assert "; other: " in last
    assert done.err.count("[application] waiting for database ") == 2
