"""Each path that CONTRIBUTING.md and the decisions name exists, and every decision is in their list."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs/decisions/README.md", *DECISIONS]
FOLDERS = "entrypoint|conf|docs|tests|bin|bench|examples"
PATH = re.compile(rf"`((?:(?:{FOLDERS})/|[A-Za-z]+\.(?:md|toml)\b)[^`\s*]*)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")


def named(page: Path) -> set[Path]:
    text = page.read_text(encoding="utf-8")
    return {*(ROOT / path for path in PATH.findall(text)), *(page.parent / path for path in LINK.findall(text))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_path_that_a_page_names_exists(page: Path) -> None:
    assert {path for path in named(page) if not path.exists()} == set()


def test_the_contributors_table_answers_with_paths() -> None:
    assert len(named(ROOT / "CONTRIBUTING.md")) > 30


def test_every_decision_is_listed() -> None:
    assert set(DECISIONS) <= named(ROOT / "docs/decisions/README.md")


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_a_date_and_its_three_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.match(r"# \d+\. .+\n\n\d{4}-\d\d-\d\d\n", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
