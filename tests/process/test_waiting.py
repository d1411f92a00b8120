"""ENTRYPOINT_WAIT_FOR: each kind of service counts as reachable when it is, and not before. No Django is needed."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from deadline import ever_within, until
from listening import listening, serving
from postgres_server import Postgres
from rows import thorough
from servers import MariaDB, RabbitMQ, Redis

from entrypoint.boot.effects.waiting.waiting import Watch
from entrypoint.boot.settings.types.endpoints import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Command, Done, Running

WAIT = ("prepare", "--only", "wait")
LONG = 200
"""Seconds in which a server is certainly up: RabbitMQ takes 4 s of CPU."""


@pytest.fixture
def prepare(entrypoint: Command, place: Path) -> Callable[..., Done]:
    def run(target: str, seconds: str = f"{LONG}s") -> Done:
        environ = {"ENTRYPOINT_APP": "no:app", "ENTRYPOINT_WAIT_FOR": target, "ENTRYPOINT_WAIT_TIMEOUT": seconds}
        return entrypoint.run(place, *WAIT, **environ)

    return run


@pytest.fixture
def started(entrypoint: Command, place: Path) -> Callable[..., Running]:
    """Start to wait for a service, and see that it is not reachable yet."""

    def start(target: str) -> Running:
        environ = {"ENTRYPOINT_WAIT_FOR": target, "ENTRYPOINT_WAIT_TIMEOUT": f"{LONG}s"}
        running = entrypoint.start(place, *WAIT, ENTRYPOINT_APP="no:app", **environ)
        running.wait_until_it_says("1. wait for ")
        return running

    return start


def ends_well(running: Running) -> str:
    """See that the wait ends with 0; return the output."""
    until(lambda: running.process.poll() is not None, "the wait to end", LONG, lambda: running.err)
    assert running.process.returncode == 0, running.err
    return running.err


@contextmanager
def answering(scheme: str, *answers: bytes) -> Iterator[int]:
    """Listen, and give each connection the next answer, and the last answer to all that follow."""
    left = list(answers)

    def answer(connection: socket.socket, _over: threading.Event) -> None:
        if scheme != "mysql":  # whose server speaks first
            connection.recv(4096)
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    with listening(answer) as port:
        yield port


# ---- the real things


def test_postgresql_is_waited_for(started: Callable[..., Running]) -> None:
    with Postgres() as server:
        running = started(server.url)
        server.start()
        assert re.search(r"\[entrypoint\]     postgres://127\.0\.0\.1:\d+ reachable after ", ends_well(running))
        assert "correct-horse" not in running.err


def test_mariadb_is_waited_for(started: Callable[..., Running]) -> None:
    with MariaDB() as server:
        running = started(f"mysql://app:correct-horse@127.0.0.1:{server.port}/site")
        server.start()
        assert f"mysql://127.0.0.1:{server.port} reachable after" in ends_well(running)
        assert "correct-horse" not in running.err


def test_redis_is_waited_for_and_its_password_is_tried(
    started: Callable[..., Running], prepare: Callable[..., Done]
) -> None:
    with Redis() as server:
        running = started(f"redis://:correct-horse@127.0.0.1:{server.port}/0")
        server.start("correct-horse")
        assert f"redis://127.0.0.1:{server.port} reachable after" in ends_well(running)
        assert prepare(f"redis://127.0.0.1:{server.port}").code == 0
        done = prepare(f"redis://:wrong-horse@127.0.0.1:{server.port}")
        assert done.code == 78  # and not 75, as at the end of a wait
        assert done.err.splitlines()[-1].startswith(
            f"[entrypoint] cannot reach redis://127.0.0.1:{server.port}: WRONGPASS"
        )
        assert "horse" not in done.err


@pytest.mark.thorough  # it takes 4 s of CPU to start; test_an_open_port_alone_is_no_server has its protocol
def test_rabbitmq_is_waited_for(started: Callable[..., Running]) -> None:
    with RabbitMQ() as server:
        running = started(f"amqp://guest:guest@127.0.0.1:{server.port}/")
        server.start()
        assert f"amqp://127.0.0.1:{server.port} reachable after" in ends_well(running)


def test_a_site_is_there_when_it_answers_with_success(prepare: Callable[..., Done], place: Path) -> None:
    (place / "there").mkdir()
    with serving(partial(SimpleHTTPRequestHandler, directory=str(place))) as port:
        url = f"http://127.0.0.1:{port}"
        assert prepare(f"{url}/there?token=correct-horse").code == 0  # a redirect to /there/
        done = prepare(f"{url}/missing?token=correct-horse", "2s")
    assert done.code == 75
    assert done.err.splitlines()[-1] == (
        f"[entrypoint] cannot reach {url}/missing within 2 s: it answered with status 404"
    )
    assert "horse" not in done.err


def test_a_certificate_has_to_be_good(entrypoint: Command, place: Path) -> None:
    (place / "site").mkdir()
    key, certificate = place / "key", place / "certificate"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(partial(SimpleHTTPRequestHandler, directory=str(place / "site")), context) as port:
        environ = {"ENTRYPOINT_APP": "no:app", "ENTRYPOINT_WAIT_FOR": f"https://localhost:{port}"}
        known = entrypoint.run(place, *WAIT, **environ, SSL_CERT_FILE=str(certificate))
        unknown = entrypoint.run(place, *WAIT, **environ)
    assert known.code == 0, known.err
    assert unknown.code == 78
    assert "invalid certificate: self-signed certificate" in unknown.err


def test_a_port_a_socket_and_a_file_are_waited_for_together(started: Callable[..., Running], place: Path) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(socket.socket())
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        path = stack.enter_context(socket.socket(socket.AF_UNIX))
        running = started(f"tcp://127.0.0.1:{number}, unix:{place}/socket file:{place}/file")
        port.listen()
        running.wait_until_it_says(f"tcp://127.0.0.1:{number} reachable after")
        assert "file is there" not in running.err
        (place / "file").touch()
        running.wait_until_it_says(f"file:{place}/file reachable after")
        path.bind(str(place / "socket"))
        path.listen()
        assert f"unix:{place}/socket reachable after" in ends_well(running)


# ---- ports that are open, but serve nothing yet


@pytest.mark.parametrize(
    ("scheme", "not_yet", "there", "why"),
    [
        ("redis", b"-LOADING Redis is loading the dataset in memory\r\n", b"+PONG\r\n", "LOADING Redis"),
        (
            "redis",
            b"HTTP/1.0 400\r\n\r\n",
            b"-NOAUTH Authentication required.\r\n",
            "does not speak the Redis protocol",
        ),
        (
            "postgres",
            b"E\x00\x00\x00\x37SFATAL\0C57P03\0Mthe database system is starting up\0\0",
            b"R\x00\x00\x00\x08\x00\x00\x00\x03",
            "the database system is starting up",
        ),
        (
            "postgres",
            b"HTTP/1.0 400\r\n\r\n",
            b"E\x00\x00\x00\x10SFATAL\0C28000\0\0",
            "does not speak the PostgreSQL protocol",
        ),
        ("mysql", b"\x17\x00\x00\x00\xff\x10\x04Too many connections", b"\x01\x00\x00\x00\x0a", "Too many connections"),
        (
            "amqp",
            b"HTTP/1.0 400\r\n\r\n",
            b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a",
            "does not speak the AMQP protocol",
        ),
        ("http", b"SSH-2.0\r\n", b"HTTP/1.0 204 No Content\r\n\r\n", "does not speak HTTP"),
        ("http", b"HTTP/1.0 503 Busy\r\n\r\n", b"HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n", "status 503"),
        ("mysql", b"", b"\x01\x00\x00\x00\x0a", "closed the connection"),
        *thorough(
            ("redis", b"", b"+PONG\r\n", "closed the connection"),
            ("postgres", b"", b"R\x00\x00\x00\x08\x00\x00\x00\x03", "closed the connection"),
            ("amqp", b"", b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a", "closed the connection"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_open_port_alone_is_no_server(
    prepare: Callable[..., Done], scheme: str, not_yet: bytes, there: bytes, why: str
) -> None:
    with answering(scheme, not_yet) as port:
        done = prepare(f"{scheme}://127.0.0.1:{port}", "2s")
    assert done.code == 75
    assert why in done.err.splitlines()[-1]
    with answering(scheme, not_yet, not_yet, there) as port:
        done = prepare(f"{scheme}://127.0.0.1:{port}")
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1].startswith(f"[entrypoint]     {scheme}://127.0.0.1:{port}")


def test_a_try_that_the_deadline_cuts_short_hides_nothing_that_the_server_said() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as server:
        answer = threading.Thread(target=_says_once, args=(server, b"\x17\x00\x00\x00\xff\x10\x04Too many connections"))
        answer.start()
        (target,) = endpoints(f"mysql://127.0.0.1:{server.getsockname()[1]}")
        watch = Watch(target, time.monotonic() + 1, theirs)
        watch.run()
        answer.join()
    assert (watch.reachable, watch.why) == (False, "Too many connections")


def _says_once(server: socket.socket, what: bytes) -> None:
    """Answer the first connection; whoever comes later gets no answer."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(what)


def test_another_version_of_amqp_is_not_waited_for(prepare: Callable[..., Done]) -> None:
    with answering("amqp", b"AMQP\x03\x01\x00\x00") as port:
        done = prepare(f"amqp://127.0.0.1:{port}")
    assert done.code == 78
    assert done.err.endswith("it does not speak AMQP 0-9-1\n")


# ---- the deadline, a stop, permanent errors


def test_every_service_that_is_missing_at_the_deadline_is_reported(
    prepare: Callable[..., Done], free_port: int, place: Path
) -> None:
    done = prepare(f"tcp://127.0.0.1:{free_port} file:{place}/none", "2s")
    assert done.code == 75
    assert done.err.splitlines()[-1] == (
        f"[entrypoint] cannot reach tcp://127.0.0.1:{free_port} within 2 s: Connection refused; "
        f"file:{place}/none within 2 s: No such file or directory; "
        "in a container, localhost is that container: name the host of the service in ENTRYPOINT_WAIT_FOR"
    )


def test_a_server_that_takes_connections_and_never_answers_ends_at_the_deadline(
    prepare: Callable[..., Done], busy_port: int
) -> None:
    done = prepare(f"redis://127.0.0.1:{busy_port}", "300ms")
    assert done.code == 75


@pytest.mark.alone
@pytest.mark.parametrize("scheme", ["tcp", "redis"])
def test_a_signal_ends_the_wait_at_once(
    started: Callable[..., Running], busy_port: int, free_port: int, scheme: str
) -> None:
    def stop() -> float:
        running = started(f"{scheme}://127.0.0.1:{free_port if scheme == 'tcp' else busy_port}")
        code, seconds = running.stop(signal.SIGTERM)
        assert code == 143
        assert running.err.endswith("[entrypoint] stopped by SIGTERM\n")
        return seconds

    assert ever_within(2, stop)  # sooner than an attempt that gets no answer


def test_a_long_wait_is_reported_again_and_again(started: Callable[..., Running], free_port: int) -> None:
    running = started(f"tcp://127.0.0.1:{free_port}")
    running.wait_until_it_says(f"    still waiting for tcp://127.0.0.1:{free_port}: Connection refused")
    running.stop(signal.SIGTERM)


def test_a_host_that_stays_unknown_is_waited_for_like_the_rest(prepare: Callable[..., Done]) -> None:
    done = prepare("tcp://no-such-host.invalid:1", "2s")
    assert done.code == 75
    why = "within 2 s: unknown host no-such-host.invalid; check ENTRYPOINT_WAIT_FOR"
    assert done.err.endswith(f"[entrypoint] cannot reach tcp://no-such-host.invalid:1 {why}\n")


def test_a_dry_run_waits_for_nothing(entrypoint: Command, place: Path, free_port: int) -> None:
    target = f"redis://:correct-horse@127.0.0.1:{free_port}"
    done = entrypoint.run(place, "--dry-run", ENTRYPOINT_APP="no:app", ENTRYPOINT_WAIT_FOR=target)
    assert done.code == 0
    assert f" wait for redis://127.0.0.1:{free_port}, at most 60 s\n" in done.err
    assert "correct-horse" not in done.err + done.out
