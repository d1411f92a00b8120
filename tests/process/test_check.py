"""`entrypoint check` and `entrypoint render`: what they find, what they write, and what they leave alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Project

PAGES = {"www/starting.html", "www/error.html"}
FILES = {"supervisord.conf", "nginx.conf", "nginx-app.conf", "uwsgi.ini", "supervision.json", *PAGES}
UNREACHABLE = """
    DATABASES["default"] = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": 1, "NAME": "site"}
"""


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def test_a_check_needs_neither_database_nor_free_port_and_leaves_nothing_behind(
    entrypoint: Command, project: Project, place: Path, busy_port: int, tree: Callable[[Path], object]
) -> None:
    project.add_setting(UNREACHABLE)
    before = tree(place)
    done = entrypoint.run(project.root, "check", PORT=f"127.0.0.1:{busy_port}")
    assert done.code == 0, done.err
    assert done.out == ""
    assert "with nginx -t\n" in done.err
    assert "with supervisord's parser\n" in done.err
    assert "[application] warning: security.W001: You do not have" in done.err
    assert done.err.splitlines()[-1].startswith("[entrypoint]     no errors, ")
    assert tree(place) == before
    assert entrypoint.left_running() == []


def test_a_check_as_an_ordinary_user_passes(
    entrypoint: Command, project: Project, place: Path, ordinary_user: int | None, free_port: int
) -> None:
    place.chmod(0o777)
    done = entrypoint.as_user(ordinary_user).run(
        project.root, "check", ENTRYPOINT_USER="", ENTRYPOINT_RUN_DIR="", PORT=f"127.0.0.1:{free_port}"
    )
    assert done.code == 0, done.err
    assert not list(place.glob("entrypoint-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose whom the programs run as")
@pytest.mark.parametrize("user", ["65534", "12345:12345"])
def test_a_check_as_root_passes_for_the_user_of_the_programs(
    entrypoint: Command, project: Project, ordinary_user: int, user: str, free_port: int
) -> None:
    assert ordinary_user
    done = entrypoint.run(project.root, "check", ENTRYPOINT_USER=user, PORT=f"127.0.0.1:{free_port}")
    assert done.code == 0, done.err


def test_an_error_of_djangos_checks_ends_with_1(entrypoint: Command, project: Project, place: Path) -> None:
    project.add_setting("STATICFILES_DIRS = [STATIC_ROOT]")
    done = entrypoint.run(project.root, "check")
    assert done.code == 1
    assert "[application] error: staticfiles.E002: The STATICFILES_DIRS setting should not contain" in done.err
    assert done.err.splitlines()[-1] == "[entrypoint] cannot pass manage.py check --deploy: 1 error"
    assert not list(place.glob("entrypoint-*"))


def test_checks_that_the_project_silences_are_not_reported(entrypoint: Command, project: Project) -> None:
    project.add_setting("SILENCED_SYSTEM_CHECKS = ['security.W001']")
    done = entrypoint.run(project.root, "check")
    assert done.code == 0
    assert "security.W001" not in done.err
    assert "security.W002" in done.err


def test_a_check_that_is_stopped_leaves_nothing_behind(entrypoint: Command, project: Project, place: Path) -> None:
    project.add_setting(
        """
        import signal
        from django.core import checks

        @checks.register()
        def endless(**_):
            print("checking")
            signal.pause()
        """
    )
    running = entrypoint.start(project.root, "check")
    running.wait_until_it_says("[application] checking")
    code, _ = running.stop(signal.SIGTERM)
    assert code == 143
    assert not list(place.glob("entrypoint-*"))
    assert entrypoint.left_running() == []


def test_a_check_lists_every_problem_of_the_environment(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "check", PORT="0", ENTRYPOINT_MIGRAT="off", NGINX_CLIENT_BODY="1m")
    assert (done.code, len(done.err.splitlines())) == (78, 2)


def test_a_check_reports_an_unusable_run_directory(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "check", ENTRYPOINT_RUN_DIR="/" + "x" * 120)
    assert done.code == 78
    assert "cannot use ENTRYPOINT_RUN_DIR" in done.err


def test_a_check_prints_the_warnings_about_the_environment(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "check", NGINX_CLIENT_BODY="1m")
    assert done.code == 0
    assert ". warning: NGINX_CLIENT_BODY has no effect: " in done.err


def test_a_check_reports_every_problem_and_ends_with_the_code_of_the_first(
    entrypoint: Command, project: Project, place: Path
) -> None:
    project.add_setting("STATICFILES_DIRS = [STATIC_ROOT]")
    environ = {"NGINX_TLS_CERTIFICATE": "/nowhere/pem", "NGINX_TLS_KEY": "/nowhere/key", "PATH": "/usr/bin:/bin"}
    done = entrypoint.run(project.root, "check", **environ)
    assert done.code == 78
    first, second, nginx, django = done.err.splitlines()[-4:]
    assert first == "[entrypoint] cannot read NGINX_TLS_CERTIFICATE=/nowhere/pem: No such file or directory"
    assert second == "[entrypoint] cannot read NGINX_TLS_KEY=/nowhere/key: No such file or directory"
    assert nginx.startswith("[entrypoint] cannot use ")
    assert django == "[entrypoint] cannot pass manage.py check --deploy: 1 error"
    assert not list(place.glob("entrypoint-*"))


@pytest.mark.parametrize("words", [["render"], ["prepare", "--only", "render"]], ids=" ".join)
def test_render_prints_the_warnings(entrypoint: Command, project: Project, words: list[str]) -> None:
    done = entrypoint.run(project.root, *words, NGINX_CLIENT_BODY="1m", UWSGI_PROCESSES="3", WEB_CONCURRENCY="2")
    assert done.code == 0
    assert [line.split()[2] for line in done.err.splitlines()] == ["warning:", "warning:", "create", "write"]


def test_render_writes_the_files_into_the_run_directory_and_nothing_else(
    entrypoint: Command, project: Project, place: Path
) -> None:
    done = entrypoint.run(project.root, "render")
    assert (done.code, done.out) == (0, "")
    assert files(place / "run") == FILES
    assert not project.database.exists()


def test_copies_are_the_same_files_and_the_run_directory_is_left_alone(
    entrypoint: Command, project: Project, place: Path
) -> None:
    assert entrypoint.run(project.root, "render").code == 0
    wanted = content(place / "run")
    shutil.rmtree(place / "run")
    (place / "out").mkdir()
    (place / "out").chmod(0o750)
    assert entrypoint.run(project.root, "render", "--out", str(place / "out")).code == 0
    assert content(place / "out") == wanted
    assert (place / "out").stat().st_mode & 0o777 == 0o750
    assert not (place / "run").exists()


def test_copies_may_go_into_a_new_folder_beside_us(entrypoint: Command, project: Project) -> None:
    assert entrypoint.run(project.root, "render", "--out", "conf/rendered").code == 0
    assert files(project.root / "conf/rendered") == FILES


def test_a_folder_that_cannot_be_made_is_reported(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "render", "--out", "manage.py")
    assert done.code == 77
    assert done.err.splitlines()[-1] == "[entrypoint] cannot create manage.py: File exists"


def test_no_secret_reaches_a_rendered_file(
    entrypoint: Command, project: Project, place: Path, tree: Callable[[Path], object]
) -> None:
    environ = {"SUPERUSER_USERNAME": "admin", "SUPERUSER_PASSWORD": "open-sesame", "SECRET_KEY": "open-sesame"}
    assert entrypoint.run(project.root, "render", "--out", str(place / "out"), **environ).code == 0
    assert tree(place / "out")
    assert subprocess.run(["grep", "-r", "open-sesame", str(place / "out")], check=False).returncode == 1
