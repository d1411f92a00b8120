"""Warnings about settings that contradict each other or have no effect, although the site can be served."""

import math
from bisect import bisect_left
from collections.abc import Iterator

from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.stop_budget import engine_default, engine_setting, stop_times
from entrypoint.boot.plan.steps import WARNING, Read
from entrypoint.boot.settings.programs.user_programs import NGINX, WEB
from entrypoint.boot.settings.sources.sources import SUPERUSER_FIELD
from entrypoint.boot.settings.types.values import shown


def warnings(config: ResolvedConfig) -> Iterator[Read]:
    """Yield the warnings of a boot and a dry run."""
    for text in (
        *config.settings.warnings,
        *_server(config),
        *_workers(config),
        *_requests(config),
        *stop(config),
        *_responses(config),
        *_superuser(config),
        *_without_effect(config),
        *_maintenance(config),
    ):
        yield Read(WARNING, f"warning: {text}")


def _workers(config: ResolvedConfig) -> Iterator[str]:
    own = overrides.workers(config)
    if own and config.server and config.settings.workers and own.text != str(config.settings.workers):
        yield (
            f"{own.name}={shown(own.text)} contradicts WEB_CONCURRENCY={config.settings.workers}, "
            f"and {config.server.name} uses its own variable; unset one of them"
        )


def _requests(config: ResolvedConfig) -> Iterator[str]:
    name, text = overrides.timeout(config) or ("", "")
    if config.nginx and text.isascii() and text.isdigit() and not 0 < int(text[:9]) < config.nginx_timeout:  # 0: never
        yield (
            f"with {name}={shown(text)} a request may exceed nginx's timeout of {config.nginx_timeout} s: "
            "set ENTRYPOINT_REQUEST_TIMEOUT instead"
        )


def stop(config: ResolvedConfig) -> Iterator[str]:
    """Yield a warning if a stop may abort a request, or if the engine needs an option for the stop timeout.

    Requests count only if the user has set their timeout: few take as long as the default.
    """
    kubernetes = "KUBERNETES_SERVICE_HOST" in config.settings.environment
    timeout = config.settings.stop_timeout
    if (
        "ENTRYPOINT_REQUEST_TIMEOUT" in config.settings.origins
        and config.nginx
        and config.request_seconds > config.nginx_stop
    ):
        enough = _enough(config)
        engine = engine_setting(enough, kubernetes=kubernetes)
        yield (
            f"a request may take {config.request_seconds} s, but a stop aborts it after {config.nginx_stop} s: "
            f"set ENTRYPOINT_STOP_TIMEOUT={enough}s{' with ' if engine else ''}{engine}; "
            "or lower ENTRYPOINT_REQUEST_TIMEOUT"
        )
    elif engine := engine_setting(timeout, kubernetes=kubernetes):
        default = engine_default(timeout, kubernetes=kubernetes)
        yield f"ENTRYPOINT_STOP_TIMEOUT={timeout:g}s needs {engine}: without that, {default}"


def _enough(config: ResolvedConfig) -> int:
    """Return the least stop timeout, in seconds, in which nginx can finish the longest request."""

    def fits(seconds: int) -> bool:
        times = stop_times(config.settings, config.machine, config.server, seconds)
        return times[NGINX].guaranteed >= config.request_seconds

    most = least = math.ceil(config.settings.stop_timeout)
    while not fits(most):
        most *= 2
    return bisect_left(range(most), True, lo=least, key=fits)  # noqa: FBT003 -- the searched value


def _server(config: ResolvedConfig) -> Iterator[str]:
    if config.own_server and config.settings.server:
        source = config.own_server.source
        yield f"ENTRYPOINT_SERVER={config.settings.server} has no effect: {WEB} from {source} serves the site"


def _responses(config: ResolvedConfig) -> Iterator[str]:
    """Yield a warning for each setting about responses that has no effect on the site of this container."""
    if config.settings.serves and (not config.nginx or config.protocol is None):
        why = "the site has no application" if config.nginx else "nginx does not run; set ENTRYPOINT_NGINX=on"
        for name in ("NGINX_CACHE", "NGINX_PRIVATE_ROOT"):
            if config.settings.texts.get(name, "off") != "off":
                yield f"{name} has no effect: {why}"
    elif config.settings.serves and not config.machine.private_root:
        root = shown(str(config.settings.private_root))
        yield f"NGINX_PRIVATE_ROOT={root} is not a folder, so its files are answered with 404; mount or create it"


def _superuser(config: ResolvedConfig) -> Iterator[str]:
    """Yield a warning if the application is not Django: only Django gets a superuser from entrypoint."""
    named = [name for name in sorted(config.settings.origins) if SUPERUSER_FIELD.fullmatch(name)]
    if named and not config.machine.django and config.settings.superuser != "off":
        yield f"{', '.join(named)}: no superuser is created: there is no manage.py in {config.machine.app_dir}"


def _without_effect(config: ResolvedConfig) -> Iterator[str]:
    settings = config.settings
    has_port = config.nginx or settings.metrics_port
    if settings.hsts and config.nginx and not settings.tls and not settings.proxies:
        yield "NGINX_HSTS has no effect: nginx serves no TLS, and no proxy is trusted; set FORWARDED_ALLOW_IPS"
    if settings.metrics_allow and not has_port:
        yield "ENTRYPOINT_METRICS_ALLOW has no effect: without nginx, set ENTRYPOINT_METRICS_PORT too"
    if settings.status_password and settings.status_page == "off":
        yield "ENTRYPOINT_STATUS_PASSWORD has no effect: set ENTRYPOINT_STATUS_PAGE=on"
    if settings.status_page == "on" and not has_port:
        yield "ENTRYPOINT_STATUS_PAGE has no effect: without nginx, set ENTRYPOINT_METRICS_PORT too"
    if settings.prefix and settings.serves and not config.nginx:
        yield f"NGINX_PREFIX={settings.prefix} has no effect without nginx: set ENTRYPOINT_NGINX=on"


def _maintenance(config: ResolvedConfig) -> Iterator[str]:
    if config.nginx and config.machine.maintenance is not None:
        yield "the site is in maintenance, and visitors get 503: `entrypoint maintenance off` ends it"
