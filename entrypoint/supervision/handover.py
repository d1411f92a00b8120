"""What boot hands over to this supervisord: programs that run already (its other half: entrypoint/boot/children.py)."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple


class Running(NamedTuple):
    """A program that runs, and is our child, for it was this process that started it before its exec."""

    pid: int
    output: int
    """The descriptor that what it prints is read from."""
    begun: str = ""
    """What was read of it already and not written, a character a byte."""


class Handover(NamedTuple):
    """All that is handed over."""

    notify: int | None = None
    """The socket that the programs tell by that they are ready."""
    programs: Mapping[str, Running] = MappingProxyType({})


def take(file: Path | None) -> Handover:
    """Read `file` and remove it: the next round has nothing to adopt. Nothing is handed over without a file."""
    if file is None:
        return Handover()
    try:
        value = json.loads(file.read_text("ascii"))
    except FileNotFoundError:
        return Handover()
    file.unlink()
    return Handover(value["notify"], {name: Running(**each) for name, each in value["programs"].items()})
