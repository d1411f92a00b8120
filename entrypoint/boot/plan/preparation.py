"""The steps that the application's agent carries out before the site is served."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.plan.steps import Ask
from entrypoint.boot.plan.superuser import superuser
from entrypoint.boot.settings.types.values import shown
from entrypoint.protocol.agent import CollectStaticRequest, MigrateRequest, WaitRequest

_MIGRATE: Final = {
    "auto": "apply pending migrations",
    "wait": "wait until another replica has applied pending migrations",
    "check": "check that no migration is pending",
}


def preparation(config: ResolvedConfig, *, ahead: bool) -> Iterator[Ask]:
    """Yield the agent's steps. Each step itself finds out what is pending, so the plan does not depend on that.

    `ahead` of a boot, static files are compressed too; a boot has no time for that.
    """
    if config.application is None:
        return
    settings = config.settings
    databases = config.application.databases
    if databases:
        yield Ask(
            "wait",
            f"wait for database {', '.join(map(str, databases))}, at most {settings.wait_timeout:g} s",
            WaitRequest(aliases=tuple(database.alias for database in databases), seconds=settings.wait_timeout),
            config.progress("waiting for database"),
        )
    if databases and settings.migrate != "off":
        migrate = MigrateRequest(
            mode=settings.migrate,
            patience=settings.wait_timeout,
            allow_older=settings.migrate_allow_older,
            url=settings.migrate_database_url,
            lock_timeout=settings.migrate_lock_timeout,
            statement_timeout=settings.migrate_statement_timeout,
        )
        yield Ask("migrate", _MIGRATE[settings.migrate], migrate, config.progress("migrating"))
    if settings.superuser != "off" and (request := superuser(config.application.user, settings)):
        what = "create or update superuser {}" if request.update else "create superuser {} unless it exists"
        yield Ask("superuser", what.format(shown(request.name)), request, config.progress("creating superuser"))
    # A container without a site needs no static files, and runserver reads them from their sources.
    mode, root = settings.collectstatic, config.application.static_root
    served = settings.serves and (config.nginx or not config.development or mode == "on")
    if config.application.staticfiles and root and mode != "off" and served:
        what = f"collect static files into {root}{' if their sources changed' if mode == 'auto' else ''}"
        collect = CollectStaticRequest(always=mode == "on", precompress=ahead, patience=settings.wait_timeout)
        yield Ask("collectstatic", what, collect, config.progress("collecting static"))
