"""The first request, which a program must answer before it is ready."""

import json
import os
import signal
from pathlib import Path

from deadline import until
from ports import free_port

from .rig import Container

# Answers with the status in the file `status`, or not at all if that file is empty.
SITE = """\
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
kept = []
while True:
    connection, _ = server.accept()
    agent = [line for line in connection.recv(4096).split(b"\\r\\n") if line.startswith(b"User-Agent")]
    if not agent:
        continue  # the probe that connects only
    status = open("status").read()
    print("requested", status, *agent)
    if status == "silent":
        kept.append(connection)
        continue
    if status:
        connection.sendall(f"HTTP/1.1 {status} Some\\r\\n\\r\\n".encode())
    connection.close()
"""


def answers(container: Container, status: str) -> None:
    new = container.home / "new"
    new.write_text(status)
    new.rename(container.home / "status")


def site(container: Container, status: str, **request: object) -> Path:
    """Add a site that answers with this status; return the file that says why it is not ready."""
    answers(container, status)
    port = free_port()
    container.program(
        "site",
        f"{container.script('site', SITE)} {port}",
        ready=f"tcp:127.0.0.1:{port}",
        first_request={
            "to": f"tcp:127.0.0.1:{port}",
            "protocol": "http",
            "path": "/",
            "host": "localhost",
            "scheme": "http",
            "seconds": 60,
            **request,
        },
        restart="always",
        essential=True,
    )
    return container.home / "unready.json"


def test_a_site_that_cannot_answer_is_not_ready_and_says_why(container: Container) -> None:
    reason = site(container, "500")
    container.start().said("CRIT site is not ready: GET /: status 500; ")
    assert not container.ready_file.exists()
    assert json.loads(reason.read_text()) == {
        "phase": "starting application",
        "programs": ["site"],
        "why": "site: GET /: status 500",
    }
    assert reason.stat().st_mode & 0o777 == 0o644
    answers(container, "")
    container.said("CRIT site is not ready: GET /: closed the connection without a response; ")
    answers(container, "404")
    container.said("ready after")
    assert container.ready_file.exists()
    assert not reason.exists()
    assert container.text().count("is not ready") == 2  # once for each reason
    assert container.stop() == 0


def test_the_first_request_is_sent_once_and_again_after_a_restart(container: Container) -> None:
    site(container, "200")
    container.start().said("ready after")
    answers(container, "500")
    os.kill(container.spawned("site"), signal.SIGKILL)
    container.said("CRIT site is not ready: GET /: status 500; ")
    assert not container.ready_file.exists()
    # The plugin may log the answer before it has read the program's own line.
    wanted = [f"requested {status} b'User-Agent: entrypoint-ready/1'" for status in (200, 500)]
    until(lambda: container.lines("site")[:2] == wanted, "the two requests")
    assert container.stop() == 0


def test_a_site_that_does_not_answer_in_time_is_not_ready(container: Container) -> None:
    reason = site(container, "silent", seconds=0.2)
    container.start().said("CRIT site is not ready: GET /: no response within 0.2 s; ")
    assert "no response" in reason.read_text()
    answers(container, "503")
    container.said("CRIT site is not ready: GET /: status 503; ")
    assert not container.ready_file.exists()
    assert container.stop() == 0


def test_without_a_path_of_the_users_an_error_that_is_meant_is_an_answer(container: Container) -> None:
    site(container, "503", any_status=True)
    container.start().said("ready after")
    until(container.ready_file.exists, "ready")
    assert container.stop() == 0
