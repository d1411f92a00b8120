"""The HTTP server of the plugin, and hostile clients."""

import sched
import select
import socket
import time
from collections.abc import Generator, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from deadline import PATIENCE, until
from ports import free_port

from entrypoint.supervision.tasks import Tasks, Wait
from entrypoint.supervision.web.conversation import LONGEST, Request, Response, Routes
from entrypoint.supervision.web.server import MOST, Server
from entrypoint.supervision.web.web import listen

LARGE = "x" * (4 << 20)
SHORT = 0.3
END = b"\r\n\r\n"


def page(request: Request) -> Generator[Wait, bool, Response]:
    yield from ()
    return Response(f"{request.path} {request.headers.get('accept', '')}")


def large(_: Request) -> Generator[Wait, bool, Response]:
    yield from ()
    return Response(LARGE)


def broken(_: Request) -> Generator[Wait, bool, Response]:
    yield from ()
    raise ValueError("it does not work")


def never(_: Request) -> Generator[Wait, bool, Response]:
    silent, other = socket.socketpair()
    with silent, other:
        in_time = yield Wait(silent.fileno(), 1, 0.01)
    return Response(f"in time: {in_time}")


ROUTES: Routes = {
    ("GET", "/page"): page,
    ("GET", "/large"): large,
    ("GET", "/broken"): broken,
    ("GET", "/never"): never,
}


class Loop:
    """The part of supervisord that drives the server."""

    def __init__(self, path: Path, addresses: tuple[str, ...] = (), allow: str = "", seconds: float = PATIENCE) -> None:
        self.path = path
        self.log: list[str] = []
        self.timers = sched.scheduler(time.monotonic)
        self.listeners = listen(path, addresses, self.log.append)
        networks = [ip_network(allow)] if allow else []
        self.tasks = Tasks(self.timers)
        self.server = Server(self.tasks, ROUTES, allow=networks, log=self.log.append, seconds=seconds)

    def turn(self) -> bool:
        self.timers.run(blocking=False)
        for each in select.select(self.listeners, [], [], 0)[0]:
            if self.server.accepts():
                self.server.accept(each)
        self.tasks.proceed()
        return True

    def answers(self, request: bytes) -> bytes:
        """Return all that a client gets for its bytes."""
        client = self.connect()
        client.sendall(request)
        return self.rest(client)

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(self.path))
        client.settimeout(0)
        return client

    def rest(self, client: socket.socket) -> bytes:
        received = bytearray()

        def over() -> bool:
            self.turn()
            try:
                piece = client.recv(1 << 20)
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            received.extend(piece)
            return not piece

        until(over, "the end of the answer")
        client.close()
        return bytes(received)

    def close(self) -> None:
        self.tasks.close()
        for each in self.listeners:
            each.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path / "http.sock")
    yield made
    made.close()


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_a_request_is_answered_and_the_connection_closed(loop: Loop) -> None:
    head, _, body = loop.answers(b"GET /page?x=1 HTTP/1.1\r\nHost: x\r\nACCEPT:  text/plain \r\n\r\n").partition(END)
    assert head.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert b"Connection: close" in head
    assert b"Content-Length: 16" in head
    assert body == b"/page text/plain"


def test_head_has_the_length_and_no_body(loop: Loop) -> None:
    head, _, body = loop.answers(b"HEAD /page HTTP/1.0\r\n\r\n").partition(END)
    assert (b"Content-Length: 6" in head, body) == (True, b"")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"POST /page HTTP/1.1\r\n\r\n", 405),
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"GET page HTTP/1.1\r\n\r\n", 400),
        (b"GET /page HTTP/2.0\r\n\r\n", 400),
        (b"GET /pa\xffge HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400),
        (b"GET /page HTTP/1.1\n\n", 200),
        (b"GET /page HTTP/1.1\r\nno colon\r\n\r\n", 200),
        (b"GET /page HTTP/1.1\r\nX: " + b"x" * (LONGEST + 4096), 431),
    ],
)
def test_an_invalid_request_gets_a_status(loop: Loop, request_: bytes, expected: int) -> None:
    assert status(loop.answers(request_)) == expected
    assert loop.log == []


def test_a_refused_method_is_answered_with_the_allowed_ones(loop: Loop) -> None:
    assert b"\r\nAllow: GET\r\n" in loop.answers(b"DELETE /page HTTP/1.1\r\n\r\n")


def test_an_exception_of_a_handler_ends_only_its_connection(loop: Loop) -> None:
    assert loop.answers(b"GET /broken HTTP/1.1\r\n\r\n") == b""
    assert loop.log == ["internal error, the request is not answered: ValueError: it does not work"]
    assert status(loop.answers(b"GET /page HTTP/1.1\r\n\r\n")) == 200


def test_a_handler_that_waits_in_vain_gets_a_timeout(loop: Loop) -> None:
    assert loop.answers(b"GET /never HTTP/1.1\r\n\r\n").endswith(b"in time: False")


def test_a_large_response_waits_for_a_slow_client_and_others_do_not(loop: Loop) -> None:
    slow = loop.connect()
    slow.sendall(b"GET /large HTTP/1.1\r\n\r\n")
    assert status(loop.answers(b"GET /page HTTP/1.1\r\n\r\n")) == 200
    assert loop.rest(slow).endswith(LARGE.encode()[-100:])


def test_a_client_that_goes_away_leaves_nothing(loop: Loop) -> None:
    for request in (b"", b"GET /la", b"GET /large HTTP/1.1\r\n\r\n"):
        client = loop.connect()
        client.sendall(request)
        loop.turn()
        client.close()
    until(lambda: loop.turn() and not loop.server.connections, "the end of all connections")
    assert loop.log == []


def test_more_clients_than_places_wait_and_a_silent_one_loses_its_place(tmp_path: Path) -> None:
    loop = Loop(tmp_path / "http.sock", seconds=SHORT)
    silent = [loop.connect() for _ in range(MOST)]
    for _ in range(2 * MOST):
        loop.turn()
    late = loop.connect()
    late.sendall(b"GET /page HTTP/1.1\r\n\r\n")
    assert status(loop.rest(late)) == 200  # once the time of the silent ones is over
    assert [loop.rest(client) for client in silent] == [b""] * MOST
    loop.close()


@pytest.mark.parametrize(
    ("allow", "answer"), [("127.0.0.2/32", b"HTTP/1.1 200 OK"), ("127.0.0.3/32", b""), ("", b"HTTP/1.1 200 OK")]
)
def test_only_allowed_networks_may_connect_to_a_port(tmp_path: Path, allow: str, answer: bytes) -> None:
    port = free_port()
    loop = Loop(tmp_path / "http.sock", (f"127.0.0.1:{port}",), allow)
    client = socket.create_connection(("127.0.0.1", port), PATIENCE, ("127.0.0.2", 0))
    client.sendall(b"GET /page HTTP/1.1\r\n\r\n")
    client.settimeout(0)
    assert loop.rest(client)[:15] == answer
    loop.close()


def test_an_address_that_is_taken_is_reported_and_the_rest_served(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "127.0.0.1:{1}".format(*other.getsockname())
        loop = Loop(tmp_path / "http.sock", (address,))
        assert loop.log == [f"cannot listen on {address}: Address already in use"]
        assert status(loop.answers(b"GET /page HTTP/1.1\r\n\r\n")) == 200
        loop.close()


def test_a_socket_that_a_killed_container_left_is_replaced_and_every_user_may_connect(tmp_path: Path) -> None:
    Loop(tmp_path / "http.sock").close()
    loop = Loop(tmp_path / "http.sock")
    assert (tmp_path / "http.sock").stat().st_mode & 0o777 == 0o666
    assert status(loop.answers(b"GET /page HTTP/1.1\r\n\r\n")) == 200
    loop.close()
