"""The sockets of the HTTP server. Each start opens them; the server itself is imported with the first connection."""

import socket
from collections.abc import Callable, Iterable
from pathlib import Path

BACKLOG = 16
"""Connections that wait to be accepted."""

EVERYBODY = 0o666
"""The mode of the Unix socket: nginx and the users of this container may connect."""


def listen(path: Path, addresses: Iterable[str], log: Callable[[str], None]) -> list[socket.socket]:
    """Return listening sockets: the Unix socket `path`, and `addresses` such as 0.0.0.0:9100 and [::]:9100.

    Call `log` with the reason for each that cannot be opened: the site is served without it.
    """
    found = []
    for name in (str(path), *addresses):
        try:
            found.append(_listening(name))
        except OSError as error:
            log(f"cannot listen on {name}: {error.strerror or error}")
    return found


def _listening(name: str) -> socket.socket:
    family = {"/": socket.AF_UNIX, "[": socket.AF_INET6}.get(name[0], socket.AF_INET)
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_UNIX:
            Path(name).unlink(missing_ok=True)
            made.bind(name)
            Path(name).chmod(EVERYBODY)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            address, _, port = name.rpartition(":")
            made.bind((address.strip("[]"), int(port)))
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
