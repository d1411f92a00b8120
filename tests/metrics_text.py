"""Metrics as Prometheus reads them, and the rules of `promtool check metrics`."""

import re
from typing import Final

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

_UNITS: Final = re.compile(r"_(milliseconds|minutes|hours|percent|kilobytes|megabytes|mb|kb|ms)(_|$)")
_RESERVED: Final = ("_total", "_count", "_sum", "_bucket", "_created", "_info")

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def families(text: str) -> list[Metric]:
    """Parse OpenMetrics by prometheus_client, and check the conventions."""
    found = list(parse_openmetrics(text))  # type: ignore[no-untyped-call] # it has no types here
    check(text, found)
    return found


def check(text: str, found: list[Metric]) -> None:
    names = [family.name for family in found]
    assert len(names) == len(set(names))
    samples = [(sample.name, tuple(sorted(sample.labels.items()))) for family in found for sample in family.samples]
    assert len(samples) == len(set(samples))
    for family in found:
        assert family.type in {"gauge", "counter", "summary"}
        assert family.documentation.endswith("."), family.name
        assert text.count(f"# HELP {family.name}") >= 1
        assert family.samples, family.name
        assert re.fullmatch(r"(entrypoint|process)_[a-z][a-z_]*[a-z]", family.name)
        assert not family.name.endswith(_RESERVED)
        assert not _UNITS.search(family.name), family.name
        for word in ("seconds", "bytes"):  # the unit is the last word
            assert word not in family.name or family.name.endswith(word), family.name
        if family.type == "counter":
            assert all(sample.name == f"{family.name}_total" for sample in family.samples)
        for sample in family.samples:
            assert sample.value >= 0
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels)


def values(text: str) -> Values:
    """Return the value of each sample, by its name and labels."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families(text) for s in family.samples}


def value(text: str, name: str, **labels: str) -> float:
    return values(text)[name, tuple(sorted(labels.items()))]


def old_values(text: str) -> Values:
    """Return the same for the format 0.0.4."""
    found = list(parse_prometheus(text))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in found for s in family.samples}
