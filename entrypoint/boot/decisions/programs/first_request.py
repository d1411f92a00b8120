"""The request that the application must answer before the site is ready."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.settings.programs.user_programs import UserProgram
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
    try:
        to = Probe.parse(config.bind.probe if config.bind else f"unix:{config.socket}")
    except ValueError:  # PORT may name an interface: [fe80::1%eth0]:8080
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


def first_request_of_site(config: ResolvedConfig, own: UserProgram) -> RequestConfig | None:
    """Return the request to the program of a further site; its path is /, ENTRYPOINT_READY_PATH is the main site's."""
    if config.development or config.settings.ready_path == _OFF or own.site is None:
        return None
    return RequestConfig(
        to=Probe.parse(config.bind_of_site(own).probe),
        protocol=Protocol.HTTP,
        path=_ANY_PATH,
        host=own.site.hosts[0],
        scheme="https" if config.settings.tls else "http",
        seconds=float(config.nginx_timeout),
        any_status=True,
        prefix="",
    )


def _hosts(config: ResolvedConfig) -> Iterator[str]:
    """Yield host names that the site accepts, as far as they are known."""
    allowed = config.application.allowed_hosts if config.application else ()
    for name in (*config.settings.server_names, *allowed):
        host = name.removeprefix("*").removeprefix(".")
        plain = host.isascii() and host.isprintable() and " " not in host and len(host) <= _LONGEST
        if host and host != "_" and "*" not in host and plain:
            yield host
