import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from ports import free_port

from .rig import NOTIFY, Container

SLEEP = "sleep 1000"


def test_the_container_is_ready_when_all_essential_programs_are(container: Container) -> None:
    container.program("nginx", SLEEP, essential=True)
    container.program(
        "site", container.script("site", NOTIFY + "input()\ntell()\ninput()"), ready="notify", essential=True
    )
    container.program("extra", "/nowhere")
    container.start().said("success: site entered RUNNING")
    assert not container.ready_file.exists()
    until(lambda: container.unready() == {"phase": "starting application", "programs": ["site"]}, "who is waited for")
    container.ask("sendProcessStdin", "site", "\n")
    until(container.ready_file.exists, "ready")
    assert json.loads(container.ready_file.read_text()) == {"phase": "ready"}
    until(lambda: container.unready() is None, "no reason")
    assert container.ready_file.stat().st_mode & 0o777 == 0o644
    assert container.said("[supervisord] ready after").endswith(" s")
    assert container.stop() == 0
    assert not container.ready_file.exists()


def test_the_container_is_not_ready_while_an_essential_program_restarts(container: Container) -> None:
    script = NOTIFY + "import time\nif not os.path.exists('again'): tell()\ntime.sleep(1000)"
    container.program("site", container.script("site", script), "autorestart=true", ready="notify", essential=True)
    container.start().said("ready after")
    (container.home / "again").touch()
    os.kill(container.spawned("site"), signal.SIGKILL)
    container.spawned("site", 2)
    assert not container.ready_file.exists()
    assert container.unready() == {"phase": "restarting", "programs": ["site"]}
    container.ask("stopProcess", "site")
    assert container.unready() == {"phase": "stopped", "programs": ["site"]}
    assert container.stop() == 0
    assert container.unready() == {"phase": "stopping"}


def test_a_stop_removes_the_file_before_anything_else(container: Container) -> None:
    script = (
        "import os, signal, sys\n"
        f"signal.signal(15, lambda *_: (print(os.path.exists({str(container.ready_file)!r})), sys.exit()))\n"
        "print('up')\nsignal.pause()"
    )
    container.program("site", container.script("site", script), essential=True)
    container.start().said("[site] up")
    until(container.ready_file.exists, "ready")
    assert container.stop() == 0
    assert container.lines("site") == ["up", "False"]


def test_a_stale_file_does_not_count(container: Container) -> None:
    container.ready_file.write_text("{}")
    container.program("site", SLEEP, ready="notify", essential=True)
    container.start().spawned("site")
    assert not container.ready_file.exists()
    assert container.stop() == 0


def test_a_child_process_may_report_readiness(container: Container) -> None:
    script = NOTIFY + "if os.fork() == 0: tell()\nimport time\ntime.sleep(1000)"
    container.program("site", container.script("site", script), ready="notify", essential=True)
    container.start().said("ready after")
    assert container.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a program as another user")
def test_another_user_in_the_process_group_may_not_report_readiness(
    container: Container, reachable_python: str
) -> None:
    container.program("site", SLEEP, essential=True)
    command = f"{reachable_python} -S -u -c 'exec(eval(input()))'"  # it cannot read our files
    container.program("intruder", command, "user=nobody", ready="notify")
    container.start().said("ready after")
    script = f"""{NOTIFY}
if os.fork() == 0:
    os.setpgid(0, {container.spawned("site")})
    tell(b"STOPPING=1\\nSTATUS=forged")
    os._exit(0)
os.wait()
tell(b"STATUS=mine")
import time
time.sleep(1000)
"""
    container.ask("sendProcessStdin", "intruder", f"{script!r}\n")
    container.said("intruder reports: mine")
    assert "forged" not in container.text()
    assert container.ready_file.exists()
    assert container.stop() == 0


def test_only_a_program_that_reports_its_readiness_gets_the_socket(container: Container) -> None:
    container.program("nginx", "sh -c 'echo -$NOTIFY_SOCKET-'", "autorestart=false")
    container.program("site", "sh -c 'echo -$NOTIFY_SOCKET-'", "autorestart=false", ready="notify")
    container.start()
    assert container.said("[nginx]") == "[nginx] --"
    assert container.said("[site]").startswith("[site] -@")
    assert container.stop() == 0


def test_a_stranger_makes_nobody_ready(container: Container) -> None:
    container.program("site", "sh -c 'echo $NOTIFY_SOCKET; sleep 1000'", ready="notify", essential=True)
    address = container.start().said("[site] @").removeprefix("[site] @")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1", f"\0{address}")
    container.ask("getState")  # supervisord has had a round since
    assert not container.ready_file.exists()
    assert container.stop() == 0


def test_uwsgi_reports_its_readiness_by_itself(container: Container) -> None:
    uwsgi = Path(sys.executable).with_name("uwsgi")
    if not uwsgi.exists():
        pytest.skip("uWSGI is not installed beside this Python")
    port = free_port()
    (container.home / "application.py").write_text(
        "import os, time\nopen('loading', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "def application(environ, start_response): start_response('200 OK', []); return [b'served']\n"
    )
    command = f"{uwsgi} --master --need-app --die-on-term --module application --http-socket :{port}"
    container.program("uwsgi", command, ready="notify", essential=True)
    container.start()
    until((container.home / "loading").exists, "the application loads")
    assert not container.ready_file.exists()
    (container.home / "go").touch()
    container.said("ready after")
    # It reports readiness before it forks its worker: a stop at that moment would find a worker without handlers.
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE).text == "served"
    assert container.stop() == 0


def test_a_file_that_cannot_be_written_is_one_entry_of_the_log(container: Container) -> None:
    container.ready_file = container.home / "nowhere" / "ready.json"
    container.program("site", SLEEP, "autorestart=true", essential=True)
    container.start().said(
        f"CRIT cannot write {container.ready_file}: No such file or directory; trying again every 1 s"
    )
    os.kill(container.spawned("site"), signal.SIGKILL)
    container.spawned("site", 2)
    (container.home / "nowhere").mkdir()
    until(container.ready_file.exists, "ready")
    assert container.stop() == 0
