"""`entrypoint boot` when there is no record, or an incomplete one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

RECORD = {"began": 1_700_000_000.0, "steps": [{"at": 0.0, "line": "start"}, {"at": 0.5, "line": "1. exec"}]}


@pytest.fixture
def run(place: Path) -> Path:
    """Give the run directory of a boot that has come to its exec, and to no more."""
    folder = place / "run"
    (folder / "www").mkdir(parents=True)
    (folder / "boot.json").write_text(json.dumps(RECORD), encoding="utf-8")
    return folder


def test_without_a_boot_there_is_nothing_to_show(entrypoint: Command, project: Project, place: Path) -> None:
    done = entrypoint.run(project.root, "boot")
    assert (done.code, done.out) == (78, "")
    assert done.err == f"[entrypoint] cannot show the last boot: no boot has finished in {place}/run\n"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"began": 1, "steps": []}', '{"began": 1, "steps": [{"at": "x"}]}', "3"]
)
def test_a_record_that_no_boot_has_written_is_reported_in_one_line(
    entrypoint: Command, project: Project, run: Path, text: str
) -> None:
    (run / "boot.json").write_text(text, encoding="utf-8")
    done = entrypoint.run(project.root, "boot")
    assert (done.code, done.out) == (78, "")
    assert done.err == f"[entrypoint] cannot read {run}/boot.json: it is not the record of a boot\n"


def test_readiness_from_before_the_boot_does_not_count(entrypoint: Command, project: Project, run: Path) -> None:
    (run / "www" / "first-ready").touch()
    os.utime(run / "www" / "first-ready", (1_600_000_000.0, 1_600_000_000.0))
    done = entrypoint.run(project.root, "boot")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("not ready yet\n")
    os.utime(run / "www" / "first-ready", (1_700_000_001.5, 1_700_000_001.5))
    found = json.loads(entrypoint.run(project.root, "boot", "--format", "json").out)
    assert (found["ready"], found["steps"][-1]) == (1.5, {"at": 0.5, "seconds": 1.0, "line": "1. exec"})
