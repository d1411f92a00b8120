"""User programs: mistakes that end a boot before anything starts, and the release."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from rows import thorough

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Command, Project
    from own_etc import OwnEtc

ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")


@ONLY_ROOT
def test_a_program_has_the_user_and_the_folder_that_it_names(entrypoint: Command, project: Project) -> None:
    project.write("entrypoint.toml", '[programs.a]\ncommand = "true"\nuser = "daemon"\ndirectory = "shelf"\n')
    project.write("Procfile", "b: true\n")
    project.root.chmod(0o755)  # otherwise anyone could name a user there
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_USER="12345")
    assert f"directory = {project.root}/shelf\nuser = daemon\n" in done.out
    assert "command = /usr/bin/true\n" in done.out
    assert '"identity": {\n        "uid": 12345,\n        "gid": 12345,\n' in done.out


def test_a_dry_run_shows_a_worker_without_a_site(entrypoint: Command, project: Project) -> None:
    project.write("Procfile", "worker: sleep 1\nbeat: sleep 2\n")
    done = entrypoint.run(project.root, "--dry-run", ENTRYPOINT_PROGRAMS="worker", ENTRYPOINT_LOG_LEVEL="error")
    assert done.code == 0
    assert "run worker (Procfile)\n" in done.err
    assert "find supervisord, sleep for worker\n" in done.err
    assert "nginx.conf" not in done.out
    assert "listened on" not in done.err


# ---- logs in files of their own


@pytest.mark.parametrize("word", ["check", "serve"])
def test_an_unusable_log_file_is_reported_before_anything_is_written(
    entrypoint: Command, project: Project, place: Path, free_port: int, word: str
) -> None:
    project.write(
        "entrypoint.toml",
        """
        [programs.a]
        command = "true"
        log = "file:nowhere/a.log"
        [programs.b]
        command = "true"
        log = "file:/dev/stdout"
        [programs.c]
        command = "true"
        log = "file:c.log"
        """,
    )
    done = entrypoint.run(project.root, word, PORT=f"127.0.0.1:{free_port}")
    told = [
        f"programs.a.log=file:nowhere/a.log in entrypoint.toml: there is no folder {project.root}/nowhere",
        "programs.b.log=file:/dev/stdout in entrypoint.toml: it is not a regular file",
    ]
    assert done.code == 78
    lines = [line for line in done.err.splitlines() if " cannot " in line]
    assert lines == [f"[entrypoint] cannot use {each}" for each in told]
    assert not (place / "run").exists()
    assert not (project.root / "c.log").exists()


def test_a_log_that_may_not_be_written_ends_with_77(
    entrypoint: Command, project: Project, place: Path, ordinary_user: int | None
) -> None:
    project.write(
        "entrypoint.toml",
        f"""
        [programs.a]
        command = "true"
        log = "file:{place}/closed/a.log"
        [programs.b]
        command = "true"
        log = "file:{place}/open/b.log"
        """,
    )
    place.chmod(0o755)
    (place / "closed").mkdir(0o555)
    (place / "open").mkdir()
    (place / "open").chmod(0o777)
    (place / "open/b.log").touch(0o444)
    done = entrypoint.as_user(ordinary_user).run(project.root, "prepare", "--only", "logs", ENTRYPOINT_USER="")
    assert done.code == 77
    told = [
        f"a.log=file:{place}/closed/a.log in entrypoint.toml: the folder {place}/closed is not writable",
        f"b.log=file:{place}/open/b.log in entrypoint.toml: the file is not writable",
    ]
    assert done.err.splitlines()[-2:] == [f"[entrypoint] cannot use programs.{each}" for each in told]


# ---- the release


def test_a_release_runs_after_the_migrations_as_the_applications_user(entrypoint: Command, project: Project) -> None:
    project.write("Procfile", 'release: id -u && pwd && python3 -c \'print("no newline", end="")\'\n')
    done = entrypoint.run(project.root, "prepare", "--skip", "port", "--skip", "validate")
    assert done.code == 0
    assert done.err.index("apply pending migrations") < done.err.index(" run release: ")
    said = [line for line in done.err.splitlines() if line.startswith("[release] ")]
    assert said == [f"[release] {os.geteuid()}", f"[release] {project.root}", "[release] no newline"]


@pytest.mark.parametrize(
    ("command", "code", "how"),
    [("exit 7", 7, "exited with status 7"), ("kill -9 $$", 137, "was killed by SIGKILL")],
)
def test_a_release_that_fails_ends_the_boot_with_its_code(
    entrypoint: Command, project: Project, command: str, code: int, how: str
) -> None:
    project.write("Procfile", f"release: echo before; {command}\n")
    done = entrypoint.run(project.root, "prepare", "--only", "release")
    assert done.err.splitlines()[-2:] == ["[release] before", f"[entrypoint] cannot run release: it {how}"]
    assert done.code == code


def test_a_stop_ends_the_release_and_all_that_it_started(entrypoint: Command, project: Project) -> None:
    project.write("Procfile", "release: sleep 100 & echo waiting; wait\n")
    running = entrypoint.start(project.root, "prepare", "--only", "release")
    running.wait_until_it_says("[release] waiting")
    code, _ = running.stop(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in running.err


def test_a_release_ends_although_what_it_left_behind_holds_its_output(
    entrypoint: Command, project: Project, until: Callable[..., None]
) -> None:
    project.write("Procfile", "release: sleep 100 & echo $!\n")
    done = entrypoint.run(project.root, "prepare", "--only", "release")
    (pid,) = [int(line.split()[1]) for line in done.err.splitlines() if line.startswith("[release] ")]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not entrypoint.left_running())
    assert done.code == 0


# ---- a user's supervisord files


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[supervisord]\nnodaemon = true\n", "[supervisord] is managed by entrypoint; define only programs here"),
        ("[program:nginx]\ncommand = a\n", "entrypoint runs nginx itself; delete lines 1-2 ([program:nginx])"),
        ("[program:extra]\n", "program section program:extra does not specify a command"),
        *thorough(
            ("[program:extra]\ncommand = a\nautorestart = maybe\n", "invalid 'autorestart' value 'maybe' in section"),
            ("command = a\n", "File contains no section headers. file: 'zz-test.conf', line: 1"),
        ),
    ],
)
def test_a_file_that_is_wrong_is_named(
    entrypoint: Command, project: Project, own_etc: OwnEtc, text: str, told: str
) -> None:
    file = own_etc.write("supervisor/conf.d/zz-test.conf", text)
    done = entrypoint.run_argv(project.root, [*own_etc.around, entrypoint.script, "check"])
    assert done.code == 78
    assert done.err.splitlines()[-1].startswith(f"[entrypoint] cannot use {file}: {told}")


# ---- supervisorctl


def test_there_is_nothing_to_control_before_a_start(entrypoint: Command, project: Project, place: Path) -> None:
    done = entrypoint.run(project.root, "ctl", "status")
    assert (done.code, done.err) == (
        127,
        f"[entrypoint] cannot find {place}/run/supervisord.conf: nothing was started here with these settings\n",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has someone to distrust")
def test_root_imports_nothing_that_the_file_of_another_user_names(
    entrypoint: Command, project: Project, place: Path
) -> None:
    conf = place / "run/supervisord.conf"
    conf.parent.mkdir()
    conf.write_text("[supervisorctl]\n[ctlplugin:own]\nsupervisor.ctl_factory = this:nothing\n")
    os.chown(conf, 1000, 1000)
    done = entrypoint.run(project.root, "ctl", "status")
    why = f"cannot use {conf} as root: uid 1000 owns it; run the command as that user"
    assert (done.code, done.out, done.err) == (77, "", f"[entrypoint] {why}\n")


def test_problems_are_objects_in_a_json_log(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run(project.root, "prepare", PORT="x", ENTRYPOINT_LOG_FORMAT="json")
    assert done.code == 78
    assert '"level":"error","program":"entrypoint","message":"cannot use PORT=x: ' in done.err
