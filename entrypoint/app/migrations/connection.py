"""The connection for migrations: direct where ENTRYPOINT_MIGRATE_DATABASE_URL is set, and with timeouts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.db import DEFAULT_DB_ALIAS, connections

from entrypoint.app.databases.database import reach
from entrypoint.app.reporting import AgentError, Progress
from entrypoint.secret import Secret

NAME: Final = "ENTRYPOINT_MIGRATE_DATABASE_URL"
_VENDORS: Final = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
# How long a statement waits for a lock, and how long it takes. MySQL limits SELECT alone.
_LIMITS: Final = {
    "postgresql": ("lock_timeout = {milliseconds}", "statement_timeout = {milliseconds}"),
    "mysql": ("lock_wait_timeout = {seconds}", "max_execution_time = {milliseconds}"),
    "mariadb": ("lock_wait_timeout = {seconds}", "max_statement_time = {milliseconds}e-3"),
}


@contextmanager
def connected(alias: str, url: Secret | None, seconds: float, progress: Progress) -> Iterator[Any]:
    """Yield the connection that migrates `alias`; until the end of the context, Django uses it under that name.

    The URL is for the default database. Raises AgentError if it cannot be reached within `seconds`.
    """
    usual = connections[alias]
    if url is None or alias != DEFAULT_DB_ALIAS:
        if _is_pooled(usual):
            progress(f"database {alias} is behind a connection pooler; set {NAME} to migrate over a direct connection")
        yield usual
        return
    connection = usual.copy()
    connection.settings_dict.update(parse(url.reveal(), usual.vendor, connection.settings_dict["OPTIONS"]))
    reach({f"{alias} ({NAME})": connection}, seconds, progress)
    connections[alias] = connection
    try:
        yield connection
    finally:
        connections[alias] = usual
        connection.close()


def parse(url: str, vendor: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of DATABASES that a database URL replaces. Raises AgentError."""
    parts = urlsplit(url)
    if _VENDORS.get(parts.scheme) != vendor:
        raise AgentError(
            f"cannot use {NAME}: it is for {parts.scheme}, but the default database is {vendor}", "unusable"
        )
    return {
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": unquote(parts.path.removeprefix("/")),
        "OPTIONS": {**options, **dict(parse_qsl(parts.query))},
    }


@contextmanager
def limits(connection: Any, lock: float | None, statement: float | None) -> Iterator[None]:
    """Limit how many seconds a statement waits for a lock, and how many it takes. Raises AgentError behind a pooler."""
    vendor = "mariadb" if connection.vendor == "mysql" and connection.mysql_is_mariadb else connection.vendor
    wanted = [
        limit.format(milliseconds=max(1, round(seconds * 1000)), seconds=max(1, round(seconds)))
        for limit, seconds in zip(_LIMITS.get(vendor, ()), (lock, statement), strict=False)
        if seconds is not None
    ]
    if wanted and _is_pooled(connection):
        raise AgentError(
            f"cannot limit the statements of migrations on database {connection.alias}: a connection pooler shares its "
            f"sessions; set {NAME}, or unset ENTRYPOINT_MIGRATE_LOCK_TIMEOUT and ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT",
            "unusable",
        )
    with connection.cursor() as cursor:
        for limit in wanted:
            cursor.execute(f"SET SESSION {limit}")
    yield
    if wanted:
        connection.close()  # so that the next statement starts a new session


def _is_pooled(connection: Any) -> bool:
    """Return whether a pooler stands before PostgreSQL: it sends a process ID of its own at the start of a session."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (number,) = cursor.fetchone()
    info = getattr(connection.connection, "info", None)
    return info is not None and info.backend_pid != number
