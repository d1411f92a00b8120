"""The connections that wait until a server accepts them, as the kernel counts them for each listening socket."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final

# <linux/netlink.h>, <linux/sock_diag.h>, <linux/unix_diag.h>, <linux/inet_diag.h>: see sock_diag(7)
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST_DUMP: Final = 0x301
_DONE, _ERROR = 3, 2
_SHOW_NAME, _SHOW_RQLEN = 0x1, 0x10
_NAME, _RQLEN = 0, 4
_LISTEN: Final = 10  # TCP_LISTEN, the state of Unix sockets, too
_HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr
_UNIX_REQUEST: Final = struct.Struct("=BBHIIIII")  # unix_diag_req
_INET_REQUEST: Final = struct.Struct("=BBHI48x")  # inet_diag_req_v2
_ATTRIBUTE: Final = struct.Struct("=HH")
_UNIX_ANSWER: Final = 16  # bytes of unix_diag_msg
_SOURCE_PORT, _QUEUED = 4, 56  # where they are in inet_diag_msg
_EACH: Final = 0xFFFFFFFF


def length(address: str) -> int | None:
    """Return how many connections wait at `address`, unix:PATH or HOST:PORT; None if nobody listens there."""
    with contextlib.suppress(OSError, ValueError, struct.error):
        if address.startswith("unix:"):
            return _of_unix(address.removeprefix("unix:"))
        return _of_tcp(int(address.rpartition(":")[2]))
    return None


def _of_unix(path: str) -> int | None:
    wanted = os.fsencode(path)
    show = _SHOW_NAME | _SHOW_RQLEN
    for answer in _sockets(_UNIX_REQUEST.pack(socket.AF_UNIX, 0, 0, 1 << _LISTEN, 0, show, _EACH, _EACH)):
        attributes = dict(_attributes(answer[_UNIX_ANSWER:]))
        if attributes.get(_NAME, b"").rstrip(b"\0") == wanted:
            return int(struct.unpack_from("=I", attributes[_RQLEN])[0])
    return None


def _of_tcp(port: int) -> int | None:
    """Return the sum of all sockets that listen on the port: each worker may have one."""
    found = None
    for family in (socket.AF_INET, socket.AF_INET6):
        for answer in _sockets(_INET_REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << _LISTEN)):
            if struct.unpack_from(">H", answer, _SOURCE_PORT)[0] == port:
                found = (found or 0) + struct.unpack_from("=I", answer, _QUEUED)[0]
    return found


def _sockets(request: bytes) -> Iterator[bytes]:
    """Yield what the kernel answers for each socket. It answers within the call, so there is nothing to wait for."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
        while True:
            data, at = kernel.recv(1 << 16), 0
            while at < len(data):
                size, kind, *_ = _HEADER.unpack_from(data, at)
                if kind in {_DONE, _ERROR}:
                    return
                yield data[at + _HEADER.size : at + size]
                at += _aligned(size)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind, data[at + _ATTRIBUTE.size : at + size]
        at += _aligned(max(size, _ATTRIBUTE.size))


def _aligned(size: int) -> int:
    return (size + 3) & ~3
