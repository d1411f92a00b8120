"""Migrations: a look that costs one query, and Django's own command where something is pending."""

from typing import Any

from django.core.management import call_command, get_commands, load_command_class
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from entrypoint.app.answer import Changed, Progress
from entrypoint.app.failure import Failure


def migrate(*, mode: str, progress: Progress) -> str:
    """Apply what is pending (`auto`), or refuse if anything is (`check`), on every database that takes migrations."""
    applied = 0
    for alias in connections:
        pending = _pending(alias)
        if not pending:
            continue
        if mode == "check":
            raise Failure(
                f"cannot start: {len(pending)} migrations are pending on database {alias}, the first is {pending[0]}; "
                "ENTRYPOINT_MIGRATE=auto applies them",
                "failed",
            )
        _apply(alias, len(pending), progress)
        applied += len(pending)
    return Changed(f"{applied} migrations applied") if applied else "no migration is pending"


def _pending(alias: str) -> list[str]:
    connection = connections[alias]
    if connection.settings_dict["ENGINE"] == "django.db.backends.dummy":
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _backwards in plan if router.allow_migrate(alias, migration.app_label)]


def _apply(alias: str, total: int, progress: Progress) -> None:
    """Run the project's own `migrate`, be it Django's or one that an app puts in its place."""
    command: Any = load_command_class(get_commands()["migrate"], "migrate")
    done = 0

    def tell(action: str, migration: object = None, fake: bool = False) -> None:  # noqa: FBT001, FBT002, ARG001 -- Django's signature
        nonlocal done
        if action == "apply_success":
            done += 1
            progress(f"migrated {done}/{total} {migration}", done, total)

    command.migration_progress_callback = tell
    call_command(command, database=alias, interactive=False, verbosity=0, skip_checks=True)
