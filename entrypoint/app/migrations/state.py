"""Compares the migrations of a database with those of the project, in two queries."""

from dataclasses import dataclass
from typing import Any

from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from entrypoint.app.migrations.journal import BEGUN, Unfinished, unfinished


@dataclass(frozen=True)
class State:
    """The migrations of one database, compared with those of the project."""

    pending: tuple[str, ...]
    unknown: tuple[str, ...]  # applied by a newer image
    begun: bool  # whether a process has begun to migrate and has not reached the end
    unfinished: Unfinished | None  # the migration that failed, or was killed, where the database cannot roll it back

    @property
    def done(self) -> bool:
        """Whether no work is left."""
        return not (self.pending or self.begun or self.unfinished)


def look(alias: str) -> State:
    """Compare the migrations of the project with those of the database, without a lock."""
    executor = MigrationExecutor(connections[alias])
    loader = executor.loader
    plan = executor.migration_plan(loader.graph.leaf_nodes())
    pending = (
        tuple(str(migration) for migration, _backwards in plan)
        if any(router.allow_migrate(alias, migration.app_label) for migration, _backwards in plan)
        else ()
    )
    rows = loader.applied_migrations
    return State(pending, tuple(_unknown(loader)), BEGUN in rows, unfinished(rows))


def _unknown(loader: Any) -> list[str]:
    """Return the migrations that were applied after the last one of the same app that this project knows.

    Earlier unknown ones are usually the parts of a squashed migration whose files were deleted.
    """
    known = set(loader.disk_migrations)
    known.update(part for migration in loader.disk_migrations.values() for part in migration.replaces)
    # Django also lists a squashed migration whose parts are all applied. That entry is a migration and has no row.
    rows = {key: row.id for key, row in loader.applied_migrations.items() if hasattr(row, "id")}
    found: list[tuple[str, str]] = []
    for app, name in sorted(rows, key=rows.__getitem__):
        if (app, name) in known:
            found = [each for each in found if each[0] != app]
        elif app in loader.migrated_apps:
            found.append((app, name))
    return [f"{app}.{name}" for app, name in found]


def takes_migrations(alias: str) -> bool:
    """Return whether Django migrates this database: a mirror is migrated through the database that it mirrors."""
    settings = connections[alias].settings_dict
    return settings["ENGINE"] != "django.db.backends.dummy" and not settings["TEST"]["MIRROR"]
