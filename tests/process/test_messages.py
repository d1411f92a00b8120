"""The message for each mistake in the environment or in a file: tests/golden/messages.toml, line by line.

`pytest tests/process/test_messages.py -n 0 --update-golden` writes the lines and the exit codes again.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from mistake_cases import CASES, MESSAGES, SETTINGS, environment, make, replaced
from rows import rows

if TYPE_CHECKING:
    from conftest import Command, Project

# tests/unit/test_messages.py reads the messages of the settings without a process.
QUICK = [case for case in CASES if case not in SETTINGS] + [
    next(case for case in SETTINGS if ("files" in case) == in_file) for in_file in (False, True)
]
ANNOUNCED = re.compile(r"\d+\. ")
"""The number of a step. A step is no message, unless it is a warning."""


def as_toml(value: object) -> str:
    if isinstance(value, dict) and value:
        return "{ " + ", ".join(f"{json.dumps(name)} = {as_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + "".join(f"    {as_toml(each)},\n" for each in value) + "]"
    return json.dumps(value, ensure_ascii=not str(value).isprintable())  # an invisible character is written as \uXXXX


def record(mistake: str, found: dict[str, Any]) -> None:
    """Replace one mistake's result in the file; keep the rest."""
    document = MESSAGES.read_text(encoding="utf-8")
    cases = tomllib.loads(document)["message"]
    for case in cases:
        if case["mistake"] == mistake:
            case.update(found)
    tables = ("".join(f"{key} = {as_toml(value)}\n" for key, value in case.items()) for case in cases)
    heading = document.partition("[[message]]")[0]
    MESSAGES.write_text(heading + "\n".join(f"[[message]]\n{table}" for table in tables), encoding="utf-8")


def messages(err: str) -> list[str]:
    lines = [line.removeprefix("[entrypoint] ") for line in err.splitlines()]
    return [text for line in lines if (text := ANNOUNCED.sub("", line, count=1)) == line or text.startswith("warning")]


@pytest.fixture
def names(project: Project, busy_port: int, free_port: int) -> dict[str, str]:
    """Give the values of the names in braces."""
    return {"{app}": str(project.root), "{busy}": str(busy_port), "{free}": str(free_port)}


@pytest.fixture
def command(entrypoint: Command, ordinary_user: int | None, case: dict[str, Any]) -> Command:
    return entrypoint.as_user(ordinary_user) if case.get("ordinary_user") else entrypoint


@pytest.mark.parametrize("case", rows(CASES, QUICK), ids=[case["mistake"] for case in CASES])
def test_a_mistake_ends_with_its_line_and_its_code(
    command: Command, project: Project, names: dict[str, str], pytestconfig: pytest.Config, case: dict[str, Any]
) -> None:
    make(case, project, names)
    done = command.run(project.root, *case.get("command", ["--dry-run"]), **environment(case, names))
    values = {value: name for name, value in names.items()}
    found = {"code": done.code, "lines": [replaced(line, values) for line in messages(done.err)]}
    if pytestconfig.getoption("update_golden"):
        record(case["mistake"], found)
        return
    assert found == {"code": case["code"], "lines": case["lines"]}
    assert not project.database.exists()
    assert not os.path.lexists(project.root.parent / "run")


def test_no_two_mistakes_have_one_name() -> None:
    mistakes = [case["mistake"] for case in CASES]
    assert len(mistakes) == len(set(mistakes))
