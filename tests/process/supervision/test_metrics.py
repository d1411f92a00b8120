"""The metrics without nginx: programs in each state, and who may read them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from deadline import PATIENCE, until
from metrics_text import value, values
from ports import free_port

if TYPE_CHECKING:
    from .rig import Container

SLEEP = "sleep 1000"


def serve(container: Container, **more: object) -> None:
    container.config["metrics"] = {
        "socket": str(container.home / "http.sock"),
        "timeline": str(container.home / "boot.json"),
        "first_ready": str(container.home / "first-ready"),
        **more,
    }


def over_the_socket(container: Container) -> HTTPConnection:
    connection = HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    path = os.fspath(container.home / "http.sock")
    until(lambda: connection.sock.connect_ex(path) == 0, "the socket")  # which is there before anybody listens on it
    return connection


def scrape(container: Container) -> str:
    connection = over_the_socket(container)
    connection.request("GET", "/-/metrics")
    return connection.getresponse().read().decode()


def up(container: Container, name: str) -> float:
    return value(scrape(container), "entrypoint_program_up", program=name)


def states(container: Container) -> dict[str, str]:
    found = (dict(labels) for name, labels in values(scrape(container)) if name == "entrypoint_program_state")
    return {each["program"]: each["state"] for each in found}


def test_each_program_is_shown_whatever_its_state_and_its_name(container: Container) -> None:
    serve(container)
    container.program("web", SLEEP, essential=True)
    container.program('a"\\b', SLEEP)
    container.program("failed", "sh -c 'exit 3'", restart="never")
    container.program("later", SLEEP, after=["slow"])
    container.program("slow", SLEEP, ready="unix:/nowhere")
    for group in ("one", "two"):
        container.sections += f"[program:{group}]\ncommand={SLEEP}\nprocess_name=same\nstdout_logfile=NONE\n"
    container.start()
    container.spawned("web")
    wanted = {
        "web": "running", 'a"\\b': "running", "failed": "exited", "later": "stopped", "slow": "running",
        "one:same": "running", "two:same": "running",
    }  # fmt: skip
    until(lambda: states(container) == wanted, "all programs", instead=lambda: str(states(container)))
    found = values(scrape(container))
    ready = {labels[0][1]: number for (name, labels), number in found.items() if name == "entrypoint_program_ready"}
    assert (ready["web"], ready["slow"], ready["later"], ready["failed"]) == (1, 0, 0, 0)
    measured = {labels[0][1] for name, labels in found if name == "entrypoint_program_memory_bytes"}
    assert measured == {"web", 'a"\\b', "slow", "one:same", "two:same"}
    assert found["entrypoint_ready", ()] == 1
    assert not any("boot" in name or "nginx" in name or "uwsgi" in name for name, _ in found)
    os.kill(container.spawned("web"), signal.SIGSTOP)
    assert up(container, "web") == 1
    assert container.stop() == 0
    assert not (container.home / "http.sock").exists()


def test_dropped_lines_are_counted(container: Container) -> None:
    serve(container)
    container.program("loud", "sh -c 'yes a long line of a program that never stops'")
    read, write = os.pipe()
    container.start(stdout=write)
    os.close(write)
    until(lambda: value(scrape(container), "entrypoint_log_lines_dropped_total") > 1000, "dropped lines")
    os.close(read)


def test_without_nginx_the_port_is_served_to_allowed_networks(container: Container) -> None:
    port = free_port()
    serve(container, listen=[f"127.0.0.1:{port}"], allow=["127.0.0.2/32"])
    container.program("worker", SLEEP)
    container.start()
    container.spawned("worker")

    def asked(source: str, path: str = "/metrics") -> int:
        connection = HTTPConnection("127.0.0.1", port, PATIENCE, (source, 0))
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionError:
            return 0
        finally:
            connection.close()

    until(lambda: asked("127.0.0.2") == 200, "the port")
    assert [asked("127.0.0.1"), asked("127.0.0.2", "/-/metrics"), asked("127.0.0.2", "/")] == [0, 200, 404]


def test_after_a_reload_of_supervisord_the_metrics_are_served_again(container: Container) -> None:
    serve(container)
    container.program("worker", SLEEP)
    container.start()
    container.spawned("worker")
    until(lambda: up(container, "worker"), "the worker")
    waiting = over_the_socket(container)  # a connection that the reload ends
    before = container.descriptors()
    container.ask("restart")
    container.spawned("worker", 2)
    until(lambda: up(container, "worker"), "the worker again")
    waiting.close()
    # The connection of whoever asked last is closed a moment later.
    until(lambda: container.descriptors() <= before, "no more descriptors than before")
    assert container.stop() == 0


def test_without_a_request_no_metrics_code_is_imported_and_process_1_does_not_wake(container: Container) -> None:
    code = (
        "import sys, entrypoint.supervision.round; "
        "print(*(m for m in sys.modules if 'supervision.metrics' in m or m.endswith(('web.server', 'conversation'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    serve(container)
    container.program("worker", SLEEP)
    container.start()
    container.spawned("worker")
    maps = Path(f"/proc/{container.pid}/maps")
    assert "_ctypes" not in maps.read_text()  # which PSS needs
