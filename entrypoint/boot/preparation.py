"""What the application's agent is asked to do before the site is served."""

from collections.abc import Iterator
from typing import Any

from entrypoint.boot.decisions import Decisions
from entrypoint.boot.facts import Application
from entrypoint.boot.settings import Settings
from entrypoint.boot.steps import Ask
from entrypoint.errors import Unusable


def preparation(d: Decisions) -> Iterator[Ask]:
    """Yield what the agent does. Whether anything is pending is found by the step, so the plan holds before that."""
    if d.application is None:
        return
    settings = d.settings
    databases = d.application.databases
    if databases:
        yield Ask(
            "wait",
            f"wait for database {', '.join(map(str, databases))}, at most {settings.wait_timeout:g} s",
            {"aliases": [database.alias for database in databases], "seconds": settings.wait_timeout},
        )
    if databases and settings.migrate != "off":
        verb = (
            "apply the migrations that are pending"
            if settings.migrate == "auto"
            else "check that no migration is pending"
        )
        yield Ask("migrate", verb, {"mode": settings.migrate})
    if settings.superuser != "off" and (superuser := _superuser(d.application, settings)):
        yield Ask("superuser", f"create the superuser {superuser['name']} unless there is one", superuser)
    if settings.serves and d.application.staticfiles and d.application.static_root and settings.collectstatic != "off":
        when = " if their sources changed" if settings.collectstatic == "auto" else ""
        yield Ask(
            "collectstatic",
            f"collect static files into {d.application.static_root}{when}",
            {"always": settings.collectstatic == "on"},
        )


def _superuser(application: Application, settings: Settings) -> dict[str, Any] | None:
    """Return what makes the superuser, None if there is to be none. Raises Unusable if the user model wants else."""
    user = application.user
    by_email = user is not None and user.username_field == "email"
    name = (settings.superuser_email if by_email else None) or settings.superuser_username
    if name is None:
        return None
    if user is None:
        raise Unusable("cannot create the superuser: django.contrib.auth is not installed")
    if settings.superuser_password is None:
        raise Unusable("cannot create the superuser: SUPERUSER_PASSWORD is not set")
    fields: dict[str, Any] = dict(settings.superuser_fields)
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
    fields.pop(user.username_field, None)  # that is the name
    return {"name": name, "password": settings.superuser_password, "fields": fields}
