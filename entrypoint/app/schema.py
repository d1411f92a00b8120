"""What a database has, compared with the migrations of the project: a look that costs two queries."""

from dataclasses import dataclass
from typing import Any

from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from entrypoint.app.journal import BEGUN, Unfinished, unfinished


@dataclass(frozen=True)
class State:
    """What one database has, compared with the project."""

    pending: tuple[str, ...]
    unknown: tuple[str, ...]  # applied by a newer image
    begun: bool  # somebody began, and has not come to the end
    unfinished: Unfinished | None  # what the database could not undo

    @property
    def done(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.pending or self.begun or self.unfinished)


def look(alias: str) -> State:
    """Compare the migrations of the project with those that the database has, without a lock."""
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


def _unknown(loader: Any) -> list[str]:  # noqa: ANN401 -- Django ships no types
    """Return what was applied after all that this project knows of the same app.

    What was applied before it are the parts of a squashed migration whose files are gone, or the like.
    """
    known = set(loader.disk_migrations)
    known.update(part for migration in loader.disk_migrations.values() for part in migration.replaces)
    # Django adds a squashed migration whose parts are all applied, by its class, which is no row.
    rows = {
        key: row.id
        for key, row in loader.applied_migrations.items()
        if key[0] in loader.migrated_apps and hasattr(row, "id")
    }
    newest: dict[str, int] = {}
    for (app, _name), number in ((key, number) for key, number in rows.items() if key in known):
        newest[app] = max(newest.get(app, 0), number)
    found = [
        (number, f"{app}.{name}")
        for (app, name), number in rows.items()
        if (app, name) not in known and number > newest.get(app, 0)
    ]
    return [name for _number, name in sorted(found)]


def takes_migrations(alias: str) -> bool:
    """Whether Django would migrate a database: a mirror is migrated by what it mirrors."""
    settings = connections[alias].settings_dict
    return settings["ENGINE"] != "django.db.backends.dummy" and not settings["TEST"]["MIRROR"]
