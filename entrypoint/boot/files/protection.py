"""The values for the parts of nginx's templates that protect the site and redirect clients."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts.templates import ERROR_PAGES

EXEMPT: Final = (
    r"(/-/(live|ready|metrics|phase\.(json|txt)|starting|error(\.json)?)\z|/-/pages/|/\.well-known/acme-challenge/)"
)
"""A regular expression for the paths of requests that are never refused: probes, metrics (they have their own allow
list), pages that only nginx itself shows, and challenges of certificate authorities. Other paths below /-/ belong to
the application."""

DOTTED: Final = r"^[^?]*(?:/|%2f)(?:\.|%2e){1,2}(?:/|%2f|\?|\z)"
"""A regular expression for the target of a request with a folder . or .. in its path. nginx decides by the path that
remains without them, and passes the path to a server of HTTP as it is. Browsers send none."""

STATUS_PAGE: Final = r"/-/(page\.json|page/(restart|reload))?$"
"""A regular expression for the paths of the status page."""


class Limit(NamedTuple):
    """One limit of requests."""

    name: str  # of its zone and of its key
    begins: str  # a regular expression for the paths
    rate: str  # as nginx spells it
    burst: int  # requests at once, besides the first one
    wait: int  # seconds


class Page(NamedTuple):
    """The user's page for one error."""

    status: int
    path: PurePosixPath
    rendered: bool  # from a template


class Protection:
    """The values by which nginx refuses, redirects and limits requests.

    `static_root` is the folder of the static files if it is known. A further site is not the `main` one: NGINX_PREFIX
    and NGINX_CANONICAL_HOST do not concern it.
    """

    def __init__(self, config: ResolvedConfig, static_root: str | None, *, main: bool = True) -> None:
        settings = config.settings
        host, _, port = (settings.canonical_host or "").partition(":")
        self.exempt, self.dotted, self.status_page = EXEMPT, DOTTED, STATUS_PAGE
        self.limits = tuple(_limits(config))  # the longest wait first
        self.connections = settings.connection_limit
        self.limiting = bool(self.limits or self.connections)  # whether nginx answers some requests with 429
        self.password_file = settings.basic_auth_file
        self.allow, self.deny = settings.allowed, settings.denied
        self.refusing = bool(self.allow or self.deny)
        self.canonical = settings.canonical_host if main else None
        self.canonical_pattern = f"~*^{re.escape(host)}{f':{port}' if port else '(:[0-9]+)?'}$" if host else ""
        self.to_https = settings.https_redirect == "on"
        self.redirecting = bool(self.canonical or self.to_https)
        # Whether a protection is on that must not apply to health checks:
        self.guarding = bool(self.refusing or self.redirecting or self.password_file)
        self.robots = settings.robots == "deny"
        self.headers = settings.security_headers  # default, strict, strict-report-only or off
        self.policy = _POLICY + (f"; report-uri {settings.csp_report_uri}" if settings.csp_report_uri else "")
        self.pages = tuple(pages(config, static_root))
        self.prefix_pattern = re.escape(config.prefix)
        self.removes_prefix = config.removes_prefix and main

    @property
    def strict_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, and their values, that the application's responses get too, unless it sends them itself."""
        if not self.headers.startswith("strict"):
            return ()
        report_only = "-Report-Only" if self.headers == "strict-report-only" else ""
        return (*_STRICT, (f"{_CSP}{report_only}", self.policy))

    @property
    def own_errors(self) -> tuple[int, ...]:
        """The statuses for which nginx shows a page of ours or of the user in place of its own."""
        return tuple(sorted({page.status for page in self.pages} | ({429} if self.limiting else set())))

    @property
    def reasons(self) -> tuple[tuple[int, str], ...]:
        """Of these statuses, those for which our page shows a reason, with the reason."""
        return tuple((status, _REASONS[status]) for status in self.own_errors if status in _REASONS)

    def answer(self, status: int, usual: str = "$failed_answer") -> str:
        """Return the target of `error_page` for a status: the user's page if there is one, else `usual`."""
        return f"$answer_{status}" if any(page.status == status for page in self.pages) else usual


_CSP: Final = "Content-Security-Policy"
_STRICT: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_REASONS: Final = {
    404: "there is no such page",
    413: "the request is larger than this site accepts",
    429: "too many requests came from this address",
    500: "the request could not be processed",
}
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def _limits(config: ResolvedConfig) -> Iterator[Limit]:
    given = config.settings.rate_limits
    for at, limit in enumerate(sorted(given, key=lambda each: -each.wait), 1):
        unit = "m" if limit.seconds > 1 else "s"
        begins = f"~^{re.escape(limit.path)}"
        yield Limit(f"limit_{at}", begins, f"{limit.requests}r/{unit}", limit.requests - 1, limit.wait)


def pages(config: ResolvedConfig, static_root: str | None) -> Iterator[Page]:
    """Yield the user's error pages. A page in ENTRYPOINT_CONF_DIR replaces the one among the static files."""
    for name, status in ERROR_PAGES.items():
        if name in config.machine.templates:
            yield Page(status, config.www / name, rendered=True)
        elif status in config.settings.error_pages and static_root:
            yield Page(status, PurePosixPath(static_root, "errors", name), rendered=False)
