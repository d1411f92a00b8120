"""`entrypoint check` warns about settings that do not suit production, and about no others."""

import re
import sys
from pathlib import Path

import pytest
from conftest import Command, Project

KEY = "a-key-of-the-tests-that-is-long-enough"
FIXED = f"""
DEBUG = False
SECRET_KEY = "{KEY}"
ALLOWED_HOSTS = ["www.example.com"]
STATIC_ROOT = BASE_DIR / "static_root"
"""


@pytest.fixture
def started(place: Path, entrypoint: Command) -> Path:
    """Give what `django-admin startproject` makes."""
    done = entrypoint.run_argv(place, [sys.executable, "-m", "django", "startproject", "site_", "."])
    assert done.code == 0, done.err
    return place


def warnings(command: Command, folder: Path, **environ: str) -> list[str]:
    done = command.run(folder, "check", **environ)
    assert done.code == 0, done.err
    return re.findall(r"^\[entrypoint\] [0-9]+\. warning: (.*)$", done.err, re.MULTILINE)


def test_a_new_project_is_not_made_for_production(entrypoint: Command, started: Path) -> None:
    debug, key, static = warnings(entrypoint, started)
    assert debug.startswith("DEBUG is on in site_.settings: ")
    assert key.startswith("SECRET_KEY can be guessed: it begins with django-insecure-; ")
    assert static.startswith("STATIC_ROOT is not set: ")


def test_a_new_project_with_four_settings_is(entrypoint: Command, started: Path) -> None:
    with (started / "site_/settings.py").open("a") as opened:
        opened.write(FIXED)
    assert warnings(entrypoint, started) == []


def test_the_example_project_is_made_for_production(entrypoint: Command, example: Path) -> None:
    assert warnings(entrypoint, example, SECRET_KEY=KEY) == []


def test_a_folder_that_the_applications_user_cannot_write_is_reported_with_the_remedy(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    project.add_setting(f'{FIXED}MEDIA_ROOT = BASE_DIR / "data/closed/media"\n')
    project.add_setting('DATABASES["old"] = {**DATABASES["default"], "NAME": BASE_DIR / "data/closed/db.sqlite3"}\n')
    closed = project.root / "data/closed"
    closed.mkdir()
    closed.chmod(0o555)
    media, database = warnings(entrypoint.as_user(ordinary_user), project.root, ENTRYPOINT_USER="")
    assert re.fullmatch(
        rf"cannot use MEDIA_ROOT: there is no folder {closed}/media, and (\S+) cannot create it; create it in the "
        rf"Dockerfile: RUN install -d -o \1 -g root -m 775 {closed}/media, or mount a volume at {closed}/media",
        media,
    )
    assert re.fullmatch(
        rf"cannot use database old: (\S+) cannot write {closed}; in the Dockerfile: "
        rf"RUN install -d -o \1 -g root -m 775 {closed}, or for a volume: chown \1 {closed}",
        database,
    )


def test_a_database_among_the_code_moves_rather_than_the_code_becoming_the_users(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    project.add_setting(f'{FIXED}DATABASES["default"]["NAME"] = BASE_DIR / "db.sqlite3"\n')
    project.root.chmod(0o555)
    (line,) = warnings(entrypoint.as_user(ordinary_user), project.root, ENTRYPOINT_USER="")
    assert line.endswith(f", the application's code; use a separate folder, such as {project.root}/data")


def test_static_files_that_cannot_be_collected_are_reported_unless_they_exist(
    entrypoint: Command, project: Project, ordinary_user: int | None
) -> None:
    root = project.root / "data/static"
    root.mkdir()
    root.chmod(0o555)
    command = entrypoint.as_user(ordinary_user)
    line = "[application] warning: cannot use STATIC_ROOT: "
    assert line in command.run(project.root, "check", ENTRYPOINT_USER="").err
    assert line not in command.run(project.root, "check", ENTRYPOINT_USER="", ENTRYPOINT_COLLECTSTATIC="off").err
    root.chmod(0o777)
    assert entrypoint.run(project.root, "prepare", "--only", "collectstatic").code == 0
    root.chmod(0o555)
    assert line not in command.run(project.root, "check", ENTRYPOINT_USER="").err
