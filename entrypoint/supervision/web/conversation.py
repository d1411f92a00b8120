"""One HTTP request and its response, as a generator that says what it waits for."""

import re
import socket
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from select import EPOLLIN, EPOLLOUT
from typing import NamedTuple

from entrypoint.supervision.tasks import Steps, Wait

LONGEST = 8192
"""Bytes of a request line and all headers."""

_RECEIVED = 4096
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.[01]")
_END = re.compile(rb"\r?\n\r?\n")


class Request(NamedTuple):
    """A request without its body."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    peer: str = ""
    """The client's address; empty for a client of the Unix socket."""


class Response(NamedTuple):
    """The response of a handler."""

    body: str
    kind: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Generator[Wait, bool, Response]]
"""Handles a request. It yields what it waits for, so it never blocks."""

Routes = Mapping[tuple[str, str], Handler]
"""The handlers by method and path. A GET also answers HEAD."""


def converse(connection: socket.socket, routes: Routes, peer: str) -> Steps:
    """Read a request of `peer`, and write the response. Raises OSError if the client goes away."""
    request = yield from _receive(connection)
    if isinstance(request, Request):
        response = yield from _answer(request._replace(peer=peer), routes)
        data = _bytes(response, with_body=request.method != "HEAD")
    else:
        data = _bytes(_plain(request))
    while data:
        try:
            data = data[connection.send(data) :]
        except BlockingIOError:
            yield Wait(connection.fileno(), EPOLLOUT)
    connection.shutdown(socket.SHUT_WR)


def _receive(connection: socket.socket) -> Generator[Wait, bool, Request | HTTPStatus]:
    """Return the request, or the status that says what is wrong with it."""
    data = b""
    while not (end := _END.search(data)):
        if len(data) > LONGEST:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        yield Wait(connection.fileno(), EPOLLIN)
        received = connection.recv(_RECEIVED)
        if not received:
            return HTTPStatus.BAD_REQUEST
        data += received
    first, *rest = data[: end.start()].split(b"\n")
    line = _REQUEST_LINE.fullmatch(first.rstrip(b"\r"))
    if line is None:
        return HTTPStatus.BAD_REQUEST
    pairs = (each.decode("latin-1").partition(":") for each in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Request(line[1].decode(), line[2].decode().partition("?")[0], headers)


def _answer(request: Request, routes: Routes) -> Generator[Wait, bool, Response]:
    method = "GET" if request.method == "HEAD" else request.method
    if handler := routes.get((method, request.path)):
        return (yield from handler(request))
    if allowed := sorted(each for each, path in routes if path == request.path):
        return _plain(HTTPStatus.METHOD_NOT_ALLOWED)._replace(headers=(("Allow", ", ".join(allowed)),))
    return _plain(HTTPStatus.NOT_FOUND)


def _plain(status: HTTPStatus) -> Response:
    return Response(f"{status.phrase}\n", status=status)


def _bytes(response: Response, *, with_body: bool = True) -> bytes:
    body = response.body.encode()
    lines = (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}",
        f"Content-Type: {response.kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
        *(f"{name}: {value}" for name, value in response.headers),
    )
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head + body if with_body else head
