"""A migration that is killed half-way on MariaDB, which cannot undo it, is brought to its end by the next boots."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from databases import on_mariadb

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command
    from databases import Database
    from mariadb_server import MariaDB

ONLY = ("prepare", "--only", "migrate")
# Each kind of operation, with what each puts off to the end: keys and constraints.
FIRST = """
from django.conf import settings
from django.db import migrations, models


def write(apps, schema_editor):
    apps.get_model("pages", "Note").objects.create(title="once")


class Migration(migrations.Migration):
    dependencies = [("pages", "0001_initial"), ("members", "0001_initial")]
    operations = [
        migrations.CreateModel(
            "Note",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=50, db_index=True)),
                ("by", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)),
                ("likes", models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")),
            ],
            options={"unique_together": {("title", "by")}},
        ),
        migrations.AddField("Upload", "note", models.ForeignKey("Note", models.CASCADE, null=True)),
        migrations.AddField("Note", "rank", models.IntegerField(default=7)),
        migrations.RunPython(write),
    ]
"""
SECOND = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pages", "0002_first")]
    operations = [
        migrations.AddIndex("Note", models.Index(fields=["rank"], name="by_rank")),
        migrations.RenameField("Note", "rank", "place"),
        migrations.RenameField("Note", "by", "author"),
        migrations.AlterField("Upload", "note", models.ForeignKey("Note", models.CASCADE, null=True, unique=True)),
        migrations.AlterField("Note", "title", models.CharField(max_length=90, null=True)),
        migrations.RunSQL(["UPDATE pages_note SET place = place + 1", "UPDATE pages_note SET place = place * 10"]),
        migrations.AddField("Note", "gone", models.TextField(null=True)),
        migrations.RemoveField("Note", "gone"),
        migrations.AlterUniqueTogether("Note", {("title", "place")}),
        migrations.RenameModel("Note", "Remark"),
    ]
"""
# Of each statement that changes something, the process dies: the moment before we could write down that it was done.
KILLER = """
import os, signal
from pathlib import Path

from django.db.backends.signals import connection_created

KILLED = Path(os.environ["KILLED"])


def die_after(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    ours = "pages_" in sql and sql.split()[0] in ("CREATE", "ALTER", "RENAME", "DROP", "INSERT")
    if ours and KILLED.exists() and sql not in KILLED.read_text().splitlines():
        with KILLED.open("a") as opened:
            opened.write(sql + "\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return result


connection_created.connect(lambda connection, **_: connection.execute_wrappers.append(die_after), weak=False)
"""


def tables(database: Database) -> dict[str, list[str]]:
    """Return the tables of the app as MariaDB would make them, their keys in any order."""
    names = [str(name) for (name,) in database.ask("SHOW TABLES LIKE 'pages_%'")]
    made = {name: str(database.ask(f"SHOW CREATE TABLE {name}")[0][1]) for name in names}
    lines = {name: (line.strip(" ,") for line in text.splitlines()) for name, text in made.items()}
    # A row that was undone has taken a number.
    return {name: sorted(re.sub(r" AUTO_INCREMENT=\d+", "", line) for line in lines[name]) for name in names}


def test_one_that_fails_fails_again(entrypoint: Command, project: Path, mariadb_server: MariaDB, place: Path) -> None:
    (project / "pages" / "migrations" / "0002_first.py").write_text(FIRST)
    database = on_mariadb(mariadb_server)
    database.ask("CREATE TABLE pages_note (somebody_elses integer)")
    for _ in range(2):
        environ = {"SECRET_KEY": "of-the-tests-alone", "DATA_DIR": str(place), **database.environ}
        done = entrypoint.run(project, *ONLY, **environ)
        assert done.code == 1
        assert "Table 'pages_note' already exists" in done.err
    assert ("pages", "0002_first") not in [
        tuple(row) for row in database.ask("SELECT app, name FROM django_migrations")
    ]


@pytest.mark.timeout(600)  # about twenty boots, one after the other
def test_it_ends_as_one_that_nobody_killed(
    entrypoint: Command, project: Path, mariadb_server: MariaDB, place: Path
) -> None:
    for name, text in (("0002_first", FIRST), ("0003_second", SECOND)):
        (project / "pages" / "migrations" / f"{name}.py").write_text(text)
    with (project / "pages" / "models.py").open("a") as models:
        models.write(dedent(KILLER))
    killed = place / "killed"

    def prepare(database: Database) -> int:
        environ = {"SECRET_KEY": "of-the-tests-alone", "DATA_DIR": str(place), "KILLED": str(killed)}
        done = entrypoint.run(project, *ONLY, **environ, **database.environ)
        assert done.code in (0, 137), done.err
        return done.code

    clean, broken = on_mariadb(mariadb_server), on_mariadb(mariadb_server)
    assert prepare(clean) == 0
    killed.touch()
    codes = [prepare(broken)]
    while codes[-1]:
        codes.append(prepare(broken))
        assert len(codes) < 40
    assert len(codes) > 15, killed.read_text()
    assert tables(broken) == tables(clean)
    assert list(broken.ask("SELECT title, place FROM pages_remark")) == [("once", 80)]
    assert broken.state() == clean.state()
    assert not broken.ask("SELECT * FROM django_migrations WHERE app = 'entrypoint'")
