"""The command line of each application server."""

from collections.abc import Callable, Mapping
from typing import Final

from entrypoint.boot.decisions.config import Decisions

Words = tuple[str, ...]
_FACTORY: Final = "()"


def _uwsgi(d: Decisions) -> Words:
    return (str(d.path("uwsgi")), "--ini", str(d.run_dir / "uwsgi.ini"))


def _gunicorn(d: Decisions) -> Words:
    # GUNICORN_CMD_ARGS wins over the file, and the command line over both: there stands only what has to hold.
    where = str(d.bind) if d.bind else f"unix:{d.socket}"
    return (str(d.path("gunicorn")), "--config", str(d.run_dir / "gunicorn.conf.py"), "--bind", where, d.module)


def _uvicorn(d: Decisions) -> Words:
    processes = ("--reload",) if d.development else _workers(d)
    log = () if d.server_logs_requests else ("--no-access-log",)
    patience = ("--timeout-graceful-shutdown", str(d.server_stop))
    application = ("--factory", d.module.removesuffix(_FACTORY)) if d.module.endswith(_FACTORY) else (d.module,)
    words = (*_where(d), "--interface", _UVICORN_WORD[d.interface], *processes, *log, *patience, *application)
    return _on_a_new_socket(d, (str(d.path("uvicorn")), *words))


_UVICORN_WORD: Final = {"asgi": "auto", "wsgi": "wsgi"}


def _granian(d: Decisions) -> Words:
    log = ("--access-log",) if d.server_logs_requests else ()
    patience = ("--workers-kill-timeout", str(d.server_stop))
    application = ("--factory", d.module.removesuffix(_FACTORY)) if d.module.endswith(_FACTORY) else (d.module,)
    words = (*_where(d), "--interface", d.interface, *_workers(d), *log, *patience, *application)
    return _on_a_new_socket(d, (str(d.path("granian")), *words))


def _runserver(d: Decisions) -> Words:
    return (str(d.machine.python), "manage.py", "runserver", str(d.bind))


def _where(d: Decisions) -> Words:
    return ("--host", d.bind.host, "--port", str(d.bind.port)) if d.bind else ("--uds", str(d.socket))


def _workers(d: Decisions) -> Words:
    return () if d.own_workers else ("--workers", str(d.workers))


def _on_a_new_socket(d: Decisions, command: Words) -> Words:
    """Return the command for a server that would not listen on a socket that a killed one has left."""
    return command if d.bind else ("sh", "-c", 'rm -f "$0"; exec "$@"', str(d.socket), *command)


_COMMANDS: Final[Mapping[str, Callable[[Decisions], Words]]] = {
    "uwsgi": _uwsgi,
    "gunicorn": _gunicorn,
    "uvicorn": _uvicorn,
    "granian": _granian,
    "runserver": _runserver,
}


def command_of(server: str, d: Decisions) -> Words:
    """Return the command line of the application server of that name."""
    return _COMMANDS[server](d)
