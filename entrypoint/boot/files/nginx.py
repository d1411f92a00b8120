"""What nginx's templates are told: typed values, each decided here and quoted there."""

from collections.abc import Iterator
from typing import Any, Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.errors import Unusable

_HTTP2_OF_ITS_OWN: Final = (1, 25, 1)  # from here on `listen … http2` is told to be deprecated
_EVERY_HOST: Final = "_"
_WORDS_OF_MAP: Final = ("default", "hostnames", "include", "volatile")
_OWN_CONNECTIONS: Final = 3  # of a worker, beside its listening sockets: its master, one client, the application
_OWN_DESCRIPTORS: Final = 64  # of a worker: its log, its sockets, and what it has open for others
_OPEN_FILES: Final = 256  # static files that a worker keeps open, few enough to leave descriptors for its connections


def variables(config: ResolvedConfig, *, starting: bool) -> dict[str, Any]:
    """Return the variables of nginx.conf and nginx-app.conf that no other file needs. Raises Unusable."""
    names = () if _EVERY_HOST in config.settings.server_names else config.settings.server_names
    return {
        "listen": config.addresses,
        "upstream": config.upstream,
        "protocol": config.protocol,
        "repeated_within": config.request_seconds,
        "server_names": names,
        "forwarded_names": tuple(_as_map(names)),
        "http_files": config.machine.http_files,
        "server_files": config.machine.server_files,
        "gzip_static": config.machine.gzip_static,
        "brotli_module": config.machine.brotli_module,
        "files": () if starting else tuple(served(config)),
        "worker_connections": _connections(config),
        "descriptors_of_nginx": _descriptors(config),
        "open_files": _OPEN_FILES,
        "access_log": config.settings.access_log,
        "certificate": config.settings.tls_certificate,
        "key": config.settings.tls_key,
        "redirecting": config.redirecting,
        "tls_port": config.listen.port,
        "http2": "listen" if () < config.machine.nginx_version < _HTTP2_OF_ITS_OWN else "directive",
        "proxies": config.settings.proxies,
        # Where anyone may be a proxy, each address of X-Forwarded-For is one: only the last was written by the peer.
        "anyone": any(network.prefixlen == 0 for network in config.settings.proxies),
    }


def _as_map(names: tuple[str, ...]) -> Iterator[str]:
    """Yield host names as nginx's `map` takes them: none twice, and no word of the map's own language."""
    for name in names:
        bare = name.removeprefix("*").removeprefix(".")
        if name.startswith(".") or f".{bare}" not in names:
            yield f"\\{name}" if name in _WORDS_OF_MAP else name


def _connections(config: ResolvedConfig) -> int:
    least = len(config.addresses) + len(config.redirecting) + _OWN_CONNECTIONS
    if config.settings.worker_connections < least:
        raise Unusable(
            f"cannot use NGINX_WORKER_CONNECTIONS={config.settings.worker_connections}: a worker needs {least} "
            "to listen, hear and ask the application"
        )
    return config.settings.worker_connections


def _descriptors(config: ResolvedConfig) -> int | None:
    """Return the limit that a worker of nginx has to raise to hold its connections, None where it need not.

    A connection of a client has one descriptor, and one more for the file that is sent.
    """
    wanted = 2 * config.settings.worker_connections + _OPEN_FILES + _OWN_DESCRIPTORS
    possible = min(wanted, config.machine.most_descriptors)
    return possible if possible > config.machine.descriptors else None


def served(config: ResolvedConfig) -> Iterator[tuple[str, str, str, str]]:
    """Yield the kind, the URL prefix, folder and setting of the files that are served without the application."""
    django, settings = config.application, config.settings
    for kind, url, root, django_url, django_root in (
        (
            "STATIC",
            settings.static_url,
            settings.static_root,
            django and django.static_url,
            django and django.static_root,
        ),
        ("MEDIA", settings.media_url, settings.media_root, django and django.media_url, django and django.media_root),
    ):
        where, folder = url or django_url or "", str(root or django_root or "")
        for given, other, name in ((url, folder, "ROOT"), (root, where, "URL")):
            if given and not other:
                raise Unusable(
                    f"cannot use NGINX_{kind}_{'URL' if name == 'ROOT' else 'ROOT'}: "
                    f"there is neither NGINX_{kind}_{name} nor Django's {kind}_{name}"
                )
        # A full URL is another host's; "/" would hide the application.
        if folder and where.startswith("/") and where != "/" and not where.startswith("//"):
            source = f"NGINX_{kind}_ROOT" if root else f"{kind}_ROOT"
            yield kind, where if where.endswith("/") else f"{where}/", f"{folder.rstrip('/')}/", source
