"""Faults around supervision: standard streams, the run directory, the limit of open files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from deadline import PATIENCE
from rows import rows

if TYPE_CHECKING:
    from conftest import Command, Project

SCRIPT = str(Path(sys.executable).parent / "entrypoint")
MEND = "remove it, or set ENTRYPOINT_RUN_DIR to another folder"
BAD = {"WEB_CONCURRENCY": "0"}
TOO_FEW = "[entrypoint] cannot start: the limit of open files is 100, and supervisord needs 256"
DIR = "[entrypoint] cannot write {run}/{0}: it is a folder; " + MEND
FIFO = "[entrypoint] cannot write {run}/{0}: it is not a regular file; " + MEND
RUN_FILES = (
    *("supervisord.conf", "nginx.conf", "nginx-app.conf", "uwsgi.ini", "supervision.json"),
    *("handover.json", "boot.json", "supervisor.sock", "supervisord.pid", "nginx/nginx.pid", "app/uwsgi.sock"),
    *("www/ready.json", "www/first-ready", "www/unready.json", "www/down", "www/phase.json", "www/phase.txt"),
    *("www/starting.html", "www/error.html"),
)
TYPICAL = ("supervisord.conf", "supervisor.sock", "www/ready.json")


class Case(NamedTuple):
    """A fault: what a shell does before it becomes the command, and how that ends."""

    name: str
    shell: str
    words: tuple[str, ...]
    code: int
    said: str = ""  # the beginning of the last line of stderr
    environ: dict[str, str] = {}  # noqa: RUF012 -- never written


CASES = (
    Case("stderr is closed", 'exec "$@" 2>&-', ("prepare",), 0),
    Case("all streams are closed", 'exec "$@" <&- >&- 2>&-', ("prepare",), 0),
    Case("stderr is closed and a setting wrong", 'exec "$@" 2>&-', ("prepare",), 78, environ=BAD),
    Case("stderr is closed and the usage wrong", 'exec "$@" 2>&-', ("serve", "--bad"), 2),
    Case("stderr is full", 'exec "$@" 2>/dev/full', ("prepare",), 0),
    Case("stderr is full and a setting wrong", 'exec "$@" 2>/dev/full', ("prepare",), 78, environ=BAD),
    Case("stderr is full and the usage wrong", 'exec "$@" 2>/dev/full', ("serve", "--bad"), 2),
    Case(
        "stdout is full", 'exec "$@" >/dev/full', ("env",), 1, "[entrypoint] cannot write to stdout: No space left on"
    ),
    Case("too few descriptors", 'ulimit -n 100; exec "$@"', ("prepare",), 78, TOO_FEW),
    Case("too few descriptors for serve", 'ulimit -n 100; exec "$@"', (), 78, TOO_FEW),
    *(Case(f"a folder at {name}", f'mkdir -p "$RUN/{name}"; exec "$@"', (), 77, DIR) for name in RUN_FILES),
    Case("a FIFO at handover.json", 'mkdir "$RUN"; mkfifo "$RUN/handover.json"; exec "$@"', (), 77, FIFO),
    Case("a FIFO at supervisord.pid", 'mkdir "$RUN"; mkfifo "$RUN/supervisord.pid"; exec "$@"', (), 77, FIFO),
)


QUICK = [case for case in CASES if not case.name.startswith("a folder at ") or case.name.rpartition(" ")[2] in TYPICAL]


@pytest.mark.parametrize("case", rows(CASES, QUICK), ids=lambda case: case.name)
def test_a_fault_has_its_code_and_one_clear_line(
    entrypoint: Command, project: Project, place: Path, free_port: int, case: Case
) -> None:
    run = place / "run"
    done = entrypoint.run_argv(
        project.root,
        ["sh", "-c", case.shell, "sh", SCRIPT, *case.words],
        **{"PORT": f"127.0.0.1:{free_port}", "RUN": str(run), **case.environ},
    )
    said = case.said.format(case.name.rpartition(" ")[2], run=run)
    assert (done.code, (done.err.splitlines() or [""])[-1][: len(said)]) == (case.code, said), done.err
    assert "Traceback" not in done.err
    assert project.database.exists() == (case.code == 0)


@pytest.mark.parametrize(("environ", "code"), [({}, 0), (BAD, 78)])
def test_a_reader_of_stderr_that_is_gone_changes_no_exit_code(
    entrypoint: Command, project: Project, free_port: int, environ: dict[str, str], code: int
) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [SCRIPT, "prepare"],
        cwd=project.root,
        env=entrypoint.environment({"PORT": f"127.0.0.1:{free_port}", **environ}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=write,
        check=False,
        timeout=PATIENCE,
    )
    os.close(write)
    assert done.returncode == code
    assert project.database.exists() == (code == 0)


def test_a_reader_of_stdout_that_is_gone_has_read_enough(entrypoint: Command, project: Project) -> None:
    done = entrypoint.run_argv(
        project.root, ["bash", "-c", '"$@" | true; exit "${PIPESTATUS[0]}"', "sh", SCRIPT, "env"]
    )
    assert (done.code, done.err) == (0, "")
