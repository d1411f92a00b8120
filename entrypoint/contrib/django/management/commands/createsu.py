"""`manage.py createsu`: creates the superuser by hand, as the boot does."""

import os
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from entrypoint.app import superuser
from entrypoint.app.reporting import AgentError
from entrypoint.protocol.agent import SuperuserRequest
from entrypoint.secret import Secret

_UNUSABLE: Final = 78  # EX_CONFIG, as in a boot


class Command(BaseCommand):  # type: ignore[misc]  # Django ships no types
    """Creates the superuser that SUPERUSER_USERNAME, SUPERUSER_PASSWORD and SUPERUSER_EMAIL describe."""

    help = (
        "Create the superuser that the settings SUPERUSER_USERNAME, SUPERUSER_PASSWORD, SUPERUSER_EMAIL and "
        "SUPERUSER_<FIELD> describe, or the environment variables of these names or DJANGO_SUPERUSER_…, unless a user "
        "of that name exists."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the option `--update`."""
        parser.add_argument("--update", action="store_true", help="Also reset an existing user's password and rights.")

    def handle(self, *_args: object, update: bool, **_options: object) -> str:
        """Create or update the superuser; return the outcome in one line. Raises CommandError."""
        request = _request(get_user_model(), update=update)
        try:
            return superuser.keep(request, self.stderr.write).text
        except AgentError as error:
            raise CommandError(str(error), returncode=_UNUSABLE) from error


def _request(model: Any, *, update: bool) -> SuperuserRequest:
    """Return the request that settings and environment describe. Raises CommandError if a value is missing."""
    fields = {name: text for name in superuser.fields_of(model) if (text := _value(name))}
    name = fields.pop(model.USERNAME_FIELD, "") or _value("username")
    password = fields.pop("password", "") or _value("password")
    missing = [] if name else [model.USERNAME_FIELD if model.USERNAME_FIELD in ("email", "username") else "username"]
    missing += [] if password else ["password"]
    missing += [field for field in superuser.required(model) if field not in fields]
    if missing:
        unset = ", ".join(f"SUPERUSER_{field.upper()}" for field in missing)
        raise CommandError(f"cannot create the superuser: {unset} is not set", returncode=_UNUSABLE)
    return SuperuserRequest(
        name=name,
        password=Secret(password),
        fields={field: Secret(text) for field, text in fields.items()},
        update=update,
        development=os.environ.get("DJANGO_ENV") == "development",
    )


def _value(field: str) -> str:
    name = f"SUPERUSER_{field.upper()}"
    environ = os.environ
    return str(getattr(settings, name, None) or environ.get(name) or environ.get(f"DJANGO_{name}") or "")
