"""The handover, with both sides: supervisord adopts running programs, and each of their lines appears once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from deadline import until

from .rig import ROOT, Container

# One write, so that the relay reads the half line together with the whole one.
PROGRAM = """\
import os, time
os.write(1, b"one\\ntw")
while not os.path.exists("handed-over"):
    time.sleep(0.01)
os.write(1, b"o\\nthree\\n")
time.sleep(1000)
"""
BOOT = """\
import os, sys, time
from pathlib import Path, PurePosixPath
from entrypoint.boot.effects.processes.children import Children
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.plan.steps import Start
from entrypoint.boot.trust.trust import Trust
from entrypoint.protocol.supervision import Environments, ProgramConfig
site = Program("site", tuple(sys.argv[2].split()), None, "TERM", 1, ProgramConfig())
children = Children(Trust())
children.start(Start(site, PurePosixPath("."), dict(os.environ), "", loads=sys.argv[1] == "loads"))
while sys.argv[1] != "loads" and "[site] one" not in Path("stderr").read_text():
    time.sleep(0.01)
began = time.clock_gettime(time.CLOCK_BOOTTIME) - 100
children.hand_over(PurePosixPath("handover.json"), Environments(os.environ, os.environ), began)
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.mark.parametrize("loads", [True, False])
def test_a_half_line_at_the_handover_stays_whole(container: Container, loads: bool) -> None:  # noqa: FBT001
    program = container.script("program", PROGRAM)
    container.program("site", program, essential=True)
    with container.log.open("ab") as out, (container.home / "stderr").open("ab") as err:
        container.process = subprocess.Popen(
            [sys.executable, "-c", BOOT, "loads" if loads else "", program, *container.command()],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=container.home,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{container.home}"},
        )
    # The time of the boot counts: process 1 began then.
    assert float(container.said("[supervisord] ready after").split()[-2]) >= 100
    (container.home / "handed-over").touch()
    container.said("[site] three")
    relayed = (container.home / "stderr").read_text().splitlines()
    assert relayed == ([] if loads else ["[site] one"])
    assert [*relayed, *(f"[site] {line}" for line in container.lines("site"))] == [
        "[site] one",
        "[site] two",
        "[site] three",
    ]
    assert not Path(container.home / "handover.json").exists()
    until(lambda: container.spawned("site"), "its PID")
    os.kill(container.pid, signal.SIGTERM)
    assert container.code() == 0
