"""The command line of each application server."""

from collections.abc import Callable, Mapping
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig

Words = tuple[str, ...]
_FACTORY: Final = "()"


def _uwsgi(config: ResolvedConfig) -> Words:
    return (str(config.path("uwsgi")), "--ini", str(config.run_dir / "uwsgi.ini"))


def _gunicorn(config: ResolvedConfig) -> Words:
    # GUNICORN_CMD_ARGS wins over the file, and the command line over both: there stands only what has to hold.
    where = str(config.bind) if config.bind else f"unix:{config.socket}"
    return (
        str(config.path("gunicorn")),
        "--config",
        str(config.run_dir / "gunicorn.conf.py"),
        "--bind",
        where,
        config.module,
    )


def _uvicorn(config: ResolvedConfig) -> Words:
    processes = ("--reload",) if config.development else _workers(config)
    log = () if config.server_logs_requests else ("--no-access-log",)
    patience = ("--timeout-graceful-shutdown", str(config.server_stop))
    application = (
        ("--factory", config.module.removesuffix(_FACTORY)) if config.module.endswith(_FACTORY) else (config.module,)
    )
    words = (*_where(config), "--interface", _UVICORN_WORD[config.interface], *processes, *log, *patience, *application)
    return _on_a_new_socket(config, (str(config.path("uvicorn")), *words))


_UVICORN_WORD: Final = {"asgi": "auto", "wsgi": "wsgi"}


def _granian(config: ResolvedConfig) -> Words:
    log = ("--access-log",) if config.server_logs_requests else ()
    patience = ("--workers-kill-timeout", str(config.server_stop))
    application = (
        ("--factory", config.module.removesuffix(_FACTORY)) if config.module.endswith(_FACTORY) else (config.module,)
    )
    words = (*_where(config), "--interface", config.interface, *_workers(config), *log, *patience, *application)
    return _on_a_new_socket(config, (str(config.path("granian")), *words))


def _runserver(config: ResolvedConfig) -> Words:
    return (str(config.machine.python), "manage.py", "runserver", str(config.bind))


def _where(config: ResolvedConfig) -> Words:
    return (
        ("--host", config.bind.host, "--port", str(config.bind.port)) if config.bind else ("--uds", str(config.socket))
    )


def _workers(config: ResolvedConfig) -> Words:
    return () if config.own_workers else ("--workers", str(config.workers))


def _on_a_new_socket(config: ResolvedConfig, command: Words) -> Words:
    """Return the command for a server that would not listen on a socket that a killed one has left."""
    return command if config.bind else ("sh", "-c", 'rm -f "$0"; exec "$@"', str(config.socket), *command)


_COMMANDS: Final[Mapping[str, Callable[[ResolvedConfig], Words]]] = {
    "uwsgi": _uwsgi,
    "gunicorn": _gunicorn,
    "uvicorn": _uvicorn,
    "granian": _granian,
    "runserver": _runserver,
}


def command_of(server: str, config: ResolvedConfig) -> Words:
    """Return the command line of the application server of that name."""
    return _COMMANDS[server](config)
