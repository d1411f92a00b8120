"""`entrypoint exec -- COMMAND`, and any first word that is not a command of entrypoint."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entrypoint.errors import NotFound

if TYPE_CHECKING:
    from conftest import Command, Project

SHOW = "import json, os; print(json.dumps({'env': dict(os.environ), 'cwd': os.getcwd()}))"


def test_a_command_gets_the_applications_environment(entrypoint: Command, project: Project, place: Path) -> None:
    (place / "key").write_text("s3cret\n", encoding="ascii")
    done = entrypoint.run(
        project.root,
        *("exec", "--", "python", "-c", SHOW),
        SECRET_KEY_FILE=str(place / "key"),
        ENTRYPOINT_SECRETS="SECRET_KEY",
        DJANGO_SETTINGS_MODULE="site_.settings",
        OWN="kept",
    )
    assert (done.code, done.err) == (0, "")
    seen = json.loads(done.out)
    assert seen["cwd"] == str(project.root)
    assert seen["env"]["SECRET_KEY"] == "s3cret"
    assert "SECRET_KEY_FILE" not in seen["env"]
    assert seen["env"]["DJANGO_SETTINGS_MODULE"] == "site_.settings"
    assert seen["env"]["PATH"].split(":")[0] == str(Path(entrypoint.python).parent)
    assert seen["env"]["OWN"] == "kept"


def test_a_command_runs_where_the_application_is(entrypoint: Command, project: Project, place: Path) -> None:
    done = entrypoint.run(place, "pwd", ENTRYPOINT_APP_DIR=str(project.root))
    assert (done.code, done.out) == (0, f"{project.root}\n")


def test_a_word_that_is_no_command_of_ours_is_run_with_all_its_options(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "printf", "%s|", "--help", "-x", "--", "serve", "$HOME", "a b")
    assert (done.code, done.out) == (0, "--help|-x|--|serve|$HOME|a b|")


def test_manage_py_works_as_in_the_readme(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "python", "manage.py", "check")
    assert (done.code, done.out) == (0, "System check identified no issues (0 silenced).\n")
    assert not project.database.exists()


@pytest.mark.parametrize("words", [["manage.py"], ["exec", "--", "manage.py"], ["./manage.py"]], ids=" ".join)
def test_manage_py_needs_neither_python_nor_permission(entrypoint: Command, project: Project, words: list[str]) -> None:
    (project.root / "manage.py").chmod(0o644)
    done = entrypoint.run(project.root, *words, "check")
    assert (done.code, done.out) == (0, "System check identified no issues (0 silenced).\n")


def test_a_script_that_is_executable_runs_by_its_own_first_line(entrypoint: Command, place: Path) -> None:
    (place / "job.py").write_text("#!/bin/sh\necho shell\n", encoding="ascii")
    (place / "job.py").chmod(0o755)
    assert entrypoint.run(place, "./job.py").out == "shell\n"


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", -9)])
def test_the_commands_own_ending_is_ours(entrypoint: Command, place: Path, script: str, code: int) -> None:
    assert entrypoint.run(place, "sh", "-c", script).code == code


def test_a_command_that_does_not_exist_ends_with_127(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "no-such-command", "--help")
    assert done.code == 127
    assert done.err == f"[entrypoint] cannot run no-such-command: {NotFound.WHY}\n"


def test_a_command_that_cannot_be_run_ends_with_126(entrypoint: Command, place: Path) -> None:
    (place / "notes.txt").write_text("no program", encoding="ascii")
    done = entrypoint.run(place, "./notes.txt")
    assert (done.code, done.err) == (126, "[entrypoint] cannot run ./notes.txt: Permission denied\n")


def test_a_command_is_not_run_in_an_environment_that_cannot_be_used(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "touch", "made", PORT="x")
    assert done.code == 78
    assert not (place / "made").exists()


def test_signals_reach_the_command(entrypoint: Command, place: Path) -> None:
    pending = "import signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    assert entrypoint.run(place, "python", "-c", pending).out == "[]\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
@pytest.mark.parametrize("form", ["name", "uid", "uid:gid", "nameless"])
def test_root_becomes_the_applications_user(entrypoint: Command, place: Path, form: str) -> None:
    nobody = pwd.getpwnam("nobody")
    wanted, who = {
        "name": ("nobody", (nobody.pw_uid, nobody.pw_gid, nobody.pw_dir, "nobody")),
        "uid": (str(nobody.pw_uid), (nobody.pw_uid, nobody.pw_gid, nobody.pw_dir, "nobody")),
        "uid:gid": (f"{nobody.pw_uid}:4242", (nobody.pw_uid, 4242, nobody.pw_dir, "nobody")),
        "nameless": ("54321", (54321, 54321, "/", "54321:54321")),
    }[form]
    done = entrypoint.run(place, "sh", "-c", 'echo "$(id -u) $(id -g) $HOME $USER"; id -G', ENTRYPOINT_USER=wanted)
    assert (done.code, done.err) == (0, "")
    first, groups = done.out.splitlines()
    assert first.split() == [str(part) for part in who]
    assert "0" not in groups.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_a_process_that_gave_up_root_cannot_take_it_back(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, "sh", "-c", "grep -E '^(Uid|Gid):' /proc/self/status", ENTRYPOINT_USER="nobody")
    nobody = pwd.getpwnam("nobody")
    assert [set(line.split()[1:]) for line in done.out.splitlines()] == [
        {str(nobody.pw_uid)},
        {str(nobody.pw_gid)},
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone else")
def test_the_application_is_prepared_as_its_user(entrypoint: Command, project: Project, ordinary_user: int) -> None:
    project.add_setting("import sys; print('as', os.getuid(), os.getgroups())")
    done = entrypoint.run(
        project.root, "prepare", "--skip", "validate", "--skip", "port", ENTRYPOINT_USER=str(ordinary_user)
    )
    assert done.code == 0
    assert f"[application] as {ordinary_user} [{ordinary_user}]" in done.err
    assert project.database.stat().st_uid == ordinary_user
    assert (entrypoint.place / "run/app").stat().st_uid == ordinary_user
    assert (entrypoint.place / "run/nginx.conf").stat().st_uid == 0
