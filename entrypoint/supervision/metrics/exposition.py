"""Metrics as text: OpenMetrics 1.0, and Prometheus' older format 0.0.4 for clients that ask for it."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"

_QUALITY: Final = re.compile(r";\s*q=([01](?:\.[0-9]{0,3})?)\s*(?:;|$)")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})

Labels = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    """The types of metrics that we use."""

    GAUGE = "gauge"
    COUNTER = "counter"
    SUMMARY = "summary"


class Family(NamedTuple):
    """One metric and its samples."""

    name: str
    """Without _total."""
    kind: Kind
    help: str
    samples: tuple["Sample", ...]


class Sample(NamedTuple):
    """One value of a metric."""

    value: float
    labels: Labels = ()
    suffix: str = ""
    """What follows the metric's name: _count and _sum of a summary."""


def gauge(name: str, help_: str, *samples: Sample) -> Family:
    """Return a metric that goes up and down."""
    return Family(name, Kind.GAUGE, help_, samples)


def counter(name: str, help_: str, *samples: Sample) -> Family:
    """Return a metric that only grows; `name` is without _total."""
    return Family(name, Kind.COUNTER, help_, samples)


def summary(name: str, help_: str, count: int, total: float) -> Family:
    """Return how many events there were, and the total of a measure of them."""
    return Family(name, Kind.SUMMARY, help_, (Sample(count, suffix="_count"), Sample(total, suffix="_sum")))


def openmetrics(families: Iterable[Family]) -> str:
    """Return the text in the format OPENMETRICS."""
    return "".join((*_lines(families, old=False), "# EOF\n"))


def prometheus(families: Iterable[Family]) -> str:
    """Return the text in the format PROMETHEUS, which names a counter with its _total."""
    return "".join(_lines(families, old=True))


def _lines(families: Iterable[Family], *, old: bool) -> Iterator[str]:
    for family in families:
        if not family.samples:
            continue
        total = "_total" if family.kind is Kind.COUNTER else ""
        name = family.name + (total if old else "")
        yield f"# HELP {name} {family.help.translate(_HELP_ESCAPES)}\n# TYPE {name} {family.kind}\n"
        for value, labels, suffix in family.samples:
            inner = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in labels)
            yield f"{family.name}{suffix or total}{f'{{{inner}}}' if inner else ''} {value}\n"


def wants_old(accept: str) -> bool:
    """Return whether the header Accept prefers text/plain (or, as browsers do, text/html) to OpenMetrics."""
    best = {"text": 0.0, "openmetrics": 0.0, "any": 0.0}
    for item in accept.lower().split(","):
        kind = item.partition(";")[0].strip()
        group = {"application/openmetrics-text": "openmetrics", "*/*": "any"}.get(kind)
        if group is None and kind in {"text/plain", "text/html", "text/*"}:
            group = "text"
        if group:
            quality = _QUALITY.search(item)
            best[group] = max(best[group], float(quality[1]) if quality else 1.0)
    return best["text"] > (best["openmetrics"] or best["any"])
