"""The mistakes in tests/golden/messages.toml and tests/golden/mistakes.toml, and how a test makes one of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import Project

MESSAGES = Path(__file__).parent / "golden" / "messages.toml"
CASES: list[dict[str, Any]] = tomllib.loads(MESSAGES.read_text(encoding="utf-8"))["message"]
SETTINGS = [case for case in CASES if case.get("refused_by") == "settings"]
"""What the settings refuse: they need no process for it."""


def replaced(text: str, names: Mapping[str, str]) -> str:
    """Return the text with the values of the names in braces, or the reverse."""
    for name, value in names.items():
        text = text.replace(name, value)
    return text


def environment(case: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {name: replaced(text, names) for name, text in case.get("environment", {}).items()}


def make(case: Mapping[str, Any], project: Project, names: Mapping[str, str]) -> None:
    """Make the mistake in the project's files."""
    for name, text in case.get("files", {}).items():
        project.write(name, text)
    for name, text in case.get("append", {}).items():
        path = project.root / name
        path.write_text(path.read_text() + replaced(text, names))
    for name in case.get("removed", ()):
        (project.root / name).unlink()
    for name, mode in case.get("folders", {}).items():
        folder = project.root / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
