"""The mistakes that the settings refuse, of all those in tests/golden/messages.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from conftest import Project

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.toml"
CASES = [
    case
    for case in tomllib.loads(GOLDEN.read_text(encoding="utf-8"))["message"]
    if case.get("refused_by") == "settings"
]


@pytest.mark.parametrize("case", CASES, ids=[case["mistake"] for case in CASES])
def test_the_settings_refuse_a_mistake(project: Project, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]) -> None:
    for name, text in case.get("files", {}).items():
        project.write(name, text)
    for name in case.get("removed", ()):
        (project.root / name).unlink()
    monkeypatch.chdir(project.root)

    def replaced(text: str) -> str:
        return text.replace("{app}", str(project.root)).replace("{busy}", "10001").replace("{free}", "10002")

    with pytest.raises(Unusable) as caught:
        Settings.read({name: replaced(text) for name, text in case["environment"].items()})
    assert list(caught.value.problems) == [replaced(line) for line in case["lines"]]
    assert case["code"] == caught.value.exit_code
