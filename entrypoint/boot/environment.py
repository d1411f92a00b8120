"""The environment that the application's processes get."""

from collections.abc import Mapping

from entrypoint.boot.facts import Account, Machine, search_path
from entrypoint.boot.settings import Settings


def for_application(settings: Settings, machine: Machine, settings_module: str | None) -> Mapping[str, str]:
    """Return what the application sees: secrets resolved, its interpreter first on PATH, its user's HOME."""
    environment = dict(settings.environment)
    environment["PATH"] = search_path(environment, machine.python)
    if settings_module:
        environment["DJANGO_SETTINGS_MODULE"] = settings_module
    if machine.root:  # else HOME and USER are the caller's own and already right
        environment |= of_user(machine.account)
    environment.setdefault("PYTHONUNBUFFERED", "1")  # a block-buffered log tells of a crash only after the next one
    return environment


def of_user(account: Account) -> Mapping[str, str]:
    """Return what the environment says of who a process runs as."""
    return {"HOME": account.home, "USER": str(account), "LOGNAME": str(account)}
