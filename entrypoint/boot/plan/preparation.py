"""The steps that the application's agent carries out before the site is served."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.plan.steps import Ask
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.values import shown
from entrypoint.errors import Unusable
from entrypoint.protocol.agent import Application, CollectStaticRequest, MigrateRequest, SuperuserRequest, WaitRequest

if TYPE_CHECKING:
    from entrypoint.secret import Secret

_MIGRATE: Final = {
    "auto": "apply pending migrations",
    "wait": "wait until another replica has applied pending migrations",
    "check": "check that no migration is pending",
}


def preparation(config: ResolvedConfig, *, ahead: bool) -> Iterator[Ask]:
    """Yield the agent's steps. Each step itself finds out what is pending, so the plan does not depend on that.

    `ahead` of a boot there is time to compress the static files.
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
        yield Ask("migrate", _MIGRATE[settings.migrate], _migrate(settings), config.progress("migrating"))
    if settings.superuser != "off" and (superuser := _superuser(config.application, settings)):
        what = "create or update superuser {}" if superuser.update else "create superuser {} unless it exists"
        yield Ask("superuser", what.format(shown(superuser.name)), superuser, config.progress("creating superuser"))
    # A container without a site needs no static files, and runserver reads them from their sources.
    served = settings.serves and (config.nginx or not config.development or settings.collectstatic == "on")
    if config.application.staticfiles and config.application.static_root and settings.collectstatic != "off" and served:
        when = " if their sources changed" if settings.collectstatic == "auto" else ""
        yield Ask(
            "collectstatic",
            f"collect static files into {config.application.static_root}{when}",
            CollectStaticRequest(
                always=settings.collectstatic == "on", precompress=ahead, patience=settings.wait_timeout
            ),
            config.progress("collecting static"),
        )


def _migrate(settings: Settings) -> MigrateRequest:
    return MigrateRequest(
        mode=settings.migrate,
        patience=settings.wait_timeout,
        allow_older=settings.migrate_allow_older,
        url=settings.migrate_database_url,
        lock_timeout=settings.migrate_lock_timeout,
        statement_timeout=settings.migrate_statement_timeout,
    )


def _superuser(application: Application, settings: Settings) -> SuperuserRequest | None:
    """Return the request, None if none is named. Raises Unusable where the settings do not fit the user model."""
    user = application.user
    by_email = user is not None and user.username_field == "email"
    own = settings.superuser_fields.get(user.username_field) if user else None  # DJANGO_SUPERUSER_<USERNAME_FIELD>
    name = own.reveal() if own else (settings.superuser_email if by_email else None) or settings.superuser_username
    if name is None:
        return None
    if user is None:
        raise Unusable("cannot create the superuser: django.contrib.auth is not installed")
    if settings.superuser_password is None:
        raise Unusable("cannot create the superuser: SUPERUSER_PASSWORD is not set")
    fields: dict[str, str | Secret] = dict(settings.superuser_fields)
    if settings.superuser_username and "username" in user.fields:
        fields["username"] = settings.superuser_username
    if settings.superuser_email and "email" in user.fields:
        fields["email"] = settings.superuser_email
    unknown = sorted(set(fields) - set(user.fields))
    missing = sorted(set(user.required) - set(fields))
    Unusable.check(
        [f"cannot use SUPERUSER_{name.upper()}: {user.model} has no such field" for name in unknown]
        + [f"cannot create the superuser: SUPERUSER_{name.upper()} is not set" for name in missing]
    )
    fields.pop(user.username_field, None)  # its value is `name`
    return SuperuserRequest(
        name=name,
        password=settings.superuser_password,
        fields=fields,
        update=settings.superuser == "update",
        development=settings.development,
    )
