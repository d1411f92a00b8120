"""Served and private files must not be in one folder, however their paths are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Command, Project

APART = "use a separate folder for served files"
ENGINE = """
    from django.db.backends.sqlite3.base import *
"""


class Case(NamedTuple):
    """What `make` does to the project, the settings, and what of them is refused, with {root} for the project."""

    environ: dict[str, str]
    line: str
    make: Callable[[Project], None] = lambda _: None
    code: int = 78


def refused(served: str, private: str) -> str:
    return f"[entrypoint] cannot serve {served}: it contains {private}; {APART}"


def linked(project: Project) -> None:
    (project.root / "uploads").symlink_to("volume")


def link_within(project: Project) -> None:
    (project.root / "volume/keys").mkdir()
    (project.root / "keys").symlink_to("volume/keys")


def media(setting: str) -> Callable[[Project], None]:
    return lambda project: project.add_setting(f'MEDIA_URL = "/media/"\nMEDIA_ROOT = {setting}\n')


def another_engine(project: Project) -> None:
    project.write("site_/stores/__init__.py", "")
    project.write("site_/stores/base.py", ENGINE)
    project.add_setting('DATABASES["default"]["ENGINE"] = "site_.stores"\n')
    media('BASE_DIR / "data"')(project)


def by_uri(project: Project) -> None:
    media('BASE_DIR / "data"')(project)
    project.add_setting('DATABASES["default"]["NAME"] = f"file:{BASE_DIR}/data/db.sqlite3?mode=rwc"\n')


def whole(project: Project) -> None:
    media("BASE_DIR")(project)
    project.add_setting('DATABASES["default"]["NAME"] = ":memory:"\n')


MEDIA = {"NGINX_MEDIA_URL": "/media/", "NGINX_MEDIA_ROOT": "{root}/volume"}
CASES = {
    "the data directory below the uploads": Case(
        {**MEDIA, "ENTRYPOINT_DATA_DIR": "{root}/volume/keys"},
        refused("NGINX_MEDIA_ROOT={root}/volume", "ENTRYPOINT_DATA_DIR={root}/volume/keys"),
        lambda project: (project.root / "volume/keys").mkdir(),
    ),
    "the data directory is that of the uploads": Case(
        {**MEDIA, "ENTRYPOINT_DATA_DIR": "{root}/volume"},
        refused("NGINX_MEDIA_ROOT={root}/volume", "ENTRYPOINT_DATA_DIR={root}/volume"),
    ),
    "the uploads by a link": Case(
        {**MEDIA, "NGINX_MEDIA_ROOT": "{root}/uploads", "ENTRYPOINT_DATA_DIR": "{root}/volume"},
        refused("NGINX_MEDIA_ROOT={root}/uploads ({root}/volume)", "ENTRYPOINT_DATA_DIR={root}/volume"),
        linked,
    ),
    "the data directory by a link": Case(
        {**MEDIA, "ENTRYPOINT_DATA_DIR": "{root}/keys"},
        refused("NGINX_MEDIA_ROOT={root}/volume", "ENTRYPOINT_DATA_DIR={root}/keys ({root}/volume/keys)"),
        link_within,
    ),
    "the data directory by two dots": Case(
        {**MEDIA, "ENTRYPOINT_DATA_DIR": "{root}/data/../volume"},
        refused("NGINX_MEDIA_ROOT={root}/volume", "ENTRYPOINT_DATA_DIR={root}/data/../volume ({root}/volume)"),
    ),
    "a run directory among the static files": Case(
        {"NGINX_STATIC_ROOT": "{root}/volume", "ENTRYPOINT_RUN_DIR": "{root}/volume/run"},
        refused("NGINX_STATIC_ROOT={root}/volume", "ENTRYPOINT_RUN_DIR={root}/volume/run"),
    ),
    "the application's folder as Django's uploads": Case(
        {},
        refused("MEDIA_ROOT={root}", "ENTRYPOINT_APP_DIR={root}"),
        whole,
    ),
    "SQLite's file among Django's uploads": Case(
        {},
        refused("MEDIA_ROOT={root}/data", 'DATABASES["default"]["NAME"]={root}/data/db.sqlite3'),
        media('BASE_DIR / "data"'),
    ),
    "SQLite's file by a URI": Case(
        {},
        refused("MEDIA_ROOT={root}/data", 'DATABASES["default"]["NAME"]={root}/data/db.sqlite3'),
        by_uri,
    ),
    "SQLite's file by an engine of another name": Case(
        {},
        refused("MEDIA_ROOT={root}/data", 'DATABASES["default"]["NAME"]={root}/data/db.sqlite3'),
        another_engine,
    ),
    "a secret among the uploads": Case(
        {**MEDIA, "SUPERUSER_PASSWORD_FILE": "{root}/volume/password"},
        refused("NGINX_MEDIA_ROOT={root}/volume", "SUPERUSER_PASSWORD_FILE={root}/volume/password"),
        lambda project: project.write("volume/password", "correct-horse\n"),
    ),
}


# Folders that the settings name, that a link hides, and that only Django knows.
TYPICAL = (
    *("the data directory by two dots", "a run directory among the static files", "SQLite's file by a URI"),
    *("the application's folder as Django's uploads", "a secret among the uploads"),
)
EVERYWHERE = ("the data directory below the uploads", "the uploads by a link", "SQLite's file among Django's uploads")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(pytest.param(name, "--dry-run", marks=[pytest.mark.thorough] * (name not in TYPICAL)) for name in CASES),
        *((name, words) for name in EVERYWHERE for words in ("prepare", "check")),
    ],
)
def test_nothing_private_is_served(
    entrypoint: Command, project: Project, free_port: int, name: str, words: str
) -> None:
    case = CASES[name]
    (project.root / "volume").mkdir()
    case.make(project)
    environ = {name: text.format(root=project.root) for name, text in case.environ.items()}
    done = entrypoint.run(project.root, words, PORT=f"127.0.0.1:{free_port}", **environ)
    assert (done.code, done.err.splitlines()) == (78, [case.line.replace("{root}", str(project.root))])
    assert not project.database.exists()


def test_uploads_may_lie_in_the_data_directory(entrypoint: Command, project: Project, free_port: int) -> None:
    media('BASE_DIR / "data/media"')(project)
    environ = {"ENTRYPOINT_DATA_DIR": str(project.root / "data"), "PORT": f"127.0.0.1:{free_port}"}
    assert entrypoint.run(project.root, "--dry-run", **environ).code == 0


def test_two_folders_of_which_one_is_called_like_the_beginning_of_the_other_are_apart(
    entrypoint: Command, project: Project, free_port: int
) -> None:
    (project.root / "volume-keys").mkdir()
    environ = {name: text.format(root=project.root) for name, text in MEDIA.items()}
    data = str(project.root / "volume-keys")
    done = entrypoint.run(project.root, "--dry-run", PORT=f"127.0.0.1:{free_port}", ENTRYPOINT_DATA_DIR=data, **environ)
    assert done.code == 0, done.err


def test_a_boot_refuses_it_before_the_folder_is_served(entrypoint: Command, project: Project, free_port: int) -> None:
    (project.root / "volume").mkdir()
    environ = {name: text.format(root=project.root) for name, text in MEDIA.items()}
    data = str(project.root / "volume")
    done = entrypoint.run(project.root, PORT=f"127.0.0.1:{free_port}", ENTRYPOINT_DATA_DIR=data, **environ)
    assert done.code == 78
    line = refused(f"NGINX_MEDIA_ROOT={data}", f"ENTRYPOINT_DATA_DIR={data}")
    assert line in done.err.splitlines()
    assert data not in (project.root.parent / "run/nginx-app.conf").read_text(encoding="utf-8")
