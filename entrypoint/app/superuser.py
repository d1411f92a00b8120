"""Creates or updates the superuser, for the boot and for `manage.py createsu`."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, IntegrityError, connections, router, transaction

from entrypoint.app.databases import connection_error
from entrypoint.app.migrations import lock
from entrypoint.app.reporting import AgentError, Progress
from entrypoint.protocol.agent import AgentResult, SuperuserRequest
from entrypoint.secret import MASK

# Passwords that an attacker tries first, besides the user's own name.
_WELL_KNOWN: Final = frozenset(
    """
    0000 1234 12345 123456 1234567 12345678 123456789 1234567890 admin admin123 administrator changeme change-me
    change_me default demo django guest letmein master passw0rd password password1 password123 qwerty qwerty123 root
    secret superuser test toor user welcome
    """.split()  # noqa: SIM905 -- a list of words is read as one
)
_FLAGS: Final = ("is_staff", "is_superuser", "is_active")
_PATIENCE: Final = 30.0  # seconds for the lock's own connection
_CREATE: Final = lock.Purpose("create the superuser in", "at work there")
_INVALID: Final = (ValidationError, DataError, IntegrityError, ValueError, TypeError)


def keep(request: SuperuserRequest, progress: Progress) -> AgentResult:
    """Create the superuser unless a user of that name exists; change an existing user only on `update`.

    Refuse a well-known password; in development only warn. Raises AgentError, which contains no value but the name.
    """
    try:
        return _keep(request, progress)
    except DatabaseError as error:  # such as a table that no migration has created, or a file that is read-only
        why = connection_error.reason(connections[router.db_for_write(get_user_model())], error)
        hidden = _hide(why, {"password": request.password.reveal()})
        raise AgentError(f"cannot create the superuser {request.name}: {hidden}", "failed") from error


def _keep(request: SuperuserRequest, progress: Progress) -> AgentResult:
    name, password = request.name, request.password.reveal()
    user = _find(name)
    if user is not None and not request.update:
        return AgentResult(f"user {name} exists")
    _check_password(name, password, development=request.development, progress=progress)
    if user is None:
        fields = {field: value.reveal() for field, value in request.fields.items()}
        # Hashing a password takes a quarter of a second of a CPU, so only one of many replicas does it.
        with lock.held(connections[router.db_for_write(get_user_model())], _PATIENCE, progress, _CREATE):
            user = _find(name) or _new(name, password, fields, progress)
            if user is None:
                return AgentResult(f"user {name} created")
    return AgentResult(_update(user, name, password) if request.update else f"user {name} exists")


def _new(name: str, password: str, fields: Mapping[str, str], progress: Progress) -> Any:
    """Create the user; return None, or the user who exists already. Raises AgentError."""
    try:
        cleaned = {field: _clean(field, text) for field, text in fields.items()}
        _clean(get_user_model().USERNAME_FIELD, name)
        _warn(name, password, cleaned, progress)
        _create(name, password, cleaned)
    except _INVALID as error:
        # Another process without the lock may have created the user, or the manager changes the spelling of the name.
        user = _find(name) or _find(name, in_any_case=True)
        if user is None:
            why = _reason(error, {"password": password, **fields})
            raise AgentError(f"cannot create the superuser {name}: {why}", "unusable") from error
        return user
    return None


def fields_of(model: Any) -> list[str]:
    """Return the names of the fields that this model defines, without those of reverse relations."""
    return [field.name for field in model._meta.get_fields() if field.concrete or not field.auto_created]


def required(model: Any) -> list[str]:
    """Return the fields that a superuser of this model must have, besides name and password."""
    fields = {field.name: field for field in model._meta.get_fields()}
    # REQUIRED_FIELDS, for which Django prompts, also names fields that may be blank, such as the e-mail address.
    return [name for name in model.REQUIRED_FIELDS if not (fields[name].blank or fields[name].has_default())]


def described(model: Any) -> dict[str, str]:
    """Return the values of Django's settings SUPERUSER_<FIELD>, by field."""
    fields = {*fields_of(model), "username", "email", "password"}
    return {field: str(value) for field in fields if (value := getattr(settings, f"SUPERUSER_{field.upper()}", None))}


def _find(name: str, *, in_any_case: bool = False) -> Any:
    model = get_user_model()
    manager = model._default_manager
    if hasattr(manager, "get_by_natural_key"):  # how the project itself finds a user at login
        with suppress(model.DoesNotExist):
            return manager.get_by_natural_key(name)
    # A manager may have normalised the name: to Unicode's normal form, or an address's domain to lower case.
    spellings = {name, model.normalize_username(name), BaseUserManager.normalize_email(name)}
    lookup = {f"{model.USERNAME_FIELD}__iexact": name} if in_any_case else {f"{model.USERNAME_FIELD}__in": spellings}
    return manager.filter(**lookup).first()


def _create(name: str, password: str, fields: Mapping[str, object]) -> None:
    model = get_user_model()
    manager = model._default_manager
    if not hasattr(manager, "create_superuser"):
        raise AgentError(
            f"cannot create the superuser {name}: the manager of {model.__name__} has no create_superuser", "unusable"
        )
    # A manager may write more than once; a boot that is killed in between must not leave half a superuser.
    with transaction.atomic(using=router.db_for_write(model)):
        manager.create_superuser(**{**fields, model.USERNAME_FIELD: name, "password": password})


def _update(user: Any, name: str, password: str) -> str:
    fields = {field.name for field in user._meta.concrete_fields}
    changed = [flag for flag in _FLAGS if flag in fields and not getattr(user, flag)]
    for flag in changed:
        setattr(user, flag, True)
    if not user.check_password(password):  # a new salt for the same password would end the user's sessions
        user.set_password(password)
        changed.append("password")
    if not changed:
        return f"user {name} is up to date"
    user.save(update_fields=changed)
    return f"user {name} updated: {', '.join(changed)}"


def _clean(field: str, text: str) -> object:
    """Convert the value of a field to its type. Raises ValidationError."""
    try:
        return get_user_model()._meta.get_field(field).clean(text, None)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error


def _check_password(name: str, password: str, *, development: bool, progress: Progress) -> None:
    """Refuse a well-known password; in development only warn. Raises AgentError."""
    well_known = {name.casefold(), name.casefold().partition("@")[0], *_WELL_KNOWN}
    if password.casefold() not in well_known:
        return
    why = "the password is well known"
    if not development:
        raise AgentError(f"cannot use SUPERUSER_PASSWORD: {why}; DJANGO_ENV=development allows it", "unusable")
    progress(f"warning: SUPERUSER_PASSWORD: {why}")


def _warn(name: str, password: str, fields: Mapping[str, object], progress: Progress) -> None:
    """Log the objections of the project's own password validators."""
    model = get_user_model()
    plain = {field: value for field, value in fields.items() if not model._meta.get_field(field).is_relation}
    try:
        validate_password(password, model(**{**plain, model.USERNAME_FIELD: name}))
    except ValidationError as error:
        for message in error.messages:
            progress(f"warning: SUPERUSER_PASSWORD: {_hide(message, {'password': password})}")


def _reason(error: Exception, hidden: Mapping[str, str]) -> str:
    """Return the message of an error, in one line and without the values."""
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        parts = [f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()]
        return _hide("; ".join(parts), hidden)
    text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
    return _hide(text or type(error).__name__, hidden)


def _hide(text: str, hidden: Mapping[str, str]) -> str:
    for value in sorted(filter(None, hidden.values()), key=len, reverse=True):
        text = text.replace(value, MASK)
    return " ".join(text.split())
