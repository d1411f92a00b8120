"""Whether a thing is there: one try each, with just enough of its protocol to tell a server from an open port."""

import socket
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from entrypoint.boot.settings.endpoints import Endpoint

_STARTING: Final = b"57P03"  # PostgreSQL: cannot_connect_now
_AMQP: Final = b"AMQP\x00\x00\x09\x01"  # of AMQP 0-9-1, section 4.2.2
_START: Final = b"\x00\x0a\x00\x0a"  # class connection, method start
_LEAVE: Final = b"X\x00\x00\x00\x04"  # PostgreSQL: Terminate
_GOOD_STATUS: Final = range(200, 400)
_LONGEST_LINE: Final = 512
_POSTGRES_ERROR: Final = range(8, 30000)  # bytes: the lengths that PostgreSQL's own client believes


class NotYet(OSError):
    """It answered, but is not ready."""


class Refused(Exception):
    """It will not be there, however long one waits."""


def probe(target: Endpoint, seconds: float) -> None:
    """Try once; no step of the try takes longer than `seconds`.

    Raises OSError where it is not there yet, Refused where it never will be.
    """
    _PROBES[target.scheme](target, seconds)


def _connect(target: Endpoint, seconds: float) -> socket.socket:
    return socket.create_connection((target.host, target.port), seconds)


def _tcp(target: Endpoint, seconds: float) -> None:
    _connect(target, seconds).close()


def _unix(target: Endpoint, seconds: float) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(target.path)


def _file(target: Endpoint, _seconds: float) -> None:
    Path(target.path).stat()


def _http(target: Endpoint, seconds: float) -> None:
    import ssl  # noqa: PLC0415 -- 20 ms for this scheme alone
    from http.client import HTTPConnection, HTTPException, HTTPSConnection  # noqa: PLC0415 -- as above

    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    with closing(kind(target.host, target.port, timeout=seconds)) as connection:
        try:
            connection.request("GET", target.path or "/", headers={"User-Agent": "entrypoint", **_credentials(target)})
            status = connection.getresponse().status
        except ssl.SSLCertVerificationError as error:
            raise Refused(f"its certificate is not good: {error.verify_message}") from error
        except HTTPException as error:
            raise NotYet(f"it speaks no HTTP: {type(error).__name__}") from error
    if status not in _GOOD_STATUS:
        raise NotYet(f"it answers with status {status}")


def _credentials(target: Endpoint) -> dict[str, str]:
    import base64  # noqa: PLC0415 -- as above

    if target.password is None:
        return {}
    both = f"{target.user}:{target.password.reveal()}".encode()
    return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}


def _postgres(target: Endpoint, seconds: float) -> None:
    """Begin a session: whoever asks for a password, or says anything but that it is starting, is there."""
    user = target.user or "postgres"
    words = (b"user", user.encode(), b"database", (target.path or user).encode(), b"", b"")
    parameters = b"\x00\x03\x00\x00" + b"\0".join(words)
    with _connect(target, seconds) as connection, connection.makefile("rb") as stream:
        connection.sendall((len(parameters) + 4).to_bytes(4) + parameters)
        kind, length = _exactly(stream, 1), int.from_bytes(_exactly(stream, 4))
        if kind == b"E" and length in _POSTGRES_ERROR:
            fields = stream.read(length - 4).split(b"\0")
            if b"C" + _STARTING in fields:
                raise NotYet(_of(fields, b"M"))
        elif kind != b"R":
            raise NotYet("it speaks another protocol than PostgreSQL's")
        connection.sendall(_LEAVE)


def _of(fields: list[bytes], kind: bytes) -> str:
    return next((field[1:].decode(errors="replace") for field in fields if field[:1] == kind), "it is not ready")


def _mysql(target: Endpoint, seconds: float) -> None:
    with _connect(target, seconds) as connection, connection.makefile("rb") as stream:
        length = int.from_bytes(_exactly(stream, 4)[:3], "little")
        first = _exactly(stream, 1)
        if first == b"\xff":  # an error: its number, then its text
            why = stream.read(max(0, min(length, _LONGEST_LINE) - 1))[2:]
            raise NotYet(why.decode(errors="replace") or "it is not ready")
        if first != b"\x0a":
            raise NotYet("it speaks another protocol than MySQL's")


def _redis(target: Endpoint, seconds: float) -> None:
    with _connect(target, seconds) as connection, connection.makefile("rb") as stream:
        if target.password:
            words = ["AUTH", *([target.user] if target.user else []), target.password.reveal()]
            answer = _ask_redis(connection, stream, words)
            if answer.startswith(("-WRONGPASS", "-ERR")) and ("password" in answer or "AUTH" in answer):
                raise Refused(answer[1:])
        answer = _ask_redis(connection, stream, ["PING"])
        if not answer.startswith(("+PONG", "-NOAUTH", "-NOPERM")):
            raise NotYet(
                answer.removeprefix("-") if answer.startswith("-") else "it speaks another protocol than Redis's"
            )


def _ask_redis(connection: socket.socket, stream: BinaryIO, words: list[str]) -> str:
    raw = [word.encode() for word in words]
    connection.sendall(b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw))
    answer = stream.readline(_LONGEST_LINE)
    if not answer:
        raise NotYet("it closed the connection")
    return answer.decode(errors="replace").strip()


def _amqp(target: Endpoint, seconds: float) -> None:
    with _connect(target, seconds) as connection, connection.makefile("rb") as stream:
        connection.sendall(_AMQP)
        header = _exactly(stream, 7)
        if header.startswith(b"AMQP"):
            raise Refused("it speaks another version of AMQP than 0-9-1")
        if header[:1] != b"\x01" or _exactly(stream, 4) != _START:
            raise NotYet("it speaks another protocol than AMQP")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise NotYet("it closed the connection")
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
