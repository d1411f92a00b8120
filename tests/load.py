"""Visitors that request a page again and again, and count the requests that were lost."""

import socket
import threading
from collections import Counter
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Self

from deadline import PATIENCE


class Load:
    """Some threads that send GETs one after the other, while the context lasts or until nobody listens any more.

    A connection that is refused is not a lost request: nothing was sent. Lost is each request without the whole of an
    answer of 200 once its connection was established, but for one thing that RFC 9112 (9.3.1) has a client try again: a
    request on a connection that was kept, and closed before any byte of its answer.
    """

    def __init__(self, port: int, path: str, visitors: int = 4, *, keep: bool = False) -> None:
        """If `keep`, a visitor uses one connection for all requests, otherwise one for each."""
        self._port = port
        self._path = path
        self._keep = keep
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
        connection = self._connection()
        while not self._end.is_set():
            kept = connection.sock is not None
            try:
                if not kept:
                    connection.connect()
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                break
            except OSError as error:
                self.lost.append(f"connect: {error!r}")
                continue
            try:
                connection.request("GET", self._path, headers={} if self._keep else {"Connection": "close"})
                # Whether the other end has closed it shows before the answer does.
                begun = connection.sock.recv(1, socket.MSG_PEEK)
            except OSError as error:
                begun, why = b"", repr(error)
            else:
                why = "closed without an answer"
            if begun:
                self._hear(connection)
            else:
                connection.close()
                if kept:
                    self.counts["again"] += 1
                else:
                    self.lost.append(why)
        connection.close()

    def _hear(self, connection: HTTPConnection) -> None:
        try:
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            self.lost.append(repr(error))
            connection.close()
            return
        if answer.status == 200:
            self.counts["answered"] += 1
        else:
            self.lost.append(f"status {answer.status}")

    def _connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
