"""The README names the most used settings, and none that does not exist; the references name all of both kinds."""

import re
from pathlib import Path

import pytest

from entrypoint.boot.settings import reference
from entrypoint.boot.settings.settings import setting_specs
from entrypoint.commands import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
NAMES = {spec.name for spec in setting_specs()}


def test_the_reference_is_generated_from_the_setting_specs() -> None:
    written = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    assert written == reference.markdown(), "entrypoint env --format markdown > docs/reference/settings.md mends it"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_setting_stands_in_the_reference(name: str) -> None:
    assert any(line.startswith(f"| `{name}`") for line in reference.markdown().splitlines())


def test_the_readmes_table_names_the_most_used_settings_and_no_unknown_one() -> None:
    rows = (line.split(" | ")[0] for line in README.split("## Settings")[1].split("\n## ")[0].splitlines())
    named = {name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)}
    assert named <= NAMES
    assert {"PORT", "WEB_CONCURRENCY", "SUPERUSER_PASSWORD", "ENTRYPOINT_MIGRATE", "ENTRYPOINT_USER"} <= named


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_the_command_stands_in_the_table(name: str) -> None:
    assert any(f"`entrypoint {name}" in line for line in COMMANDS.splitlines() if line.startswith("| `"))
