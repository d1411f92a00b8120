"""The settings that protect the site, and that send clients to the right address. All are off by default."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot.settings.spec import setting
from entrypoint.boot.settings.table import SettingsTable
from entrypoint.boot.settings.types import addresses, protection_types, values
from entrypoint.boot.settings.types.addresses import Network
from entrypoint.boot.settings.types.protection_types import RateLimit


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # Settings generates these methods
class ProtectionTable(SettingsTable):
    """One field per setting; None if the setting is not set and has no fixed default."""

    rate_limits: tuple[RateLimit, ...] = setting(
        "NGINX_RATE_LIMIT",
        protection_types.rates,
        "how many requests one client address may send to the paths that begin with the given path; more get 429",
    )
    connection_limit: int | None = setting(
        "NGINX_CONNECTION_LIMIT",
        values.count,
        "how many requests of one client address are answered at the same time; more get 429",
    )
    basic_auth_file: PurePosixPath | None = setting(
        "NGINX_BASIC_AUTH_FILE",
        values.path,
        "a file of user names and password hashes (htpasswd): nginx asks every visitor for a password",
    )
    allowed: tuple[Network, ...] = setting(
        "NGINX_ALLOW",
        addresses.networks,
        "the clients that may use the site: addresses or CIDR networks; others get 403",
        when_unset="all",
    )
    denied: tuple[Network, ...] = setting(
        "NGINX_DENY",
        addresses.networks,
        "the clients that get 403, even if NGINX_ALLOW contains them: addresses or CIDR networks",
    )
    robots: str = setting(
        "NGINX_ROBOTS",
        values.choice("allow", "deny"),
        "deny: nginx serves a robots.txt that forbids everything, and sends X-Robots-Tag: noindex; for a staging site",
        default="allow",
    )
    security_headers: str = setting(
        "NGINX_SECURITY_HEADERS",
        values.choice("default", "strict", "strict-report-only", "off"),
        "default: for the files that nginx serves; strict: also for the application's responses, with a "
        "Content-Security-Policy; strict-report-only: browsers only report what that policy would block",
        default="default",
    )
    csp_report_uri: str | None = setting(
        "NGINX_CSP_REPORT_URI",
        protection_types.report_uri,
        "where browsers report violations of the Content-Security-Policy",
    )
    error_pages: tuple[int, ...] = setting(
        "NGINX_ERROR_PAGES",
        protection_types.statuses,
        "errors that nginx answers with your own page: NNN.html in ENTRYPOINT_CONF_DIR, or errors/NNN.html among the "
        "static files",
    )
    canonical_host: str | None = setting(
        "NGINX_CANONICAL_HOST",
        protection_types.host,
        "the host name that requests for any other host name are redirected to (308)",
    )
    prefix: str | None = setting(
        "NGINX_PREFIX",
        protection_types.prefix,
        "the path below which the site is served, such as /shop; the application gets it as SCRIPT_NAME or root_path",
        when_unset="/",
    )
    https_redirect: str = setting(
        "NGINX_HTTPS_REDIRECT",
        values.choice("on", "off"),
        "on: requests that a proxy of FORWARDED_ALLOW_IPS received by HTTP are redirected to HTTPS (308)",
        default="off",
    )


def problems(settings: ProtectionTable, *, nginx: bool) -> Iterator[str]:
    """Yield a problem for each protection that nothing would provide."""
    by_nginx = {
        "NGINX_BASIC_AUTH_FILE": settings.basic_auth_file,
        "NGINX_ALLOW": settings.allowed,
        "NGINX_DENY": settings.denied,
    }
    for name, value in by_nginx.items():
        if value and not nginx:
            yield f"cannot use {name} without nginx: set ENTRYPOINT_NGINX=on"
    if settings.https_redirect == "on" and not settings.proxies:
        yield "cannot use NGINX_HTTPS_REDIRECT: no proxy is trusted; set FORWARDED_ALLOW_IPS to the proxy's addresses"
    canonical, names = (settings.canonical_host or "").partition(":")[0], settings.server_names or ("_",)
    if canonical and "_" not in names and not any(_matches(name, canonical) for name in names):
        yield (
            f"cannot use NGINX_CANONICAL_HOST={canonical}: NGINX_SERVER_NAME does not name it; "
            f"set NGINX_SERVER_NAME={','.join((*names, canonical))}"
        )


def _matches(name: str, host: str) -> bool:
    """Return whether a name of nginx's `server_name` matches the host."""
    if name.endswith(".*"):
        return host.startswith(name[:-1])
    if name.startswith("*"):
        return host.endswith(name[1:])
    return host == name.removeprefix(".") or (name.startswith(".") and host.endswith(name))
