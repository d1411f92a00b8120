"""The mistakes that the settings refuse, of all those in tests/golden/messages.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mistake_cases import SETTINGS, environment, make, replaced

from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from conftest import Project


@pytest.mark.parametrize("case", SETTINGS, ids=[case["mistake"] for case in SETTINGS])
def test_the_settings_refuse_a_mistake(project: Project, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]) -> None:
    names = {"{app}": str(project.root), "{busy}": "10001", "{free}": "10002"}
    make(case, project, names)
    monkeypatch.chdir(project.root)
    with pytest.raises(Unusable) as caught:
        Settings.read(environment(case, names))
    assert list(caught.value.problems) == [replaced(line, names) for line in case["lines"]]
    assert case["code"] == caught.value.exit_code
