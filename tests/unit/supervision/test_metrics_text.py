"""The two text formats of metrics, and which one a client gets."""

import pytest
from metrics_text import families, old_values, values

from entrypoint.supervision.metrics.exposition import (
    Sample,
    counter,
    gauge,
    openmetrics,
    prometheus,
    summary,
    wants_old,
)

OF_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
MADE = (
    gauge("entrypoint_ready", "Whether it is ready.", Sample(1)),
    gauge(
        "entrypoint_program_up",
        "Quotes \\ and\nlines.",
        Sample(1, (("program", 'a"b\\c\nd'),)),
        Sample(0, (("program", "é"),)),
    ),
    counter("entrypoint_log_lines_dropped", "Lines.", Sample(3)),
    summary("entrypoint_uwsgi_request_seconds", "Requests.", 2, 0.25),
    gauge("entrypoint_nothing", "Without a sample there is no metric."),
)


def test_prometheus_reads_both_formats_alike() -> None:
    new, old = openmetrics(MADE), prometheus(MADE)
    assert values(new) == old_values(old)
    assert values(new)["entrypoint_program_up", (("program", 'a"b\\c\nd'),)] == 1
    assert values(new)["entrypoint_log_lines_dropped_total", ()] == 3
    assert values(new)["entrypoint_uwsgi_request_seconds_sum", ()] == 0.25
    assert [family.name for family in families(new)] == [family.name for family in MADE[:-1]]
    assert new.endswith("\n# EOF\n")
    assert "# EOF" not in old
    assert "# TYPE entrypoint_log_lines_dropped_total counter\n" in old


@pytest.mark.parametrize(
    ("accept", "old"),
    [
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text; version=1.0.0", False),
        (OF_PROMETHEUS, False),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("text/plain", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.1", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json", False),
        ("text/plain;q=0", False),
        (";;;,q=1,text/plain;q=nonsense", True),
    ],
)
def test_a_client_gets_the_old_format_if_it_prefers_that(accept: str, old: bool) -> None:  # noqa: FBT001 -- a parameter
    assert wants_old(accept) is old
