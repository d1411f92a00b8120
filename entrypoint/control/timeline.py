"""The timeline of the last boot: the steps that boot recorded, and when all programs became ready."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from entrypoint.errors import NotAllowed, Unusable
from entrypoint.protocol.boot_record import BootRecord, BootStep
from entrypoint.protocol.codec import from_json

_BAR: Final = 24  # columns


@dataclass(frozen=True)
class Step:
    """One step of a boot."""

    at: float
    """Seconds since the boot's process started."""
    seconds: float | None
    """Its duration; None for the last step until all programs are ready."""
    line: str


@dataclass(frozen=True)
class Timeline:
    """A boot that has reached its exec."""

    began: float
    """When its process started, in seconds since the epoch."""
    ready: float | None
    """Seconds until all essential programs were ready for the first time; None if they are not ready yet."""
    steps: tuple[Step, ...]

    @property
    def end(self) -> float:
        """The end of the timeline, in seconds."""
        return self.steps[-1].at if self.ready is None else self.ready


def read(file: Path, first_ready: Path) -> Timeline:
    """Read boot.json. `first_ready` is the file that appears when all programs are ready. Raises EntrypointError."""
    try:
        record = from_json(BootRecord, file.read_bytes(), str(file))
        ready = _ready(record.began, first_ready)
        return Timeline(record.began, ready, tuple(_steps(record.steps, ready)))
    except FileNotFoundError:
        raise Unusable(f"cannot show the last boot: no boot has finished in {file.parent}") from None
    except OSError as error:
        kind = NotAllowed if isinstance(error, PermissionError) else Unusable
        raise kind(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, LookupError) as error:
        raise Unusable(f"cannot read {file}: it is not the record of a boot") from error


def _ready(began: float, first_ready: Path) -> float | None:
    """Return the seconds from the start of the boot; None if the file is missing or belongs to an earlier boot."""
    try:
        made = first_ready.stat().st_mtime
    except FileNotFoundError:
        return None
    return round(made - began, 4) if made > began else None


def _steps(recorded: Sequence[BootStep], ready: float | None) -> Iterator[Step]:
    """Yield the steps. Each lasts until the next one begins, the last until all programs are ready."""
    for step, after in pairwise(recorded):
        yield Step(step.at, round(after.at - step.at, 4), step.line)
    last = recorded[-1]
    yield Step(last.at, None if ready is None else round(ready - last.at, 4), last.line)


def as_json(timeline: Timeline) -> str:
    """Return the timeline as JSON."""
    return json.dumps(asdict(timeline), indent=2) + "\n"


def table(timeline: Timeline) -> str:
    """Return a line for each step: start, duration, bar, name."""
    lines = [f"{'AT':>8} {'TOOK':>8}  {'':{_BAR}}  STEP"]
    for step in timeline.steps:
        took = "" if step.seconds is None else f"{step.seconds:.3f}"
        lines.append(f"{step.at:>8.3f} {took:>8}  {_bar(step, timeline.end):{_BAR}}  {step.line}")
    lines.append("not ready yet" if timeline.ready is None else f"{timeline.ready:>8.3f} {'':8}  {'':{_BAR}}  ready")
    return "".join(f"{line}\n" for line in lines)


def _bar(step: Step, end: float) -> str:
    """Return the step's bar, on a scale of the whole boot."""
    scale = _BAR / end if end else 0
    left = min(int(step.at * scale), _BAR - 1)
    return " " * left + ("█" * (round((step.at + (step.seconds or 0)) * scale) - left) or "▏")
