"""The superuser that the settings, or Django's settings of the same names, describe."""

from collections.abc import Iterator, Mapping

from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.values import nearest
from entrypoint.errors import Unusable
from entrypoint.protocol.agent import SuperuserRequest, User
from entrypoint.secret import Secret

_Values = Mapping[str, str | Secret]


def superuser(user: User | None, settings: Settings) -> SuperuserRequest | None:
    """Return the request, None if nothing describes a superuser. Raises Unusable with everything that is missing."""
    given = _given(settings)
    if user is None:
        if given:
            raise Unusable("cannot create the superuser: django.contrib.auth is not installed")
        return None
    values = {**user.superuser, **given}
    if not values:
        return None
    Unusable.check((*_unknown(values, user), *_missing(values, user)))
    name = values.get(user.username_field) or values["username"]
    others = set(user.fields) - {"password", user.username_field}
    return SuperuserRequest(
        name=_text(name),
        password=Secret(_text(values["password"])),
        fields={field: Secret(_text(value)) for field, value in values.items() if field in others},
        update=settings.superuser == "update",
        development=settings.development,
    )


def _given(settings: Settings) -> _Values:
    """Return what the environment and the project's file set, by field."""
    own = {
        "username": settings.superuser_username,
        "email": settings.superuser_email,
        "password": settings.superuser_password,
    }
    return {**settings.superuser_fields, **{field: value for field, value in own.items() if value}}


def _unknown(values: _Values, user: User) -> Iterator[str]:
    """Yield a problem for each value without a field. A model may log in without a username or have no e-mail."""
    known = {*user.fields, "username", "email", "password"}
    for field in sorted(values.keys() - known):
        meant = nearest(field.upper(), map(str.upper, sorted(known))).replace("mean ", "mean SUPERUSER_")
        yield f"cannot use {_variable(field)}: {user.model} has no such field{meant}"


def _missing(values: _Values, user: User) -> Iterator[str]:
    if user.username_field not in values and "username" not in values:
        why = f"users of {user.model} log in by {user.username_field}"
        yield f"cannot create the superuser: {_variable(user.username_field)} is not set; {why}"
    for field in ("password", *sorted(user.required)):
        if field not in values:
            yield f"cannot create the superuser: {_variable(field)} is not set"


def _variable(field: str) -> str:
    return f"SUPERUSER_{field.upper()}"


def _text(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
