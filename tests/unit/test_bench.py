import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def test_ours_is_what_boot_renders(tmp_path: Path) -> None:
    bench.ours(tmp_path, [tmp_path / "sleeper"])
    text = (tmp_path / "supervisord.conf").read_text(encoding="utf-8")
    assert f"[program:sleeper]\ncommand = {tmp_path}/sleeper\n" in text
