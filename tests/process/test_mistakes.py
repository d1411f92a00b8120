"""The message for each typical mistake of a newcomer: tests/golden/mistakes.toml."""

from __future__ import annotations

import getpass
import os
import subprocess
import tomllib
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import pytest
from deadline import PATIENCE, until
from mistake_cases import CASES, environment, make, replaced
from ports import free_port

if TYPE_CHECKING:
    from conftest import Command, Project

GOLDEN = Path(__file__).parents[1] / "golden" / "mistakes.toml"
MISTAKES: list[dict[str, Any]] = tomllib.loads(GOLDEN.read_text(encoding="utf-8"))["mistake"]


@pytest.fixture
def names(project: Project, busy_port: int) -> dict[str, str]:
    """Give the values of the names in braces."""
    return {"{app}": str(project.root), "{busy}": str(busy_port), "{free}": str(free_port())}


def carried_out(entrypoint: Command, folder: Path, case: dict[str, Any], environ: dict[str, str]) -> tuple[int, str]:
    """Run the command, or start it and stop it once it has said the line; return its code and all that it said."""
    log = entrypoint.place / "said"

    def said() -> str:
        return log.read_text(errors="replace")

    with log.open("wb") as opened:
        process = subprocess.Popen(
            [entrypoint.script, *case.get("command", ["--dry-run"])],
            cwd=folder,
            env=entrypoint.environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
        )
    if case.get("serves"):
        until(lambda: case["line"] in said() or process.poll() is not None, case["line"], instead=said)
        process.terminate()
    return process.wait(PATIENCE), said()


def cases() -> list[Any]:
    """Return the mistakes: each fourth, and for the thorough run the others, and what takes a whole boot to see.

    Where test_messages.py has the same message, all rows are for the thorough run.
    """
    known = {line for case in CASES for line in case["lines"]}
    return [
        pytest.param(
            case,
            id=case["mistake"],
            marks=[pytest.mark.thorough] * (case.get("command") == [] or number % 4 > 0 or case["line"] in known),
        )
        for number, case in enumerate(MISTAKES)
    ]


@pytest.mark.parametrize("case", cases())
def test_a_mistake_is_named(entrypoint: Command, project: Project, names: dict[str, str], case: dict[str, Any]) -> None:
    user = case.get("user", "root") if os.geteuid() == 0 else getpass.getuser()  # whose application it is
    names = {**names, "{user}": user}
    make(case, project, names)
    environ = environment(case, names)
    if "command" in case:  # a dry run needs no port
        environ.setdefault("PORT", f"127.0.0.1:{free_port()}")
    environ.setdefault("ENTRYPOINT_USER", user)
    line = replaced(case["line"], names)
    code, said = carried_out(entrypoint, project.root, {**case, "line": line}, environ)
    assert code == case["code"], said
    assert line in said, said


def test_the_messages_are_good() -> None:
    scores = [case["score"] for case in MISTAKES]
    assert min(scores) > 0
    assert mean(scores) >= 2.8
    assert mean(case["before_score"] for case in MISTAKES) < mean(scores)
