"""The journal: a row that names the running migration, on a database that cannot roll it back.

MySQL and MariaDB end a transaction with each statement that changes a table. A migration that fails or is killed there
leaves its changes behind, and with them the row, which records how far it got. While the row exists no boot migrates:
a person has to repair the database by hand and then run `entrypoint repair`.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from django.db import DatabaseError
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app.reporting import AgentError

APP: Final = "entrypoint"
"""The app of our rows in Django's table. No app of that name has migrations."""
BEGUN: Final = (APP, "migrating")
"""A row that exists from before the first migration until after Django's `post_migrate`, which creates permissions.
The next boot sees by it that a boot was killed in between."""
HOW_TO: Final = "docs/how-to/repair-a-migration.md"
_TABLE: Final = MigrationRecorder.Migration._meta.db_table
_LONGEST: Final = 255  # characters: the length of the column
_LONGEST_NAME: Final = 80  # characters of an operation's description
# Statements that change nothing, and statements that a transaction can roll back. All others end the transaction
# (MySQL's reference, "Statements That Cause an Implicit Commit"), or are treated as if they did.
_CHANGES_NOTHING: Final = re.compile(
    r"\s*(SELECT|SHOW|EXPLAIN|DESCRIBE|SET|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE
)
_CAN_ROLL_BACK: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)


class Unfinished(NamedTuple):
    """A migration that was neither finished nor rolled back."""

    app: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.app}.{self.name}"


def unfinished(applied: Any) -> Unfinished | None:
    """Return the unfinished migration among the rows of Django's table; `applied` has app and name as keys."""
    for app, text in applied:
        if app == APP and (app, text) != BEGUN:
            migration, _, where = text.partition(" ")
            label, _, name = migration.partition(".")
            if (label, name) not in applied:  # else the boot was killed just after it recorded the migration
                return Unfinished(label, name, where)
    return None


def unfinished_error(alias: str, found: Unfinished) -> AgentError:
    """Return the error of a boot that finds an unfinished migration."""
    return AgentError(
        f"cannot migrate database {alias}: migration {found} was begun and not finished, and the database cannot roll "
        f"it back; it was {found.where}",
        "unusable",
        f"to continue, repair the database by hand, then run: entrypoint repair {found} --applied or --unapplied"
        f"{'' if alias == 'default' else f' --database {alias}'}; see {HOW_TO}",
    )


@contextmanager
def recorded(connection: Any, migration: Any) -> Iterator[None]:
    """Keep the row while a migration is applied; leave it where the migration fails and cannot be rolled back."""
    if connection.features.can_rollback_ddl:
        yield
        return
    journal = _Journal(connection, migration)
    for number, operation in enumerate(migration.operations, 1):
        operation.database_forwards = journal.traced(number, operation)
    try:
        with connection.execute_wrapper(journal.execute):
            yield
    except Exception:
        if not journal.changed:
            with suppress(DatabaseError):  # the row stays if the server is gone
                clear(connection)
        raise
    finally:
        for operation in migration.operations:
            del operation.database_forwards
    clear(connection)


def clear(connection: Any) -> None:
    """Remove the row of an unfinished migration."""
    _rows(connection).delete()


def clear_all(connection: Any) -> None:
    """Remove all rows of the journal: every migration is finished."""
    MigrationRecorder(connection).migration_qs.filter(app=APP).delete()


def place(number: int, total: int, operation: Any) -> str:
    """Return which operation of a migration this is, in words."""
    return f"operation {number} of {total} ({operation.describe()[:_LONGEST_NAME]})"


class _Journal:
    """The progress of one migration. The connection that migrates writes the row, in its own transaction.

    So a rollback also removes the row, and the row describes what the database has kept.
    """

    def __init__(self, connection: Any, migration: Any) -> None:
        self.changed = False  # whether something has changed that cannot be rolled back
        self._connection = connection
        self._migration = f"{migration.app_label}.{migration.name}"
        self._total = len(migration.operations)
        self._place = ""
        self._statement = ""  # the last changing statement of this operation
        self._written = ""

    def traced(self, number: int, operation: Any) -> Callable[..., None]:
        """Return the operation's `database_forwards`, with the journal around it."""
        forwards = operation.database_forwards
        where = place(number, self._total, operation)

        def database_forwards(*arguments: Any) -> None:
            self._place, self._statement = f"in {where}", ""
            forwards(*arguments)
            # The operation's transaction ends here; only its deferred statements follow.
            self._place = f"after {where}"
            if self._statement:
                self._write()
                self.changed = True

        return database_forwards

    def execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001 -- Django's signature
        """Execute a statement; write the row first where the statement cannot be rolled back."""
        text = " ".join(str(sql).split())
        if _CHANGES_NOTHING.match(text) or _TABLE in text:
            return execute(sql, params, many, context)
        transaction = self._connection.in_atomic_block and self._connection.features.supports_transactions
        if transaction and _CAN_ROLL_BACK.match(text):
            self._statement = text
            return execute(sql, params, many, context)
        # This statement commits what the operation has changed so far.
        self.changed = self.changed or bool(self._statement)
        self._statement = text
        self._write()
        done = execute(sql, params, many, context)
        self.changed = True
        return done

    def _write(self) -> None:
        text = f"{self._migration} {self._place}, at: {self._statement}"
        name = text.encode("ascii", "backslashreplace").decode()[:_LONGEST]
        if name == self._written:  # an operation may insert many rows one by one
            return
        self._written = name
        if not _rows(self._connection).update(name=name):
            MigrationRecorder(self._connection).record_applied(APP, name)


def _rows(connection: Any) -> Any:
    return MigrationRecorder(connection).migration_qs.filter(app=APP).exclude(name=BEGUN[1])
