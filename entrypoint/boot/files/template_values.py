"""The values that templates may use. docs/how-to/own-templates.md documents each name, so the names are fixed."""

from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.files import nginx, supervisor_files
from entrypoint.boot.settings.types.addresses import Listen

_MOST_DESCRIPTORS: Final = 65536
_LONGEST_BACKLOG: Final = 1024


class SupervisordValues(NamedTuple):
    """The values for supervisord.conf."""

    run_dir: PurePosixPath
    root: bool
    programs: tuple[Program, ...]
    supervisor_files: tuple[PurePosixPath, ...]
    log_level: str


class ServerValues(NamedTuple):
    """The values for the application server's file."""

    server: str | None
    app_dir: PurePosixPath
    module: str
    home: str | None
    socket: PurePosixPath
    bind: Listen | str | None
    own_conf: PurePosixPath | None
    development: bool
    server_logs_requests: bool
    workers: int | None
    harakiri: int | None  # seconds
    backlog: int
    stop_seconds: int
    descriptors: int
    logs_failed_requests: bool
    served: PurePosixPath
    statistics: PurePosixPath | None
    prefix: str


class TemplateValues(NamedTuple):
    """The values of all templates: a user's template may use any of them."""

    supervisord: SupervisordValues
    server: ServerValues
    nginx: nginx.NginxValues

    def by_name(self) -> dict[str, Any]:
        """Return the values by the names that the templates use."""
        return {**self.supervisord._asdict(), **self.server._asdict(), **self.nginx._asdict()}


def template_values(
    config: ResolvedConfig, supervised: tuple[Program, ...], *, starting: bool, secured: bool | None = None
) -> TemplateValues:
    """Return the values; `starting` means that the application is still unknown. Raises Unusable.

    `secured` renders for a site that has, or lacks, the certificate that it asks for; None: as it is now.
    """
    return TemplateValues(
        supervisord=SupervisordValues(
            run_dir=config.run_dir,
            root=config.machine.root,
            programs=supervised,
            supervisor_files=supervisor_files.patterns(config.machine.supervisor_files),
            log_level=config.settings.log_level,
        ),
        server=_server(config),
        nginx=nginx.values(config, starting=starting, secured=secured),
    )


def _server(config: ResolvedConfig) -> ServerValues:
    return ServerValues(
        server=config.server.name if config.server else None,
        app_dir=config.machine.app_dir,
        module=config.module,
        home=_python_home(config),
        socket=config.socket,
        bind=config.listens_on if config.inherits_socket else config.bind,
        own_conf=config.own_conf,
        development=config.development,
        server_logs_requests=config.server_logs_requests,
        # A value in the server's file would override the server's own variable.
        workers=None if config.own_workers else config.workers,
        harakiri=None if config.own_timeout else config.request_seconds,
        backlog=min(config.machine.backlog, _LONGEST_BACKLOG),
        stop_seconds=config.server_stop,
        descriptors=min(config.machine.descriptors, _MOST_DESCRIPTORS),
        logs_failed_requests=config.logs_failed_requests,
        served=config.machine.served,
        statistics=config.statistics,
        prefix=config.prefix,
    )


def _python_home(config: ResolvedConfig) -> str | None:
    """Return the application's virtual environment if uWSGI is installed elsewhere and has to be given its path."""
    uwsgi = config.machine.programs.get("uwsgi")
    if config.application is None or not config.application.virtual or uwsgi is None:
        return None
    return None if uwsgi.is_relative_to(config.application.prefix) else config.application.prefix
