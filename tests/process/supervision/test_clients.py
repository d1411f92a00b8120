"""What supervisorctl can do with a program that waits for its restart."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

from entrypoint.protocol.codec import to_json
from entrypoint.protocol.reload import ReloadRequest
from entrypoint.protocol.supervision import Environments
from entrypoint.supervision.clients.interface import Interface as OwnInterface
from entrypoint.supervision.internals.interface import Interface

from .rig import Container

SLEEP = "sleep 1000"
PROCESSES = {"a_00": "a:a_00", "a_01": "a:a_01"}


def ctl(container: Container, *words: str) -> str:
    """Return the output of supervisorctl."""
    supervisorctl = Path(sys.executable).with_name("supervisorctl")
    server = f"unix://{container.home}/control.sock"
    return subprocess.run(
        [supervisorctl, "-s", server, *words], check=False, capture_output=True, text=True, cwd="/"
    ).stdout


def state(container: Container, name: str) -> str:
    return str(container.ask("getProcessInfo", PROCESSES.get(name, name))["statename"])


def crash(container: Container, name: str) -> None:
    """Kill a program until it waits for its restart for about 2 s."""
    for time in (1, 2, 3):
        os.kill(container.spawned(name, time), signal.SIGKILL)
    container.said(f"restarting {name} in 2 s")
    assert state(container, name) == "EXITED"


@pytest.mark.thorough
@pytest.mark.alone
def test_a_program_that_waits_for_its_restart_is_stopped_and_started_by_hand(container: Container) -> None:
    container.program("a", SLEEP, restart="always")
    container.program("later", "sh -c 'sleep 2.5; echo now; exec sleep 1000'", "autostart=false")
    container.start()
    crash(container, "a")
    assert ctl(container, "stop", "a") == "a: stopped\n"
    assert state(container, "a") == "STOPPED"
    assert ctl(container, "stop", "a") == "a: ERROR (not running)\n"
    ctl(container, "start", "later")
    container.said("[later] now")  # by then it would have been started again
    assert state(container, "a") == "STOPPED"
    assert ctl(container, "start", "a") == "a: started\n"
    assert state(container, "a") == "RUNNING"
    assert ctl(container, "restart", "a") == "a: stopped\na: started\n"
    assert container.stop() == 0


@pytest.mark.parametrize("words", [("stop", "all"), ("stop", "a:*")])
def test_all_that_wait_are_stopped_together_with_what_runs(container: Container, words: tuple[str, str]) -> None:
    several = "numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d\n"
    container.sections = f"[program:a]\ncommand={SLEEP}\nautorestart=true\nstartsecs=0\n{several}"
    container.start()
    crash(container, "a_00")
    said = ctl(container, *words)
    assert sorted(said.splitlines()) == ["a:a_00: stopped", "a:a_01: stopped"]
    assert [state(container, name) for name in PROCESSES] == ["STOPPED", "STOPPED"]
    assert container.stop() == 0


def test_a_start_that_fails_again_and_again_is_stopped(container: Container) -> None:
    container.program("a", "false", "startsecs=1", restart="always")
    container.start().said("restarting a in ")
    assert state(container, "a") == "BACKOFF"
    assert ctl(container, "stop", "a") == "a: stopped\n"
    assert state(container, "a") == "STOPPED"
    assert container.stop() == 0


def test_a_program_that_was_to_be_replaced_is_stopped(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    container.program("a", SLEEP, restart="always", liveness="notify")  # it never sends WATCHDOG=1
    container.start().said("restarting a in ")
    assert container.ask("stopProcess", "a")  # by the time that supervisorctl has started it may run again
    assert ctl(container, "stop", "a") == "a: ERROR (not running)\n"
    assert container.stop() == 0


@pytest.mark.parametrize("method", ["stopProcess", "stopProcessGroup", "stopAllProcesses"])
def test_a_replaced_method_has_the_documentation_of_supervisords_own(method: str) -> None:
    assert getattr(Interface, method).__doc__ == getattr(SupervisorNamespaceRPCInterface, method).__doc__


def test_clients_may_call_two_methods_of_the_plugin() -> None:
    assert [name for name in dir(OwnInterface) if not name.startswith("_")] == ["reload", "state"]


def test_a_program_that_a_reload_restarts_gets_its_new_secret(container: Container) -> None:
    code = "import os, time\nprint('the key is', os.environ.get('KEY'))\ntime.sleep(1000)"
    container.program("a", container.script("a", code))
    container.ready_file = container.home / "www/ready.json"
    container.ready_file.parent.mkdir()
    container.start().said("[a] the key is None")
    environments = Environments(dict(os.environ), dict(os.environ), private={"a": {"KEY": "new"}})
    container.ask("entrypoint.reload", to_json(ReloadRequest(environments, programs=("a",))))
    container.said("[a] the key is new")
    assert container.stop() == 0
