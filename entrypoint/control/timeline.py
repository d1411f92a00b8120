"""Where the time of the last boot went: what the boot wrote down, and when supervisord's plugin found all ready."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from entrypoint.errors import NotAllowed, Unusable

_BAR: Final = 24  # columns


@dataclass(frozen=True)
class Step:
    """One step of a boot."""

    at: float
    """Seconds since the boot's process started."""
    seconds: float | None
    """How long it took; None for the last one, as long as not all is ready."""
    line: str


@dataclass(frozen=True)
class Timeline:
    """A boot that has come to its exec."""

    began: float
    """When its process started: seconds since the epoch."""
    ready: float | None
    """Seconds until every essential program was ready for the first time; None: they have not been yet."""
    steps: tuple[Step, ...]

    @property
    def end(self) -> float:
        """The last moment that is known, in seconds."""
        return self.steps[-1].at if self.ready is None else self.ready


def read(file: Path, first_ready: Path) -> Timeline:
    """Read what a boot wrote into `file`; it was ready when `first_ready` was made. Raises an EntrypointError."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unusable(f"cannot show the last boot: none has come to its end in {file.parent}") from None
    except OSError as error:
        kind = NotAllowed if isinstance(error, PermissionError) else Unusable
        raise kind(f"cannot read {file}: {error.strerror}") from error
    try:
        record = json.loads(text)
        began, steps = float(record["began"]), [(float(each["at"]), str(each["line"])) for each in record["steps"]]
        return Timeline(began, ready := _ready(began, first_ready), tuple(_steps(steps, ready)))
    except (ValueError, LookupError, TypeError) as error:
        raise Unusable(f"cannot read {file}: it is not what a boot writes") from error


def _ready(began: float, first_ready: Path) -> float | None:
    """Return when, after the boot `began`; None where the file is not there or is of an earlier boot."""
    try:
        made = first_ready.stat().st_mtime
    except FileNotFoundError:
        return None
    return round(made - began, 4) if made > began else None


def _steps(recorded: list[tuple[float, str]], ready: float | None) -> Iterator[Step]:
    """Yield the steps, each of which lasts until the next one begins, and the last until all is ready."""
    for (at, line), (end, _) in pairwise(recorded):
        yield Step(at, round(end - at, 4), line)
    at, line = recorded[-1]
    yield Step(at, None if ready is None else round(ready - at, 4), line)


def as_json(timeline: Timeline) -> str:
    """Return it for a program."""
    return json.dumps(asdict(timeline), indent=2) + "\n"


def table(timeline: Timeline, width: int | None) -> str:
    """Return a line a step: when it began, how long it took, a bar, what it was; cut for a terminal of `width`."""
    lines = [f"{'AT':>8} {'TOOK':>8}  {'':{_BAR}}  STEP"]
    for step in timeline.steps:
        took = "" if step.seconds is None else f"{step.seconds:.3f}"
        lines.append(f"{step.at:>8.3f} {took:>8}  {_bar(step, timeline.end):{_BAR}}  {step.line}")
    lines.append("not ready yet" if timeline.ready is None else f"{timeline.ready:>8.3f} {'':8}  {'':{_BAR}}  ready")
    return "".join(f"{_cut(line, width)}\n" for line in lines)


def _bar(step: Step, end: float) -> str:
    """Return when it was at work, on a line that is the whole boot."""
    scale = _BAR / end if end else 0
    left = min(int(step.at * scale), _BAR - 1)
    return " " * left + ("█" * (round((step.at + (step.seconds or 0)) * scale) - left) or "▏")


def _cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: width - 1] + "…"
