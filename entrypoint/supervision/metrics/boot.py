"""How long the phases of the boot took: from boot.json, which the boot wrote into the run directory."""

import contextlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from entrypoint.protocol.boot_record import BootRecord, BootStep
from entrypoint.protocol.codec import ConfigError, read_json


class Boot(NamedTuple):
    """The last boot."""

    phases: Mapping[str, float]
    """Seconds by the name of the phase. The last one, supervise, ends when the site is ready."""
    seconds: float | None
    """From the start of the container until the site was ready; None if it is not ready yet."""
    migrations: int | None
    """How many migrations it has applied; None if it was not to migrate."""
    steps: tuple[BootStep, ...]


def read(file: Path, first_ready: Path) -> Boot:
    """Return the boot that `file` records; an empty one if there is no record."""
    try:
        record = read_json(BootRecord, file)
    except ConfigError:
        return Boot({}, None, None, ())
    seconds = None
    with contextlib.suppress(OSError):
        seconds = first_ready.stat().st_mtime - record.began
    phases: dict[str, float] = {}
    for step, after in pairwise(record.steps):
        phases[step.phase] = phases.get(step.phase, 0) + after.at - step.at
    if record.steps and seconds is not None and seconds > 0:
        last = record.steps[-1]
        phases[last.phase] = max(0.0, seconds - last.at)
    rounded = {name: round(each, 4) for name, each in phases.items() if name}
    ready = None if seconds is None or seconds < 0 else round(seconds, 4)
    return Boot(rounded, ready, record.migrations, record.steps)
