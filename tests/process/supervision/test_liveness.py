"""Programs that run and are no good: silent, deaf or too large."""

import time
from pathlib import Path

import pytest
from deadline import until
from ports import free_port

from .rig import NOTIFY, Container, alive

SLEEP = "sleep 1000"

DEAF = """\
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped by TERM"), sys.exit(0)))
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    connection.recv(4096)
    status = b"500 No" if os.path.exists("deaf") else b"200 OK"
    connection.sendall(b"HTTP/1.1 " + status + b"\\r\\n\\r\\n")
    connection.close()
    open("asked", "ab").write(b".")
"""


@pytest.fixture
def hurried(container: Container) -> Container:
    container.factory = "tests.process.supervision.hurried:make"
    return container


def test_a_program_that_answers_no_more_is_replaced(hurried: Container) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = f"{hurried.script('site', DEAF)} {port}"
    hurried.program("site", command, ready=url, live=url, restart="on-failure", essential=True)
    hurried.start().said("ready after")
    first = hurried.spawned("site")
    asked = hurried.home / "asked"
    until(lambda: asked.stat().st_size > 5, "it is asked again and again")
    assert alive(first)
    (hurried.home / "deaf").touch()
    hurried.said("CRIT site is replaced: no sign of life 3 times in a row: status 500")
    hurried.said("[site] stopped by TERM")
    (hurried.home / "deaf").unlink()
    assert hurried.spawned("site", 2) != first
    hurried.said("ready after", 2)
    assert not alive(first)
    assert hurried.stop() == 0


def test_a_program_that_is_never_restarted_is_lost(hurried: Container) -> None:
    port = free_port()
    (hurried.home / "deaf").touch()
    command = f"{hurried.script('site', DEAF)} {port}"
    live = f"http://127.0.0.1:{port}/"
    hurried.program("site", command, live=live, restart="never", essential=True)
    hurried.start()
    assert hurried.code() == 1
    assert hurried.said("CRIT site is replaced")
    assert hurried.said("CRIT site is lost for good")


@pytest.mark.alone
def test_a_watchdog_that_is_not_fed_barks(hurried: Container) -> None:
    script = NOTIFY + (
        "import signal, threading, time\ntell()\nprint(os.environ['WATCHDOG_USEC'])\n"
        "def feed():\n    while not os.path.exists('tired'): tell(b'WATCHDOG=1'); time.sleep(0.02)\n"
        "threading.Thread(target=feed).start()\nsignal.pause()"
    )
    hurried.program("site", hurried.script("site", script), live="notify", restart="always")
    hurried.start().said("[site] 30000000")
    first = hurried.spawned("site")
    fed = time.monotonic() + 0.5
    until(lambda: time.monotonic() > fed, "more than the watchdog's time")
    assert alive(first)
    (hurried.home / "tired").touch()
    hurried.said("CRIT site is replaced: no WATCHDOG=1 for 0.3 s")
    assert hurried.spawned("site", 2) != first
    assert hurried.stop() == 0


def test_a_program_with_too_much_memory_is_replaced(hurried: Container) -> None:
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n    if not os.path.exists('once'): open('once', 'w'); kept = b'x' * 80_000_000\n"
        "time.sleep(1000)"
    )
    hurried.program("site", hurried.script("site", script), restart="always", memory_limit=60_000_000)
    hurried.program("other", SLEEP, memory_limit=60_000_000)
    hurried.start().spawned("site", 2)
    line = hurried.said("CRIT site is replaced: ")
    taken, _, limit = line.partition(" MiB of memory, and its limit is ")
    assert float(taken.rpartition(" ")[2]) > 57.2  # with what its child has taken so far
    assert limit == "57.2 MiB"
    assert "other is replaced" not in hurried.text()
    assert hurried.stop() == 0


def test_nothing_is_loaded_for_limits_that_nobody_has(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start().said("ready after")
    assert "psutil" not in Path(f"/proc/{container.pid}/maps").read_text()
    assert container.stop() == 0


def test_a_stop_waits_for_no_answer(container: Container) -> None:
    port = free_port()
    silent = "import socket, sys, time\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(1000)"
    command = f"{container.script('site', silent)} {port}"
    container.program("site", command, ready=f"http://127.0.0.1:{port}/", essential=True)
    container.start().spawned("site")
    assert container.stop() == 0
    assert not container.ready_file.exists()
