"""The first superuser."""

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from entrypoint.app.answer import Progress


def create(*, name: str, password: str, fields: dict[str, str], progress: Progress) -> str:  # noqa: ARG001 -- every command is called alike
    """Create the superuser `name` unless a user of that name exists, whom it leaves as they are."""
    model = get_user_model()
    manager = model._default_manager  # noqa: SLF001 -- Django documents it as the model's manager for such code
    if _exists(name):
        return f"user {name} exists"
    try:
        manager.create_superuser(**{**fields, model.USERNAME_FIELD: name, "password": password})
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
