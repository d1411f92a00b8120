"""Migrates the databases: compares first and, where a migration is pending, runs Django's command under a lock."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, Final

from django.core.management import call_command, get_commands, load_command_class
from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError

from entrypoint.app.migrations import journal, lock
from entrypoint.app.migrations.connection import connected, limits
from entrypoint.app.migrations.error import failure
from entrypoint.app.migrations.state import State, look, takes_migrations
from entrypoint.app.reporting import AgentError, Progress, count
from entrypoint.protocol.agent import AgentResult, MigrateRequest

_POLL_EVERY: Final = 0.5  # seconds between two looks at the progress of another replica
_REPORT_EVERY: Final = 5.0


def migrate(request: MigrateRequest, progress: Progress) -> AgentResult:
    """Migrate each database that Django migrates, or wait or check, by the mode. Raises AgentError."""
    found = [_migrate(alias, request, progress) for alias in connections if takes_migrations(alias)]
    applied = sum(number or 0 for number in found)
    text = f"{count(applied, 'migration')} applied" if applied else "no migration is pending"
    return AgentResult(text, changed=any(number is not None for number in found), number=applied)


def _migrate(alias: str, request: MigrateRequest, progress: Progress) -> int | None:
    try:
        return _MODES[request.mode](alias, request, progress)
    except AgentError:
        raise
    except Exception as error:  # such as an error in the graph of the migrations
        raise failure(connections[alias], None, error, limited=False) from error


# Each mode returns the number of migrations that it has applied, None if none was pending at first.


def _auto(alias: str, request: MigrateRequest, progress: Progress) -> int | None:
    state = _look_unlocked(alias)
    if state is not None:
        _refuse_if_older(alias, state, request, progress)
        if state.done:
            return None
    with (
        connected(alias, request.url, request.patience, progress) as connection,
        lock.held(connection, request.patience, progress),
    ):
        before, state = state, look(alias)
        if state.unfinished:
            raise journal.unfinished_error(alias, state.unfinished)
        if before is None or before.unknown != state.unknown:
            _refuse_if_older(alias, state, request, progress)
        if not state.done:
            limited = request.lock_timeout is not None or request.statement_timeout is not None
            with limits(connection, request.lock_timeout, request.statement_timeout):
                _apply(alias, len(state.pending), progress, limited=limited)
        return len(state.pending)


def _look_unlocked(alias: str) -> State | None:
    """Return the state, None if another process has locked the file of SQLite."""
    try:
        return look(alias)
    except OperationalError as error:
        if connections[alias].vendor == "sqlite" and "locked" in str(error):
            return None
        raise


def _check(alias: str, request: MigrateRequest, progress: Progress) -> None:
    state = look(alias)
    _refuse_if_unfinished(alias, state, request, progress)
    _refuse_if_older(alias, state, request, progress)
    if state.pending:
        raise AgentError(
            f"cannot start: database {alias} has {count(len(state.pending), 'pending migration')}, the first is "
            f"{state.pending[0]}; set ENTRYPOINT_MIGRATE=auto to apply pending migrations",
            "failed",
        )


def _wait(alias: str, request: MigrateRequest, progress: Progress) -> int | None:
    """Wait until another replica has migrated. Progress of the other replica restarts the timeout."""
    end, tick, waiting = time.monotonic() + request.patience, 0.0, False
    left = -1  # unknown: SQLite's file has been locked since the first look
    while True:
        state = _look_unlocked(alias)
        now = time.monotonic()
        if state is not None:
            _refuse_if_unfinished(alias, state, request, progress)
            _refuse_if_older(alias, state, request, progress)
            if not state.pending:
                if waiting:
                    progress(f"database {alias} has been migrated")
                return None if left < 0 else 0
            if len(state.pending) != left:
                left, end = len(state.pending), now + request.patience
        if now >= min(tick, end):
            who = lock.holder(connections[alias], request.patience, progress)
            if who:
                end = now + request.patience
            elif now >= end:
                raise _nobody_migrated(alias, left, request.patience)
            what = count(left, "migration") if left >= 0 else "the migrations"
            idle = "no replica is migrating" if left >= 0 else "another process has locked its file"
            progress(f"{'still ' if waiting else ''}waiting for {what} of database {alias}: {who or idle}")
            waiting, tick = True, now + _REPORT_EVERY
        time.sleep(_POLL_EVERY)


def _nobody_migrated(alias: str, left: int, patience: float) -> AgentError:
    """Return the error of a wait that timed out. A negative `left` is unknown: SQLite's file was always locked."""
    why = f"database {alias} has {count(left, 'pending migration')}, and no replica has applied one"
    if left < 0:
        why = f"another process has locked the file of database {alias}, and no replica has migrated it"
    return AgentError(f"cannot start: {why} for {patience:g} s", "timed out")


_MODES: Final[dict[str, Callable[[str, MigrateRequest, Progress], int | None]]] = {
    "auto": _auto,
    "check": _check,
    "wait": _wait,
}


def _refuse_if_unfinished(alias: str, state: State, request: MigrateRequest, progress: Progress) -> None:
    """Raise AgentError if a migration is unfinished and no replica is migrating."""
    if state.unfinished is None or lock.holder(connections[alias], request.patience, progress):
        return
    now = look(alias).unfinished  # it may have been finished since the first look
    if now == state.unfinished:
        raise journal.unfinished_error(alias, now)


def _refuse_if_older(alias: str, state: State, request: MigrateRequest, progress: Progress) -> None:
    if not state.unknown:
        return
    number, last = len(state.unknown), state.unknown[-1]
    mismatch = (
        f"this image is older than database {alias}, "
        f"which has {count(number, 'migration')} that it does not know, the last is {last}"
    )
    if not request.allow_older:
        raise AgentError(f"cannot start: {mismatch}; ENTRYPOINT_MIGRATE_ALLOW_OLDER=yes starts it anyway", "failed")
    progress(f"warning: {mismatch}")


@contextmanager
def _deferred_stop(connection: Any) -> Iterator[Callable[[], None]]:
    """Yield a function that exits if a stop was requested: a migration that cannot be rolled back is finished first."""
    if connection.features.can_rollback_ddl:
        yield lambda: None
        return
    requested = []
    previous = signal.signal(signal.SIGTERM, lambda number, _frame: requested.append(number))

    def exit_if_requested() -> None:
        if requested:
            raise SystemExit(128 + signal.SIGTERM)

    try:
        yield exit_if_requested
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _atomic(connection: Any, migration: Any) -> Iterator[None]:
    """Apply a migration and record it in one transaction.

    Django commits them separately where statements are deferred to the end (`MigrationExecutor.apply_migration`). A
    process that is killed in between leaves tables that the next one fails to create.
    """
    if not (connection.features.can_rollback_ddl and migration.atomic):
        yield
        return
    # SQLite's schema editor in Django needs the checks off, and inside a transaction nothing turns them off.
    unchecked = connection.constraint_checks_disabled() if connection.vendor == "sqlite" else nullcontext()
    with unchecked, transaction.atomic(using=connection.alias):
        yield


def _apply(alias: str, total: int, progress: Progress, *, limited: bool) -> None:
    """Run the project's `migrate`: Django's, or an app's that replaces it. Raises AgentError."""
    command: Any = load_command_class(get_commands()["migrate"], "migrate")
    done, current = 0, None

    def follow(action: str, migration: Any = None, fake: bool = False) -> None:  # noqa: FBT001, FBT002, ARG001 -- Django's signature
        nonlocal done, current
        if action == "apply_start":
            current = migration
            around.enter_context(_atomic(connections[alias], migration))
            around.enter_context(journal.recorded(connections[alias], migration))
        if action == "apply_success":
            around.close()
            done, current = done + 1, None
            exit_if_requested()
            progress(f"migrated {done}/{total} {migration}", done, total)

    command.migration_progress_callback = follow
    recorder = MigrationRecorder(connections[alias])
    if journal.BEGUN not in recorder.applied_migrations():
        recorder.record_applied(*journal.BEGUN)
    progress(f"applying {count(total, 'migration')}", 0, total)
    try:
        with _deferred_stop(connections[alias]) as exit_if_requested, ExitStack() as around:
            call_command(command, database=alias, interactive=False, verbosity=0, skip_checks=True)
    except Exception as error:
        raise failure(connections[alias], current, error, limited=limited) from error
    journal.clear_all(connections[alias])
