"""Migrations: a look, and where something is pending Django's own command under a lock."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.core.management import call_command, get_commands, load_command_class
from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import OperationalError

from entrypoint.app import direct, journal, lock, refusal
from entrypoint.app.answer import Changed, Progress
from entrypoint.app.failure import Failure
from entrypoint.app.schema import State, look, takes_migrations

_LOOK_EVERY: Final = 0.5  # seconds between two looks for what another replica has done
_TOLD_EVERY: Final = 5.0
# What a server says when a limit ends a statement: PostgreSQL's SQLSTATE (lock_not_available, query_canceled), and the
# numbers of MySQL and MariaDB (ER_LOCK_WAIT_TIMEOUT, ER_STATEMENT_TIMEOUT, ER_QUERY_TIMEOUT).
_LIMITS: Final = {"55P03", "57014", 1205, 1969, 3024}


@dataclass(frozen=True, kw_only=True)
class Orders:
    """How to migrate: what boot says of it."""

    mode: str  # auto, wait or check
    patience: float  # seconds
    allow_older: bool
    url: str | None
    lock_timeout: float | None  # seconds
    statement_timeout: float | None


def migrate(*, progress: Progress, **orders: Any) -> str:  # noqa: ANN401 -- the fields of Orders
    """Bring every database that takes migrations to the project's, or wait for it, or refuse. Raises Failure."""
    o = Orders(**orders)
    found = [_MODES[o.mode](alias, o, progress) for alias in connections if takes_migrations(alias)]
    applied = sum(number or 0 for number in found)
    text = f"{applied} migrations applied" if applied else "no migration is pending"
    return text if all(number is None for number in found) else Changed(text)


# Each mode returns how many migrations it has applied, None where none was pending at the first look.


def _auto(alias: str, o: Orders, progress: Progress) -> int | None:
    state = _look_unlocked(alias)
    if state is not None:
        _refuse_if_older(alias, state, o, progress)
        if state.done:
            return None
    with direct.way(alias, o.url, o.patience, progress) as connection, lock.held(connection, o.patience, progress):
        before, state = state, look(alias)
        if state.unfinished:
            raise journal.refuse(alias, state.unfinished)
        if before is None or before.unknown != state.unknown:
            _refuse_if_older(alias, state, o, progress)
        if not state.done:
            with _told_in_a_line(connection, o), direct.limits(connection, o.lock_timeout, o.statement_timeout):
                _apply(alias, len(state.pending), progress)
        return len(state.pending)


def _look_unlocked(alias: str) -> State | None:
    """Look; None where SQLite's file cannot be read for what another process does with it."""
    try:
        return look(alias)
    except OperationalError as error:
        if connections[alias].vendor == "sqlite" and "locked" in str(error):
            return None
        raise


def _check(alias: str, o: Orders, progress: Progress) -> None:
    state = look(alias)
    _refuse_if_unfinished(alias, state, o, progress)
    _refuse_if_older(alias, state, o, progress)
    if state.pending:
        raise Failure(
            f"cannot start: {len(state.pending)} migrations are pending on database {alias}, the first is "
            f"{state.pending[0]}; ENTRYPOINT_MIGRATE=auto applies them",
            "failed",
        )


def _wait(alias: str, o: Orders, progress: Progress) -> int | None:
    """Look until another replica has migrated. The patience begins anew with each thing that happens."""
    end, tick, told, left = time.monotonic() + o.patience, 0.0, False, -1
    while True:
        state = _look_unlocked(alias)
        now = time.monotonic()
        if state is not None:
            _refuse_if_unfinished(alias, state, o, progress)
            _refuse_if_older(alias, state, o, progress)
            if not state.pending:
                if told:
                    progress(f"database {alias} has been migrated")
                return None if left < 0 else 0
            if len(state.pending) != left:
                left, end = len(state.pending), now + o.patience
        if now >= min(tick, end):
            who = lock.holder(connections[alias], o.patience, progress)
            if who:
                end = now + o.patience
            elif now >= end:
                raise Failure(
                    f"cannot start: {left} migrations are pending on database {alias}, and nobody has applied one "
                    f"for {o.patience:g} s",
                    "timed out",
                )
            still = "still " if told else ""
            progress(f"{still}waiting for {left} migrations of database {alias}: {who or 'nobody is migrating'}")
            told, tick = True, now + _TOLD_EVERY
        time.sleep(_LOOK_EVERY)


_MODES: Final[dict[str, Callable[[str, Orders, Progress], int | None]]] = {
    "auto": _auto,
    "check": _check,
    "wait": _wait,
}


def _refuse_if_unfinished(alias: str, state: State, o: Orders, progress: Progress) -> None:
    """Raise Failure where a migration is unfinished and nobody is at work on it."""
    if state.unfinished is None or lock.holder(connections[alias], o.patience, progress):
        return
    now = look(alias).unfinished  # it may have come to its end since the first look
    if now == state.unfinished:
        raise journal.refuse(alias, now)


def _refuse_if_older(alias: str, state: State, o: Orders, progress: Progress) -> None:
    if not state.unknown:
        return
    number, last = len(state.unknown), state.unknown[-1]
    told = (
        f"this image is older than database {alias}, "
        f"which has {number} migration{'s' if number > 1 else ''} that it does not know, the last is {last}"
    )
    if not o.allow_older:
        raise Failure(f"cannot start: {told}; ENTRYPOINT_MIGRATE_ALLOW_OLDER=yes starts it all the same", "failed")
    progress(f"warning: {told}")


@contextmanager
def _told_in_a_line(connection: Any, o: Orders) -> Iterator[None]:  # noqa: ANN401 -- as above
    """Say in one line that a limit has ended a migration."""
    try:
        yield
    except OperationalError as error:
        cause = error.__cause__
        code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or (error.args or (None,))[0]
        if (o.lock_timeout is None and o.statement_timeout is None) or code not in _LIMITS:
            raise
        raise Failure(
            f"cannot migrate database {connection.alias}: {refusal.why(connection, error)} "
            "(ENTRYPOINT_MIGRATE_LOCK_TIMEOUT, ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT)",
            "timed out",
        ) from error


@contextmanager
def _stops_between(connection: Any) -> Iterator[Callable[[], None]]:  # noqa: ANN401 -- as above
    """Give what ends us if a stop was asked for: without a transaction around it, a migration is brought to its end."""
    if connection.features.can_rollback_ddl:
        yield lambda: None
        return
    asked = []
    usual = signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))

    def end_if_asked() -> None:
        if asked:
            raise SystemExit(128 + signal.SIGTERM)

    try:
        yield end_if_asked
    finally:
        signal.signal(signal.SIGTERM, usual)


@contextmanager
def _with_its_row(connection: Any, migration: Any) -> Iterator[None]:  # noqa: ANN401 -- as above
    """Let a migration and the row that records it be one transaction.

    Django commits them apart where statements are deferred to the end (`MigrationExecutor.apply_migration`), and a
    process that is killed in between leaves tables that the next one cannot make.
    """
    if not (connection.features.can_rollback_ddl and migration.atomic):
        yield
        return
    sqlite = connection.vendor == "sqlite"
    if sqlite:  # Django's schema editor wants that, and inside a transaction it cannot be had
        connection.disable_constraint_checking()
    with transaction.atomic(using=connection.alias):
        yield
    if sqlite:
        connection.enable_constraint_checking()


def _apply(alias: str, total: int, progress: Progress) -> None:
    """Run the project's own `migrate`, be it Django's or one that an app puts in its place."""
    command: Any = load_command_class(get_commands()["migrate"], "migrate")
    done = 0

    def tell(action: str, migration: Any = None, fake: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002, ARG001 -- Django's signature
        nonlocal done
        if action == "apply_start":
            around.enter_context(_with_its_row(connections[alias], migration))
            around.enter_context(journal.kept(connections[alias], migration))
        if action == "apply_success":
            around.close()
            done += 1
            end_if_asked()
            progress(f"migrated {done}/{total} {migration}", done, total)

    command.migration_progress_callback = tell
    recorder = MigrationRecorder(connections[alias])
    if journal.BEGUN not in recorder.applied_migrations():
        recorder.record_applied(*journal.BEGUN)
    with _stops_between(connections[alias]) as end_if_asked, ExitStack() as around:
        call_command(command, database=alias, interactive=False, verbosity=0, skip_checks=True)
    journal.forget(connections[alias])
