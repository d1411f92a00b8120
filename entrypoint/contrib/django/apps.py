"""The configuration of this Django app."""

from django.apps import AppConfig


class EntrypointConfig(AppConfig):  # type: ignore[misc]  # Django ships no types
    """An app with one command, without models or URLs."""

    name = "entrypoint.contrib.django"
    label = "entrypoint"
    verbose_name = "Entrypoint toolkit"
