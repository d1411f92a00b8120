"""The application servers, as values."""

from dataclasses import dataclass
from typing import Final

from entrypoint.boot.facts.machine import Facts
from entrypoint.boot.settings.programs.user_programs import RELEASE
from entrypoint.boot.settings.server_names import NONE
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable
from entrypoint.protocol.agent import Application
from entrypoint.protocol.supervision import StopChildren

Words = tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """One application server."""

    name: str
    interfaces: Words  # wsgi, asgi; the first one is for an application that offers both
    protocol: str = "http"  # between nginx and the server
    template: str | None = None  # of its configuration file
    ready: str | None = None  # its readiness probe; None: it listens only after it has loaded the application
    unix: bool = True  # whether it can listen on a Unix socket
    static: bool = False  # whether it can serve static files without nginx
    keeps_prefix: bool = False  # whether nginx keeps NGINX_PREFIX in the path, because the server removes it
    worker_variables: Words | None = ()  # its own variables for WEB_CONCURRENCY; None: it has no workers
    timeout_variables: Words = ()  # its own variables for ENTRYPOINT_REQUEST_TIMEOUT
    arguments_variable: str | None = None  # its own variable for command line arguments
    stop_interval: float | None = None  # seconds between its stop signals; None: one signal is enough
    stop_children: StopChildren | None = None  # the stop signal for its workers; None: it stops them itself
    master_from: int = 1  # the least number of workers with which it has a parent process that stops them


SERVERS: Final = {
    server.name: server
    for server in (
        Server(
            "uwsgi",
            ("wsgi",),
            protocol="uwsgi",
            template="uwsgi.ini.j2",
            ready="notify",
            static=True,
            worker_variables=("UWSGI_PROCESSES", "UWSGI_WORKERS"),
            timeout_variables=("UWSGI_HARAKIRI",),
            # Its master notices the end of its workers once a second, or after a signal. It ignores a second TERM.
            stop_interval=0.1,
            # A stop during its pause between the restarts of crashed workers does not reach the worker that it then
            # starts, nor one that has not replaced the handlers of the master. A worker has a handler for USR2.
            stop_children=StopChildren("HUP", handles="USR2", late=True),
        ),
        Server(
            "gunicorn",
            ("wsgi",),
            template="gunicorn.conf.py.j2",
            ready="notify",
            keeps_prefix=True,
            arguments_variable="GUNICORN_CMD_ARGS",
        ),
        Server(
            "uvicorn",
            ("asgi", "wsgi"),
            worker_variables=("UVICORN_WORKERS",),
            # Its parent looks for signals twice a second, and restarts a worker that has ended unless it finds one.
            stop_children=StopChildren("TERM", handles="TERM"),
            master_from=2,
        ),
        Server("granian", ("wsgi", "asgi"), keeps_prefix=True, worker_variables=("GRANIAN_WORKERS",)),
        Server("runserver", ("wsgi",), unix=False, worker_variables=None),
    )
}


def choose(settings: Settings, facts: Facts) -> Server | None:
    """Return the application server, None if this container runs none of these. Raises Unusable if nothing serves."""
    if not settings.serves or settings.own_server:
        return None
    machine = facts.machine
    name = settings.server or ("runserver" if settings.development and machine.django else "uwsgi")
    if name == NONE:
        others = any(program.name != RELEASE for program in settings.chosen)
        if not machine.server_files and not machine.nginx_conf and not others:
            raise Unusable(
                "cannot use ENTRYPOINT_SERVER=none: nothing would answer; "
                "add your own configuration to /etc/nginx/server.d"
            )
        return None
    if name == "runserver" and not machine.django:
        raise Unusable(f"cannot use ENTRYPOINT_SERVER=runserver: there is no manage.py in {machine.app_dir}")
    if not machine.django and settings.app is None:
        raise Unusable(
            f"cannot find the application: there is no manage.py in {machine.app_dir}, "
            "and ENTRYPOINT_APP is not set; set ENTRYPOINT_APP_DIR to the application's folder"
        )
    return SERVERS[name]


def application_of(server: Server, settings: Settings, django: Application | None) -> tuple[str, str]:
    """Return the application that the server loads, package.module:callable, and the interface: wsgi or asgi.

    Raises Unusable if the server does not support the application's interface.
    """
    if settings.app is None and django is not None:
        both = {"wsgi": django.wsgi, "asgi": django.asgi}
        chosen = "asgi" if django.asynchronous and "asgi" in server.interfaces else server.interfaces[0]
        return both[chosen], chosen
    module = settings.app or ""
    interface = _interface(module, django)
    if interface and interface not in server.interfaces:
        able = " or ".join(other.name for other in SERVERS.values() if interface in other.interfaces and other.unix)
        raise Unusable(
            f"cannot use ENTRYPOINT_APP={module} with {server.name}, which does not support {interface.upper()}; "
            f"set ENTRYPOINT_SERVER={able}"
        )
    return module, interface or server.interfaces[0]


def _interface(module: str, django: Application | None) -> str | None:
    """Return the application's interface if Django's settings or the module's name show it."""
    if django and module in (django.wsgi, django.asgi):
        return "wsgi" if module == django.wsgi else "asgi"
    last = module.partition(":")[0].rpartition(".")[2]
    return last if last in ("wsgi", "asgi") else None
