"""The request that the application must answer before the site is ready."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.settings.programs.user_programs import UserProgram
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.protocol.probe import Probe
from entrypoint.protocol.supervision import Protocol, RequestConfig

_OFF: Final = "off"
_ANY_PATH: Final = "/"
_LONGEST: Final = 253  # characters of a host name: RFC 1035; a value of the uwsgi protocol has at most 65535


def first_request(config: ResolvedConfig) -> RequestConfig | None:
    """Return the request to the application server; None if none is wanted, or its protocol is unknown."""
    path = config.settings.ready_path or (_OFF if config.development else _ANY_PATH)
    if config.protocol is None or path == _OFF:
        return None
    if not config.nginx and config.own_server:
        return None  # its port may speak another protocol
    if (to := connection(config.connects)) is None:
        return None
    return RequestConfig(
        to=to,
        protocol=Protocol(config.protocol) if config.nginx else Protocol.HTTP,
        path=path if config.removes_prefix else f"{config.prefix}{path}",
        host=next(_hosts(config), "localhost"),
        scheme="https" if config.settings.tls else "http",
        seconds=float(config.nginx_timeout),
        any_status=config.settings.ready_path is None,
        prefix=config.prefix,
    )


def request_of(config: ResolvedConfig, own: UserProgram, bind: Listen | None) -> RequestConfig | None:
    """Return the request to a user program that serves a site at `bind`; None if it serves none.

    At a further site its path is /, because ENTRYPOINT_READY_PATH is the main site's.
    """
    if bind is None or own.site is None:
        return first_request(config) if bind else None
    if config.development or config.settings.ready_path == _OFF:
        return None
    return RequestConfig(
        to=Probe.parse(bind.probe),
        protocol=Protocol.HTTP,
        path=_ANY_PATH,
        host=own.site.hosts[0],
        scheme="https" if config.settings.tls else "http",
        seconds=float(config.nginx_timeout),
        any_status=True,
    )


def connection(text: str) -> Probe | None:
    """Return the probe that connects to a program; None if PORT names an interface: [fe80::1%eth0]:8080."""
    with suppress(ValueError):
        return Probe.parse(text)
    return None


def _hosts(config: ResolvedConfig) -> Iterator[str]:
    """Yield host names that the site accepts, as far as they are known."""
    allowed = config.application.allowed_hosts if config.application else ()
    for name in (*config.settings.server_names, *allowed):
        host = name.removeprefix("*").removeprefix(".")
        plain = host.isascii() and host.isprintable() and " " not in host and len(host) <= _LONGEST
        if host and host != "_" and "*" not in host and plain:
            yield host
