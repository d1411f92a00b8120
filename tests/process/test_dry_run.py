"""`entrypoint --dry-run`: says everything, does nothing."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Project

PASSWORD = "open-sesame-of-the-tests"
ADMIN = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": PASSWORD, "SUPERUSER_EMAIL": "a@example.com"}
SECRETS = {"SECRET_KEY": "key-of-the-tests", "DATABASE_URL": ""}


def test_a_dry_run_shows_steps_and_files_and_changes_nothing(
    entrypoint: Command, example: Path, tree: Callable[[Path], object]
) -> None:
    before = tree(example.parent)
    done = entrypoint.run(example, "--dry-run", **ADMIN, **SECRETS)
    assert (done.code, tree(example.parent)) == (0, before)
    lines = done.err.splitlines()
    total = len(lines)
    assert [line.split()[1] for line in lines] == [f"{number}/{total}" for number in range(1, total + 1)]
    assert lines[-1].startswith(f"[entrypoint] {total}/{total} exec ")
    for name in ("supervisord.conf", "nginx.conf", "nginx-app.conf", "uwsgi.ini", "promises.json"):
        assert f"# ---- {example.parent}/run/{name} ----\n" in done.out
    assert entrypoint.left_running() == []


def test_a_dry_run_shows_no_secret(entrypoint: Command, example: Path, place: Path) -> None:
    file = place / "password"
    file.write_text(PASSWORD + "\n", encoding="ascii")
    environ = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(file)}
    for done in (
        entrypoint.run(example, "--dry-run", **ADMIN, **SECRETS),
        entrypoint.run(example, "--dry-run", **environ, **SECRETS),
    ):
        assert done.code == 0
        assert "create the superuser admin" in done.err
        assert PASSWORD not in done.out + done.err
        assert SECRETS["SECRET_KEY"] not in done.out + done.err


def test_a_dry_run_needs_no_rights(entrypoint: Command, example: Path, ordinary_user: int | None) -> None:
    done = entrypoint.as_user(ordinary_user).run(example, "--dry-run", ENTRYPOINT_USER="", **SECRETS)
    assert done.code == 0
    assert ":8080 can be listened on" in done.err
    assert "user =" not in done.out


def test_a_dry_run_asks_neither_port_nor_database(entrypoint: Command, project: Project, busy_port: int) -> None:
    project.add_setting(
        f"""
        DATABASES["default"] = {{
            "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": {busy_port}, "NAME": "site",
        }}
        """
    )
    done = entrypoint.run(project.root, "--dry-run", PORT=f"127.0.0.1:{busy_port}")
    assert done.code == 0
    assert f"wait for database default (postgresql 127.0.0.1:{busy_port}/site), at most 60 s" in done.err


def test_a_dry_run_and_a_real_one_print_the_same_steps(entrypoint: Command, project: Project, free_port: int) -> None:
    environ = {**ADMIN, "PORT": f"127.0.0.1:{free_port}"}
    dry = [line.split(maxsplit=2)[2] for line in entrypoint.run(project.root, "--dry-run", **environ).err.splitlines()]
    real = entrypoint.run(project.root, "prepare", "--skip", "validate", **environ)
    assert real.code == 0
    said = [line for line in real.err.splitlines() if line.startswith("[entrypoint] ") and line[13].isdigit()]
    assert [line.split(maxsplit=2)[2] for line in said] == [line for line in dry[:-1] if "validate" not in line]


def test_a_dry_run_lists_every_problem(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "--dry-run", PORT="0", WEB_CONCURRENCY="-1")
    assert (done.code, done.out, len(done.err.splitlines())) == (78, "", 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose whom the programs run as")
def test_a_dry_run_as_root_shows_whom_the_programs_run_as(
    entrypoint: Command, project: Project, ordinary_user: int
) -> None:
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_USER=str(ordinary_user))
    assert done.code == 0
    assert f"user = {pwd.getpwuid(ordinary_user).pw_name}\n" in done.out
