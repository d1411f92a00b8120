"""What boot hands over to this supervisord. The other half is entrypoint/boot/effects/children.py."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self


class Running(NamedTuple):
    """A program that runs, and is our child, for it was this process that started it before its exec."""

    pid: int
    output: int
    """The descriptor that what it prints is read from."""
    begun: str = ""
    """What was read of it already and not written, a character a byte."""


class Environments(NamedTuple):
    """The environments of the programs. They hold secrets, so no file holds them."""

    programs: Mapping[str, str]
    root: Mapping[str, str]
    """Of those that run as root: without paths to code that the application's user can write."""

    @classmethod
    def inherited(cls) -> Self:
        """Return what a supervisord has that no boot has started: its own environment."""
        return cls(dict(os.environ), dict(os.environ))


class Handover(NamedTuple):
    """All that is handed over."""

    environments: Environments
    notify: int | None = None
    """The socket that the programs tell by that they are ready."""
    programs: Mapping[str, Running] = MappingProxyType({})


_taken: list[Environments] = []
"""The environments, once they were handed over: for the next round of supervisord in this process."""


def take(file: Path | None) -> Handover:
    """Read `file` and remove it: the next round has nothing to adopt. Nothing is handed over without a file."""
    environments = _taken[-1] if _taken else Environments.inherited()
    if file is None:
        return Handover(environments)
    try:
        value = json.loads(file.read_text("ascii"))
    except FileNotFoundError:
        return Handover(environments)
    file.unlink()
    with os.fdopen(value["environments"], "rb") as opened:
        opened.seek(0)
        environments = Environments(**json.load(opened))
    _taken.append(environments)
    return Handover(environments, value["notify"], {name: Running(**each) for name, each in value["programs"].items()})
