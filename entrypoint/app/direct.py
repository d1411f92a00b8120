"""The connection for migrations: past a pooler where ENTRYPOINT_MIGRATE_DATABASE_URL names the way, and with limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.db import connections

from entrypoint.app.answer import Progress
from entrypoint.app.database import reach
from entrypoint.app.failure import Failure

NAME: Final = "ENTRYPOINT_MIGRATE_DATABASE_URL"
_VENDORS: Final = {"postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_DEFAULT: Final = "default"


@contextmanager
def way(alias: str, url: str | None, seconds: float, progress: Progress) -> Iterator[Any]:
    """Give the connection that migrates `alias`; meanwhile it is Django's own of that name.

    The URL is for the default database. Raises Failure where that cannot be reached within `seconds`.
    """
    usual = connections[alias]
    if url is None or alias != _DEFAULT:
        if _is_pooled(usual):
            progress(f"database {alias} is reached through a pooler; {NAME} may name the direct way for migrations")
        yield usual
        return
    connection = usual.copy()
    connection.settings_dict.update(parse(url, usual.vendor, connection.settings_dict["OPTIONS"]))
    reach({f"{alias} by {NAME}": connection}, seconds, progress)
    connections[alias] = connection
    try:
        yield connection
    finally:
        connections[alias] = usual
        connection.close()


def parse(url: str, vendor: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return what a database's URL says, as Django's settings have it; the rest stays. Raises Failure."""
    parts = urlsplit(url)
    if _VENDORS.get(parts.scheme) != vendor:
        raise Failure(f"cannot use {NAME}: it is for {parts.scheme}, and the default database is {vendor}", "unusable")
    return {
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": unquote(parts.path.removeprefix("/")),
        "OPTIONS": {**options, **dict(parse_qsl(parts.query))},
    }


@contextmanager
def limits(connection: Any, lock: float | None, statement: float | None) -> Iterator[None]:  # noqa: ANN401 -- Django ships no types
    """Let a statement wait for locks, and last, only so many seconds. Raises Failure where a pooler is between."""
    wanted = [line for line in (_lock(connection, lock), _statement(connection, statement)) if line]
    if wanted and _is_pooled(connection):
        raise Failure(
            f"cannot limit the statements of migrations on database {connection.alias}: a pooler lends its sessions "
            f"to others; set {NAME}, or no ENTRYPOINT_MIGRATE_LOCK_TIMEOUT and ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT",
            "unusable",
        )
    with connection.cursor() as cursor:
        for name, value in wanted:
            cursor.execute(f"SET SESSION {name} = {value}")
    yield
    if wanted:
        connection.close()  # what comes next begins with a session of its own


def _lock(connection: Any, seconds: float | None) -> tuple[str, int | float] | None:  # noqa: ANN401 -- as above
    if seconds is None or connection.vendor not in ("postgresql", "mysql"):
        return None
    if connection.vendor == "postgresql":
        return "lock_timeout", max(1, round(seconds * 1000))
    return "lock_wait_timeout", max(1, round(seconds))


def _statement(connection: Any, seconds: float | None) -> tuple[str, int | float] | None:  # noqa: ANN401 -- as above
    if seconds is None or connection.vendor not in ("postgresql", "mysql"):
        return None
    milliseconds = max(1, round(seconds * 1000))
    if connection.vendor == "postgresql":
        return "statement_timeout", milliseconds
    if connection.mysql_is_mariadb:
        return "max_statement_time", milliseconds / 1000
    return "max_execution_time", milliseconds  # of SELECT alone: MySQL limits nothing else


def _is_pooled(connection: Any) -> bool:  # noqa: ANN401 -- as above
    """Whether something between us and PostgreSQL lends us its sessions: it made up the number that it greeted with."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (number,) = cursor.fetchone()
    info = getattr(connection.connection, "info", None)
    return info is not None and info.backend_pid != number
