"""`manage.py createsu`: what the boot does about the superuser, by hand and from Django's settings."""

import os
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from entrypoint.app import superuser
from entrypoint.app.failure import Failure

_UNUSABLE: Final = 78  # EX_CONFIG, as the boot ends


class Command(BaseCommand):  # type: ignore[misc]  # Django ships no types
    """Create the superuser of the settings SUPERUSER_USERNAME, SUPERUSER_PASSWORD, SUPERUSER_EMAIL."""

    help = (
        "Create the superuser that the settings SUPERUSER_USERNAME, SUPERUSER_PASSWORD, SUPERUSER_EMAIL and "
        "SUPERUSER_<FIELD> describe, or the environment variables of these names or DJANGO_SUPERUSER_…, unless a user "
        "of that name exists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the one option."""
        parser.add_argument("--update", action="store_true", help="Set the password and the rights of one who exists.")

    def handle(self, *_args: object, update: bool, **_options: object) -> str:
        """Create or update; return the line that says what came of it."""
        wanted = _wanted(get_user_model())
        try:
            return superuser.keep(
                **wanted,
                update=update,
                development=os.environ.get("DJANGO_ENV") == "development",
                progress=self.stderr.write,
            )
        except Failure as failure:
            raise CommandError(str(failure), returncode=_UNUSABLE) from failure


def _wanted(model: Any) -> dict[str, Any]:  # noqa: ANN401 -- Django ships no types
    """Return name, password and fields. Raises CommandError where one is missing."""
    fields = {name: text for name in superuser.fields_of(model) if (text := _given(name))}
    name = fields.pop(model.USERNAME_FIELD, "") or _given("username")
    password = fields.pop("password", "") or _given("password")
    missing = [] if name else [model.USERNAME_FIELD if model.USERNAME_FIELD in ("email", "username") else "username"]
    missing += [] if password else ["password"]
    missing += [field for field in superuser.required(model) if field not in fields]
    if missing:
        unset = ", ".join(f"SUPERUSER_{field.upper()}" for field in missing)
        raise CommandError(f"cannot create the superuser: {unset} is not set", returncode=_UNUSABLE)
    return {"name": name, "password": password, "fields": fields}


def _given(field: str) -> str:
    name = f"SUPERUSER_{field.upper()}"
    environ = os.environ
    return str(getattr(settings, name, None) or environ.get(name) or environ.get(f"DJANGO_{name}") or "")
