"""Settings that contradict each other or change nothing, yet the site can be served: a warning each."""

import math
from bisect import bisect_left
from collections.abc import Iterator

from entrypoint.boot.decisions.config import Decisions, stop_seconds
from entrypoint.boot.plan.steps import WARNING, Read
from entrypoint.boot.settings.user_programs import NGINX, WEB
from entrypoint.boot.settings.values import shown


def warnings(d: Decisions) -> Iterator[Read]:
    """Yield what the boot and the dry run warn of."""
    for text in (*d.settings.warnings, *_server(d), *_workers(d), *_requests(d), *_stop(d)):
        yield Read(WARNING, f"warning: {text}")


def _workers(d: Decisions) -> Iterator[str]:
    own = d.own_workers
    if own and d.server and d.settings.workers and own[1] != str(d.settings.workers):
        name, text = own
        yield (
            f"{name}={shown(text)} contradicts WEB_CONCURRENCY={d.settings.workers}, "
            f"and {d.server.name} obeys its own: unset one of them"
        )


def _requests(d: Decisions) -> Iterator[str]:
    name, text = d.own_timeout or ("", "")
    if d.nginx and text.isascii() and text.isdigit() and not 0 < int(text[:9]) < d.nginx_patience:  # 0: never
        yield (
            f"with {name}={shown(text)} a request may outlast nginx's patience of {d.nginx_patience} s: "
            "set ENTRYPOINT_REQUEST_TIMEOUT instead"
        )


def _stop(d: Decisions) -> Iterator[str]:
    """Few requests take as long as they may, so the defaults say nothing; whoever chose one of the two is told."""
    chosen = {"ENTRYPOINT_REQUEST_TIMEOUT", "ENTRYPOINT_STOP_TIMEOUT"}.intersection(d.settings.origins)
    if not chosen or not d.nginx or d.request_seconds <= d.nginx_stop:
        return
    yield (
        f"a request may take {d.request_seconds} s, but a stop cuts it after {d.nginx_stop} s: "
        f"set ENTRYPOINT_STOP_TIMEOUT={_enough(d)}s and let Docker or Kubernetes wait longer than that, "
        "or ENTRYPOINT_REQUEST_TIMEOUT shorter"
    )


def _enough(d: Decisions) -> int:
    """Return the seconds of a stop in which nginx finishes the longest request."""

    def fits(seconds: int) -> bool:
        return stop_seconds(d.settings, d.machine, d.server, seconds)[NGINX] >= d.request_seconds

    most = least = math.ceil(d.settings.stop_timeout)
    while not fits(most):
        most *= 2
    return bisect_left(range(most), True, lo=least, key=fits)  # noqa: FBT003 -- what is looked for


def _server(d: Decisions) -> Iterator[str]:
    if d.own_server and d.settings.server:
        yield f"ENTRYPOINT_SERVER={d.settings.server} changes nothing: {WEB} of {d.own_server.source} serves the site"
