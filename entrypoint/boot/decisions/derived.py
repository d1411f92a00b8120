"""The values of settings that are not set and have no fixed default, for `entrypoint env`."""

from collections.abc import Iterator, Mapping

from entrypoint.boot.decisions import servers, sizing
from entrypoint.boot.decisions.folders.run_dir import run_dir
from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.facts.cgroup import Limits
from entrypoint.boot.facts.machine import Facts
from entrypoint.boot.settings.programs.user_programs import RELEASE, WEB
from entrypoint.boot.settings.reference import Derived
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable
from entrypoint.protocol.agent import Application


def derived(settings: Settings, facts: Facts) -> Mapping[str, Derived]:
    """Return the values by the settings' names. If the Django project is not loaded, those that need it are missing."""
    machine = facts.machine
    user = "as root" if machine.root else "not root"
    at_run = "" if machine.own_run_dir else "not "
    values = {
        "PORT": Derived(str(settings.listen_on(root=machine.root)), f"TLS, {user}" if settings.tls else user),
        "ENTRYPOINT_APP_DIR": Derived(str(machine.app_dir), "the working directory"),
        "ENTRYPOINT_PYTHON": Derived(str(machine.python), _why_python(settings, facts)),
        "ENTRYPOINT_USER": Derived(str(machine.account), _why_user(settings, machine.root)),
        "ENTRYPOINT_RUN_DIR": Derived(str(run_dir(settings, machine)), f"/run/entrypoint is {at_run}writable"),
        "ENTRYPOINT_PROGRAMS": Derived(",".join(_programs(settings)), "all"),
        "NGINX_WORKER_PROCESSES": Derived(
            str(sizing.nginx_workers(machine.limits)), str(Limits(machine.limits.cpus, None))
        ),
        "NGINX_ACCESS_LOG": Derived(settings.log_format, f"ENTRYPOINT_LOG_FORMAT={settings.log_format}"),
        **dict(_serving(settings, facts)),
    }
    if machine.django:
        values["ENTRYPOINT_WAIT_FOR"] = Derived("", "only Django's databases")
    if facts.application:
        values |= _of_django(facts.application)
    return values


def _why_user(settings: Settings, root: bool) -> str:  # noqa: FBT001 -- a fact
    if settings.puid is not None:
        return "PUID"
    if settings.owner:
        return "in development, the owner of the application's folder"
    return "as root" if root else "the current user"


def _serving(settings: Settings, facts: Facts) -> Iterator[tuple[str, Derived]]:
    """Yield the settings that say what serves the site."""
    mode = f"DJANGO_ENV={settings.environment_kind}"
    if not settings.serves:
        for name in ("ENTRYPOINT_NGINX", "ENTRYPOINT_SERVER", "WEB_CONCURRENCY"):
            yield name, Derived("", "this container serves no site")
        return
    yield "ENTRYPOINT_NGINX", Derived("on" if settings.behind_nginx else "off", mode)
    if settings.own_server:
        for name in ("ENTRYPOINT_SERVER", "WEB_CONCURRENCY"):
            yield name, Derived("", f"{WEB} from {settings.own_server.source} serves the site")
        return
    try:
        server = servers.choose(settings, facts)
    except Unusable:
        return  # there is no application here
    if server is None:
        yield "WEB_CONCURRENCY", Derived("", "there is no application server")
        return
    yield "ENTRYPOINT_SERVER", Derived(server.name, mode)
    yield "WEB_CONCURRENCY", _workers(settings, server, facts.machine.limits)
    if facts.application and settings.app is None:
        module, interface = servers.application_of(server, settings, facts.application)
        yield "ENTRYPOINT_APP", Derived(module, f"Django's {interface.upper()}_APPLICATION")


def _workers(settings: Settings, server: Server, limits: Limits) -> Derived:
    if server.worker_variables is None:
        return Derived("", f"{server.name} has no worker processes")
    own = next((name for name in server.worker_variables if settings.environment.get(name)), None)
    return Derived(settings.environment[own], own) if own else Derived(str(sizing.server_workers(limits)), str(limits))


def _of_django(django: Application) -> Mapping[str, Derived]:
    values = {"DJANGO_SETTINGS_MODULE": Derived(django.settings_module, "manage.py")}
    for name in ("STATIC_URL", "STATIC_ROOT", "MEDIA_URL", "MEDIA_ROOT"):
        text = getattr(django, name.lower())
        values[f"NGINX_{name}"] = Derived(text, f"Django's {name}{'' if text else ' is not set'}")
    return values


def _programs(settings: Settings) -> Iterator[str]:
    if settings.serves:
        yield WEB
    yield from (name for name in settings.programs if name not in (WEB, RELEASE))


def _why_python(settings: Settings, facts: Facts) -> str:
    python, environment = facts.machine.python, settings.environment
    if python == facts.machine.own_python:
        return "entrypoint's own"
    inside = python.is_relative_to(environment.get("VIRTUAL_ENV") or "/nonexistent")
    return "$VIRTUAL_ENV" if inside else ".venv in the application"
