"""Saying what became of an unfinished migration that somebody has mended by hand."""

from typing import Any

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app import direct, journal, lock
from entrypoint.app.answer import Progress
from entrypoint.app.failure import Failure


def repair(  # noqa: PLR0913 -- one argument for each part of the message from boot
    *, migration: str, applied: bool, database: str, url: str | None, seconds: float, progress: Progress
) -> str:
    """Change the row of an unfinished migration as somebody says who has mended the database. Raises Failure."""
    if database not in connections:
        raise Failure(f"cannot repair {migration}: the project has no database {database}", "unusable")
    with direct.way(database, url, seconds, progress) as connection, lock.held(connection, seconds, progress):
        rows = MigrationRecorder(connection).applied_migrations()
        found = journal.unfinished(rows)
        if found is None:
            why = f"no migration of database {database} is unfinished"
            raise Failure(f"cannot repair {migration}: {why}", "unusable")
        if str(found) != migration:
            why = f"the unfinished migration of database {database} is {found}"
            raise Failure(f"cannot repair {migration}: {why}", "unusable")
        if applied:
            _record(connection, found)
        journal.clear(connection)
    return f"{migration} of database {database} counts as {'applied' if applied else 'not applied'} now"


def _record(connection: Any, found: journal.Unfinished) -> None:  # noqa: ANN401 -- Django ships no types
    """Record a migration as Django does, which records for a squashed one those that it replaces."""
    executor = MigrationExecutor(connection)
    migration = executor.loader.disk_migrations.get((found.app, found.name))
    if migration:
        executor.record_migration(migration)
    else:
        executor.recorder.record_applied(found.app, found.name)
