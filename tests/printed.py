"""The code that README.md and docs/ print, block by block.

A block in a language of `CHECKED` is run, or read by the program that it is for. A block that cannot be run says why,
in a comment on the line before it, which readers do not see: `<!-- not run: REASON -->`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
CHECKED = frozenset({"console", "dockerfile", "toml", "python", "sh", "html", "jinja", "yaml"})
_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_PROMPT = "$ "


class Block(NamedTuple):
    """One block of code in a page."""

    page: Path
    line: int
    language: str
    text: str
    reason: str  # why it is not run; empty if it is

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, without prompts and output."""
        joined = self.text.replace("\\\n", " ")
        return [line.removeprefix(_PROMPT) for line in joined.splitlines() if line.startswith(_PROMPT)]


def blocks(*languages: str, page: Path | None = None) -> list[Block]:
    """Return the blocks that are run, in these languages, of a page or of all pages."""
    return [block for block in every_block(page) if block.language in languages and not block.reason]


def every_block(page: Path | None = None) -> Iterator[Block]:
    """Yield all blocks of a page, or of all pages."""
    for path in (page,) if page else PAGES:
        text = path.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(path, line, found["language"], found["text"], found["reason"] or "")
