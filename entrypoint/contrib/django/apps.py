"""How Django calls this app."""

from django.apps import AppConfig


class EntrypointConfig(AppConfig):  # type: ignore[misc]  # Django ships no types
    """No models, no URLs: one command."""

    name = "entrypoint.contrib.django"
    label = "entrypoint"
    verbose_name = "Entrypoint toolkit"
