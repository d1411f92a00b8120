import os
import runpy
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import boot
import pytest
import scale
import table
import wrk

# By its path: a folder of tests has the same name.
bench = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "bench" / "supervision.py")))
DEATH, MEMORY, goal, missed, p99 = bench.DEATH, bench.MEMORY, bench.goal, bench.missed, bench.p99


def samples(supervisor: str, measure: str, *values: float) -> list[Any]:
    return [bench.Sample(supervisor, measure, run, value) for run, value in enumerate(values, 1)]


def test_of_100_values_one_may_exceed_the_99th_percentile() -> None:
    assert p99([float(value) for value in range(100, 0, -1)]) == [99]
    assert p99([3.0, 1.0, 2.0]) == [3]
    assert p99([]) == []


def test_the_goal_for_memory_grows_with_what_stock_supervisord_needs() -> None:
    assert goal(samples("stock", MEMORY.heading, 20, 21, 30), MEMORY) == 22
    assert goal(samples("ours", MEMORY.heading, 20), MEMORY) is None


def test_a_goal_is_missed_by_our_median_and_by_nobody_else() -> None:
    assert missed(samples("ours", DEATH.heading, 1, 9, 10)) == [DEATH.heading]
    assert missed(samples("ours", DEATH.heading, 1, 8, 10) + samples("stock", DEATH.heading, 99)) == []


def test_our_side_of_the_benchmark_is_rendered_by_boot(tmp_path: Path) -> None:
    bench.ours(tmp_path, [tmp_path / "sleeper"])
    text = (tmp_path / "supervisord.conf").read_text(encoding="utf-8")
    assert f"[program:sleeper]\ncommand = {tmp_path}/sleeper\n" in text


BOOTS = (("ours", 1, 1.0), ("usual", 1, 2.0), ("ours", 2, 2.0), ("usual", 2, 8.0), ("ours", 3, 9.0))


def test_a_ratio_is_taken_within_a_run() -> None:
    taken = [boot.Sample(image, run, None, warm, 1, 0, None, 1) for image, run, warm in BOOTS]
    assert boot.ratios(taken, "ours", "usual", boot.WARM) == [0.5, 0.25]
    assert boot.ratios(taken, "ours", "usual", boot.FRESH) == []


def test_a_boot_that_was_not_measured_has_no_bar() -> None:
    taken = [boot.Sample(image, run, None, warm, 1, 0, None, 1) for image, run, warm in BOOTS]
    assert len(bars(boot.drawn(taken), "first")) == 0
    assert len(bars(boot.drawn(taken), "second")) == 2


def bars(text: str, series: str) -> list[float]:
    """Return the widths of a series' bars."""
    rectangles = ET.fromstring(text).iter("{http://www.w3.org/2000/svg}rect")
    found = [float(each.attrib["width"]) for each in rectangles if each.attrib["class"] == series]
    return found[1:]  # the first belongs to the legend


def test_a_bar_is_as_long_as_its_median() -> None:
    text = table.chart("a <b> & c", ("x", "y"), {"p": [[1, 2, 6], [4]], "q": [[1], [2]]}, " s")
    first, second = bars(text, "first"), bars(text, "second")
    assert first[0] == pytest.approx(2 * first[1], abs=0.1)
    assert second == pytest.approx([2 * first[0], first[0]], abs=0.1)
    assert "2.00 s" in text


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert bars(table.chart("nothing", ("x", "y"), {}, " s"), "first") == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("812.00us", 812e-6), ("3.81ms", 3.81e-3), ("1.20s", 1.2), ("2.00m", 120)]
)
def test_a_time_of_wrk_is_read(text: str, seconds: float) -> None:
    assert wrk.seconds_of(text) == pytest.approx(seconds)


def test_the_latency_is_not_taken_from_the_deviation_above_it() -> None:
    said = """
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.00ms    1.00ms  11.00ms   97.50%
    Req/Sec     5.00k   200.00     5.20k    50.00%
  Latency Distribution
     50%    2.88ms
     75%    3.50ms
     90%    4.20ms
     99%   11.07ms
  10212 requests in 2.00s, 3.21MB read
Requests/sec:   5106.11
"""
    told = wrk.TOLD.search(said)
    assert told
    assert told.groupdict() == {"half": "2.88ms", "most": "11.07ms", "answers": "10212", "rate": "5106.11"}


def test_a_goal_of_scale_is_missed_by_the_median_alone() -> None:
    assert not scale.missed(scale.FIRST, {scale.FIRST.heading: [140, 150, 900]})
    assert scale.missed(scale.FIRST, {scale.FIRST.heading: [140, 151, 151]})
    assert not scale.missed(scale.ONE, {scale.ONE.heading: [99]})
    assert not scale.missed(scale.FIRST, {})


def test_each_row_of_scale_shows_its_goal_and_what_was_measured() -> None:
    rows = {row[0]: row[1:] for row in scale.rows({scale.SHARE.heading: [0.7, 0.8]})}
    assert rows[scale.SHARE.heading] == ["0.75", "0.75 (0.70 to 0.80)"]
    assert rows[scale.ONE.heading] == ["-", "-"]


def test_the_start_of_a_process_is_known_to_a_hundredth() -> None:
    before = scale.began(os.getpid())
    assert before < time.time()
    assert scale.began(os.getpid()) == pytest.approx(before, abs=0.011)
