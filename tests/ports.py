"""Free ports of the loopback interface, from a range that only this process uses.

A port that the kernel chooses and that is closed again may be given to somebody else before its test binds it. These
ports lie below the range from which the kernel chooses (ip_local_port_range begins at 32768), and each process that
runs tests holds a block of them, so that neither another worker of pytest-xdist nor another run of the tests uses them.
"""

import functools
import itertools
import socket
from collections.abc import Iterator

_FIRST, _END, _BLOCK = 10_000, 32_000, 400


@functools.cache
def _block() -> Iterator[int]:
    """Claim a block that no other process holds; return its even ports in an endless row.

    What holds it is a name among the abstract sockets: the kernel takes it back when the process ends.
    """
    for first in range(_FIRST, _END, _BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0entrypoint-tests-ports-{first}")
        except OSError:
            claim.close()
            continue
        claim.detach()
        return itertools.cycle(range(first, first + _BLOCK, 2))
    raise AssertionError("cannot find a free block of ports: too many processes run these tests at once")


def free_port(address: str = "127.0.0.1") -> int:
    """Return a free port whose successor is free too, because a server behind nginx may need it."""
    for port in itertools.islice(_block(), _BLOCK):
        if _is_free(address, port) and _is_free(address, port + 1):
            return port
    raise AssertionError(f"cannot find a free port of {address}: all in the block of this process are in use")


def _is_free(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
