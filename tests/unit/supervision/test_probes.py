import os
import sched
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deadline import until

from entrypoint.protocol.probe import Probe
from entrypoint.supervision.checks.probes import Endpoint, attempt
from entrypoint.supervision.tasks import Tasks


@pytest.fixture
def tasks() -> Iterator[Tasks]:
    made = Tasks(sched.scheduler(time.monotonic))
    yield made
    made.close()


def asked(tasks: Tasks, target: Endpoint) -> str | None:
    """Return the outcome of one attempt."""
    outcomes: list[str | None] = []
    attempt(tasks, target, outcomes.append)
    return outcome(tasks, outcomes)


def outcome(tasks: Tasks, outcomes: list[str | None]) -> str | None:
    """Return the outcome of an attempt that is under way."""

    def is_there() -> bool:
        tasks.proceed()
        return bool(outcomes)

    until(is_there, "an outcome")
    return outcomes[0]


def target(text: str) -> Endpoint:
    return Endpoint.of(Probe.parse(text))


@pytest.mark.parametrize(
    ("text", "family", "address"),
    [
        ("unix:/run/s", socket.AF_UNIX, "/run/s"),
        ("tcp:127.0.0.1:80", socket.AF_INET, ("127.0.0.1", 80)),
        ("tcp:localhost:80", socket.AF_INET, ("127.0.0.1", 80)),
        ("tcp:[::1]:80", socket.AF_INET6, ("::1", 80)),
        ("http://localhost/", socket.AF_INET, ("127.0.0.1", 80)),
        ("http://[::1]:8000/x", socket.AF_INET6, ("::1", 8000)),
    ],
)
def test_an_address_is_read(text: str, family: socket.AddressFamily, address: object) -> None:
    assert (target(text).family, target(text).address) == (family, address)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's probe may follow links")
def test_root_does_not_follow_a_link_to_another_socket(tasks: Tasks, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        (tmp_path / "link").symlink_to(tmp_path / "s")
        assert asked(tasks, target(f"unix:{tmp_path}/s")) is None
        assert asked(tasks, target(f"unix:{tmp_path}/link")) == "root does not follow a symbolic link"


def test_a_probe_fails_if_nobody_listens(tasks: Tasks, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens, and no other process can take it
        assert asked(tasks, target(f"tcp:127.0.0.1:{taken.getsockname()[1]}")) == "Connection refused"
    assert asked(tasks, target(f"unix:{tmp_path}/s")) == "No such file or directory"


def test_an_answer_in_pieces_is_read_to_its_end(tasks: Tasks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcomes: list[str | None] = []
        attempt(tasks, target(f"http://127.0.0.1:{server.getsockname()[1]}/"), outcomes.append)
        connection, _ = server.accept()
        with connection:
            for piece in (b"HTT", b"P/1.1 ", b"20", b"0 OK\r\n"):
                assert outcomes == []
                connection.sendall(piece)
                tasks.proceed()
            outcome(tasks, outcomes)
            connection.sendall(b"\r\n")
            tasks.proceed()
            assert connection.recv(4096).startswith(b"GET / HTTP/1.1\r\n")
            assert outcomes == [None]
        tasks.proceed()


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"HTTP/1.1 302 Found\r\n\r\n", None),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", "status 404"),
        (b"HTTP/1.1 503 \r\n\r\n", "status 503"),
        (b"SSH-2.0-OpenSSH\r\n", "not an HTTP response"),
        (b"", "closed the connection without a response"),
    ],
)
def test_the_status_decides(tasks: Tasks, answer: bytes, fault: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        told: list[str | None] = []
        attempt(tasks, target(f"http://127.0.0.1:{server.getsockname()[1]}/"), told.append)
        connection, _ = server.accept()
        with connection:
            tasks.proceed()
            connection.recv(4096)
            connection.sendall(answer)
        assert outcome(tasks, told) == fault
        assert len(told) == 1


def test_a_probe_without_an_answer_times_out() -> None:
    now = 0.0
    timers = sched.scheduler(lambda: now)
    tasks = Tasks(timers)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told: list[str | None] = []
        attempt(tasks, target(f"http://127.0.0.1:{server.getsockname()[1]}/"), told.append)
        now = 5.0
        timers.run(blocking=False)
    assert told == ["no response within 5 s"]
    assert timers.empty()
    tasks.close()


def test_a_cancelled_probe_reports_nothing() -> None:
    timers = sched.scheduler(time.monotonic)
    tasks = Tasks(timers)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told: list[str | None] = []
        end = attempt(tasks, target(f"http://127.0.0.1:{server.getsockname()[1]}/"), told.append)
        end()
        end()
        tasks.proceed()
    assert told == []
    assert timers.empty()
    tasks.close()
