"""A row that says which migration was begun, on a database that cannot undo it.

MySQL and MariaDB end a transaction with each statement that changes a table. A migration that is killed or fails there
leaves behind what it had done. The row stays behind with it, and says where the migration was. While the row is there
nothing is migrated: somebody has to look, mend the database by hand and say so (`repair`).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from django.db import DatabaseError
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app.failure import Failure

APP: Final = "entrypoint"
"""The app of our rows in Django's table. No app of that name has migrations."""
BEGUN: Final = (APP, "migrating")
"""A row from before the first migration until after Django's `post_migrate`, which makes the permissions. Without it a
boot that was killed in between would look finished."""
HOW_TO: Final = "docs/how-to/repair-a-migration.md"
_TABLE: Final = MigrationRecorder.Migration._meta.db_table  # noqa: SLF001 -- Django documents the _meta API
_LONGEST: Final = 255  # characters that the column takes
_LONGEST_NAME: Final = 80  # characters of an operation's description
# A word that changes nothing, and a word of a change that a transaction undoes. Each other one ends the transaction
# (MySQL's reference, "Statements That Cause an Implicit Commit"), or is taken for such a one.
_CHANGES_NOTHING: Final = re.compile(
    r"\s*(SELECT|SHOW|EXPLAIN|DESCRIBE|SET|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE
)
_CAN_BE_UNDONE: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)


class Unfinished(NamedTuple):
    """A migration that was begun and neither came to its end nor was undone."""

    app: str
    name: str
    where: str

    def __str__(self) -> str:
        return f"{self.app}.{self.name}"


def unfinished(applied: Any) -> Unfinished | None:  # noqa: ANN401 -- Django ships no types
    """Return the migration that is unfinished by these rows of Django's table, the keys being app and name."""
    for app, text in applied:
        if app == APP and (app, text) != BEGUN:
            migration, _, where = text.partition(" ")
            label, _, name = migration.partition(".")
            if (label, name) not in applied:  # else it was killed in the moment after it was recorded
                return Unfinished(label, name, where)
    return None


def refuse(alias: str, found: Unfinished) -> Failure:
    """Return what a boot says of an unfinished migration."""
    return Failure(
        f"cannot migrate database {alias}: migration {found} was begun and not finished, and the database cannot undo "
        f"it; it was {found.where}",
        "unusable",
        f"to go on, mend the database by hand, then run: entrypoint repair {found} --applied or --unapplied"
        f"{'' if alias == 'default' else f' --database {alias}'}; see {HOW_TO}",
    )


@contextmanager
def kept(connection: Any, migration: Any) -> Iterator[None]:  # noqa: ANN401 -- as above
    """Keep the row while a migration is applied and recorded; leave it where some of the migration stays undone."""
    if connection.features.can_rollback_ddl:
        yield
        return
    journal = _Journal(connection, migration)
    operations = list(enumerate(migration.operations, 1))
    for number, operation in operations:
        operation.database_forwards = journal.followed(number, operation)
    try:
        with connection.execute_wrapper(journal.execute):
            yield
    except Exception:
        if not journal.changed:
            with suppress(DatabaseError):  # the row stays where the server is gone
                clear(connection)
        raise
    finally:
        for _number, operation in operations:
            del operation.database_forwards
    clear(connection)


def clear(connection: Any) -> None:  # noqa: ANN401 -- as above
    """Remove the row of an unfinished migration."""
    _rows(connection).delete()


def forget(connection: Any) -> None:  # noqa: ANN401 -- as above
    """Remove every row of ours: all migrations are at their end."""
    MigrationRecorder(connection).migration_qs.filter(app=APP).delete()


class _Journal:
    """What was done of one migration. The row is written by the connection that migrates, in its transaction.

    So a transaction that is undone takes its row with it, and the row says what the database has kept.
    """

    def __init__(self, connection: Any, migration: Any) -> None:  # noqa: ANN401 -- as above
        self.changed = False  # whether something has been done that cannot be undone
        self._connection = connection
        self._migration = f"{migration.app_label}.{migration.name}"
        self._of = len(migration.operations)
        self._place = ""
        self._statement = ""  # the last one of this operation that changes something
        self._noted = ""

    def followed(self, number: int, operation: Any) -> Callable[..., None]:  # noqa: ANN401 -- as above
        """Return what the operation does, with a note of where that is."""
        forwards = operation.database_forwards
        place = f"operation {number} of {self._of} ({operation.describe()[:_LONGEST_NAME]})"

        def database_forwards(*arguments: Any) -> None:  # noqa: ANN401 -- Django's signature
            self._place, self._statement = f"in {place}", ""
            forwards(*arguments)
            # The transaction of this operation ends here. What comes then are the statements that it put off.
            self._place = f"after {place}"
            if self._statement:
                self._note()
                self.changed = True

        return database_forwards

    def execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:  # noqa: ANN401, FBT001 -- Django's signature
        """Execute a statement, and write down before it what cannot be undone after it."""
        text = " ".join(str(sql).split())
        if _CHANGES_NOTHING.match(text) or _TABLE in text:
            return execute(sql, params, many, context)
        transaction = self._connection.in_atomic_block and self._connection.features.supports_transactions
        if transaction and _CAN_BE_UNDONE.match(text):
            self._statement = text
            return execute(sql, params, many, context)
        # It ends the transaction, and so makes last what the operation has done before.
        self.changed = self.changed or bool(self._statement)
        self._statement = text
        self._note()
        done = execute(sql, params, many, context)
        self.changed = True
        return done

    def _note(self) -> None:
        text = f"{self._migration} {self._place}, at: {self._statement}"
        name = text.encode("ascii", "backslashreplace").decode()[:_LONGEST]
        if name == self._noted:  # of many rows that are written one by one
            return
        self._noted = name
        if not _rows(self._connection).update(name=name):
            MigrationRecorder(self._connection).record_applied(APP, name)


def _rows(connection: Any) -> Any:  # noqa: ANN401 -- as above
    return MigrationRecorder(connection).migration_qs.filter(app=APP).exclude(name=BEGUN[1])
