"""The modes of ENTRYPOINT_MIGRATE on real databases, and images that are older than the schema."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from deadline import PATIENCE, until
from rows import thorough

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Command, Done
    from databases import Database

    NewDatabase = Callable[[str], Database]

ONLY = ("prepare", "--only", "wait", "--only", "migrate")
OPERATIONS = {
    "nothing": "",
    "a pause": "migrations.RunPython(pause)",
    "a column": "migrations.RunSQL('ALTER TABLE members_user ADD COLUMN more integer')",
}

# Ready comes after all imports, so the handler that makes the permissions is called after this one.
STOP_AFTER_THE_LAST = """
import signal
from django.db.models.signals import post_migrate


def stop(**_):
    print("after the last migration")
    signal.pause()


post_migrate.connect(stop)
"""


def environ(database: Database, place: Path, **more: str) -> dict[str, str]:
    return {
        "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
        "DATA_DIR": str(place),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ENTRYPOINT_LOG_LEVEL": "debug",  # a line for each migration
        **database.environ,
        **more,
    }


def add_migration(project: Path, name: str, does: str = "nothing", after: str = "0001_initial", more: str = "") -> Path:
    """Write one more migration of the app `pages`; a pause ends when the file `go` is there, beside the project."""
    path = project / "pages" / "migrations" / f"{name}.py"
    path.write_text(
        dedent(
            f"""
            import time
            from pathlib import Path

            from django.db import migrations


            def pause(apps, schema_editor):
                while not Path({str(project.parent / "go")!r}).exists():
                    time.sleep(0.01)


            class Migration(migrations.Migration):
                dependencies = [("pages", {after!r})] if {after!r} else []
                operations = [{OPERATIONS[does]}]
                {more}
            """
        )
    )
    return path


def prepare(entrypoint: Command, project: Path, database: Database, **more: str) -> Done:
    return entrypoint.run(project, *ONLY, **environ(database, entrypoint.place, **more))


@pytest.mark.parametrize("kind", ["postgres", *thorough("mariadb", "sqlite", "pgbouncer")])
def test_a_waiting_replica_names_the_one_that_migrates_and_then_continues(
    entrypoint: Command, project: Path, new_database: NewDatabase, kind: str
) -> None:
    database = new_database(kind)
    add_migration(project, "0002_slow", "a pause")
    known = environ(database, entrypoint.place)
    first = entrypoint.start(project, *ONLY, **known)
    first.wait_until_it_says("pages.0001_initial")
    second = entrypoint.start(project, *ONLY, **known)
    second.wait_until_it_says("waiting to migrate database default: ")
    (told,) = [line for line in second.err.splitlines() if "waiting to migrate" in line]
    assert ": replica " in told
    if kind == "mariadb":  # which knows an address only
        assert " is migrating" in told
    else:
        assert " has been migrating for " in told
        assert f"{Path('/proc/sys/kernel/hostname').read_text().strip()[:40]} (PID " in told
    (project.parent / "go").touch()
    assert first.process.wait(PATIENCE) == 0, first.err
    assert second.process.wait(PATIENCE) == 0, second.err
    assert "acquired the migration lock on default after " in second.err
    assert "no migration is pending" in second.err


@pytest.mark.parametrize("kind", ["postgres", *thorough("mariadb", "sqlite")])
def test_a_replica_waits_until_another_has_migrated(
    entrypoint: Command, project: Path, new_database: NewDatabase, kind: str
) -> None:
    database = new_database(kind)
    add_migration(project, "0002_slow", "a pause")
    patient = entrypoint.start(
        project, *ONLY, **environ(database, entrypoint.place, ENTRYPOINT_MIGRATE="wait", ENTRYPOINT_WAIT_TIMEOUT="5m")
    )
    patient.wait_until_it_says("migrations of database default: no replica is migrating")
    migrating = entrypoint.start(project, *ONLY, **environ(database, entrypoint.place))
    migrating.wait_until_it_says("pages.0001_initial")
    patient.wait_until_it_says("migrations of database default: replica ")
    (project.parent / "go").touch()
    assert migrating.process.wait(PATIENCE) == 0, migrating.err
    assert patient.process.wait(PATIENCE) == 0, patient.err
    assert patient.err.endswith("[entrypoint]     no migration is pending\n")


def test_a_replica_does_not_wait_for_ever(entrypoint: Command, project: Path, new_database: NewDatabase) -> None:
    done = prepare(
        entrypoint, project, new_database("sqlite"), ENTRYPOINT_MIGRATE="wait", ENTRYPOINT_WAIT_TIMEOUT="300ms"
    )
    assert done.code == 75
    assert "pending migrations, and no replica has applied one for 0.3 s" in done.err


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("postgres", "auto"), ("sqlite", "wait"), ("sqlite", "check")),
        *thorough(("mariadb", "auto"), ("sqlite", "auto")),
    ],
)
def test_an_image_older_than_the_database_is_refused(
    entrypoint: Command, project: Path, new_database: NewDatabase, kind: str, mode: str
) -> None:
    database = new_database(kind)
    newer = add_migration(project, "0002_newer")
    assert prepare(entrypoint, project, database).code == 0
    newer.unlink()
    done = prepare(entrypoint, project, database, ENTRYPOINT_MIGRATE=mode)
    assert done.code == 1
    told = (
        "this image is older than database default, which has 1 migration that it does not know, "
        "the last is pages.0002_newer"
    )
    assert done.err.splitlines()[-1] == (
        f"[entrypoint] cannot start: {told}; ENTRYPOINT_MIGRATE_ALLOW_OLDER=yes starts it anyway"
    )
    allowed = prepare(entrypoint, project, database, ENTRYPOINT_MIGRATE=mode, ENTRYPOINT_MIGRATE_ALLOW_OLDER="yes")
    assert allowed.code == 0
    assert allowed.err.count(f"[application] warning: {told}\n") == 1


def test_squashed_migrations_and_apps_that_are_gone_make_no_image_old(
    entrypoint: Command, project: Path, new_database: NewDatabase
) -> None:
    database = new_database("sqlite")
    parts = [add_migration(project, "0002_a"), add_migration(project, "0003_b", after="0002_a")]
    assert prepare(entrypoint, project, database).code == 0
    database.ask("INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001_initial', '2030-01-01')")
    replaces = "replaces = [('pages', '0002_a'), ('pages', '0003_b')]"
    add_migration(project, "0002_a_squashed_0003_b", more=replaces)
    for part in parts:
        part.unlink()
    add_migration(project, "0004_c", after="0002_a_squashed_0003_b")
    assert prepare(entrypoint, project, database).code == 0
    add_migration(project, "0002_a_squashed_0003_b")  # as Django's documentation says, when all have it
    done = prepare(entrypoint, project, database)
    assert done.code == 0, done.err
    assert done.err.endswith("[entrypoint]     no migration is pending\n")


def test_a_migration_waits_for_a_lock_only_as_long_as_it_may(
    entrypoint: Command, project: Path, new_database: NewDatabase
) -> None:
    database = new_database("postgres")
    assert prepare(entrypoint, project, database).code == 0
    add_migration(project, "0002_more", "a column")
    with psycopg.connect(database.environ["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE members_user IN ACCESS SHARE MODE")
        done = prepare(entrypoint, project, database, ENTRYPOINT_MIGRATE_LOCK_TIMEOUT="200ms")
        assert done.code == 75, done.err
        last = done.err.splitlines()[-1]
        assert last.startswith("[entrypoint] cannot apply migration pages.0002_more to database default (")
        assert ": canceling statement due to lock timeout (ENTRYPOINT_MIGRATE_LOCK_TIMEOUT" in last
        connection.rollback()
    assert prepare(entrypoint, project, database, ENTRYPOINT_MIGRATE_LOCK_TIMEOUT="200ms").code == 0


@pytest.mark.parametrize(
    ("kind", "code"), [("pgbouncer", 78), ("pgbouncer and past it", 0), ("mariadb", 0), ("sqlite", 0)]
)
def test_limits_are_set_where_the_session_is_ours(
    entrypoint: Command, project: Path, new_database: NewDatabase, kind: str, code: int
) -> None:
    limits = {"ENTRYPOINT_MIGRATE_LOCK_TIMEOUT": "10s", "ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT": "30s"}
    done = prepare(entrypoint, project, new_database(kind), **limits)
    assert done.code == code, done.err
    assert ("is behind a connection pooler; set ENTRYPOINT_MIGRATE_DATABASE_URL" in done.err) == (kind == "pgbouncer")
    assert "horse" not in done.err


def test_a_stop_waits_for_the_migration_that_no_transaction_would_undo(
    entrypoint: Command, project: Path, new_database: NewDatabase
) -> None:
    database = new_database("mariadb")
    add_migration(project, "0002_slow", "a pause")
    add_migration(project, "0003_more", after="0002_slow")
    running = entrypoint.start(project, *ONLY, **environ(database, entrypoint.place))
    running.wait_until_it_says("pages.0001_initial")
    (agent,) = psutil.Process(running.process.pid).children()
    agent.terminate()  # as boot does when it is asked to stop
    (project.parent / "go").touch()
    assert running.process.wait(PATIENCE) == 143, running.err
    applied = database.ask("SELECT name FROM django_migrations WHERE app = 'pages' ORDER BY id")
    assert applied == [("0001_initial",), ("0002_slow",)]
    assert prepare(entrypoint, project, database).code == 0


def test_a_boot_that_was_killed_before_the_permissions_were_made_is_made_up_for(
    entrypoint: Command, project: Path, new_database: NewDatabase
) -> None:
    database = new_database("postgres")
    app = project / "pages" / "apps.py"
    whole = app.read_text()
    app.write_text(whole + STOP_AFTER_THE_LAST)
    running = entrypoint.start(project, *ONLY, **environ(database, entrypoint.place))
    running.wait_until_it_says("after the last migration")
    for pid in entrypoint.left_running():
        os.kill(pid, signal.SIGKILL)
    running.process.wait()
    until(lambda: not entrypoint.left_running())
    app.write_text(whole)
    assert database.ask("SELECT count(*) FROM auth_permission") == [(0,)]
    assert prepare(entrypoint, project, database).code == 0
    assert database.ask("SELECT count(*) > 0 FROM auth_permission") == [(True,)]
    assert database.ask("SELECT count(*) FROM django_migrations WHERE app = 'entrypoint'") == [(0,)]


@pytest.mark.parametrize("kind", ["postgres", *thorough("mariadb")])
def test_a_hook_that_runs_once_may_take_the_migration_lock(
    entrypoint: Command, project: Path, new_database: NewDatabase, kind: str
) -> None:
    database = new_database(kind)
    hook = entrypoint.place / "hooks/post-migrate.d/1-admin.once.sh"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"ENTRYPOINT_HOOKS_DIR= exec {entrypoint.script} prepare --only superuser")
    more = {"ENTRYPOINT_HOOKS_DIR": str(hook.parents[1]), "ENTRYPOINT_RELEASE": "v1"}
    user = {"SUPERUSER_USERNAME": "ada", "SUPERUSER_PASSWORD": "open-sesame"}
    values = environ(database, entrypoint.place, **more, **user)
    first = entrypoint.run(project, *ONLY, "--only", "hooks", **values)
    assert first.code == 0, first.err
    assert "[hook 1-admin.once] [entrypoint]     user ada created\n" in first.err
    again = entrypoint.run(project, *ONLY, "--only", "hooks", **values)
    assert "     skip 1-admin.once.sh: it has run for release v1\n" in again.err
    rows = database.ask("SELECT name FROM django_migrations WHERE app = 'entrypoint_hooks'")
    assert rows == [("post-migrate hook 1-admin.once.sh for release v1",)]
