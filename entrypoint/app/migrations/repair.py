"""Records whether an unfinished migration, which a person has repaired by hand, is applied."""

from typing import Any

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app.migrations import journal, lock
from entrypoint.app.migrations.connection import connected
from entrypoint.app.reporting import AgentError, Progress
from entrypoint.protocol.agent import AgentResult, RepairRequest


def repair(request: RepairRequest, progress: Progress) -> AgentResult:
    """Record the migration as applied, or not, and clear its journal. Raises AgentError."""
    migration, database = request.migration, request.database
    if database not in connections:
        raise AgentError(f"cannot repair {migration}: the project has no database {database}", "unusable")
    with (
        connected(database, request.url, request.seconds, progress) as connection,
        lock.held(connection, request.seconds, progress),
    ):
        rows = MigrationRecorder(connection).applied_migrations()
        found = journal.unfinished(rows)
        if found is None:
            why = f"no migration of database {database} is unfinished"
            raise AgentError(f"cannot repair {migration}: {why}", "unusable")
        if str(found) != migration:
            why = f"the unfinished migration of database {database} is {found}"
            raise AgentError(f"cannot repair {migration}: {why}", "unusable")
        if request.applied:
            _record(connection, found)
        journal.clear(connection)
    state = "applied" if request.applied else "not applied"
    return AgentResult(f"{migration} of database {database} is now recorded as {state}")


def _record(connection: Any, found: journal.Unfinished) -> None:
    """Record a migration as Django does: for a squashed one, also those that it replaces."""
    executor = MigrationExecutor(connection)
    migration = executor.loader.disk_migrations.get((found.app, found.name))
    if migration:
        executor.record_migration(migration)
    else:
        executor.recorder.record_applied(found.app, found.name)
