"""Compares each database server with this container: the connections that it allows, and its clock."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from django.db import DatabaseError, connections

from entrypoint.app.databases.database import reach
from entrypoint.app.reporting import AgentError, Progress, count
from entrypoint.protocol.agent import UNKNOWN, AgentResult, CapacityRequest

_CLOCK: Final = 5.0  # seconds; a signed link or a session notices more
_ROLLING: Final = 2  # containers that a rolling update runs at once

# The limits that are set, and the server's time in seconds since the epoch. In PostgreSQL -1 means no limit.
# PostgreSQL's documentation: runtime-config-connection, pg_database, pg_roles; MySQL's: server system variables.
_POSTGRESQL: Final = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user),
       extract(epoch FROM clock_timestamp())
"""
_MYSQL: Final = "SELECT @@max_connections, @@max_user_connections, 0, UNIX_TIMESTAMP(SYSDATE(6))"


def examine(request: CapacityRequest, progress: Progress) -> AgentResult:
    """Return a line for each finding. UNKNOWN precedes the line of a server that cannot be reached in time."""
    del progress  # these lines are the answer
    found: list[str] = []
    for alias in connections:
        connection = connections[alias]
        if connection.vendor not in ("postgresql", "mysql"):
            continue
        try:
            reach({alias: connection}, request.seconds, _silent)
        except AgentError as error:
            found.append(f"{UNKNOWN if error.kind == 'timed out' else ''}{error}")
            continue
        with suppress(DatabaseError):  # from a server that only speaks the protocol, such as a pooler
            found += _differences(alias, connection, request.connections)
        connection.close()
    return AgentResult("\n".join(found))


def _differences(alias: str, connection: Any, wanted: int) -> Iterator[str]:
    """Yield a line for too few connections, and for a clock that differs. `wanted`: of one container."""
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute(_POSTGRESQL if connection.vendor == "postgresql" else _MYSQL)
        *limits, then = cursor.fetchone()
        after = time.time()
    most = min(limit for limit in limits if limit > 0)
    if most < wanted * _ROLLING:
        few = "too few" if most < wanted else "too few for two containers, as during a rolling update"
        yield (
            f"database {alias} accepts {count(most, 'connection')}, and {count(wanted, 'worker')} may open one each: "
            f"{few}; {_remedy(wanted, most)}"
        )
    early, late = before - float(then), after - float(then)
    if early > _CLOCK or late < -_CLOCK:
        ahead = "ahead of" if early > 0 else "behind"
        yield (
            f"the clock of this container is {abs(early):.0f} s {ahead} that of database {alias}: sessions, tokens and "
            "signed links expire at the wrong time; synchronise the clock of the machine"
        )


def _remedy(wanted: int, most: int) -> str:
    fitting = most // _ROLLING
    return f"WEB_CONCURRENCY={fitting}" if 0 < fitting < wanted else "raise the server's limit, or use a pooler"


def _silent(text: str, done: int | None = None, total: int | None = None) -> None:
    """Log nothing."""
