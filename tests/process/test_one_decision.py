"""A boot decides three times: before the application's first report, and after each of its two reports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from deadline import PATIENCE, until

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Command, Project

# It counts calls, and writes the counts when this process becomes supervisord.
DRIVER = """
import json, sys
from collections import Counter

calls = Counter()

def count(frame, event, _):
    name, file = frame.f_code.co_name, frame.f_code.co_filename
    if event == "call" and name == "decide" and file.endswith("boot/decisions/decide.py"):
        calls["decide"] += 1
    if event == "call" and name == "render" and file.endswith("boot/files/render.py"):
        calls[frame.f_locals["template"]] += 1

def leave(event, _):
    if event == "os.exec":
        with open(OUT, "w") as opened:
            json.dump(calls, opened)

sys.addaudithook(leave)
sys.setprofile(count)
from entrypoint.__main__ import main
main()
"""


def test_a_boot_decides_at_most_three_times_and_renders_each_template_at_most_twice(
    entrypoint: Command, project: Project, place: Path, free_port: int
) -> None:
    counted, log = place / "counted", place / "log"
    driver = place / "driver.py"
    driver.write_text(f"OUT = {str(counted)!r}\n{DRIVER}", encoding="utf-8")
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [sys.executable, "-P", str(driver)],
            cwd=project.root,
            env=entrypoint.environment({"PORT": str(free_port)}),
            stdin=subprocess.DEVNULL,
            stdout=opened,
            stderr=opened,
        )
    try:
        until(lambda: counted.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        until(lambda: "ready after" in log.read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    calls = json.loads(counted.read_text())
    assert calls.pop("decide") == 3
    assert {"nginx.conf.j2", "nginx-app.conf.j2", "supervisord.conf.j2", "uwsgi.ini.j2"} <= calls.keys()
    assert {name: times for name, times in calls.items() if times > 2} == {}
