"""`entrypoint --dry-run`: it prints everything and does nothing."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert [line.split()[1] for line in lines] == [f"{number}." for number in range(1, total + 1)]
    assert lines[-1].startswith(f"[entrypoint] {total}. exec ")
    for name in ("supervisord.conf", "nginx.conf", "nginx-app.conf", "uwsgi.ini", "supervision.json"):
        assert f"# ---- {example.parent}/run/{name} ----\n" in done.out
    assert entrypoint.left_running() == []


def test_a_dry_run_shows_no_secret(entrypoint: Command, example: Path, place: Path) -> None:
    file = place / "password"
    file.write_text(PASSWORD + "\n", encoding="ascii")
    environ = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD_FILE": str(file)}
    for done in (
        entrypoint.run(example, "--dry-run", **ADMIN, **SECRETS),
        entrypoint.run(example, "--dry-run", "--format", "json", **environ, **SECRETS),
        entrypoint.run(example, "--dry-run", "--diff", **ADMIN, **SECRETS),
    ):
        assert done.code == 0
        assert "create superuser admin" in done.err
        assert PASSWORD not in done.out + done.err
        assert SECRETS["SECRET_KEY"] not in done.out + done.err


def test_a_dry_run_needs_no_rights(entrypoint: Command, example: Path, ordinary_user: int | None) -> None:
    done = entrypoint.as_user(ordinary_user).run(example, "--dry-run", ENTRYPOINT_USER="", **SECRETS)
    assert done.code == 0
    assert ":8080 can be bound" in done.err
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
    dry = json.loads(entrypoint.run(project.root, "--dry-run", "--format", "json", **environ).out)["steps"]
    real = entrypoint.run(project.root, "prepare", "--skip", "validate", **environ)
    assert real.code == 0
    said = [line for line in real.err.splitlines() if line.startswith("[entrypoint] ") and line[13].isdigit()]
    assert [line.split(maxsplit=2)[2] for line in said] == [
        step["line"] for step in dry if step["name"] not in ("validate", "serve")
    ]


def test_a_dry_run_lists_every_problem(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "--dry-run", PORT="0", WEB_CONCURRENCY="-1")
    assert (done.code, done.out, len(done.err.splitlines())) == (78, "", 2)


def test_a_dry_run_names_what_decided_a_line_and_the_file_on_disk_does_not(
    entrypoint: Command, project: Project, place: Path
) -> None:
    environ = {"NGINX_CLIENT_MAX_BODY_SIZE": "1m"}
    done = entrypoint.run(project.root, "--dry-run", **environ)
    assert "    client_max_body_size 1048576;  # NGINX_CLIENT_MAX_BODY_SIZE (environment)\n" in done.out
    assert "\n; WEB_CONCURRENCY (default)\nprocesses = " in done.out
    assert entrypoint.run(project.root, "prepare", "--only", "render", **environ).code == 0
    written = (place / "run/nginx.conf").read_text(encoding="utf-8")
    assert "    client_max_body_size 1048576;  # NGINX_CLIENT_MAX_BODY_SIZE\n" in written


def test_a_dry_run_as_json_is_one_document_with_all_of_the_plan(
    entrypoint: Command, project: Project, place: Path
) -> None:
    file = place / "name"
    file.write_text("admin\n", encoding="ascii")
    environ = {
        "SUPERUSER_USERNAME_FILE": str(file),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "SUPERUSER_FIRST_NAME": "Ada",
        "NGINX_CLIENT_MAX_BODY_SIZE": "1m",
    }
    done = entrypoint.run(project.root, "--dry-run", "--format", "json", **environ)
    assert done.code == 0
    document = json.loads(done.out)
    assert sorted(document) == ["exec", "files", "settings", "steps"]
    assert document["exec"][3:] == ["-n", "-c", f"{place}/run/supervisord.conf"]
    assert {"name": "superuser", "line": "create superuser admin unless it exists"} in document["steps"]
    settings = {each["name"]: (each["value"], each["origin"]) for each in document["settings"]}
    assert settings["SUPERUSER_USERNAME"] == ("admin", str(file))
    assert settings["SUPERUSER_PASSWORD"] == ("***", "environment")
    assert settings["SUPERUSER_FIRST_NAME"] == ("***", "environment")
    assert settings["NGINX_CLIENT_MAX_BODY_SIZE"] == ("1m", "environment")
    assert settings["ENTRYPOINT_MIGRATE"] == ("auto", "default")
    assert settings["WEB_CONCURRENCY"] == (None, "default")
    assert entrypoint.run(project.root, "prepare", "--only", "render", **environ).code == 0
    for each in document["files"]:
        assert Path(each["path"]).read_text(encoding="utf-8") == each["text"]
    assert {"nginx.conf.j2", "uwsgi.ini.j2"} < {each["source"] for each in document["files"]}


def test_a_difference_is_a_patch_that_makes_the_files(entrypoint: Command, project: Project, place: Path) -> None:
    fresh = entrypoint.run(project.root, "--dry-run", "--diff")
    assert fresh.code == 0
    assert fresh.out.startswith(f"--- /dev/null\n+++ {place}/run/supervisord.conf\n")
    assert entrypoint.run(project.root, "prepare", "--only", "render").code == 0
    same = entrypoint.run(project.root, "--dry-run", "--diff")
    assert (same.code, same.out) == (0, "")
    other = entrypoint.run(project.root, "--dry-run", "--diff", NGINX_CLIENT_MAX_BODY_SIZE="1m")
    changed = [line for line in other.out.splitlines() if line.startswith(("+", "-"))]
    assert (other.code, changed) == (
        0,
        [
            f"--- {place}/run/nginx.conf",
            f"+++ {place}/run/nginx.conf",
            "-    client_max_body_size 10485760;  # NGINX_CLIENT_MAX_BODY_SIZE",
            "+    client_max_body_size 1048576;  # NGINX_CLIENT_MAX_BODY_SIZE",
        ],
    )


def test_a_difference_to_an_unreadable_file_is_reported(entrypoint: Command, project: Project, place: Path) -> None:
    (place / "run/nginx.conf").mkdir(parents=True)
    done = entrypoint.run(project.root, "--dry-run", "--diff")
    assert (done.code, done.out) == (77, "")
    assert done.err.endswith(f"[entrypoint] cannot read {place}/run/nginx.conf: Is a directory\n")


@pytest.mark.parametrize("words", [["--diff"], ["--format", "json"], ["--dry-run", "--diff", "--format", "json"]])
def test_options_that_make_no_sense_together_are_wrong_usage(
    entrypoint: Command, project: Project, words: list[str]
) -> None:
    done = entrypoint.run(project.root, *words)
    assert (done.code, done.out) == (2, "")


def test_a_warning_is_a_line_of_the_dry_run(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "--dry-run", UWSGI_PROCESSES="3", WEB_CONCURRENCY="2")
    assert done.code == 0
    assert " warning: UWSGI_PROCESSES=3 contradicts WEB_CONCURRENCY=2, " in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose whom the programs run as")
def test_a_dry_run_as_root_shows_the_user_of_the_programs(
    entrypoint: Command, project: Project, ordinary_user: int
) -> None:
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_USER=str(ordinary_user))
    assert done.code == 0
    assert f"user = {pwd.getpwuid(ordinary_user).pw_name}\n" in done.out
