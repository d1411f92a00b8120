"""The socket to which programs report their state: sd_notify(3), which uWSGI supports."""

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): PID, user and group of the sender, verified by the kernel."""

MOST = 64
"""Messages that one call reads. The descriptor stays readable while there are more."""


class Sender(NamedTuple):
    """The process that has sent a message, and its user, both verified by the kernel."""

    pid: int
    uid: int


class NotifySocket:
    """A datagram socket with an abstract name that the kernel chooses: no file to remove or to protect."""

    def __init__(self, fd: int | None = None) -> None:
        """Create the socket, or use the open descriptor `fd`, whose name programs know already."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, fileno=fd)
        self._socket.setblocking(False)  # noqa: FBT003 - its signature
        self._socket.set_inheritable(False)
        if fd is None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind("")  # autobind, see unix(7)
        self.fd = self._socket.fileno()
        self.variables = {"NOTIFY_SOCKET": "@" + self._socket.getsockname()[1:].decode("ascii")}
        """The variables by which a program finds the socket."""

    def messages(self) -> Iterator[tuple[Sender, Mapping[str, str]]]:
        """Yield each sender and its assignments, such as READY=1; at most MOST of them.

        A process that sends without end must not keep supervisord from its other work.
        """
        for _ in range(MOST):
            try:
                data, ancillary, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            for level, kind, content in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    pid, uid, _ = _CREDENTIALS.unpack(content)
                    yield Sender(pid, uid), _assignments(data)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _assignments(data: bytes) -> Mapping[str, str]:
    lines = data.decode("utf-8", "replace").split("\n")
    return {name: value for name, equals, value in (line.partition("=") for line in lines) if equals}


def group(sender: Sender) -> int:
    """Return the process group of the sender, 0 if it is gone. Each program leads a group of its own.

    Any process of the container can join a group, so a message of another user than the leader's does not count.
    """
    try:
        leader = os.getpgid(sender.pid)
        status = Path(f"/proc/{leader}/status").read_bytes()
    except OSError:
        return 0
    uid = int(status.partition(b"\nUid:")[2].split(maxsplit=2)[1])  # the effective one
    return leader if sender.uid in {0, uid} else 0
