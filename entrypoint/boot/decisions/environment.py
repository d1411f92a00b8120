"""The environment that the application's processes get."""

import re
from collections.abc import Mapping
from typing import Final

from entrypoint.boot.facts.machine import Machine, search_path
from entrypoint.boot.facts.templates import SUPERVISORD
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.boot.settings.sources import SUPERUSER_FIELD
from entrypoint.boot.trust.trust import LOADED

_OF_THE_SYSTEM: Final = ("LANG", "LANGUAGE", "TERM", "TZ")
_READ_BY_SUPERVISORD: Final = re.compile(r"%\(ENV_([^)]+)\)")
_WHERE_PYTHON_LOOKS: Final = ("/tmp", "/var/tmp")  # noqa: S108 -- tempfile's own list, beside TMPDIR


def for_application(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return what the application sees: secrets resolved, its interpreter first on PATH, its user's HOME."""
    environment = dict(settings.environment)
    environment["PATH"] = search_path(environment, machine.python)
    environment["DJANGO_ENV"] = settings.environment_kind
    if "uwsgi" in machine.server_confs:
        environment.pop("UWSGI_INI", None)  # our uwsgi.ini includes it, and uWSGI would read it twice
    if settings_module:
        environment["DJANGO_SETTINGS_MODULE"] = settings_module
    if machine.root:  # else HOME and USER are the caller's own and already right
        environment |= machine.account.variables
    environment |= _temporary(machine)
    environment.setdefault("PYTHONUNBUFFERED", "1")  # a block-buffered log tells of a crash only after the next one
    return environment


def for_programs(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return what the served programs get: the same, but without the secret settings and the superuser's fields.

    They are the boot's alone, and what lists its environment in an error report, as much does, would give them away.
    """
    environment = without_secrets(for_application(settings, machine, settings_module))
    if settings.superuser_password:
        environment["ENTRYPOINT_SUPERUSER"] = "off"  # or an `entrypoint` that a program runs would miss the password
    return environment


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that are the boot's alone."""
    known = {name: spec.secret for spec in setting_specs() for name in spec.names}
    return {name: text for name, text in environment.items() if not known.get(name, SUPERUSER_FIELD.fullmatch(name))}


def of_process_1(settings: Settings, machine: Machine) -> Mapping[str, str]:
    """Return the environment of supervisord itself: nothing of the application's, and no secret.

    Names that supervisord's files of the user's own read, as %(ENV_NAME)s, are kept.
    """
    texts = (*machine.supervisor_files.values(), machine.templates.get(SUPERVISORD, ""))
    read = {name for text in texts for name in _READ_BY_SUPERVISORD.findall(text)}
    kept = {
        name: value
        for name, value in settings.environment.items()
        if name in _OF_THE_SYSTEM or name.startswith("LC_") or name in read - LOADED
    }
    return {**kept, **_temporary(machine), "PATH": machine.own_path, "HOME": machine.own_home}


def _temporary(machine: Machine) -> Mapping[str, str]:
    """Return TMPDIR where no usual folder can be written: Python finds none by itself, and supervisord needs one."""
    place = str(machine.temporary)
    return {} if place in _WHERE_PYTHON_LOOKS else {"TMPDIR": place}
