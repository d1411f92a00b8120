"""A migration that MariaDB cannot roll back: the next boot fails, until a person records its state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from databases import on_mariadb
from site_under_test import copy_example

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Command, Done
    from databases import Database
    from mariadb_server import MariaDB

ONLY = ("prepare", "--only", "migrate", "--only", "wait")
MIGRATION = """
from django.conf import settings
from django.db import migrations, models


def write(apps, schema_editor):
    apps.get_model("pages", "Upload").objects.create(file="once")


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial"), ("members", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("by", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)),
            ],
        ),
        migrations.AddField("Upload", "rank", models.IntegerField(default=7)),
        migrations.RunPython(write),
        migrations.RunSQL(["UPDATE pages_upload SET file = 'twice'", "UPDATE pages_upload SET file = 'thrice'"]),
    ]
"""
DATA_ONLY = """
from django.db import migrations


def write(apps, schema_editor):
    apps.get_model("pages", "Upload").objects.create(file="once")
    apps.get_model("pages", "Upload").objects.create(file="once more")


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial")]
    operations = [migrations.RunPython(write)]
"""
# The process dies in the moment after the first statement that matches, or before it, or that statement fails.
KILLER = """
import json, os, re, signal

from django.db.backends.signals import connection_created
from django.db.utils import OperationalError

SPOILED, HOW = json.loads(os.environ.get("SPOIL", '["nothing", ""]'))


def spoil(execute, sql, params, many, context):
    if not re.match(SPOILED, f"{sql} {params}"):
        return execute(sql, params, many, context)
    if HOW == "fail":
        return execute(sql.split()[0] + " nonsense", None, False, context)
    if HOW == "kill":
        execute(sql, params, many, context)
    os.kill(os.getpid(), signal.SIGKILL)


connection_created.connect(lambda connection, **_: connection.execute_wrappers.insert(0, spoil), weak=False)
"""
BY_HAND = [
    "ALTER TABLE pages_upload ALTER COLUMN rank DROP DEFAULT",
    "INSERT INTO pages_upload (file, uploaded_at, rank) VALUES ('thrice', now(), 7)",
    "CREATE INDEX by_id ON pages_note (by_id)",
]
CREATE = "CREATE TABLE `pages_note`"
ALTER = "ALTER TABLE `pages_upload` ALTER COLUMN `rank` DROP DEFAULT"
ADD = "ALTER TABLE `pages_upload` ADD COLUMN `rank`"
INSERT = "INSERT INTO `pages_upload`"
UPDATE = "UPDATE pages_upload SET file = 'thrice'"
CONSTRAIN = "ALTER TABLE `pages_note` ADD CONSTRAINT"
RECORD = "INSERT INTO `django_migrations` .*'pages', '0002_more'"
HELP = (
    "[entrypoint] to continue, repair the database by hand, then run: entrypoint repair pages.0002_more --applied or "
    "--unapplied; see docs/how-to/repair-a-migration.md"
)

# The statement, how it is spoiled, and the error of the next boot; if that is empty, the boot continues.
SPOILED = {
    "create, kill": (MIGRATION, CREATE, "kill", f"in operation 1 of 4 (Create model Note), at: {CREATE} ("),
    "add, kill": (MIGRATION, ADD, "kill", f"in operation 2 of 4 (Add field rank to Upload), at: {ADD} "),
    "insert, kill": (MIGRATION, INSERT, "kill", f"after operation 2 of 4 (Add field rank to Upload), at: {ALTER}"),
    "update, kill": (MIGRATION, UPDATE, "kill", f"in operation 4 of 4 (Raw SQL operation), at: {UPDATE}"),
    "constrain, kill": (MIGRATION, CONSTRAIN, "kill", f"after operation 4 of 4 (Raw SQL operation), at: {CONSTRAIN}"),
    "create, fail": (MIGRATION, CREATE, "fail", ""),
    "add, fail": (MIGRATION, ADD, "fail", "in operation 2 of 4 (Add field rank to Upload), at: ALTER nonsense"),
    "insert, fail": (MIGRATION, INSERT, "fail", f"after operation 2 of 4 (Add field rank to Upload), at: {ALTER}"),
    "data only, kill": (DATA_ONLY, INSERT, "kill", ""),
    "data only, fail": (DATA_ONLY, INSERT, "fail", ""),
    "data only, kill before the record": (
        DATA_ONLY,
        RECORD,
        "kill before",
        f"after operation 1 of 1 (Raw Python operation), at: {INSERT}",
    ),
    "record, kill": (MIGRATION, RECORD, "kill", ""),
}


class Case:
    """The example project with one migration more, and a database."""

    def __init__(self, entrypoint: Command, project: Path, server: MariaDB, migration: str = MIGRATION) -> None:
        self.entrypoint, self.project, self.database = entrypoint, project, on_mariadb(server)
        with (project / "pages" / "models.py").open("a") as models:
            models.write(KILLER)
        (project / "pages" / "migrations" / "0002_more.py").write_text(migration)

    def run(self, *words: str, spoil: tuple[str, str] | None = None, **more: str) -> Done:
        environ = {
            "SECRET_KEY": "of-the-tests-alone-and-no-one-else",
            "DATA_DIR": str(self.entrypoint.place),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.database.environ,
            **({"SPOIL": json.dumps(spoil)} if spoil else {}),
            **more,
        }
        return self.entrypoint.run(self.project, *words, **environ)

    def rows(self) -> list[tuple[object, ...]]:
        return list(self.database.ask("SELECT app, name FROM django_migrations WHERE app IN ('entrypoint', 'pages')"))


def left(database: Database) -> dict[str, object]:
    """Return the tables of the app, what stands in them, and what is recorded."""
    names = [str(name) for (name,) in database.ask("SHOW TABLES LIKE 'pages_%'")]
    return {
        "tables": {name: database.ask(f"SHOW COLUMNS FROM {name}") for name in names},
        "uploads": list(database.ask("SELECT file FROM pages_upload ORDER BY id")),
        "state": database.state(),
    }


@pytest.mark.parametrize(
    ("migration", "statement", "how", "told"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.thorough] * (number > 1))
        for number, (name, case) in enumerate(SPOILED.items())
    ],
)
def test_the_next_boot_refuses_what_the_database_cannot_undo(  # noqa: PLR0913, PLR0917 -- the parts of a case
    entrypoint: Command, project: Path, mariadb_server: MariaDB, migration: str, statement: str, how: str, told: str
) -> None:
    case = Case(entrypoint, project, mariadb_server, migration)
    spoiled = case.run(*ONLY, spoil=(statement, how))
    assert spoiled.code == (1 if how == "fail" else 137), spoiled.err
    before = left(case.database)
    done = case.run(*ONLY)
    if not told:
        assert done.code == 0, done.err
        assert not [app for app, _name in case.rows() if app == "entrypoint"]
        if migration == DATA_ONLY:  # it was undone, and is done once
            assert left(case.database)["uploads"] == [("once",), ("once more",)]
        return
    assert done.code == 78, done.err
    line, help_ = done.err.splitlines()[-2:]
    assert line.startswith(
        "[entrypoint] cannot migrate database default: migration pages.0002_more was begun and not finished, and "
        f"the database cannot roll it back; it was {told}"
    )
    assert help_ == HELP
    assert left(case.database) == before


@pytest.fixture(scope="module")
def interrupted(
    tmp_path_factory: pytest.TempPathFactory, command_in: Callable[[Path], Command], mariadb_server: MariaDB
) -> Iterator[Case]:
    """A case whose migration was killed in its second operation; nothing that a test does changes its database."""
    place = tmp_path_factory.mktemp("interrupted")
    case = Case(command_in(place), copy_example(place / "project"), mariadb_server)
    assert case.run(*ONLY, spoil=(ADD, "kill")).code == 137
    before = left(case.database)
    yield case
    assert left(case.database) == before
    assert not case.entrypoint.left_running()


@pytest.fixture(scope="module")
def clean(
    tmp_path_factory: pytest.TempPathFactory, command_in: Callable[[Path], Command], mariadb_server: MariaDB
) -> dict[str, object]:
    """The state after a migration that is not interrupted."""
    place = tmp_path_factory.mktemp("clean")
    case = Case(command_in(place), copy_example(place / "project"), mariadb_server)
    assert case.run(*ONLY).code == 0
    return left(case.database)


@pytest.mark.parametrize("mode", ["auto", "wait", "check"])
def test_every_mode_refuses_an_interrupted_migration_again_and_again(interrupted: Case, mode: str) -> None:
    done = interrupted.run(*ONLY, ENTRYPOINT_MIGRATE=mode)
    assert (done.code, done.err.splitlines()[-1]) == (78, HELP)


@pytest.mark.parametrize(
    ("answer", "by_hand"),
    [
        ("--unapplied", ["DROP TABLE pages_note", "ALTER TABLE pages_upload DROP COLUMN rank"]),
        ("--applied", BY_HAND),
    ],
)
def test_after_a_repair_the_boot_continues(  # noqa: PLR0913, PLR0917 -- the parts of a case
    entrypoint: Command,
    project: Path,
    mariadb_server: MariaDB,
    clean: dict[str, object],
    answer: str,
    by_hand: list[str],
) -> None:
    case = Case(entrypoint, project, mariadb_server)
    assert case.run(*ONLY, spoil=(ADD, "kill")).code == 137
    for statement in by_hand:
        case.database.ask(statement)
    before = case.rows()
    repaired = case.run("repair", "pages.0002_more", answer)
    assert repaired.code == 0, repaired.err
    counts = "applied" if answer == "--applied" else "not applied"
    said = f"[entrypoint] pages.0002_more of database default is now recorded as {counts}\n"
    assert repaired.err.endswith(said)
    recorded: list[tuple[object, ...]] = [("pages", "0002_more")] if answer == "--applied" else []
    kept = [row for row in before if row[0] != "entrypoint" or row[1] == "migrating"]
    assert sorted(case.rows()) == sorted(kept + recorded)
    done = case.run(*ONLY)
    assert done.code == 0, done.err
    assert left(case.database) == clean


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["pages.0001_initial", "--applied"], 78, "the unfinished migration of database default is pages.0002_more"),
        (["pages.0002_more", "--applied", "--database", "other"], 78, "the project has no database other"),
        (["pages.0002_more"], 2, "Give --applied or --unapplied."),
        (["--applied"], 2, "Missing argument 'APP.MIGRATION'"),
    ],
)
def test_a_wrong_call_of_repair_changes_nothing(interrupted: Case, words: list[str], code: int, told: str) -> None:
    before = interrupted.rows()
    done = interrupted.run("repair", *words)
    assert done.code == code, done.err
    assert told in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert interrupted.rows() == before


def test_a_repair_of_nothing_is_refused(entrypoint: Command, project: Path, mariadb_server: MariaDB) -> None:
    case = Case(entrypoint, project, mariadb_server)
    assert case.run(*ONLY).code == 0
    done = case.run("repair", "pages.0002_more", "--unapplied")
    assert (done.code, done.err.splitlines()[-1]) == (
        78,
        "[entrypoint] cannot repair pages.0002_more: no migration of database default is unfinished",
    )
