"""The command line of each application server."""

from collections.abc import Callable, Mapping
from typing import Final

from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.servers import Words
from entrypoint.protocol.supervision import LISTENER

_FACTORY: Final = "()"  # at the end of the module: the callable returns the application
# The module that loads the application for a server without a hook, and then lets its errors reach the log.
_LOADER: Final = "entrypoint_application"
_UVICORN_INTERFACES: Final = {"asgi": "auto", "wsgi": "wsgi"}


def _uwsgi(config: ResolvedConfig) -> Words:
    return (str(config.path("uwsgi")), "--ini", str(config.server_file))


def _gunicorn(config: ResolvedConfig) -> Words:
    # GUNICORN_CMD_ARGS overrides the file, and the command line overrides both: it holds only what must not change.
    return (
        str(config.path("gunicorn")),
        "--config",
        str(config.server_file),
        "--bind",
        config.listens_on,
        config.module,
    )


def _uvicorn(config: ResolvedConfig) -> Words:
    return _on_new_socket(
        config,
        str(config.path("uvicorn")),
        *(("--fd", str(LISTENER)) if config.inherits_socket else _address(config)),
        *(("--root-path", config.prefix) if config.prefix else ()),
        *("--interface", _UVICORN_INTERFACES[config.interface]),
        *(("--reload",) if config.development else _workers(config)),
        *(() if config.server_logs_requests else ("--no-access-log",)),
        *("--timeout-graceful-shutdown", str(config.server_stop)),
        *(("--app-dir", str(config.machine.served)) if config.logs_failed_requests else ()),
        *_application(config, _LOADER),
    )


def _granian(config: ResolvedConfig) -> Words:
    return _on_new_socket(
        config,
        *_granian_itself(config),
        *(("--url-path-prefix", config.prefix) if config.prefix else ()),
        *("--interface", config.interface),
        *_workers(config),
        *(("--access-log",) if config.server_logs_requests else ()),
        *("--workers-kill-timeout", str(config.server_stop)),
        "--respawn-failed-workers",  # by default the crash of one worker ends them all
        *_application(
            config,
            str(config.machine.served / f"{_LOADER}.py"),
            f"{config.interface}_behind_nginx" if config.nginx else "application",
        ),
    )


def _granian_itself(config: ResolvedConfig) -> Words:
    if not config.inherits_socket:
        return (str(config.path("granian")), *_address(config))
    # granian has no option for a socket that it inherits. That Unix socket is never opened.
    return (
        str(config.machine.python),
        str(config.machine.served / "entrypoint_granian.py"),
        "--uds",
        f"/dev/fd/{LISTENER}",
    )


def _runserver(config: ResolvedConfig) -> Words:
    return (str(config.machine.python), "manage.py", "runserver", str(config.bind))


def _address(config: ResolvedConfig) -> Words:
    bind = config.bind
    return ("--host", bind.host, "--port", str(bind.port)) if bind else ("--uds", str(config.socket))


def _workers(config: ResolvedConfig) -> Words:
    return () if overrides.workers(config) else ("--workers", str(config.workers))


def _application(config: ResolvedConfig, loader: str, name: str = "application") -> Words:
    if config.logs_failed_requests:
        return (f"{loader}:{name}",)
    module = config.module
    return ("--factory", module.removesuffix(_FACTORY)) if module.endswith(_FACTORY) else (module,)


def _on_new_socket(config: ResolvedConfig, *command: str) -> Words:
    """Return the command for a server that refuses a socket which a killed process has left."""
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
