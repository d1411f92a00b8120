"""The TCP sockets of an application server that serves without nginx: one for each of its processes.

Process 1 opens them, and the server inherits its own as descriptor LISTENER. All are bound to one address by
SO_REUSEPORT. While two processes of the server run, for a reload, a filter tells the kernel which of the sockets takes
a new connection (SO_ATTACH_REUSEPORT_CBPF, see socket(7)): once the new process has answered our first request, it
gets all new connections. The old one is stopped after it has accepted all connections that wait.

The filter is classic BPF. It needs no privilege.
"""

import array
import socket
import struct
import time
from collections.abc import Hashable
from contextlib import suppress
from functools import partial
from typing import Final

from entrypoint.supervision.checks.probes import Connect, connect

SETTLING: Final = 1.0
"""Seconds without a waiting connection after which no client comes to the old process any more: the handshakes that had
begun are over, and it has read the requests."""

_ATTACH_FILTER: Final = 51  # SO_ATTACH_REUSEPORT_CBPF, <asm-generic/socket.h>
_WAITING: Final = 24  # in tcp_info, <linux/tcp.h>: tcpi_unacked, which is the queue of a listening socket

# <linux/filter.h>
_INSTRUCTION: Final = struct.Struct("HBBI")
_LOAD_WORD, _LOAD_HALF, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_NETWORK: Final = 0xFFF00000  # SKF_NET_OFF: the offset of the IP header

_LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class Listeners:
    """The listening sockets of programs, in the kernel's order.

    A program is the server through all its restarts; during a reload there are two.
    """

    def __init__(self) -> None:
        self._sockets: dict[Hashable, socket.socket] = {}
        self._order: list[Hashable] = []
        self._serving: Hashable | None = None
        self._quiet_since = 0.0

    def open(self, program: Hashable, address: str) -> int:
        """Return the descriptor of the program's socket, which listens on `address`. Raises OSError.

        A program that is restarted at once gets the socket of its former process: the clients wait there.
        """
        known = self._sockets.get(program)
        if known and not known.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            self.close(program)  # the program has shut it down
        if program not in self._sockets:
            self.check()  # before the kernel has two to choose from
            self._sockets[program] = _listen(address)
            self._order.append(program)
            self._serving = self._serving or program
        return self._sockets[program].fileno()

    def check(self) -> None:
        """Raise OSError if the kernel cannot direct the connections between two sockets."""
        self._direct(b"")

    def connect_to(self, program: Hashable) -> Connect:
        """Return a function that connects process 1 to this program, even if new connections reach another one."""

        def connect_to_it(connection: socket.socket, address: str | tuple[str, int]) -> int:
            if program in self._sockets and program is not self._serving:
                pack = partial(socket.inet_pton, connection.family)
                host = address[0] if any(pack(address[0])) else _LOOPBACK[connection.family]
                connection.bind((host, 0))
                ours = _filter(pack(host), connection.getsockname()[1], self._order.index(program))
                self._direct(ours)
            return connect(connection, address)

        return connect_to_it

    def turn_to(self, program: Hashable) -> None:
        """Direct all new connections to the program."""
        if program in self._sockets:
            self._serving = program
            self._quiet_since = time.monotonic()
            self._direct(b"")

    def waiting(self) -> bool:
        """Return whether a connection has not been accepted."""
        return any(map(_waiting, self._sockets.values()))

    def has_clients(self, program: Hashable) -> bool:
        """Return whether connections that began before `turn_to` may still reach the program."""
        if program not in self._sockets:
            return False
        now = time.monotonic()
        if _waiting(self._sockets[program]):
            self._quiet_since = now
        return now < self._quiet_since + SETTLING

    def close(self, program: Hashable) -> None:
        """Refuse connections to the program, even if a process that it has left behind still holds the socket."""
        if program not in self._sockets:
            return
        with self._sockets.pop(program) as closed, suppress(OSError):  # the program itself may have shut it down
            closed.shutdown(socket.SHUT_RD)
        last = self._order.pop()
        if last is not program:
            self._order[self._order.index(program)] = last  # as the kernel does
        if program is self._serving:
            self._serving = next(iter(self._order), None)
        self._direct(b"")

    def close_all(self) -> None:
        """Let the kernel refuse new connections."""
        for program in list(self._sockets):
            self.close(program)

    def _direct(self, ours: bytes) -> None:
        """Direct new connections to the program that serves, except those that `ours` matches. Raises OSError."""
        if self._serving:
            code = array.array("B", ours + _INSTRUCTION.pack(_RETURN, 0, 0, self._order.index(self._serving)))
            where, size = code.buffer_info()
            given = struct.pack("HL", size // _INSTRUCTION.size, where)
            self._sockets[self._serving].setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, given)


def _filter(address: bytes, port: int, index: int) -> bytes:
    """Return the instructions that give a connection from this address and port to the socket `index`."""
    words = [word for (word,) in struct.iter_unpack("!I", address)]
    source, source_port = (12, 20) if len(words) == 1 else (8, 40)  # in the IP header, and after one without options
    loads = [(_LOAD_WORD, source + 4 * at, word) for at, word in enumerate(words)] + [(_LOAD_HALF, source_port, port)]
    code = b""
    for left, (load, at, value) in zip(range(len(loads), 0, -1), loads, strict=True):
        code += _INSTRUCTION.pack(load, 0, 0, _NETWORK + at)
        code += _INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, 2 * left - 1, value)  # if not: after the return
    return code + _INSTRUCTION.pack(_RETURN, 0, 0, index)


def _waiting(listening: socket.socket) -> int:
    """Return how many connections have not been accepted."""
    info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _WAITING + 4)
    return int(struct.unpack_from("I", info, _WAITING)[0])


def _listen(text: str) -> socket.socket:
    host, _, port = text.rpartition(":")
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=flags)[0]
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each connection inherits it
        made.bind(address)
        made.listen(socket.SOMAXCONN)
    except OSError:
        made.close()
        raise
    return made
