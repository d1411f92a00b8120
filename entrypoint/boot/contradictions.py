"""Settings that contradict each other, but not so much that the site could not be served: a warning each."""

import math
from collections.abc import Iterator
from itertools import count

from entrypoint.boot.decisions import Decisions, stop_members
from entrypoint.boot.own_programs import NGINX
from entrypoint.boot.steps import Read
from entrypoint.boot.stop import shares
from entrypoint.boot.values import shown


def warnings(d: Decisions) -> Iterator[Read]:
    """Yield what the boot and the dry run warn of."""
    for text in (*_workers(d), *_requests(d), *_stop(d)):
        yield Read("warning", f"warning: {text}", "warning")


def _workers(d: Decisions) -> Iterator[str]:
    own = d.uwsgi_processes
    if own and d.settings.workers and own[1] != str(d.settings.workers):
        name, text = own
        yield (
            f"{name}={shown(text)} contradicts WEB_CONCURRENCY={d.settings.workers}, and uWSGI obeys its own: "
            "unset one of them"
        )


def _requests(d: Decisions) -> Iterator[str]:
    text = d.uwsgi_harakiri
    if text and text.isascii() and text.isdigit() and not 0 < int(text[:9]) < d.nginx_patience:  # 0: never
        yield (
            f"with UWSGI_HARAKIRI={shown(text)} a request may outlast nginx's patience of {d.nginx_patience} s: "
            "set ENTRYPOINT_REQUEST_TIMEOUT instead"
        )


def _stop(d: Decisions) -> Iterator[str]:
    """Few requests take as long as they may, so the defaults say nothing; whoever chose one of the two is told."""
    chosen = {"ENTRYPOINT_REQUEST_TIMEOUT", "ENTRYPOINT_STOP_TIMEOUT"}.intersection(d.settings.origins)
    if not chosen or not d.settings.serves or d.request_seconds <= d.nginx_stop:
        return
    members, drain = stop_members(d.settings), d.settings.drain_delay
    longer = count(max(math.ceil(d.settings.stop_timeout), d.request_seconds * 4 // 3 - 2))
    enough = next(n for n in longer if shares(members, n, drain)[NGINX] >= d.request_seconds)
    yield (
        f"a request may take {d.request_seconds} s, but a stop cuts it after {d.nginx_stop} s: "
        f"set ENTRYPOINT_STOP_TIMEOUT={enough}s and let Docker or Kubernetes wait longer than that, "
        "or ENTRYPOINT_REQUEST_TIMEOUT shorter"
    )
