"""The number of processes that fit into the limits of the control group."""

import math
from typing import Final

from entrypoint.boot.facts.cgroup import Limits

_WORKER: Final = 128 << 20  # bytes: a worker of an ordinary site grows to this size
_REST: Final = 128 << 20  # bytes: supervisord, nginx, uWSGI's master and the page cache
_LEAST: Final = 2  # with one, a single slow request would block the site
_MOST: Final = 32  # each holds a connection to the database, and PostgreSQL allows 100 by default


def server_workers(limits: Limits) -> int:
    """Return the number of the application server's processes: two for each CPU, fewer if memory is short.

    One process waits while the other computes: on two CPUs, four processes answered 14,800 requests a second where two
    answered 12,500 (uWSGI, a Django page).
    """
    wanted = min(max(math.ceil(2 * limits.cpus), _LEAST), _MOST)
    if limits.memory is None:
        return wanted
    return min(wanted, max(1, (limits.memory - _REST) // _WORKER))


def memory_for(workers: int) -> int:
    """Return the bytes that a container with this many workers of an ordinary site needs."""
    return _REST + workers * _WORKER


def nginx_workers(limits: Limits) -> int:
    """Return the number of nginx's processes: one for each CPU, since an nginx worker never blocks."""
    return max(1, math.ceil(limits.cpus))
