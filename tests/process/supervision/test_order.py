"""The order of starts: `after` and readiness."""

import json
import os
import signal

import pytest
from deadline import until
from ports import free_port

from .rig import NOTIFY, Container

SLEEP = "sleep 1000"

SERVER = """\
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
status = b"503 Not Yet"
while True:
    connection, _ = server.accept()
    request = connection.recv(4096)
    open("requests", "ab").write(request)
    if os.path.exists("go"):
        status = b"204 No Content"
    connection.sendall(b"HTTP/1.1 " + status + b"\\r\\nContent-Length: 0\\r\\n\\r\\n")
    connection.close()
"""


def starts(container: Container) -> list[str]:
    return [line.split("'")[1] for line in container.lines("supervisord") if line.startswith("spawned: ")]


def not_yet(container: Container, name: str) -> bool:
    """Return whether the program has not been started after a round of supervisord's loop."""
    return bool(container.ask("getProcessInfo", name)["start"] == 0)


def test_a_program_starts_when_what_it_comes_after_has_said_so(container: Container) -> None:
    container.program("a", "sh -c 'echo here; sleep 1000'", after=["b"])
    container.program("b", container.script("b", NOTIFY + "input()\ntell()\ninput()"), ready="notify")
    container.start().said("success: b entered RUNNING")
    assert not_yet(container, "a")
    container.ask("sendProcessStdin", "b", "\n")
    container.said("[a] here")
    assert container.said("b reports: up")
    assert starts(container) == ["b", "a"]
    assert container.stop() == 0


def test_a_one_shot_goes_first_and_is_not_started_again(container: Container) -> None:
    container.program("site", SLEEP, after=["prepare"], essential=True)
    # supervisord itself takes an end within startsecs for a failed start.
    container.program(
        "prepare", "true", "startsecs=1", "autorestart=true", ready="exit", essential=True, restart="always"
    )
    container.start().said("ready after")
    assert starts(container) == ["prepare", "site"]
    assert container.ask("getProcessInfo", "prepare")["statename"] == "EXITED"
    assert not_yet(container, "site") is False
    assert container.stop() == 0


def test_the_log_repeats_which_program_waits_for_which(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    port = free_port()
    go = container.home / "go"
    bind = "import os, socket, sys, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    bind += "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(1000)"
    container.program("web", f"{container.script('web', bind)} {port}", ready=f"tcp:127.0.0.1:{port}")
    container.program("worker", SLEEP, after=["web"])
    container.program("beat", SLEEP, after=["web"])
    container.program("slow", container.script("slow", "input()"), ready="notify")
    container.program("job", SLEEP, ready="exit")
    container.start()
    why = f"web does not listen on 127.0.0.1:{port} yet"
    assert "WARN beat and worker have been waiting for web for " in container.said(f" s: {why}")
    container.said(f" s: {why} (Connection refused)", 2)
    assert "WARN slow has not been ready for " in container.said(" s: slow does not send READY=1 yet")
    go.touch()
    container.spawned("worker")
    said = container.text().count("waiting for web")
    container.said("slow has not been ready for", 4)
    assert container.text().count("waiting for web") == said
    assert "job has" not in container.text()  # no program waits for it, and a job may take long
    assert container.stop() == 0


def test_the_log_says_that_an_awaited_program_is_stopped_or_keeps_ending(container: Container) -> None:
    container.factory = "tests.process.supervision.hurried:make"
    container.program("web", SLEEP, "autostart=false")
    container.program("broken", "false", ready="exit", restart="always")
    container.program("worker", SLEEP, after=["web"])
    container.program("other", SLEEP, after=["broken"])
    container.start()
    container.said("WARN worker has been waiting for web for 0 s: web is stopped")
    container.said("WARN other has been waiting for broken for ", 3)
    assert container.stop() == 0


def test_a_one_shot_that_fails_is_tried_again(container: Container) -> None:
    container.program("site", SLEEP, after=["prepare"])
    once = container.script("once", "import os, sys\nif not os.path.exists('x'): open('x', 'w'); sys.exit(3)")
    container.program("prepare", once, ready="exit", restart="on-failure")
    container.start().spawned("site")
    assert starts(container) == ["prepare", "prepare", "site"]
    assert container.stop() == 0


def test_a_program_after_one_that_failed_permanently_is_never_started(container: Container) -> None:
    container.program("site", SLEEP, after=["prepare"], essential=True)
    container.program("prepare", "false", ready="exit", restart="never")
    container.start().said("not starting site: prepare has failed permanently")
    assert not_yet(container, "site")
    assert not container.ready_file.exists()
    container.ask("startProcess", "site")  # by hand it starts regardless
    container.said("ready after")
    assert container.stop() == 0


def test_a_later_failure_of_a_program_does_not_stop_those_after_it(container: Container) -> None:
    container.program("site", SLEEP, after=["db"])
    container.program("db", SLEEP, restart="never")
    container.start()
    site = container.spawned("site")
    os.kill(container.spawned("db"), signal.SIGKILL)
    container.said("exited: db")
    assert container.ask("getProcessInfo", "site")["pid"] == site
    assert container.stop() == 0


def test_an_http_answer_below_400_is_ready(container: Container) -> None:
    port = free_port()
    container.program("site", SLEEP, after=["api"])
    container.program(
        "api", f"{container.script('api', SERVER)} {port}", ready=f"http://localhost:{port}/up?now", essential=True
    )
    container.start()
    requests = container.home / "requests"
    until(lambda: requests.exists() and requests.read_bytes().count(b"GET") >= 2, "it is asked again")
    assert not_yet(container, "site")
    assert not container.ready_file.exists()
    (container.home / "go").touch()
    container.spawned("site")
    assert container.ready_file.exists()
    request = requests.read_bytes()
    assert request.startswith(f"GET /up?now HTTP/1.1\r\nHost: localhost:{port}\r\n".encode())
    container.ask("getState")
    assert requests.read_bytes().count(b"GET") == request.count(b"GET")  # it is not asked any more
    assert container.stop() == 0


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_socket_that_takes_a_connection_is_ready(container: Container, kind: str) -> None:
    port, path = free_port(), container.home / "s"
    address = repr(str(path)) if kind == "unix" else f"('127.0.0.1', {port})"
    script = (
        f"import socket, time\ns = socket.socket(socket.AF_{'UNIX' if kind == 'unix' else 'INET'})\n"
        f"s.bind({address})\nprint('bound')\ninput()\ns.listen()\ntime.sleep(1000)"
    )
    container.program("site", SLEEP, after=["db"])
    container.program(
        "db", container.script("db", script), ready=f"unix:{path}" if kind == "unix" else f"tcp:127.0.0.1:{port}"
    )
    container.start().said("[db] bound")
    assert not_yet(container, "site")
    container.ask("sendProcessStdin", "db", "\n")
    container.spawned("site")
    assert container.stop() == 0


def test_a_line_makes_ready(container: Container) -> None:
    script = "print('starting'); input(); print('Listening on 80'); input()"
    container.program("site", container.script("site", script), ready="log:[Ll]istening on [0-9]+$", essential=True)
    container.start().said("[site] starting")
    container.ask("getState")
    assert not container.ready_file.exists()
    container.ask("sendProcessStdin", "site", "\n")
    container.said("ready after")
    assert container.stop() == 0


def test_a_program_that_says_it_stops_is_not_ready(container: Container) -> None:
    script = NOTIFY + "import time\ntell()\ninput()\ntell(b'STOPPING=1')\ntime.sleep(1000)"
    container.program("site", container.script("site", script), ready="notify", essential=True)
    container.start().said("ready after")
    container.ask("sendProcessStdin", "site", "\n")
    until(lambda: not container.ready_file.exists(), "it is not ready")
    assert container.stop() == 0


def test_a_restarted_program_has_to_become_ready_again(container: Container) -> None:
    port = free_port()
    script = (
        "import os, socket, sys, time\n"
        "if os.path.exists('again'): input()\n"
        "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(1000)"
    )
    container.program(
        "site",
        f"{container.script('site', script)} {port}",
        ready=f"tcp:localhost:{port}",
        essential=True,
        restart="always",
    )
    container.start().said("ready after")
    (container.home / "again").touch()
    os.kill(container.spawned("site"), signal.SIGKILL)
    container.spawned("site", 2)
    container.ask("getState")
    assert not container.ready_file.exists()
    container.ask("sendProcessStdin", "site", "\n")
    container.said("ready again after")
    assert container.stop() == 0


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"after": ["nobody"]}, "cannot start site after nobody: supervisord has no such program"),
        (
            {"ready": "tcp:db.example:5432"},
            "programs.site.ready: 'tcp:db.example:5432': its host must be an IP address (IPv6",
        ),
        (
            {"ready": "log:("},
            "programs.site.ready: 'log:(': its regular expression is invalid: missing )",
        ),
    ],
)
def test_an_unusable_supervision_config_is_refused_before_anything_starts(
    container: Container, config: dict[str, object], why: str
) -> None:
    container.program("site", SLEEP, **{"ready": "running", **config})
    container.start()
    assert container.code() == 2
    assert why in (container.home / "stderr").read_text()


def test_a_program_has_its_own_environment(container: Container) -> None:
    value = '%(here)s "quoted" ; no comment'
    container.program(
        "site", container.script("site", "import os\nprint(os.environ['MINE'])"), environment={"MINE": value}
    )
    container.start().said(f"[site] {value}")
    assert json.loads((container.home / "supervision.json").read_text())["programs"]["site"]["environment"]
    assert container.stop() == 0
