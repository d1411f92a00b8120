"""Probe an endpoint once, with just enough of its protocol to tell a working server from an open port."""

import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from entrypoint.boot.settings.types.endpoints import Endpoint

_STARTING: Final = b"57P03"  # PostgreSQL: cannot_connect_now
_AMQP: Final = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, section 4.2.2
_START: Final = b"\x00\x0a\x00\x0a"  # class connection, method start
_LEAVE: Final = b"X\x00\x00\x00\x04"  # PostgreSQL: Terminate
_GOOD_STATUS: Final = range(200, 400)
_LONGEST_LINE: Final = 512
_POSTGRES_ERROR: Final = range(8, 30000)  # bytes: the message lengths that libpq accepts


class NotReady(OSError):
    """The server answered, but is not ready."""


class PermanentError(Exception):
    """Waiting longer will not help."""


def probe(endpoint: Endpoint, seconds: float) -> None:
    """Try once; each step of the probe takes at most `seconds`.

    Raises OSError if the endpoint is not reachable yet, PermanentError if it never will be.
    """
    _PROBES[endpoint.scheme](endpoint, seconds)


def _connect(endpoint: Endpoint, seconds: float) -> socket.socket:
    return socket.create_connection((endpoint.host, endpoint.port), seconds)


def _tcp(endpoint: Endpoint, seconds: float) -> None:
    _connect(endpoint, seconds).close()


def _unix(endpoint: Endpoint, seconds: float) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(endpoint.path)


def _file(endpoint: Endpoint, _seconds: float) -> None:
    Path(endpoint.path).stat()


def _http(endpoint: Endpoint, seconds: float) -> None:
    import ssl  # noqa: PLC0415 -- 20 ms for this scheme alone
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415 -- as above

    kind = HTTPSConnection if endpoint.scheme == "https" else HTTPConnection
    with closing(kind(endpoint.host, endpoint.port, timeout=seconds)) as connection:
        try:
            headers = {"User-Agent": "entrypoint", **_credentials(endpoint)}
            connection.request("GET", endpoint.path or "/", headers=headers)
            status = connection.getresponse().status
        except ssl.SSLCertVerificationError as error:
            raise PermanentError(f"invalid certificate: {error.verify_message}") from error
        except HTTPException as error:
            raise NotReady(f"it does not speak HTTP: {type(error).__name__}") from error
    if status not in _GOOD_STATUS:
        raise NotReady(f"it answered with status {status}")


def _credentials(endpoint: Endpoint) -> dict[str, str]:
    import base64  # noqa: PLC0415 -- as above

    if endpoint.password is None:
        return {}
    both = f"{endpoint.user}:{endpoint.password.reveal()}".encode()
    return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}


def _postgres(endpoint: Endpoint, seconds: float) -> None:
    """Begin a session. The server is ready unless it reports that it is starting."""
    user = endpoint.user or "postgres"
    words = (b"user", user.encode(), b"database", (endpoint.path or user).encode(), b"", b"")
    parameters = b"\x00\x03\x00\x00" + b"\0".join(words)
    with _connect(endpoint, seconds) as connection, connection.makefile("rb") as stream:
        connection.sendall((len(parameters) + 4).to_bytes(4) + parameters)
        kind, length = _read(stream, 1), int.from_bytes(_read(stream, 4))
        if kind == b"E" and length in _POSTGRES_ERROR:
            fields = stream.read(length - 4).split(b"\0")
            if b"C" + _STARTING in fields:
                message = next((field[1:] for field in fields if field[:1] == b"M"), b"it is not ready")
                raise NotReady(message.decode(errors="replace"))
        elif kind != b"R":
            raise NotReady("it does not speak the PostgreSQL protocol")
        connection.sendall(_LEAVE)


def _mysql(endpoint: Endpoint, seconds: float) -> None:
    with _connect(endpoint, seconds) as connection, connection.makefile("rb") as stream:
        length = int.from_bytes(_read(stream, 4)[:3], "little")
        first = _read(stream, 1)
        if first == b"\xff":  # an error: its number, then its text
            why = stream.read(max(0, min(length, _LONGEST_LINE) - 1))[2:]
            raise NotReady(why.decode(errors="replace") or "it is not ready")
        if first != b"\x0a":
            raise NotReady("it does not speak the MySQL protocol")


def _redis(endpoint: Endpoint, seconds: float) -> None:
    with _connect(endpoint, seconds) as connection, connection.makefile("rb") as stream:
        if endpoint.password:
            words = ["AUTH", *([endpoint.user] if endpoint.user else []), endpoint.password.reveal()]
            answer = _ask_redis(connection, stream, words)
            if answer.startswith(("-WRONGPASS", "-ERR")) and ("password" in answer or "AUTH" in answer):
                raise PermanentError(answer[1:])
        answer = _ask_redis(connection, stream, ["PING"])
        if not answer.startswith(("+PONG", "-NOAUTH", "-NOPERM")):
            raise NotReady(
                answer.removeprefix("-") if answer.startswith("-") else "it does not speak the Redis protocol"
            )


def _ask_redis(connection: socket.socket, stream: BinaryIO, words: list[str]) -> str:
    raw = [word.encode() for word in words]
    connection.sendall(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw))
    answer = stream.readline(_LONGEST_LINE)
    if not answer:
        raise NotReady("it closed the connection")
    return answer.decode(errors="replace").strip()


def _amqp(endpoint: Endpoint, seconds: float) -> None:
    with _connect(endpoint, seconds) as connection, connection.makefile("rb") as stream:
        connection.sendall(_AMQP)
        header = _read(stream, 7)
        if header.startswith(b"AMQP"):
            raise PermanentError("it does not speak AMQP 0-9-1")
        if header[:1] != b"\x01" or _read(stream, 4) != _START:
            raise NotReady("it does not speak the AMQP protocol")


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise NotReady("it closed the connection")
    return data


_PROBES: Final[Mapping[str, Callable[[Endpoint, float], None]]] = {
    "tcp": _tcp,
    "unix": _unix,
    "file": _file,
    "http": _http,
    "https": _http,
    "postgres": _postgres,
    "mysql": _mysql,
    "redis": _redis,
    "amqp": _amqp,
}
