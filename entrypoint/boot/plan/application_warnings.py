"""Warnings about an application whose settings do not suit production, although the site can be served."""

import re
from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.plan.steps import WARNING, Read
from entrypoint.protocol.agent import Application

_HOST: Final = re.compile(r"\*|\.?[\w.-]+|\[[0-9A-Fa-f:.]+\]")  # as Django compares it with the Host of a request


def application_warnings(config: ResolvedConfig) -> Iterator[Read]:
    """Yield the warnings of a boot, a dry run and a check. `config` knows the application's apps."""
    application = config.application
    if application and not config.development:
        for text in (*_secrets(application), *_site(config, application), *_places(config, application)):
            yield Read(WARNING, f"warning: {text}")


def _secrets(application: Application) -> Iterator[str]:
    if application.debug:
        yield (
            f"DEBUG is on in {application.settings_module}: error pages show the source and the settings to everyone; "
            "set DEBUG = False, or DJANGO_ENV=development on your own machine"
        )
    if application.weak_key:
        yield (
            f"SECRET_KEY can be guessed: {application.weak_key}; anyone who knows it can log in as any user; "
            "let the settings read a random key of at least 50 characters from the environment"
        )


def _site(config: ResolvedConfig, application: Application) -> Iterator[str]:
    if config.server_name is None:
        return
    if not application.debug and not any(host.strip() for host in application.allowed_hosts):
        yield (
            "ALLOWED_HOSTS names no host: Django answers every request with 400; "
            'name the hosts of the site, for example ALLOWED_HOSTS = ["www.example.com"]'
        )
    for host in application.allowed_hosts:
        if host.strip() and not _HOST.fullmatch(host):
            yield (
                f'ALLOWED_HOSTS contains "{host}", which allows no host: '
                "an entry is one name, without scheme, port, path or space"
            )
    here = application.static_url.startswith("/") and not application.static_url.startswith("//")
    wanted = application.staticfiles and application.needs_static_root and config.settings.collectstatic != "off"
    if here and wanted and not (application.static_root or config.settings.static_root):
        yield (
            "STATIC_ROOT is not set: nothing serves the static files, and the admin has no CSS; "
            'set STATIC_ROOT = BASE_DIR / "static_root", or ENTRYPOINT_COLLECTSTATIC=off if the site needs none'
        )


def _places(config: ResolvedConfig, application: Application) -> Iterator[str]:
    # No warning if a hook may still create or chown the places, or if PUID hands them over, which logs its own lines.
    if not config.machine.hooks.prepare and not config.handed_over:
        yield from application.unwritable
