"""A server that boot starts and that ends before the exec."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath

import psutil
import pytest
from deadline import until

from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.effects.processes.children import Children
from entrypoint.boot.plan.steps import Start
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import ProgramFailed
from entrypoint.protocol.supervision import ApplicationConfig, ProgramConfig

FAILS = """\
import os, sys
print("*** Starting uWSGI 2.0.30 (64bit) ***")
print("nodename: here")
print("*** Operational MODE: preforking ***")
print("loading")
print("unable to load app 0 (mountpoint='') (callable not found or import error)")
sys.exit(int(sys.argv[1]))
"""
RUNS_ON = "import time; print('unable to load app 0 ', flush=True); time.sleep(1000)"


def started(place: Path, code: str, *words: str) -> tuple[Children, psutil.Process]:
    (place / "server.py").write_text(code, encoding="ascii")
    application = ApplicationConfig("uwsgi", "site.wsgi:x", "ENTRYPOINT_APP", PurePosixPath(place))
    command = (sys.executable, "-S", str(place / "server.py"), *words)
    program = Program("uwsgi", command, None, "TERM", 1, ProgramConfig(application=application))
    children, before = Children(Trust()), set(psutil.Process().children())
    children.start(Start(program, PurePosixPath(place), dict(os.environ), "", loads=True))
    (server,) = set(psutil.Process().children()) - before
    return children, server


def ended(server: psutil.Process) -> bool:
    """Whether the server has ended; nobody has waited for it yet."""
    return bool(server.status() == psutil.STATUS_ZOMBIE)


def test_a_server_that_could_not_load_ends_the_boot_with_its_code_and_its_reason(place: Path) -> None:
    children, server = started(place, FAILS, "22")
    until(lambda: ended(server), "the end of the server")
    with pytest.raises(ProgramFailed) as caught, children:
        children.check_loaded()
    error = caught.value
    why = "cannot load the application site.wsgi:x: site.wsgi has no callable x; correct ENTRYPOINT_APP"
    assert (str(error), error.exit_code, error.program) == (why, 22, "uwsgi")
    assert error.output == ("loading", "unable to load app 0 (mountpoint='') (callable not found or import error)")


@pytest.mark.parametrize(("code", "words"), [(FAILS, ["0"]), ("raise SystemExit(1)", []), (RUNS_ON, [])])
def test_every_other_server_is_left_to_supervisord(place: Path, code: str, words: list[str]) -> None:
    children, server = started(place, code, *words)
    if code != RUNS_ON:
        until(lambda: ended(server), "the end of the server")
    with suppress(KeyError), children:
        children.check_loaded()
        raise KeyError  # what a failed boot does
