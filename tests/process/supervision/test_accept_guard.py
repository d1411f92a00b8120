"""New connections, while the program that listened for them stops."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from deadline import until

from entrypoint.supervision.accept_guard import AcceptGuard


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A socket that listens as nginx does."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        made = socket.create_server((request.param, 0), family=family, reuse_port=True)
    except OSError:
        pytest.skip("there is no IPv6 here")
    made.settimeout(0)
    with made:
        yield made


def guard(listener: socket.socket) -> tuple[AcceptGuard, list[str]]:
    host, port, *_ = listener.getsockname()
    warnings: list[str] = []
    return AcceptGuard([f"[{host}]:{port}" if ":" in host else f"{host}:{port}"], warnings.append), warnings


def connect(listener: socket.socket) -> socket.socket:
    """Begin a connection."""
    made = socket.socket(listener.family)
    made.settimeout(0)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.getsockname()[0], listener.getsockname()[0])
    made.connect_ex((host, listener.getsockname()[1]))
    return made


def established(connection: socket.socket) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return False
    return True


def test_who_came_before_is_accepted_and_who_comes_later_is_refused(listener: socket.socket) -> None:
    held, warnings = guard(listener)
    with closing(connect(listener)) as before:
        until(lambda: established(before), "the first connection")
        assert held.hold()
        assert not held.hold()
        with closing(connect(listener)) as later:
            accepted, _ = listener.accept()
            accepted.close()
            with pytest.raises(BlockingIOError):
                listener.accept()
            assert not established(later)
            listener.close()
            held.release()
            later.settimeout(20)
            # The kernel of the client tries again by itself.
            assert until(lambda: later.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "the refusal") == 111
    assert warnings == []


def test_an_address_that_is_shared_with_nobody_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held, warnings = guard(listener)
        assert not held.hold()
        with closing(connect(listener)) as later:
            until(lambda: established(later), "the connection")
    assert warnings == []
