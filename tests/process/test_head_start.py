"""The agent that starts before it is known for whom is, to the application, what it would be without that."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from deadline import until

from entrypoint.boot.interpreter import HeadStart

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

SHOW = """
    import json, signal, sys

    open("/dev/stdout", "a").close()
    seen = {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "ids": [os.getresuid(), os.getresgid(), sorted(os.getgroups())],
        "path": sys.path,
        "held": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "own": os.stat("/proc/self/fd").st_uid,
        "leads": os.getsid(0) == os.getpid(),
        "umask": os.umask(0o22),
    }
    (BASE_DIR / "data" / "seen").write_text(json.dumps([sys.argv, seen]))
    raise RuntimeError("seen")
"""


@pytest.fixture
def seen(entrypoint: Command, project: Project) -> Any:
    """What the settings of a project see in a boot, and whether that has a head start."""
    project.add_setting(SHOW)

    def see(**environ: str) -> tuple[dict[str, Any], bool]:
        done = entrypoint.run(project.root, **environ)
        assert "RuntimeError: seen" in done.err
        assert done.code == 78
        assert entrypoint.left_running() == []
        argv, what = json.loads((project.root / "data" / "seen").read_text(encoding="utf-8"))
        return what, "ahead" in argv

    return see


@pytest.fixture
def other(ordinary_user: int | None) -> dict[str, str]:
    """An environment in which the application runs as another user, where we may choose one."""
    return {} if ordinary_user is None else {"ENTRYPOINT_USER": str(ordinary_user)}


def test_the_application_sees_no_difference(seen: Any, other: dict[str, str]) -> None:
    environ = {"SECRET_KEY": "caf\u00e9 \udcff", "PYTHONUNBUFFERED": "yes", "PORT": "8080", **other}
    ahead, was_ahead = seen(**environ)
    usual, was_not = seen(**environ, ENTRYPOINT_PYTHON=sys.executable)
    del usual["environment"]["ENTRYPOINT_PYTHON"]
    assert (was_ahead, was_not) == (True, False)
    assert ahead == usual


def test_what_the_interpreter_itself_reads_is_not_changed_behind_its_back(
    seen: Any, place: Path, other: dict[str, str]
) -> None:
    folder = place / "pre-migrate.d"
    folder.mkdir()
    hook = folder / "10-path.envsh"
    hook.write_text(f"export PYTHONPATH={place}/modules\n")
    hook.chmod(0o755)
    what, was_ahead = seen(ENTRYPOINT_HOOKS_DIR=str(place), **other)
    assert not was_ahead
    assert f"{place}/modules" in what["path"]


def test_nothing_is_left_of_it_where_the_settings_are_refused(entrypoint: Command, project: Project) -> None:
    assert entrypoint.run(project.root, PORT="no port").code == 78
    assert entrypoint.left_running() == []


def test_one_that_was_killed_is_not_taken(project: Project) -> None:
    environ = {"ENTRYPOINT_APP_DIR": str(project.root), "PATH": "/usr/bin:/bin"}
    with HeadStart(environ) as head_start:
        (begun,) = psutil.Process().children()
        begun.kill()
        until(lambda: begun.status() == psutil.STATUS_ZOMBIE)
        started_so = {**environ, "PYTHONUNBUFFERED": "1", "HOME": "/nonexistent"}
        assert head_start.take(sys.executable, str(project.root), started_so, None) is None
    assert psutil.Process().children() == []
