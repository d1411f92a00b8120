"""The status of the container as a table for a person."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

from entrypoint.control.serving import in_words
from entrypoint.control.status import Row, Status
from entrypoint.output.log import printable

_HEAD: Final = ("PROGRAM", "STATE", "READY", "PID", "UPTIME", "CPU", "MEMORY", "RESTARTS", "LAST END")
_NUMBERS: Final = frozenset({"PID", "UPTIME", "CPU", "MEMORY", "RESTARTS"})  # at the right of their column
_MIB: Final = 1 << 20
_UNITS: Final = (("d", 86400.0), ("h", 3600.0), ("min", 60.0))
_SUPERVISORD: Final = {
    "frozen": "supervisord is frozen: it is stopped by SIGSTOP, and restarts nothing; kill -CONT resumes it",
    "unresponsive": "supervisord does not answer: this is the last known state",
    "stopping": "the container is stopping",
}


def table(status: Status, now: float | None = None) -> str:
    """Return the programs, what the container waits for, and the settings, as lines."""
    return "".join(f"{printable(line)}\n" for line in _lines(status, time.time() if now is None else now))


def _lines(status: Status, now: float) -> Iterator[str]:
    if status.programs:
        yield from _programs(status.programs, now)
        yield ""
    if status.ready:
        yield "ready"
    else:
        named = status.waits_for.startswith(("not ready", "starting"))
        yield status.waits_for if named else f"not ready: {status.waits_for}"
    if status.maintenance:
        yield "maintenance: visitors get 503"
    if status.supervisord in _SUPERVISORD:
        yield _SUPERVISORD[status.supervisord]
    if status.serving:
        yield in_words(status.serving)
    yield from (f"{row.program}: {row.why}" for row in status.programs if row.why and row.why not in status.waits_for)
    for file, expires in status.certificates:
        left = expires - now
        when = f"expires in {duration(left)}" if left > 0 else f"expired {duration(-left)} ago"
        yield f"the certificate {when}: {file}"
    if status.reload:
        yield f"last reload, {duration(now - status.reload.at)} ago: {status.reload.result}"
    yield ""
    yield "settings that are set:" if status.settings else "no setting is set"
    yield from (f"  {name}={value} ({source})" for name, value, source in status.settings)


def _programs(rows: Sequence[Row], now: float) -> Iterator[str]:
    cells = [_HEAD, *(_cells(row, now) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_HEAD))]
    for line in cells:
        aligned = (
            text.rjust(width) if name in _NUMBERS else text.ljust(width)
            for name, text, width in zip(_HEAD, line, widths, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def _cells(row: Row, now: float) -> tuple[str, ...]:
    return (
        row.program,
        row.state,
        "yes" if row.ready else "no",
        str(row.pid or "-"),
        "-" if row.uptime is None else duration(row.uptime),
        "-" if row.cpu is None else f"{row.cpu:.0f} %",
        "-" if row.memory is None else f"{row.memory / _MIB:.1f} MiB {str(row.memory_kind).upper()}",
        str(row.restarts),
        f"{row.last_end}, {duration(now - row.ended)} ago" if row.ended else row.last_end,
    )


def duration(seconds: float) -> str:
    """Return a time in its largest unit, and also in the next smaller one if that adds information."""
    for at, (unit, length) in enumerate(_UNITS):
        if seconds >= length:
            smaller, of = (*_UNITS, ("s", 1.0))[at + 1]
            rest = int(seconds % length // of)
            return f"{int(seconds // length)} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{max(0, int(seconds))} s"
