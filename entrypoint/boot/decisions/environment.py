"""The environments of the application's processes and of process 1."""

import re
from collections.abc import Mapping
from typing import Final

from entrypoint.boot.facts.installed import search_path
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.facts.templates import SUPERVISORD
from entrypoint.boot.settings.programs.user_programs import CERTIFICATES
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.boot.settings.sources.sources import SUPERUSER_FIELD
from entrypoint.boot.trust.trust import LOADED
from entrypoint.protocol.certificates import EAB_KEY

MULTIPROCESS_METRICS: Final = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
"""The variables, the new one and the old one, that name the folder of prometheus_client's files."""

_SYSTEM_NAMES: Final = ("LANG", "LANGUAGE", "TERM", "TZ")
_READ_BY_SUPERVISORD: Final = re.compile(r"%\(ENV_([^)]+)\)")
_PYTHONS_FOLDERS: Final = ("/tmp", "/var/tmp")  # noqa: S108 -- tempfile's own list, besides TMPDIR


def for_application(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return the application's environment: secrets resolved, its interpreter first on PATH, its user's HOME."""
    environment = dict(settings.environment)
    environment["PATH"] = search_path(environment, machine.python)
    environment["DJANGO_ENV"] = settings.environment_kind
    if "uwsgi" in machine.server_confs:
        environment.pop("UWSGI_INI", None)  # our uwsgi.ini includes that file, and uWSGI would read it twice
    if settings_module:
        environment["DJANGO_SETTINGS_MODULE"] = settings_module
    if machine.root:  # otherwise HOME and USER are already right
        environment |= machine.account.variables
    environment |= _temporary(machine)
    environment.setdefault("PYTHONUNBUFFERED", "1")  # or a crash would lose the buffered lines of its log
    return environment


def for_agent(settings: Settings, machine: Machine) -> Mapping[str, str]:
    """Return the agent's environment: the application's, without metrics, because it serves nothing."""
    environment = for_application(settings, machine, settings.settings_module)
    return {name: text for name, text in environment.items() if name not in MULTIPROCESS_METRICS}


def for_programs(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return the programs' environment: the application's without the secret settings and the superuser's fields.

    Only the boot needs them, and an error report of a program may list its environment.
    """
    environment = without_secrets(for_application(settings, machine, settings_module))
    if settings.superuser_password:
        environment["ENTRYPOINT_SUPERUSER"] = "off"  # or `entrypoint` in a program would fail without it
    return environment


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that only the boot needs."""
    known = {name: spec.secret for spec in setting_specs() for name in spec.names}
    return {name: text for name, text in environment.items() if not known.get(name, SUPERUSER_FIELD.fullmatch(name))}


def private(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    """Return the secrets that single programs get, by the program's name."""
    key = settings.tls_eab_key if settings.acme else None
    return {CERTIFICATES: {EAB_KEY: key.reveal()}} if key else {}


def of_process_1(settings: Settings, machine: Machine) -> Mapping[str, str]:
    """Return the environment of supervisord itself, without the application's variables and secrets.

    It keeps the names that the user's supervisord files read as %(ENV_NAME)s.
    """
    texts = (*machine.supervisor_files.values(), machine.templates.get(SUPERVISORD, ""))
    read = {name for text in texts for name in _READ_BY_SUPERVISORD.findall(text)}
    kept = {
        name: value
        for name, value in settings.environment.items()
        if name in _SYSTEM_NAMES or name.startswith("LC_") or name in read - LOADED
    }
    return {**kept, **_temporary(machine), "PATH": machine.own_path, "HOME": machine.own_home}


def _temporary(machine: Machine) -> Mapping[str, str]:
    """Return TMPDIR if no usual folder is writable: supervisord needs one, and Python finds no other by itself."""
    place = str(machine.temporary)
    return {} if place in _PYTHONS_FOLDERS else {"TMPDIR": place}
