"""The values that templates may use. docs/how-to/own-templates.md documents each name, so the names are fixed.

An attribute of a class of values is a name that all templates know.
"""

from typing import Final

from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs.supervised import supervised
from entrypoint.boot.files import supervisor_files
from entrypoint.boot.files.nginx import NginxValues, SiteValues

_MOST_DESCRIPTORS: Final = 65536
_LONGEST_BACKLOG: Final = 1024


class SupervisordValues:
    """The values for supervisord.conf."""

    def __init__(self, config: ResolvedConfig) -> None:
        self.run_dir = config.run_dir
        self.root = config.machine.root
        self.programs = supervised(config)
        self.supervisor_files = supervisor_files.patterns(config.machine.supervisor_files)
        self.log_level = config.settings.log_level


class ServerValues:
    """The values for the application server's file."""

    def __init__(self, config: ResolvedConfig) -> None:
        machine = config.machine
        self.server = config.server.name if config.server else None
        self.app_dir = machine.app_dir
        self.module = config.module
        self.home = _python_home(config)
        self.socket = config.socket
        self.bind = config.listens_on if config.inherits_socket else config.bind
        self.own_conf = overrides.conf(config)
        self.development = config.development
        self.server_logs_requests = config.server_logs_requests
        # A value in the server's file would override the server's own variable.
        self.workers = None if overrides.workers(config) else config.workers
        self.harakiri = None if overrides.timeout(config) else config.request_seconds
        self.backlog = min(machine.backlog, _LONGEST_BACKLOG)
        self.stop_seconds = config.server_stop
        self.descriptors = min(machine.descriptors, _MOST_DESCRIPTORS)
        self.logs_failed_requests = config.logs_failed_requests
        self.served = machine.served
        self.statistics = config.statistics
        self.prefix = config.prefix


class TemplateValues:
    """The values of all templates: a user's template may use any of them. Raises Unusable.

    `starting` means that the application is still unknown. `secured` renders for a site that has, or lacks, the
    certificate that it asks for; None: as it is now.
    """

    def __init__(self, config: ResolvedConfig, *, starting: bool, secured: bool | None = None) -> None:
        self.site = SiteValues(config, starting=starting, secured=config.secured if secured is None else secured)
        parts = (self.site, NginxValues(config), ServerValues(config), SupervisordValues(config))
        self.by_name = {name: value for part in parts for name, value in vars(part).items()}


def _python_home(config: ResolvedConfig) -> str | None:
    """Return the application's virtual environment if uWSGI is installed elsewhere and has to be given its path."""
    uwsgi = config.machine.programs.get("uwsgi")
    if config.application is None or not config.application.virtual or uwsgi is None:
        return None
    return None if uwsgi.is_relative_to(config.application.prefix) else config.application.prefix
