"""The page about metrics and the dashboard name what is exported, and nothing else."""

import ast
import json
import re
from pathlib import Path
from typing import Any

from entrypoint.supervision.metrics import metrics

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/how-to/metrics.md").read_text(encoding="utf-8")
DASHBOARD: Any = json.loads((ROOT / "deploy/grafana/entrypoint.json").read_text(encoding="utf-8"))
NAME = re.compile(r"\b(?:entrypoint|process)_[a-z_]+\b")
SUFFIXES = {"gauge": ("",), "counter": ("_total",), "summary": ("_count", "_sum")}


def exported() -> set[str]:
    calls = [node for node in ast.walk(ast.parse(Path(metrics.__file__).read_text())) if isinstance(node, ast.Call)]
    return {
        f"{call.args[0].value!s}{suffix}"
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in SUFFIXES and isinstance(call.args[0], ast.Constant)
        for suffix in SUFFIXES[call.func.id]
    }


def expressions() -> list[str]:
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    notes = [note["expr"] for note in DASHBOARD["annotations"]["list"]]
    return [*targets, *notes, *(each["query"]["query"] for each in DASHBOARD["templating"]["list"][1:])]


def test_the_page_lists_each_metric() -> None:
    listed = {
        name for row in re.findall(r"(?m)^\| (`(?:entrypoint|process)_.*?) \|", PAGE) for name in NAME.findall(row)
    }
    assert {name.removesuffix("_count").removesuffix("_sum") for name in exported()} == listed


def test_the_dashboard_asks_for_metrics_that_are_exported() -> None:
    assert len(expressions()) > 20
    for expression in expressions():
        names = set(NAME.findall(expression))
        assert names, expression
        assert names <= exported()


def test_the_dashboard_shows_almost_everything() -> None:
    shown = {name for expression in expressions() for name in NAME.findall(expression)}
    left_out = {"entrypoint_boot_seconds", "entrypoint_migrations_applied"}
    assert {name for name in exported() - shown if "state" not in name and "program" not in name} == left_out


def test_the_panels_are_numbered_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_the_alerts_of_the_page_name_exported_metrics() -> None:
    alerts = PAGE.partition("Some useful alerts:")[2].partition("## What it costs")[0]
    assert set(NAME.findall(alerts)) <= exported()
