"""The README names all that there is."""

from pathlib import Path

import pytest

from entrypoint.boot.settings import declarations
from entrypoint.commands import commands

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [declaration.name for declaration in declarations()])
def test_the_setting_stands_in_the_table(name: str) -> None:
    assert any(f"`{name}`" in line for line in README.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_the_command_stands_in_the_table(name: str) -> None:
    assert any(f"`entrypoint {name}" in line for line in README.splitlines() if line.startswith("| `"))
