"""Visitors that request a page again and again, and count the requests that were lost."""

import errno
import re
import socket
import threading
from collections import Counter
from types import TracebackType
from typing import Self

from deadline import PATIENCE

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RECEIVED = 65536


class Load:
    """Some threads that send GETs one after the other, while the context lasts or until nobody listens any more.

    A connection that is refused is not a lost request: nothing was sent. Lost is each request without the whole of an
    answer of 200 once its connection was established, but for one thing that RFC 9112 (9.3.1) has a client try again: a
    request on a connection that was kept, and closed before any byte of its answer. Each answer has to name its length.
    """

    def __init__(self, port: int, path: str, visitors: int = 4, *, keep: bool = False) -> None:
        """If `keep`, a visitor uses one connection for all requests, otherwise one for each."""
        self._port = port
        self._keep = keep
        how = "keep-alive" if keep else "close"
        # http.client would take more CPU than the site that it asks.
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: {how}\r\n\r\n".encode()
        self._threads = [threading.Thread(target=self._visit) for _ in range(visitors)]
        self._end = threading.Event()
        self.counts: Counter[str] = Counter()
        """How many were `answered`, `refused` and asked `again`."""
        self.lost: list[str] = []
        """Of each lost request what came instead of the answer."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Let each visitor finish its last request, and wait for that."""
        self._end.set()
        self.join()

    def join(self) -> None:
        """Wait until no visitor is left: each leaves when a connection is refused."""
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        connection: socket.socket | None = None
        while not self._end.is_set():
            kept = connection is not None
            try:
                connection = connection or socket.create_connection(("127.0.0.1", self._port), PATIENCE)
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                break
            except OSError as error:
                self.lost.append(f"connect: {error!r}")
                continue
            begun, stays = b"", False
            try:
                connection.sendall(self._request)
                begun = received(connection)
                stays = heard(connection, begun) and self._keep
            except (OSError, ValueError) as error:
                if kept and not begun:
                    self.counts["again"] += 1
                else:
                    self.lost.append(repr(error))
            else:
                self.counts["answered"] += 1
            if not stays:
                connection.close()
                connection = None
        if connection:
            connection.close()


def heard(connection: socket.socket, begun: bytes) -> bool:
    """Read the rest of an answer of 200; return whether its connection is kept."""
    while b"\r\n\r\n" not in begun:
        begun += received(connection)
    head, _, body = begun.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200 ") or not length:
        raise ValueError(begun)
    missing = int(length[1]) - len(body)
    while missing > 0:
        missing -= len(received(connection))
    return b"\r\nconnection: close" not in head.lower()


def received(connection: socket.socket) -> bytes:
    piece = connection.recv(RECEIVED)
    if not piece:
        raise ConnectionAbortedError(errno.ECONNABORTED, "closed before the end of the answer")
    return piece
