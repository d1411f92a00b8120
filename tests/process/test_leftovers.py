"""A run of the tests that is killed leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from deadline import until
from site_under_test import alive

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ("-m", "pytest", "-n", "1", "-p", "no:cacheprovider", "tests/process/unfinished.py")


@pytest.mark.parametrize(
    ("killed", "number"),
    [
        ("the run", signal.SIGKILL),
        pytest.param("the run", signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param("its worker", signal.SIGKILL, marks=pytest.mark.thorough),
    ],
)
def test_what_a_run_started_ends_with_it(tmp_path: Path, killed: str, number: signal.Signals) -> None:
    started, output = tmp_path / "started", tmp_path / "output"
    with output.open("wb") as opened:
        run = subprocess.Popen(
            [sys.executable, *ARGUMENTS],
            cwd=ROOT,
            env={**os.environ, "STARTED": str(started)},
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
        )
    try:
        until(lambda: run.poll() is not None or (started.exists() and started.read_text()), "the test to start")
        assert run.poll() is None, output.read_text()
        folder, worker = started.read_text().split()
        family = psutil.Process(run.pid).children(recursive=True)
        assert {"redis-check-rdb", "nginx", "uwsgi", "supervisord"} <= {member.name() for member in family}
        assert Path(folder).exists()

        os.kill(run.pid if killed == "the run" else int(worker), number)

        until(lambda: not Path(folder).exists(), "the folder of the run to be removed", instead=output.read_text)
        until(lambda: not any(map(alive, family)), "all processes to end", instead=lambda: str(family))
    finally:
        run.kill()
        run.wait()
