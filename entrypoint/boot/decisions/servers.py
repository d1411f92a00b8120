"""The application servers, as values: what each speaks, how it is configured, and how its readiness shows."""

from dataclasses import dataclass
from typing import Final

from entrypoint.boot.facts.machine import Facts
from entrypoint.boot.settings.server_names import NONE
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable
from entrypoint.protocol import Application

Words = tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """One application server."""

    name: str
    interfaces: Words  # what it speaks with an application; the first with one that could do either
    protocol: str = "http"  # what nginx speaks with it
    template: str | None = None  # of the file that it is told by
    ready: str | None = None  # how its readiness shows; None: it listens once its application is loaded
    unix: bool = True  # whether it can listen on a Unix socket
    workers: Words | None = ()  # its own variables for WEB_CONCURRENCY; None: it has no workers
    own_timeout: str | None = None  # its own variable for ENTRYPOINT_REQUEST_TIMEOUT
    own_arguments: str | None = None  # its own variable for a command line


SERVERS: Final = {
    server.name: server
    for server in (
        Server(
            "uwsgi",
            ("wsgi",),
            protocol="uwsgi",
            template="uwsgi.ini.j2",
            ready="notify",
            workers=("UWSGI_PROCESSES", "UWSGI_WORKERS"),
            own_timeout="UWSGI_HARAKIRI",
        ),
        Server(
            "gunicorn",
            ("wsgi",),
            template="gunicorn.conf.py.j2",
            ready="notify",
            own_arguments="GUNICORN_CMD_ARGS",
        ),
        Server("uvicorn", ("asgi", "wsgi"), workers=("UVICORN_WORKERS",)),
        Server("granian", ("wsgi", "asgi"), ready="log:Started worker-[0-9]", workers=("GRANIAN_WORKERS",)),
        Server("runserver", ("wsgi",), unix=False, workers=None),
    )
}


def choose(settings: Settings, facts: Facts) -> Server | None:
    """Return the application server, None where there is none of ours. Raises Unusable where nothing is served."""
    if not settings.serves or settings.own_server:
        return None
    name = settings.server or ("runserver" if settings.development and facts.machine.django else "uwsgi")
    if name == NONE:
        if not facts.machine.server_files and not facts.machine.nginx_conf and not settings.runs_own:
            raise Unusable(
                "cannot use ENTRYPOINT_SERVER=none: nothing would answer, "
                "for /etc/nginx/server.d has no configuration of your own"
            )
        return None
    if name == "runserver" and not facts.machine.django:
        raise Unusable(f"cannot use ENTRYPOINT_SERVER=runserver: there is no manage.py in {facts.machine.app_dir}")
    if not facts.machine.django and settings.app is None:
        raise Unusable(
            f"cannot find the application: there is no manage.py in {facts.machine.app_dir}, "
            "and ENTRYPOINT_APP is not set; ENTRYPOINT_APP_DIR says where to look"
        )
    return SERVERS[name]


def application_of(server: Server, settings: Settings, django: Application | None) -> tuple[str, str]:
    """Return what the server is to load, package.module:callable, and what the two speak: wsgi or asgi.

    Raises Unusable where they have no language in common.
    """
    if settings.app is None and django is not None:
        both = {"wsgi": django.wsgi, "asgi": django.asgi}
        spoken = "asgi" if django.asynchronous and "asgi" in server.interfaces else server.interfaces[0]
        return both[spoken], spoken
    module = settings.app or ""
    told = _told(module, django)
    if told and told not in server.interfaces:
        able = " or ".join(other.name for other in SERVERS.values() if told in other.interfaces and other.unix)
        raise Unusable(
            f"cannot use ENTRYPOINT_APP={module} with {server.name}: "
            f"it is an {told.upper()} application, which wants ENTRYPOINT_SERVER={able}"
            if told == "asgi"
            else f"cannot use ENTRYPOINT_APP={module} with {server.name}, which speaks no {told.upper()}"
        )
    return module, told or server.interfaces[0]


def _told(module: str, django: Application | None) -> str | None:
    """Return what an application speaks, where Django's settings or the name of its module tell."""
    if django and module in (django.wsgi, django.asgi):
        return "wsgi" if module == django.wsgi else "asgi"
    last = module.partition(":")[0].rpartition(".")[2]
    return last if last in ("wsgi", "asgi") else None
