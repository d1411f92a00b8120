"""The application servers, as values: what each speaks, how it is told, and how its readiness shows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from entrypoint.boot.decisions import Decisions
    from entrypoint.boot.facts import Application, Facts
    from entrypoint.boot.settings import Settings

Words = tuple[str, ...]
NONE: Final = "none"  # nginx alone
_FACTORY: Final = "()"


@dataclass(frozen=True)
class Server:
    """One application server."""

    name: str
    interfaces: Words  # what it speaks with an application; the first with one that could do either
    command: Callable[["Decisions"], Words]
    protocol: str = "http"  # what nginx speaks with it
    template: str | None = None  # of the file that it is told by
    ready: str | None = None  # how its readiness shows; None: it listens once its application is loaded
    unix: bool = True  # whether it can listen on a Unix socket
    workers: Words | None = ()  # its own variables for WEB_CONCURRENCY; None: it has no workers
    own_timeout: str | None = None  # its own variable for ENTRYPOINT_REQUEST_TIMEOUT
    own_arguments: str | None = None  # its own variable for a command line


def _uwsgi(d: "Decisions") -> Words:
    return (str(d.path("uwsgi")), "--ini", str(d.run_dir / "uwsgi.ini"))


def _gunicorn(d: "Decisions") -> Words:
    # GUNICORN_CMD_ARGS wins over the file, and the command line over both: there stands only what has to hold.
    where = str(d.bind) if d.bind else f"unix:{d.socket}"
    return (str(d.path("gunicorn")), "--config", str(d.run_dir / "gunicorn.conf.py"), "--bind", where, d.module)


def _uvicorn(d: "Decisions") -> Words:
    processes = ("--reload",) if d.development else _workers(d)
    log = () if d.server_logs_requests else ("--no-access-log",)
    patience = ("--timeout-graceful-shutdown", str(d.server_stop))
    application = ("--factory", d.module.removesuffix(_FACTORY)) if d.module.endswith(_FACTORY) else (d.module,)
    words = (*_where(d), "--interface", _UVICORN_WORD[d.interface], *processes, *log, *patience, *application)
    return _on_a_new_socket(d, (str(d.path("uvicorn")), *words))


_UVICORN_WORD: Final = {"asgi": "auto", "wsgi": "wsgi"}


def _granian(d: "Decisions") -> Words:
    log = ("--access-log",) if d.server_logs_requests else ()
    patience = ("--workers-kill-timeout", str(d.server_stop))
    application = ("--factory", d.module.removesuffix(_FACTORY)) if d.module.endswith(_FACTORY) else (d.module,)
    words = (*_where(d), "--interface", d.interface, *_workers(d), *log, *patience, *application)
    return _on_a_new_socket(d, (str(d.path("granian")), *words))


def _runserver(d: "Decisions") -> Words:
    return (str(d.machine.python), "manage.py", "runserver", str(d.bind))


def _where(d: "Decisions") -> Words:
    return ("--host", d.bind.host, "--port", str(d.bind.port)) if d.bind else ("--uds", str(d.socket))


def _workers(d: "Decisions") -> Words:
    return () if d.own_workers else ("--workers", str(d.workers))


def _on_a_new_socket(d: "Decisions", command: Words) -> Words:
    """Return the command for a server that would not listen on a socket that a killed one has left."""
    return command if d.bind else ("sh", "-c", 'rm -f "$0"; exec "$@"', str(d.socket), *command)


SERVERS: Final = {
    server.name: server
    for server in (
        Server(
            "uwsgi",
            ("wsgi",),
            _uwsgi,
            protocol="uwsgi",
            template="uwsgi.ini.j2",
            ready="notify",
            workers=("UWSGI_PROCESSES", "UWSGI_WORKERS"),
            own_timeout="UWSGI_HARAKIRI",
        ),
        Server(
            "gunicorn",
            ("wsgi",),
            _gunicorn,
            template="gunicorn.conf.py.j2",
            ready="notify",
            own_arguments="GUNICORN_CMD_ARGS",
        ),
        Server("uvicorn", ("asgi", "wsgi"), _uvicorn, workers=("UVICORN_WORKERS",)),
        Server("granian", ("wsgi", "asgi"), _granian, ready="log:Started worker-[0-9]", workers=("GRANIAN_WORKERS",)),
        Server("runserver", ("wsgi",), _runserver, unix=False, workers=None),
    )
}


def choose(settings: "Settings", facts: "Facts") -> Server | None:
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


def application_of(server: Server, settings: "Settings", django: "Application | None") -> tuple[str, str]:
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


def _told(module: str, django: "Application | None") -> str | None:
    """Return what an application speaks, where Django's settings or the name of its module tell."""
    if django and module in (django.wsgi, django.asgi):
        return "wsgi" if module == django.wsgi else "asgi"
    last = module.partition(":")[0].rpartition(".")[2]
    return last if last in ("wsgi", "asgi") else None
