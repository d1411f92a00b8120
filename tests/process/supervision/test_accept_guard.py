"""The accept guard: new connections while the program that listened for them stops."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from deadline import PATIENCE, until

from entrypoint.supervision.shutdown.accept_guard import AcceptGuard


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


def test_connections_made_before_the_guard_are_accepted_and_later_ones_refused(listener: socket.socket) -> None:
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
            later.settimeout(PATIENCE)
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


# A network with an interface whose addresses are not usable yet, because the kernel still looks for duplicates.
UNUSABLE = """
ip link set lo up && ip link add one type veth peer name two && ip link set one up && ip link set two up || exit 3
for n in 1 2 3 4 5 6 7 8 9; do ip addr add fd00::$n/64 dev one; done
exec "$@"
"""
HOLD = """
import socket
from entrypoint.supervision.shutdown.accept_guard import AcceptGuard
listener = socket.create_server(("::", 0), family=socket.AF_INET6, reuse_port=True)
listener.settimeout(0)
held = AcceptGuard([f"[::]:{listener.getsockname()[1]}"], print)
assert held.hold()
client = socket.socket(socket.AF_INET6)
client.settimeout(0)
client.connect_ex(("::1", listener.getsockname()[1]))
try:
    listener.accept()
except BlockingIOError:
    print("held")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a network of its own")
def test_an_address_that_is_not_usable_yet_leaves_the_others_guarded() -> None:
    made = ["unshare", "--net", "sh", "-c", UNUSABLE, "sh", sys.executable, "-c", HOLD]
    done = subprocess.run(made, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stderr
