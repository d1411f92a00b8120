"""The error of a failed migration: the migration, its file and its operation first, then the reason."""

import sys
from typing import Any, Final

from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError
from django.db.migrations import Migration

from entrypoint.app.application_traceback import application_traceback
from entrypoint.app.databases import connection_error
from entrypoint.app.migrations.journal import place
from entrypoint.app.reporting import AgentError, last_line

# The error codes of a server that ends a statement at a timeout: PostgreSQL's SQLSTATE (lock_not_available,
# query_canceled), and the numbers of MySQL and MariaDB (ER_LOCK_WAIT_TIMEOUT, ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT).
_TIMEOUTS: Final = {"55P03", "57014", 1205, 1969, 3024}

_READ_ONLY: Final = "readonly database"  # SQLite's words


def failure(connection: Any, migration: Any, error: Exception, *, limited: bool) -> AgentError:
    """Return the error, and print the traceback of the application's own code.

    `migration` is the one that was being applied, or None. `limited` means that a setting limits how long a statement
    takes, so that this may have ended it.
    """
    from_database = isinstance(error, DatabaseError)
    if not isinstance(error, CommandError):
        sys.stderr.write(application_traceback(error, chain=not from_database))
    if from_database:
        why = connection_error.reason(connection, error)
    else:
        why = " ".join(str(error).split()) if isinstance(error, CommandError) else last_line(error)
    what = f"migrate database {connection.alias}"
    if migration is not None:
        details = ", ".join(filter(None, (_file(migration), _operation(migration, error))))
        what = f"apply migration {migration} to database {connection.alias} ({details})"
    if limited and isinstance(error, OperationalError) and _code(error) in _TIMEOUTS:
        names = "ENTRYPOINT_MIGRATE_LOCK_TIMEOUT, ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT"
        return AgentError(f"cannot {what}: {why} ({names})", "timed out")
    return AgentError(
        f"cannot {what}: {why}", "not allowed" if from_database and _READ_ONLY in str(error) else "failed"
    )


def _file(migration: Any) -> str:
    module = type(migration).__module__
    return str(getattr(sys.modules.get(module), "__file__", None) or module)


def _operation(migration: Any, error: Exception) -> str:
    """Return which operation of the migration failed: the one in the frame of Django's loop over them.

    The frame is missing for the statements that Django defers to the end of the migration.
    """
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code is Migration.apply.__code__:
            failed = trace.tb_frame.f_locals.get("operation")
            numbers = [at for at, operation in enumerate(migration.operations, 1) if operation is failed]
            return place(numbers[0], len(migration.operations), failed) if numbers else ""
        trace = trace.tb_next
    return ""


def _code(error: Exception) -> object:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or (error.args or (None,))[0]
