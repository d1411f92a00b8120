"""A migration that was killed half-way on a database that cannot undo it: the next boot goes on where that one ended.

MySQL and MariaDB end a transaction with each statement that changes a table, so Django leaves behind what it had done,
and fails on that the next time. A row of ours says which operation was at work. Those before it are not done again, but
what they put off to the end is put off again; some of its own may be done, too. What changes no table is done once.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.db import DatabaseError
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.recorder import MigrationRecorder

from entrypoint.app.schema import BEGUN

# What MySQL and MariaDB say of a statement that was carried out before, by the numbers in their references: a table, a
# column, a key or a constraint is there, or is not there any more.
_DONE: Final = {1022, 1050, 1051, 1060, 1061, 1068, 1091, 1826}
_DONE_BY_A_RENAMING: Final = {1054, 1146}
_FAILED_TO_CREATE: Final = 1005  # for a foreign key that is there with "errno: 121"

_Execute = Callable[..., None]


@contextmanager
def resumable(connection: Any, migration: Any) -> Iterator[None]:  # noqa: ANN401 -- Django ships no types
    """Let a migration be resumed, and go on where an earlier process was killed in it."""
    if connection.features.can_rollback_ddl:
        yield
        return
    journal = _Journal(connection, migration)
    for index, operation in enumerate(migration.operations):
        operation.database_forwards = journal.kept(index, operation, operation.database_forwards)
    try:
        yield
    except Exception:
        # It was not killed, it failed: what it says must be heard again, and not be taken for what a resumed one meets.
        with suppress(DatabaseError):
            journal.close()
        raise
    finally:
        for operation in migration.operations:
            del operation.database_forwards
    journal.close()


class _Journal:
    """How far a migration is, as a row that names the operation and how many statements of it are done."""

    def __init__(self, connection: Any, migration: Any) -> None:  # noqa: ANN401 -- as above
        self._recorder = MigrationRecorder(connection)
        self._rows = self._recorder.migration_qs.filter(app=BEGUN[0]).exclude(name=BEGUN[1])
        self._of = len(migration.operations)
        self._name = str(migration)[-200:]  # the column takes 255
        said = re.fullmatch(r"(.*) (\d+)/(\d+) (\d+)", self._rows.values_list("name", flat=True).first() or "")
        self._resumed = said is not None and (said[1], int(said[3])) == (self._name, self._of)
        self._at, self._statements = (int(said[2]), int(said[4])) if said and self._resumed else (0, 0)

    def close(self) -> None:
        """Forget it: the migration is recorded by a row of its own, or has failed."""
        self._rows.delete()

    def kept(self, index: int, operation: Any, forwards: Callable[..., None]) -> Callable[..., None]:  # noqa: ANN401 -- as above
        """Return what the operation does, kept in this journal."""

        def kept(app: str, editor: Any, before: Any, after: Any) -> None:  # noqa: ANN401 -- as above
            execute = editor.execute
            if self._resumed:
                (_expect_removed_keys if index <= self._at else _be_as_usual)(editor)
            if index >= self._at:
                self._carry_out(index, operation, editor, lambda: forwards(app, editor, before, after))
            elif not isinstance(operation, RunPython | RunSQL):
                editor.execute = _nothing
                with suppress(DatabaseError):  # it looks at a table that has another name by now
                    forwards(app, editor, before, after)
            # What was put off to the end may have been begun, too.
            editor.execute = _forgiving(execute) if self._resumed and index == self._of - 1 else execute

        return kept

    def _carry_out(self, index: int, operation: Any, editor: Any, do: Callable[[], None]) -> None:  # noqa: ANN401 -- as above
        again = self._resumed and index == self._at
        execute, done, to_skip = editor.execute, 0, self._statements if again else 0
        careful = _forgiving(execute) if again else execute

        def count(sql: Any, params: Any = ()) -> None:  # noqa: ANN401 -- as above
            nonlocal done
            done += 1
            if done > to_skip:
                careful(sql, params)
                if isinstance(operation, RunSQL):  # its statements are the same each time, and need not bear repetition
                    self._note(index, done)

        if not again:
            self._note(index)
        editor.execute = count
        do()
        self._note(index + 1)  # for RunPython in its own transaction

    def _note(self, index: int, statements: int = 0) -> None:
        name = f"{self._name} {index}/{self._of} {statements}"
        if not self._rows.update(name=name):
            self._recorder.record_applied(BEGUN[0], name)


def _nothing(sql: Any, params: Any = ()) -> None:  # noqa: ANN401 -- Django's signature
    pass


def _expect_removed_keys(editor: Any) -> None:  # noqa: ANN401 -- as above
    """Let it work as if the keys were there that it is to remove: of what it finds gone it would make nothing anew.

    It asks the database in these two places for what is to be removed, and knows all else from the migration's state.
    """
    _be_as_usual(editor)
    find, remove = editor._constraint_names, editor._delete_composed_index  # noqa: SLF001 -- there is no other way in

    def found(*arguments: Any, **kind: Any) -> list[str]:  # noqa: ANN401 -- Django's signature
        names: list[str] = find(*arguments, **kind)
        return names or (["gone"] if kind.get("foreign_key") else [])

    def removed(*arguments: Any) -> None:  # noqa: ANN401 -- Django's signature
        with suppress(ValueError):  # it found none
            remove(*arguments)

    editor._constraint_names, editor._delete_composed_index = found, removed  # noqa: SLF001 -- as above


def _be_as_usual(editor: Any) -> None:  # noqa: ANN401 -- as above
    for name in ("_constraint_names", "_delete_composed_index"):
        vars(editor).pop(name, None)


def _forgiving(execute: _Execute) -> _Execute:
    """Return what executes a statement that may have been executed before."""

    def forgiving(sql: Any, params: Any = ()) -> None:  # noqa: ANN401 -- Django's signature
        try:
            execute(sql, params)
        except DatabaseError as error:
            if not _says_done(error, str(sql)):
                raise

    return forgiving


def _says_done(error: DatabaseError, sql: str) -> bool:
    number, *rest = error.args or (None,)
    if number == _FAILED_TO_CREATE:
        return "errno: 121" in str(rest)
    if number in _DONE_BY_A_RENAMING:
        return bool(re.search(r"\b(RENAME|CHANGE)\b", sql, re.IGNORECASE))
    return number in _DONE
