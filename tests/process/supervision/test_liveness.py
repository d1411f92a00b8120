"""Programs that run but do not work: they do not respond, or use too much memory."""

import os
import signal
import subprocess
import sys
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
    hurried.program("site", command, ready=url, liveness=url, restart="on-failure", essential=True)
    hurried.start().said("ready after")
    first = hurried.spawned("site")
    asked = hurried.home / "asked"
    until(lambda: asked.stat().st_size > 5, "it is asked again and again")
    assert alive(first)
    (hurried.home / "deaf").touch()
    hurried.said("CRIT restarting site: liveness probe failed 3 times in a row: status 500")
    hurried.said("[site] stopped by TERM")
    (hurried.home / "deaf").unlink()
    assert hurried.spawned("site", 2) != first
    hurried.said("ready again after")
    assert not alive(first)
    assert hurried.stop() == 0


def test_a_hanging_program_that_is_never_restarted_fails_permanently(hurried: Container) -> None:
    port = free_port()
    command = f"{hurried.script('site', DEAF)} {port}"
    live = f"http://127.0.0.1:{port}/"
    hurried.program("site", command, ready=live, liveness=live, restart="never", essential=True)
    hurried.start().said("ready after")
    (hurried.home / "deaf").touch()
    assert hurried.code() == 1
    assert hurried.said("CRIT restarting site")
    assert hurried.said("CRIT site failed permanently")


FED = f"""{NOTIFY}
import time
print(os.environ["WATCHDOG_USEC"])
tell()
ready = time.monotonic()
while not os.path.exists("tired"):
    tell(b"WATCHDOG=1")
    if time.monotonic() - ready > 2:
        open("fed", "w")
    time.sleep(0.01)
time.sleep(1000)
"""


def test_a_watchdog_that_is_not_fed_barks(hurried: Container) -> None:
    hurried.program("site", hurried.script("site", FED), liveness="notify", restart="always")
    hurried.start().said("[site] 30000000")
    # Fed for twice as long as the watchdog waits. If the machine is busy, an earlier run may have been too slow.
    until((hurried.home / "fed").exists, "a run that is fed for long", instead=hurried.text)
    barked = hurried.text().count("CRIT restarting site")
    (hurried.home / "tired").touch()
    hurried.said("CRIT restarting site: no WATCHDOG=1 for 1 s", barked + 1)
    hurried.spawned("site", barked + 2)
    assert hurried.stop() == 0


# It becomes another user by itself, because that user may not be able to read the interpreter. The kernel hides the
# memory of such a process until it asks for the opposite: PR_SET_DUMPABLE, prctl(2).
AS_NOBODY = """\
import ctypes, os, time
once = os.path.exists(__file__ + ".once")
open(__file__ + ".once", "w")
os.setgid(65534), os.setuid(65534)
ctypes.CDLL(None).prctl(4, {readable:d})
{does}
time.sleep(1000)
"""
GROWS = "if not once: kept = b'x' * 80_000_000"
SHARES = "kept = b'x' * 40_000_000\nos.fork(), os.fork()"


def test_a_program_with_too_much_memory_is_replaced(hurried: Container) -> None:
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n    if not os.path.exists('once'): open('once', 'w'); kept = b'x' * 80_000_000\n"
        "time.sleep(1000)"
    )
    hurried.program("site", hurried.script("site", script), restart="always", memory_limit=60_000_000)
    hurried.program("other", SLEEP, memory_limit=60_000_000)
    hurried.start().spawned("site", 2)
    line = hurried.said("CRIT restarting site: ")
    taken, _, limit = line.partition(" MiB of memory used, and the limit is ")
    assert float(taken.rpartition(" ")[2]) > 57.2  # both processes together; the child may still be growing
    assert limit == "57.2 MiB"
    assert "restarting other" not in hurried.text()
    assert hurried.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the user")
def test_the_memory_of_another_users_program_is_read_without_ptrace(hurried: Container) -> None:
    for name, does, readable in (("shares", SHARES, True), ("site", GROWS, True), ("dark", GROWS, False)):
        script = hurried.script(name, AS_NOBODY.format(does=does, readable=readable))
        hurried.program(name, script, memory_limit=70_000_000, restart="always")
    hurried.start(under=("setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin")).spawned("site", 2)
    hurried.spawned("dark", 2)
    measure = hurried.said("WARN memory_limit of dark counts resident memory without files, because /proc/")
    assert measure.endswith(
        "/smaps_rollup cannot be read (Permission denied): memory that several processes share counts once for each"
    )
    assert hurried.text().count("memory_limit of dark counts resident memory") == 1
    for name in ("site", "dark"):
        hurried.said(f"CRIT restarting {name}: ")
    assert "restarting shares" not in hurried.text()
    until(lambda: _dumpable(hurried.pid), "its own memory, which is hidden only while it reads that of others")
    assert hurried.stop() == 0


def _dumpable(pid: int) -> bool:
    """Whether its owner may read its memory: prctl(2), PR_SET_DUMPABLE."""
    probe = ("setpriv", "--bounding-set=-sys_ptrace,-perfmon,-sys_admin", "cat", f"/proc/{pid}/smaps_rollup")
    return not subprocess.run(probe, capture_output=True, check=False).returncode


def test_nothing_is_loaded_for_limits_that_nobody_has(container: Container) -> None:
    container.program("site", SLEEP, essential=True)
    container.start().said("ready after")
    assert "_ctypes" not in Path(f"/proc/{container.pid}/maps").read_text()
    assert container.stop() == 0


def test_a_stop_waits_for_no_answer(container: Container) -> None:
    port = free_port()
    silent = "import socket, sys, time\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\ntime.sleep(1000)"
    command = f"{container.script('site', silent)} {port}"
    container.program("site", command, ready=f"http://127.0.0.1:{port}/", essential=True)
    container.start().spawned("site")
    assert container.stop() == 0
    assert not container.ready_file.exists()


NGINX = """
daemon off;
pid nginx.pid;
error_log stderr;
worker_processes 2;
events { }
http { access_log off; server { listen 127.0.0.1:%d reuseport; location / { return 200; } } }
"""
WSGI = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'']\n"


def _real(hurried: Container, kind: str, seconds: float | None = 0.6, app: str = WSGI, patience: float = 0.1) -> None:
    """Add a real server with two workers, as boot configures it; it is replaced after `seconds`."""
    config = {"liveness": "process", "frozen_seconds": seconds, "essential": True, "restart": "always"}
    if kind == "nginx":
        port = free_port()
        (hurried.home / "nginx.conf").write_text(NGINX % port)
        command = f"nginx -e stderr -p {hurried.home} -c {hurried.home}/nginx.conf"
        hurried.program("site", command, "stopwaitsecs=1", accepts=f"tcp:127.0.0.1:{port}", **config)
        return
    (hurried.home / "app.py").write_text(app)
    words = f"--master --processes 2 --need-app --wsgi-file {hurried.home}/app.py --die-on-term"
    command = f"{Path(sys.executable).with_name('uwsgi')} --socket {hurried.home}/site.sock {words}"
    accepts = f"unix:{hurried.home}/site.sock"
    hurried.program("site", command, "stopwaitsecs=1", ready="notify", accepts=accepts, patience=patience, **config)


def _workers(master: int) -> list[int]:
    children = Path(f"/proc/{master}/task/{master}/children")

    def both() -> list[int]:
        found = [int(each) for each in children.read_text().split()]
        return found if len(found) == 2 else []

    return until(both, "both workers")


@pytest.mark.parametrize("whom", ["master", "workers"])
@pytest.mark.parametrize("kind", ["nginx", "uwsgi"])
def test_a_frozen_server_is_not_ready_and_then_replaced(hurried: Container, kind: str, whom: str) -> None:
    _real(hurried, kind)
    hurried.start().said("ready after")
    master = hurried.spawned("site")
    frozen = [master] if whom == "master" else _workers(master)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    hurried.said("CRIT site is not ready: liveness probe failed 2 times in a row: ")
    until(lambda: not hurried.ready_file.exists(), "red")
    hurried.said("CRIT restarting site: liveness probe failed 6 times in a row: ")
    assert hurried.spawned("site", 2) != master
    hurried.said("ready again after")
    assert not any(map(alive, frozen))
    assert hurried.stop() == 0


@pytest.mark.parametrize("kind", ["nginx", "uwsgi"])
def test_a_frozen_server_that_continues_is_ready_again(hurried: Container, kind: str) -> None:
    _real(hurried, kind, seconds=None)
    hurried.start().said("ready after")
    master = hurried.spawned("site")
    os.kill(master, signal.SIGSTOP)
    hurried.said("CRIT site is not ready")
    until(lambda: not hurried.ready_file.exists(), "red")
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end, "five looks")
    why = f"liveness probe failed 2 times in a row: process {master} is stopped (SIGSTOP)"
    assert hurried.unready() == {"phase": "unresponsive", "programs": ["site"], "why": f"site: {why}"}
    os.kill(master, signal.SIGCONT)
    hurried.said("CRIT site responds again")
    until(hurried.ready_file.exists, "green")
    assert "restarting" not in hurried.text()
    assert hurried.stop() == 0


def test_a_server_with_one_worker_that_works_is_not_frozen(hurried: Container) -> None:
    _real(hurried, "uwsgi")
    hurried.start().said("ready after")
    one, other = _workers(hurried.spawned("site"))
    os.kill(one, signal.SIGSTOP)
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end, "five looks")
    assert hurried.ready_file.exists()
    os.kill(other, signal.SIGSTOP)
    hurried.said("CRIT site is not ready")
    assert hurried.stop() == 0


# The workers of the first start never take a connection, although they run and are in no request.
DEADLOCK = f"""\
import os, time, uwsgi
first = not os.path.exists("started")
open("started", "w")
uwsgi.post_fork_hook = lambda: first and time.sleep(1000)
{WSGI}"""


def test_a_server_in_a_deadlock_is_not_ready_and_then_replaced(hurried: Container) -> None:
    _real(hurried, "uwsgi", app=DEADLOCK)
    hurried.start()
    hurried.said("CRIT site is not ready: liveness probe failed 2 times in a row: took no connection for 0 s")
    hurried.said("CRIT restarting site: liveness probe failed 6 times in a row: ")
    hurried.spawned("site", 2)
    hurried.said("ready again after")
    assert hurried.stop() == 0


def test_a_server_that_is_only_busy_is_not_frozen(hurried: Container) -> None:
    _real(hurried, "uwsgi", app=DEADLOCK, patience=1000.0)
    hurried.start().said("ready after")
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end, "five looks")
    assert hurried.ready_file.exists()
    assert "is not ready" not in hurried.text()
    assert hurried.stop() == 0


def test_one_frozen_worker_of_nginx_is_noticed_because_it_has_a_port_of_its_own(hurried: Container) -> None:
    _real(hurried, "nginx")
    hurried.start().said("ready after")
    (one, _) = _workers(hurried.spawned("site"))
    os.kill(one, signal.SIGSTOP)
    hurried.said("CRIT site is not ready: liveness probe failed 2 times in a row: took no connection for 0 s")
    hurried.said("CRIT restarting site: ")
    hurried.said("ready again after")
    assert not alive(one)
    assert hurried.stop() == 0


def test_an_address_where_nobody_listens_says_nothing_about_a_server(hurried: Container) -> None:
    """A user's file may have changed the timeout."""
    accepts = f"tcp:127.0.0.1:{free_port()}"
    hurried.program("site", SLEEP, liveness="process", accepts=accepts, frozen_seconds=0.2, essential=True)
    hurried.start().said("ready after")
    end = time.monotonic() + 0.5
    until(lambda: time.monotonic() > end, "five looks")
    assert hurried.ready_file.exists()
    assert hurried.stop() == 0
