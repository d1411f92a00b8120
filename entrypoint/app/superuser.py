"""The first superuser."""

from collections.abc import Callable

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from entrypoint.app.failure import Failure


def create(*, name: str, password: str, fields: dict[str, str], progress: Callable[[str], None]) -> str:  # noqa: ARG001 -- every command is called alike
    """Create the superuser `name` unless a user of that name exists, whom it leaves as he is. Raises Failure."""
    model = get_user_model()
    manager = model._default_manager  # noqa: SLF001 -- Django documents it as the model's manager for such code
    if _exists(name):
        return f"user {name} exists"
    known = {field.name for field in model._meta.get_fields()}  # noqa: SLF001 -- public in all but name (Model _meta API)
    unknown = sorted(set(fields) - known - {"email"})
    missing = sorted(set(model.REQUIRED_FIELDS) - set(fields))
    if unknown or missing:
        raise Failure(
            "cannot create the superuser: "
            + "; ".join(
                [f"the user model has no field {field}" for field in unknown]
                + [f"SUPERUSER_{field.upper()} is not set" for field in missing]
            ),
            "unusable",
        )
    values = {field: value for field, value in fields.items() if field in known}
    try:
        manager.create_superuser(**{**values, model.USERNAME_FIELD: name, "password": password})
    except IntegrityError:
        if not _exists(name):
            raise
        return f"user {name} exists"  # another container was faster
    return f"user {name} created"


def _exists(name: str) -> bool:
    model = get_user_model()
    try:
        model._default_manager.get_by_natural_key(name)  # noqa: SLF001 -- as above
    except model.DoesNotExist:
        return False
    return True
