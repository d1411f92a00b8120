"""Shell completion, as bash asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command


def completions(entrypoint: Command, place: Path, line: str) -> list[str]:
    words = line.split(" ")
    asked = {"_ENTRYPOINT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = entrypoint.run(place, **asked)
    assert (done.code, done.err) == (0, "")
    return [each.partition(",")[2] for each in done.out.splitlines()]


def test_bash_completes_commands_and_options_and_boots_nothing(entrypoint: Command, place: Path) -> None:
    done = entrypoint.run(place, _ENTRYPOINT_COMPLETE="bash_source")
    assert (done.code, done.err) == (0, "")
    assert "complete -o nosort -F _entrypoint_completion entrypoint" in done.out
    assert completions(entrypoint, place, "entrypoint st") == ["status"]
    assert completions(entrypoint, place, "entrypoint boot --format s") == ["svg"]
