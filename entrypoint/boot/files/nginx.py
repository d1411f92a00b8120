"""The values for nginx's templates."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from entrypoint import certificate_store
from entrypoint.boot.decisions import sizing
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts.templates import ERROR_PAGE, NGINX_APP, STARTING_PAGE
from entrypoint.boot.files.locations import Served, locations
from entrypoint.boot.files.protection import Protection
from entrypoint.boot.files.responses import cache, private, session_cookie
from entrypoint.boot.files.sites import further_sites
from entrypoint.boot.settings.types.addresses import LOOPBACK
from entrypoint.errors import Unusable
from entrypoint.protocol import filenames

_HTTP2_DIRECTIVE: Final = (1, 25, 1)  # this version deprecates `listen … http2` in favour of the directive `http2`
_EVERY_HOST: Final = "_"
_MAP_KEYWORDS: Final = ("default", "hostnames", "include", "volatile")
_LEAST_CONNECTIONS: Final = 3  # of a worker, besides its listening sockets: its master, one client, the application
_OTHER_DESCRIPTORS: Final = 64  # of a worker: logs, sockets and temporary files
_OPEN_FILES: Final = 256  # static files that a worker keeps open: few enough to leave descriptors for connections


class NginxValues:
    """The values for nginx.conf, some of them for nginx-app.conf too. Raises Unusable."""

    def __init__(self, config: ResolvedConfig) -> None:
        settings, machine = config.settings, config.machine
        self.worker_processes = settings.nginx_workers or sizing.nginx_workers(machine.limits)
        self.worker_connections = _connections(config)
        self.descriptors_of_nginx = _descriptors(config)
        self.nginx_user = machine.account.name if config.nginx_switches else None
        self.nginx_group = machine.account.group
        # Only our nginx.conf loads the module.
        self.brotli_module = None if machine.nginx_conf is not None else machine.brotli_module
        self.mime_types = machine.mime_types
        self.http_files = machine.http_files
        self.client_max_body_size = settings.client_max_body_size.anywhere  # bytes
        self.gzip = settings.gzip
        self.access_log = config.access_log
        self.log_format = settings.log_format
        self.request_id = _request_id(config)
        self.requests_log = config.run_dir / filenames.REQUESTS if config.counts_requests else None
        self.proxies = settings.proxies
        self.server_names = _server_names(config)


class SiteValues:
    """The values for nginx-app.conf and the pages. Raises Unusable.

    While `starting`, the application's files are unknown. `secured` says whether nginx has a certificate. If TLS is
    wanted and there is none yet, the site is served over plain HTTP.
    """

    def __init__(self, config: ResolvedConfig, *, starting: bool, secured: bool) -> None:
        settings, machine = config.settings, config.machine
        root = None if starting else static_root(config)
        self.protection = Protection(config, root)
        self.sites = further_sites(config, Protection(config, root, main=False), starting=starting)
        self.www = config.www
        self.ready_file = config.ready_file
        self.first_ready_file = config.run_dir / filenames.FIRST_READY
        self.down_file = config.run_dir / filenames.DOWN
        self.starting_page = config.www / STARTING_PAGE
        self.error_page = config.www / ERROR_PAGE
        self.upstream = config.upstream
        self.protocol = config.protocol
        self.request_seconds = config.nginx_timeout
        self.repeated_within = config.request_seconds
        self.listen = config.addresses if secured or not settings.acme else config.redirecting
        self.forwarded_names = tuple(_as_map(_server_names(config)))
        self.files = () if starting else tuple(_also_below_prefix(config))
        self.static_index = None if starting else _static_index(config)
        self.open_files = _OPEN_FILES
        self.gzip_static = machine.gzip_static
        self.server_files = machine.server_files
        self.certificate, self.key = _certificate(config) if secured else (None, None)
        self.challenges = config.store / certificate_store.CHALLENGES if config.store and settings.acme else None
        self.stapling = machine.stapling
        self.hsts = settings.hsts
        self.redirecting = config.redirecting if secured else ()
        self.tls_port = config.listen.port
        self.http2 = "listen" if () < machine.nginx_version < _HTTP2_DIRECTIVE else "directive"
        # Before that version a port without TLS speaks either HTTP/2 or HTTP/1.1.
        self.h2c = machine.nginx_version >= _HTTP2_DIRECTIVE
        self.session_cookie = session_cookie(config)
        self.cache = cache(config)
        self.application_paths = locations(config)
        self.private = private(config)
        # If any address may be a proxy, only the last address of X-Forwarded-For can be trusted: the peer wrote it.
        self.anyone = any(network.prefixlen == 0 for network in settings.proxies)
        self.http_socket = config.run_dir / filenames.HTTP_SOCKET
        self.programs_file = config.run_dir / filenames.PROGRAMS
        self.metrics_listen = config.metrics_addresses
        self.metrics_allow = settings.metrics_allow
        self.metrics_clients = tuple(dict.fromkeys((*LOOPBACK, *settings.metrics_allow)))
        self.status_page = settings.status_page == "on"
        self.page_password = settings.status_password is not None
        self.stub_status = machine.stub_status


def _certificate(config: ResolvedConfig) -> tuple[PurePosixPath | None, PurePosixPath | None]:
    """Return the file of the certificate and that of its key."""
    own = config.certificate_file
    return (own, own) if own else (config.settings.tls_certificate, config.settings.tls_key)


def _request_id(config: ResolvedConfig) -> str:
    """Return the variable of nginx that holds the request's ID."""
    # A user's own nginx-app.conf.j2 may lack the map for the IDs of proxies.
    own = NGINX_APP in config.machine.templates
    return "trusted_request_id" if config.settings.proxies and not own else "request_id"


def _server_names(config: ResolvedConfig) -> tuple[str, ...]:
    """Return the host names of the site; none if it accepts every host."""
    names = config.settings.server_names
    return () if _EVERY_HOST in names else names


def _as_map(names: tuple[str, ...]) -> Iterator[str]:
    """Yield host names for nginx's `map`, which rejects duplicates and has keywords of its own."""
    for name in names:
        bare = name.removeprefix("*").removeprefix(".")
        if name.startswith(".") or f".{bare}" not in names:
            yield f"\\{name}" if name in _MAP_KEYWORDS else name


def _connections(config: ResolvedConfig) -> int:
    listening = (*config.addresses, *config.redirecting, *config.metrics_addresses)
    least = len(listening) + _LEAST_CONNECTIONS
    if config.settings.worker_connections < least:
        raise Unusable(
            f"cannot use NGINX_WORKER_CONNECTIONS={config.settings.worker_connections}: "
            f"a worker needs at least {least}, for its listening sockets, one client and the application"
        )
    return config.settings.worker_connections


def static_root(config: ResolvedConfig) -> str | None:
    """Return the folder of the static files, if there is one. Raises Unusable if settings contradict each other."""
    files = tuple(served(config))
    for path, _ in config.settings.client_max_body_size.paths:
        if path in {each.url for each in files}:
            raise Unusable(
                f"cannot use NGINX_CLIENT_MAX_BODY_SIZE: nginx serves files at {path}, and accepts no body there"
            )
    root = next((each.root for each in files if each.kind == "STATIC"), None)
    if config.settings.error_pages and root is None:
        raise Unusable("cannot use NGINX_ERROR_PAGES: nginx serves no static files; set NGINX_STATIC_ROOT")
    return root


def _static_index(config: ResolvedConfig) -> str | None:
    """Return the URL path of the static file that is served at /. Raises Unusable if there is no static folder."""
    name = config.settings.static_index
    if name is None:
        return None
    for each in served(config):
        if each.kind == "STATIC":
            return f"{each.url}{name}"
    raise Unusable(f"cannot use NGINX_STATIC_INDEX={name}: nginx serves no static files; set NGINX_STATIC_ROOT")


def _also_below_prefix(config: ResolvedConfig) -> Iterator[Served]:
    """Yield the served files, and again below NGINX_PREFIX: links begin with it if Django's URL is relative."""
    for each in served(config):
        yield each
        if config.prefix and not each.url.startswith(f"{config.prefix}/"):
            yield each._replace(url=f"{config.prefix}{each.url}")


def _descriptors(config: ResolvedConfig) -> int | None:
    """Return the descriptor limit of an nginx worker, None if the current limit suffices.

    Each client connection takes one descriptor, and one more for the file that nginx sends.
    """
    most = config.machine.most_descriptors
    if given := config.settings.worker_open_files:
        if most < given:
            raise Unusable(f"cannot use NGINX_WORKER_OPEN_FILES={given}: the limit of open files is {most}")
        return given
    possible = min(wanted_descriptors(config), most)
    return possible if possible > config.machine.descriptors else None


def wanted_descriptors(config: ResolvedConfig) -> int:
    """Return the descriptors of an nginx worker that has as many connections as the settings allow."""
    settings = config.settings
    return settings.worker_open_files or 2 * settings.worker_connections + _OPEN_FILES + _OTHER_DESCRIPTORS


def served(config: ResolvedConfig) -> Iterator[Served]:
    """Yield the files that nginx serves itself. Raises Unusable if a URL has no folder, or a folder no URL."""
    django, settings = config.application, config.settings
    static = django and (django.static_url, django.static_root)
    media = django and (django.media_url, django.media_root)
    for kind, url, root, of_django in (
        ("STATIC", settings.static_url, settings.static_root, static),
        ("MEDIA", settings.media_url, settings.media_root, media),
    ):
        django_url, django_root = of_django or ("", "")
        where, folder = url or django_url or "", str(root or django_root or "")
        for given, name, other, missing in ((url, "URL", folder, "ROOT"), (root, "ROOT", where, "URL")):
            if given and not other:
                why = f"neither NGINX_{kind}_{missing} nor Django's {kind}_{missing} is set"
                raise Unusable(f"cannot use NGINX_{kind}_{name}: {why}")
        # A full URL points to another host, and "/" would hide the application.
        if folder and where.startswith("/") and where != "/" and not where.startswith("//"):
            yield Served(
                kind=kind,
                url=where if where.endswith("/") else f"{where}/",
                root=f"{folder.rstrip('/')}/",
                source=f"NGINX_{kind}_ROOT" if root else f"{kind}_ROOT",
            )
