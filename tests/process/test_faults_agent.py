"""Faults of the application's agent: each gives one line and its own exit code, and leaves no process behind."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from rows import rows

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

# A hook between two messages. Its parent is the boot, whose child the agent is.
FIND = """
for agent in $(cat /proc/$PPID/task/$PPID/children); do
    grep -q entrypoint/app/__main__.py /proc/$agent/cmdline && break
done
{does}
while grep -q entrypoint /proc/$agent/cmdline; do sleep 0.01; done 2>/dev/null
"""
EXIT = """
    import threading, time

    def leave():
        while not (BASE_DIR / "data" / "leave").exists():
            time.sleep(0.01)
        os._exit(41)

    threading.Thread(target=leave, daemon=True).start()
"""
CLOSE = "os.closerange(3, 100)"


@dataclass(frozen=True)
class Death:
    """How the agent ends, and the message about it."""

    told: str
    code: int
    setting: str = ""
    hook: str = ""


DEATHS = {
    "killed by a hook": Death("cannot migrate: its process was killed by SIGKILL", 137, hook="kill -9 $agent"),
    "killed by another signal": Death("cannot migrate: its process was killed by SIGSEGV", 139, hook="kill -11 $agent"),
    "by a signal without a name": Death(
        "cannot migrate: its process was killed by signal 40", 168, hook="kill -40 $agent"
    ),
    "an exit between two messages": Death(
        "cannot migrate: its process exited with status 41", 41, EXIT, hook="touch data/leave"
    ),
    "an answer of another form": Death(
        "cannot load the application: its process sent an invalid answer",
        1,
        """import sys; os.write(int(sys.argv[1]), b'["ProgressReport", {"text": "a", "done": "<b>"}]\\n')""",
    ),
    "no descriptors": Death("cannot load the application: its process exited with status 1", 1, CLOSE),
}


@pytest.mark.parametrize("name", DEATHS)
def test_the_end_of_the_agent_is_reported_with_its_own_exit_code(
    entrypoint: Command, project: Project, name: str
) -> None:
    death = DEATHS[name]
    project.add_setting(death.setting)
    if death.hook:
        project.write("hooks/pre-migrate.d/10-end.sh", FIND.format(does=death.hook))
    hooks = {"ENTRYPOINT_HOOKS_DIR": str(project.root / "hooks")} if death.hook else {}
    done = entrypoint.run(project.root, "prepare", "--skip", "validate", "--skip", "port", **hooks)
    assert (done.code, done.err.splitlines()[-1]) == (death.code, f"[entrypoint] {death.told}"), done.err
    assert "Traceback" not in done.err
    assert entrypoint.left_running() == []


def test_no_message_of_the_application_begins_a_line_of_the_log(entrypoint: Command, project: Project) -> None:
    forged = json.dumps(["ProgressReport", {"text": "a\n[entrypoint] ready \x1b[31m"}]).encode() + b"\n"
    project.add_setting(f"import sys; os.write(int(sys.argv[1]), {forged!r})")
    done = entrypoint.run(project.root, "prepare", "--only", "programs")
    assert r"[application] a\n[entrypoint] ready \x1b[31m" in done.err.splitlines()


CLOSED = {
    "the folder": ("app", "cannot enter {root} as uid {uid}: Permission denied"),
    "the folder above": (".", "cannot enter {root} as uid {uid}: Permission denied"),
    "manage.py": (
        "app/manage.py",
        "cannot read {root}/manage.py as uid {uid}: Permission denied; in the Dockerfile: RUN chmod -R go+rX {root}",
    ),
    "the settings": ("app/site_/settings.py", "cannot load the application: PermissionError: "),
}


@pytest.mark.parametrize("what", rows(CLOSED, ["the folder above", "the settings"]))
@pytest.mark.parametrize("starts", ["root", "the user"])
def test_a_project_that_its_user_may_not_read_is_refused(  # noqa: PLR0913, PLR0917 -- the parts of a case
    entrypoint: Command, project: Project, place: Path, ordinary_user: int | None, what: str, starts: str
) -> None:
    (place / "inner").mkdir()
    root = project.root.rename(place / "inner" / "app")
    uid = os.geteuid() if ordinary_user is None else ordinary_user
    if starts == "the user":  # the run directory is made in it; root uses none that another user can replace
        place.chmod(0o777)
    name, told = CLOSED[what]
    closed = place / "inner" / name
    before = closed.stat().st_mode
    closed.chmod(0)
    command = entrypoint.as_user(ordinary_user) if starts == "the user" else entrypoint
    done = command.run(place, "prepare", ENTRYPOINT_APP_DIR=str(root), ENTRYPOINT_USER=str(uid))
    closed.chmod(before)
    last = done.err.splitlines()[-1]
    assert last.startswith(f"[entrypoint] {told.format(root=root, uid=uid)}"), done.err
    assert done.code == 77
    assert "Traceback" not in done.err
