"""`entrypoint prepare`: the database, the superuser and the static files, once and again."""

from __future__ import annotations

import os
import pwd
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from deadline import ever_within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Project

ADMIN = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "open-sesame", "SUPERUSER_EMAIL": "a@example.com"}
LOGIN = "from django.contrib.auth import authenticate as a; print(*(a(username='admin', password=p) for p in {}))"
WITHOUT = ("--skip", "validate", "--skip", "port")


def use_postgresql(project: Project, port: int) -> None:
    project.add_setting(
        f"""
        DATABASES["default"] = {{
            "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": {port}, "NAME": "site",
        }}
        """
    )


def test_a_second_prepare_finds_everything_done(entrypoint: Command, project: Project) -> None:
    first = entrypoint.run(project.root, "prepare", *WITHOUT, **ADMIN)
    assert first.code == 0
    assert "     user admin created" in first.err
    assert " migrations applied\n" in first.err
    assert "     1 static file collected" in first.err
    assert (project.root / "data/static/shelf/book.css").is_file()
    second = entrypoint.run(project.root, "prepare", *WITHOUT, **ADMIN)
    assert second.code == 0
    assert "     no migration is pending" in second.err
    assert "     user admin exists" in second.err
    assert "     1 static file up to date" in second.err


def test_migrations_are_counted_as_they_are_applied(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "prepare", "--only", "migrate", ENTRYPOINT_LOG_LEVEL="debug")
    told = [line for line in done.err.splitlines() if line.startswith("[application] migrated ")]
    assert [line.split()[2] for line in told] == [f"{n}/{len(told)}" for n in range(1, len(told) + 1)]
    assert any(line.endswith(" shelf.0001_initial") for line in told)
    assert f"[entrypoint]     {len(told)} migrations applied" in done.err


def test_the_superuser_can_log_in_and_keeps_a_password_of_their_own(
    entrypoint: Command, migrated_project: Project
) -> None:
    assert entrypoint.run(migrated_project.root, "prepare", *WITHOUT, **ADMIN).code == 0
    again = {**ADMIN, "SUPERUSER_PASSWORD": "something else"}
    assert entrypoint.run(migrated_project.root, "prepare", *WITHOUT, **again).code == 0
    assert migrated_project.ask(LOGIN.format(["open-sesame", "something else"])) == "admin None"


def test_the_superusers_password_comes_from_a_file_to_the_very_character(
    entrypoint: Command, migrated_project: Project, place: Path
) -> None:
    (place / "password").write_text(" pässword with $igns \n", encoding="utf-8")
    environ = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(place / "password")}
    assert entrypoint.run(migrated_project.root, "prepare", *WITHOUT, **environ).code == 0
    assert migrated_project.ask(LOGIN.format([" pässword with $igns "])) == "admin"


def test_a_superuser_may_have_further_fields(entrypoint: Command, migrated_project: Project) -> None:
    assert entrypoint.run(migrated_project.root, "prepare", *WITHOUT, SUPERUSER_FIRST_NAME="Ada", **ADMIN).code == 0
    assert migrated_project.rows("SELECT first_name, is_superuser FROM auth_user") == [("Ada", 1)]


@pytest.mark.parametrize("seconds", [60, -3600], ids=["newer", "older, as after a rollback"])
def test_static_files_are_collected_again_when_one_changed(entrypoint: Command, project: Project, seconds: int) -> None:
    only = ("prepare", "--only", "collectstatic")
    assert entrypoint.run(project.root, *only).code == 0
    project.write("shelf/static/shelf/book.css", "p { color: white; background: black }\n")
    then = time.time() + seconds
    os.utime(project.root / "shelf/static/shelf/book.css", (then, then))
    done = entrypoint.run(project.root, *only)
    assert "1 static file collected" in done.err
    assert "white" in (project.root / "data/static/shelf/book.css").read_text(encoding="utf-8")


def test_only_the_chosen_steps_are_carried_out(entrypoint: Command, project: Project, place: Path) -> None:
    done = entrypoint.run(project.root, "prepare", "--only", "render")
    assert done.code == 0
    assert [line.split()[1] for line in done.err.splitlines()] == ["1.", "2."]
    assert (place / "run/nginx.conf").is_file()
    assert not project.database.exists()


def test_an_unknown_step_to_skip_is_refused(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "prepare", "--skip", "migrations")
    assert (done.code, done.err) == (
        78,
        "[entrypoint] cannot choose step migrations: this plan has no such step; did you mean migrate?\n",
    )
    assert not project.database.exists()


def test_pending_migrations_are_refused_where_they_are_only_checked(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "prepare", *WITHOUT, ENTRYPOINT_MIGRATE="check")
    assert done.code == 1
    assert done.err.endswith("; set ENTRYPOINT_MIGRATE=auto to apply pending migrations\n")
    assert entrypoint.run(project.root, "prepare", "--only", "migrate").code == 0
    assert entrypoint.run(project.root, "prepare", *WITHOUT, ENTRYPOINT_MIGRATE="check").code == 0
    project.write("shelf/migrations/0002_lost.py", LOST.replace("0000_never", "0001_initial"))
    done = entrypoint.run(project.root, "prepare", "--only", "migrate", ENTRYPOINT_MIGRATE="check")
    assert "cannot start: database default has 1 pending migration, the first is shelf.0002_lost; " in done.err


@pytest.mark.parametrize(
    ("mode", "rest"),
    [
        ("check", "the first is shelf.0001_initial; set ENTRYPOINT_MIGRATE=auto to apply pending migrations"),
        ("wait", "and no replica has applied one for 0.1 s"),
    ],
)
def test_one_pending_migration_is_not_a_plural(entrypoint: Command, project: Project, mode: str, rest: str) -> None:
    assert entrypoint.run(project.root, "prepare", "--only", "migrate").code == 0
    with closing(sqlite3.connect(project.database)) as database, database:
        database.execute("DELETE FROM django_migrations WHERE app = 'shelf'")
    environ = {"ENTRYPOINT_MIGRATE": mode, "ENTRYPOINT_WAIT_TIMEOUT": "100ms"}
    done = entrypoint.run(project.root, "prepare", "--only", "migrate", **environ)
    assert done.err.splitlines()[-1] == f"[entrypoint] cannot start: database default has 1 pending migration, {rest}"


def test_each_database_gets_the_migrations_that_its_router_allows(entrypoint: Command, project: Project) -> None:
    project.write(
        "site_/routers.py",
        """
        class Shelf:
            def allow_migrate(self, db, app_label, **hints):
                if db == "quiet":
                    return False
                return (app_label == "shelf") == (db == "books")
        """,
    )
    project.add_setting(
        """
        DATABASES["books"] = {**DATABASES["default"], "NAME": BASE_DIR / "data" / "books.sqlite3"}
        DATABASES["quiet"] = {**DATABASES["default"], "NAME": BASE_DIR / "data" / "quiet.sqlite3"}
        DATABASES["mirror"] = {**DATABASES["default"], "TEST": {"MIRROR": "default"}}
        DATABASE_ROUTERS = ["site_.routers.Shelf"]
        """
    )
    only = ("prepare", "--only", "wait", "--only", "migrate")
    assert entrypoint.run(project.root, *only).code == 0
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    assert ("shelf_book",) not in project.rows(tables)
    assert ("shelf_book",) in project.rows(tables, "books.sqlite3")
    assert ("auth_user",) not in project.rows(tables, "books.sqlite3")
    assert project.rows(tables, "quiet.sqlite3") == []
    again = entrypoint.run(project.root, *only)
    assert again.err.endswith("[entrypoint]     no migration is pending\n")


FAIL = """
        def fail(apps, schema_editor):
            raise RuntimeError("the books are gone")
"""
QUERY = """
        def fail(apps, schema_editor):
            schema_editor.connection.cursor().execute("SELECT lost")
"""
LOST = """
    from django.db import migrations


    class Migration(migrations.Migration):
        dependencies = [("shelf", "0000_never")]
"""
BROKEN = {
    "the project's code": (
        f"{FAIL}\n        OPERATIONS = [migrations.RunPython(fail)]",
        "RuntimeError: the books are gone",
    ),
    "its query": (f"{QUERY}\n        OPERATIONS = [migrations.RunPython(fail)]", "no such column: lost"),
    "a table": ("OPERATIONS = [migrations.CreateModel('Shelf', [], {'db_table': 'shelf_book'})]", "already exists"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_migration_is_reported_with_its_name_file_and_operation(
    entrypoint: Command, project: Project, what: str
) -> None:
    operations, why = BROKEN[what]
    file = project.root / "shelf/migrations/0002_broken.py"
    project.write(
        "shelf/migrations/0002_broken.py",
        f"""
        from django.db import migrations, models

        {operations}

        class Migration(migrations.Migration):
            dependencies = [("shelf", "0001_initial")]
            operations = [migrations.AddField("Book", "pages", models.IntegerField(null=True)), *OPERATIONS]
        """,
    )
    done = entrypoint.run(project.root, "prepare", *WITHOUT, **ADMIN)
    assert done.code == 1
    last = done.err.splitlines()[-1]
    place = f"cannot apply migration shelf.0002_broken to database default ({file}, operation 2 of 2 ("
    assert last.startswith(f"[entrypoint] {place}"), done.err
    assert why in last
    assert "superuser" not in done.err
    shown = [line for line in done.err.splitlines() if 'File "' in line]
    assert all("/entrypoint/" not in line and "core/management" not in line for line in shown)
    if "fail(" in operations:
        assert shown[0].endswith(f'File "{file}", line 6, in fail')
    else:
        assert shown == []


def test_migrations_that_django_cannot_order_are_one_line(entrypoint: Command, project: Project) -> None:
    project.write("shelf/migrations/0002_two.py", LOST)
    done = entrypoint.run(project.root, "prepare", *WITHOUT)
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("[entrypoint] cannot migrate database default: ")
    assert "NodeNotFoundError" in done.err
    assert "Traceback" not in done.err


def test_a_database_that_cannot_be_reached_ends_with_75_in_time(
    entrypoint: Command, project: Project, free_port: int
) -> None:
    use_postgresql(project, free_port)
    done = entrypoint.run(project.root, "prepare", *WITHOUT, ENTRYPOINT_WAIT_TIMEOUT="300ms")
    assert done.code == 75
    last = done.err.splitlines()[-1]
    assert last.startswith("[entrypoint] cannot reach database default within 0.3 s: ")
    assert "Traceback" not in done.err


def test_a_databases_host_may_get_its_name_late_and_is_named_until_then(
    entrypoint: Command, project: Project, free_port: int
) -> None:
    use_postgresql(project, free_port)
    project.add_setting('\nDATABASES["default"]["HOST"] = "no-such-host.invalid"\n')
    done = entrypoint.run(project.root, "prepare", *WITHOUT, ENTRYPOINT_WAIT_TIMEOUT="2s")
    assert done.code == 75
    assert "[application] waiting for database default: unknown host no-such-host.invalid\n" in done.err
    why = "within 2 s: unknown host no-such-host.invalid; check HOST of DATABASES['default']"
    assert done.err.endswith(f"[entrypoint] cannot reach database default {why}\n")


def test_a_database_that_never_answers_ends_with_75(entrypoint: Command, project: Project, busy_port: int) -> None:
    use_postgresql(project, busy_port)
    done = entrypoint.run(project.root, "prepare", *WITHOUT, ENTRYPOINT_WAIT_TIMEOUT="100ms")
    assert done.code == 75
    assert done.err.endswith("[entrypoint] cannot reach database default within 0.1 s: it does not respond\n")


IN_IMAGE = "in the Dockerfile: RUN install -d -o {user} -g root -m 775 {root}/data"
CANNOT_OPEN = "cannot open database default: unable to open database file"
READ_ONLY = (
    "cannot migrate database default: Unable to create the django_migrations table "
    "(attempt to write a readonly database)"
)
SQLITE = {
    "no folder": (
        "data/none/x",
        0o777,
        f"{CANNOT_OPEN}: there is no folder {{root}}/data/none; create it {IN_IMAGE}/none,",
    ),
    "a folder": ("data", 0o777, f"{CANNOT_OPEN}: {{root}}/data is a folder; NAME must name a file in it"),
    "another user's folder": (
        "data/x",
        0o555,
        f"{CANNOT_OPEN}: {{user}} cannot write {{root}}/data; {IN_IMAGE}, or for a volume: chown {{user}} {{root}}",
    ),
    "another user's file": (
        "data/old.sqlite3",
        0o777,
        f"{READ_ONLY}: {{user}} cannot write {{root}}/data/old.sqlite3; chown {{user}} {{root}}/data/old.sqlite3",
    ),
}


@pytest.mark.parametrize("what", SQLITE)
def test_an_unwritable_sqlite_file_is_reported_with_path_user_and_remedy(
    entrypoint: Command, project: Project, ordinary_user: int | None, what: str
) -> None:
    name, mode, told = SQLITE[what]
    project.add_setting(f'\nDATABASES["default"]["NAME"] = BASE_DIR / "{name}"\n')
    file = project.root / "data/old.sqlite3"
    sqlite3.connect(file).close()
    file.touch()
    file.chmod(0o444)
    (project.root / "data").chmod(mode)
    uid = os.geteuid() if ordinary_user is None else ordinary_user
    user = pwd.getpwuid(uid).pw_name
    done = entrypoint.run(project.root, "prepare", "--only", "wait", "--only", "migrate", ENTRYPOINT_USER=str(uid))
    assert done.code == 77
    assert done.err.splitlines()[-1].startswith(f"[entrypoint] {told.format(root=project.root, user=user)}")
    assert "Traceback" not in done.err


def test_a_linked_sqlite_file_has_its_journal_and_its_lock_where_the_link_leads(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    project.add_setting('\nDATABASES["default"]["NAME"] = BASE_DIR / "linked.sqlite3"\n')
    (project.root / "linked.sqlite3").symlink_to(project.database)
    project.root.chmod(0o555)
    uid = os.geteuid() if ordinary_user is None else ordinary_user
    done = entrypoint.run(project.root, "prepare", "--only", "migrate", ENTRYPOINT_USER=str(uid))
    assert (done.code, "cannot use database" in done.err) == (0, False), done.err
    assert (project.root / "data/db.sqlite3.migrate-lock").is_file()
    assert project.rows("SELECT count(*) FROM django_migrations") != [(0,)]


def test_a_locked_sqlite_file_is_reported_with_its_path(entrypoint: Command, migrated_project: Project) -> None:
    migrated_project.add_setting('\nDATABASES["default"]["OPTIONS"] = {"timeout": 0.1}\n')
    migrated_project.write("shelf/migrations/0002_lost.py", LOST.replace("0000_never", "0001_initial"))
    with closing(sqlite3.connect(migrated_project.database)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = entrypoint.run(migrated_project.root, "prepare", "--only", "migrate")
    assert done.code == 1
    why = (
        f"database is locked: another process writes {migrated_project.database}; stop that process, and keep the file"
    )
    assert f"{why} off" in done.err.splitlines()[-1]


def test_a_replica_that_waits_names_a_locked_sqlite_file(entrypoint: Command, migrated_project: Project) -> None:
    migrated_project.add_setting('\nDATABASES["default"]["OPTIONS"] = {"timeout": 0.1}\n')
    environ = {"ENTRYPOINT_MIGRATE": "wait", "ENTRYPOINT_WAIT_TIMEOUT": "300ms"}
    with closing(sqlite3.connect(migrated_project.database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = entrypoint.run(migrated_project.root, "prepare", "--only", "migrate", **environ)
    assert done.code == 75
    assert "waiting for the migrations of database default: another process has locked its file\n" in done.err
    why = "another process has locked the file of database default, and no replica has migrated it for 0.3 s"
    assert done.err.splitlines()[-1] == f"[entrypoint] cannot start: {why}"


@pytest.mark.alone
@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGTERM, 143, id="TERM"),
        pytest.param(signal.SIGINT, 130, id="INT", marks=pytest.mark.thorough),
        pytest.param(signal.SIGQUIT, 131, id="QUIT", marks=pytest.mark.thorough),
    ],
)
def test_a_signal_ends_the_wait_for_a_database_at_once(
    entrypoint: Command, project: Project, busy_port: int, number: signal.Signals, code: int
) -> None:
    use_postgresql(project, busy_port)

    def stop() -> float:
        running = entrypoint.start(project.root, "prepare", *WITHOUT)
        running.wait_until_it_says("wait for database default")
        ended, seconds = running.stop(number)
        assert ended == code
        assert running.err.endswith(f"[entrypoint] stopped by {number.name}\n")
        assert entrypoint.left_running() == []
        return seconds

    assert ever_within(3, stop)  # sooner than an attempt that gets no answer


def test_a_signal_ends_the_tries_to_reach_a_database(entrypoint: Command, project: Project, free_port: int) -> None:
    use_postgresql(project, free_port)
    running = entrypoint.start(project.root, "prepare", *WITHOUT)
    running.wait_until_it_says("waiting for database default: ")
    assert running.stop(signal.SIGTERM)[0] == 143


@pytest.mark.parametrize(
    ("words", "code"), [(["serve"], 0), ([], 0), (["prepare"], 143)], ids=["serve", "no word", "prepare"]
)
def test_a_signal_while_the_application_loads_ends_the_boot(
    entrypoint: Command, project: Project, free_port: int, words: list[str], code: int
) -> None:
    project.add_setting("import signal; print('loading'); signal.pause()")
    running = entrypoint.start(project.root, *words, PORT=f"127.0.0.1:{free_port}")
    running.wait_until_it_says("[application] loading")
    assert running.stop(signal.SIGTERM)[0] == code
    assert "[entrypoint] stopped by SIGTERM" in running.err
    assert entrypoint.left_running() == []


def test_a_process_that_the_application_left_behind_does_not_hold_up_the_boot(
    entrypoint: Command, project: Project, place: Path, until: Callable[..., None]
) -> None:
    project.add_setting(
        f"""
        import subprocess
        child = subprocess.Popen(["sh", "-c", "while [ ! -e {place}/go ]; do sleep 0.1; done"])
        """
    )
    running = entrypoint.start(project.root, "prepare", "--only", "render")
    try:
        until(lambda: running.process.poll() is not None, "the end")
    finally:
        (place / "go").touch()
        until(lambda: entrypoint.left_running() == [])
    assert running.process.returncode == 0
