"""The first request to a program that serves the site: only its response shows that the application works.

A server may listen, and its application may be loaded, although every request fails: Django, for example, imports the
URLconf with the first request.
"""

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from entrypoint.protocol.supervision import Protocol, RequestConfig
from entrypoint.supervision.checks.health import Polling
from entrypoint.supervision.checks.probes import Connect, Endpoint, get
from entrypoint.supervision.tasks import Tasks

SOONEST: Final = 1.0
LATEST: Final = 10.0
"""Seconds until a failed request is repeated: SOONEST, then twice as long each time, up to LATEST."""

USER_AGENT: Final = "entrypoint-ready/1"

_PORTS: Final = {"http": "80", "https": "443"}
_HIGHEST: Final = 999


class FirstRequest(Polling):
    """Sends the request until the response shows that the application works."""

    def __init__(
        self,
        tasks: Tasks,
        config: RequestConfig,
        connect_to: Connect,
        *,
        succeeded: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Call `succeeded` once. Before that, call `failed` with the reason each time the reason is another one."""
        super().__init__(tasks, endpoint(config)._replace(connect=connect_to))
        self._path = config.path
        self._succeeded = succeeded
        self._failed = failed
        self._begun = False
        self._fault: str | None = None
        self._delay = SOONEST

    def begin(self) -> None:
        """Send the request, unless it has been sent since the program started."""
        if not self._begun:
            self._begin(0)
            self._begun, self._fault, self._delay = True, None, SOONEST

    def end(self) -> None:
        """Send no further request until `begin`."""
        self._begun = False
        super().end()

    def _report(self, fault: str | None) -> float | None:
        if fault is None:
            self._succeeded()
            return None
        if fault != self._fault:
            self._fault = fault
            self._failed(f"GET {self._path}: {fault}")
        delay, self._delay = self._delay, min(2 * self._delay, LATEST)
        return delay


def endpoint(config: RequestConfig) -> Endpoint:
    """Return the endpoint with the request, as nginx would send it."""
    request = _uwsgi(config) if config.protocol is Protocol.UWSGI else get(config.path, _headers(config))
    failures = range(500, 501 if config.any_status else _HIGHEST + 1)
    return Endpoint.of(config.to)._replace(request=request, seconds=config.seconds, failures=failures)


def _headers(config: RequestConfig) -> dict[str, str]:
    return {
        "Host": config.host,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": config.scheme,
        "X-Forwarded-Host": config.host,
        "X-Real-IP": "127.0.0.1",
    }


def _uwsgi(config: RequestConfig) -> bytes:
    """Return the packet, see https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html."""
    path, _, query = config.path.partition("?")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": config.path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": config.scheme,
        **({"HTTPS": "on"} if config.scheme == "https" else {}),
        **({"SCRIPT_NAME": config.prefix} if config.prefix else {}),
        "SERVER_NAME": config.host,
        "SERVER_PORT": _PORTS[config.scheme],
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "0",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _headers(config).items()},
    }
    encoded = {name: value.encode("ascii") for name, value in variables.items()}
    body = b"".join(_sized({**encoded, "PATH_INFO": unquote_to_bytes(path)}))
    return b"\0" + len(body).to_bytes(2, "little") + b"\0" + body


def _sized(variables: dict[str, bytes]) -> Iterator[bytes]:
    for name, value in variables.items():
        for text in (name.encode("ascii"), value):
            yield len(text).to_bytes(2, "little") + text
