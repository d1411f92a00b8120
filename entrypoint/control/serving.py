"""The present load of the application server and the expiry of the certificates, from the plugin's metrics."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_REQUEST: Final = b"GET /-/metrics HTTP/1.0\r\n\r\n"
_PATIENCE: Final = 0.3  # seconds
_LONGEST: Final = 1 << 20  # bytes of the metrics
_SAMPLE: Final = re.compile(r'^entrypoint_(\w+?)(?:\{(?:program|state|file)="(.*)"\})? ([0-9.e+]+)$', re.MULTILINE)
_QUEUE: Final = "server_listen_queue"
_WORKERS: Final = "uwsgi_workers"
_REQUESTS: Final = "uwsgi_request_seconds_count"
_EXPIRY: Final = "certificate_expiry_timestamp_seconds"
_NOT_STARTED: Final = "cheap"

Samples = Mapping[tuple[str, str], float]


class Serving(NamedTuple):
    """The connections that wait for the application server, and its load, which only uWSGI reports (else None)."""

    server: str
    waiting: int
    """Connections that it has not accepted yet."""
    busy: int | None
    """Workers that answer a request."""
    workers: int | None
    requests_per_second: float | None


class Expiry(NamedTuple):
    """When the certificate in a file expires, in seconds since the epoch."""

    file: str
    expires: float


def ask(http_socket: Path) -> Samples:
    """Return the metrics of the plugin, by name and label; none if it does not answer soon."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        answer = bytearray()
        try:
            connection.connect(str(http_socket))
            connection.sendall(_REQUEST)
            while len(answer) < _LONGEST and (piece := connection.recv(1 << 16)):
                answer += piece
        except OSError:  # the socket is gone, or nobody reads from it
            return {}
    found = _SAMPLE.findall(answer.decode(errors="replace"))
    return {(name, label): float(number) for name, label, number in found}


def between(before: Samples, after: Samples, seconds: float) -> Serving | None:
    """Return the load from two samples, `seconds` apart; None if there is no application server."""
    queues = [(label, number) for (name, label), number in after.items() if name == _QUEUE]
    if not queues:
        return None
    (server, waiting), *_ = queues
    states = {state: int(number) for (name, state), number in after.items() if name == _WORKERS}
    then, now = before.get((_REQUESTS, "")), after.get((_REQUESTS, ""))
    rate = None if then is None or now is None or not seconds else round(max(0.0, now - then) / seconds, 1)
    workers = sum(number for state, number in states.items() if state != _NOT_STARTED) if states else None
    return Serving(server, int(waiting), states.get("busy"), workers, rate)


def expiries(samples: Samples) -> tuple[Expiry, ...]:
    """Return when the site's certificates expire."""
    return tuple(Expiry(file, number) for (name, file), number in samples.items() if name == _EXPIRY)


def in_words(serving: Serving) -> str:
    """Return a line for a person."""
    noun = "worker" if serving.workers == 1 else "workers"
    workers = [] if serving.workers is None else [f"{serving.busy} of {serving.workers} {noun} busy"]
    rate = [] if serving.requests_per_second is None else [f"{serving.requests_per_second:g} requests/s"]
    waiting = f"{serving.waiting} {'connection waits' if serving.waiting == 1 else 'connections wait'}"
    return f"{serving.server}: {', '.join((*workers, waiting, *rate))}"
