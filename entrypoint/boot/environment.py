"""The environment that the application's processes get."""

from collections.abc import Mapping
from typing import Final

from entrypoint.boot.facts import Account, Machine, search_path
from entrypoint.boot.settings import Settings, declarations

_WHERE_PYTHON_LOOKS: Final = ("/tmp", "/var/tmp")  # noqa: S108 -- tempfile's own list, beside TMPDIR
_OF_THE_USER: Final = ("HOME", "USER", "LOGNAME")


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
        environment |= of_user(machine.account)
    # Where no usual folder can be written, Python finds none by itself: supervisord and uWSGI's workers would fail.
    if str(machine.temporary) not in _WHERE_PYTHON_LOOKS:
        environment["TMPDIR"] = str(machine.temporary)
    environment.setdefault("PYTHONUNBUFFERED", "1")  # a block-buffered log tells of a crash only after the next one
    return environment


def for_hooks(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return what hooks see: the application's environment, but the home of who we are, as whom they run."""
    given = for_application(settings, machine, settings_module)
    own = {name: settings.environment[name] for name in _OF_THE_USER if name in settings.environment}
    return {**{name: value for name, value in given.items() if name not in _OF_THE_USER}, **own}


def for_programs(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return what the served programs get: the same, but for the settings that are secret.

    They are the boot's alone, and what lists its environment in an error report, as much does, would give them away.
    """
    environment = dict(for_application(settings, machine, settings_module))
    for name in (name for declaration in declarations() if declaration.secret for name in declaration.names):
        environment.pop(name, None)
    if settings.superuser_password:
        environment["ENTRYPOINT_SUPERUSER"] = "off"  # or an `entrypoint` that a program runs would miss the password
    return environment


def of_user(account: Account) -> Mapping[str, str]:
    """Return what the environment says of who a process runs as."""
    return {"HOME": account.home, "USER": str(account), "LOGNAME": str(account)}
