"""The programs that supervisord runs, as values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs.first_request import connection, first_request, request_of
from entrypoint.boot.decisions.programs.server_commands import command_of
from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.decisions.stop_budget import NGINX_ORDER, SERVER_ORDER, order_of
from entrypoint.boot.settings.programs.user_programs import NGINX, UserProgram
from entrypoint.boot.settings.tls import FILES
from entrypoint.boot.settings.types.addresses import Listen, Network
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import Unusable
from entrypoint.protocol.probe import Kind, Probe
from entrypoint.protocol.supervision import ApplicationConfig, ProgramConfig, ReloadConfig, Restart, StopChildren

_DAEMON: Final = re.compile(r"^[ \t]*daemon\s+(on|off)\s*;", re.MULTILINE)
# The kernel accepts connections for a frozen server, and a busy one does not answer: see supervision/checks/frozen.py.
_NOT_FROZEN: Final = Probe(Kind.PROCESS, "process")
_AUTORESTART: Final[Mapping[Restart | None, str]] = {
    Restart.ALWAYS: "true",
    Restart.ON_FAILURE: "unexpected",
    Restart.NEVER: "false",
}


@dataclass(frozen=True)
class Program:
    """One program of the container."""

    name: str
    command: tuple[str, ...]
    account: Account | None  # None: it runs as supervisord's user
    stop_signal: str
    stop_seconds: int  # at most, from the stop signal to SIGKILL
    supervision: ProgramConfig  # `after` names programs; files/configuration.py puts in their processes, and the user
    start_seconds: int = 1  # an exit before that counts as a failed start
    start_retries: int = 1  # a start that failed twice will fail again: the container's orchestrator decides then
    directory: PurePosixPath | None = None  # None: the application's
    replicas: int = 1
    log_file: PurePosixPath | None = None  # for its output; None: the container's output

    def __repr__(self) -> str:
        return f"<Program {self.name}>"  # its variables may be secrets

    @property
    def stop_order(self) -> int:
        """The value of supervisord's `priority=`."""
        return self.supervision.stop_order

    @property
    def tier(self) -> int:
        """The name of `stop_order` in templates of the user's own."""
        return self.stop_order

    @property
    def user(self) -> str | None:
        """The value of supervisord's `user=`, which supports only users with a passwd entry and their own group."""
        return self.account.name if self.account and self.account.by_name else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The name of `command` in the templates."""
        return self.command

    @property
    def in_roots_environment(self) -> tuple[str, ...]:
        """The command that root runs in an environment of its own; it switches to the user."""
        return self.identity.switching(self.command) if self.identity else self.command

    @property
    def identity(self) -> Account | None:
        """The user that the plugin switches to, because `user=` cannot."""
        return self.account if self.account and not self.account.by_name else None

    @property
    def as_root(self) -> bool:
        """Whether it runs as root if supervisord does."""
        return self.account is None or self.account.uid == 0

    @property
    def processes(self) -> tuple[str, ...]:
        """The names that supervisord gives its processes."""
        return (self.name,) if self.replicas == 1 else tuple(f"{self.name}_{n:02}" for n in range(self.replicas))

    @property
    def log_files(self) -> tuple[PurePosixPath, ...]:
        """The file of each process, as in supervisord.conf: two processes with one file would rotate it twice."""
        file = self.log_file
        if file is None or self.replicas == 1:
            return (file,) if file else ()
        return tuple(file.with_name(f"{file.stem}_{n:02}{file.suffix}") for n in range(self.replicas))

    @property
    def autorestart(self) -> str:
        """The value of supervisord's `autorestart=`; exit status 0 is expected."""
        return _AUTORESTART[self.supervision.restart]


def nginx(config: ResolvedConfig) -> Program:
    """Return nginx, in the foreground. Raises Unusable if the user's nginx.conf sends it to the background."""
    conf = str(config.run_dir / "nginx.conf")
    whole = config.machine.nginx_conf
    daemon = _DAEMON.search(whole) if whole is not None else None
    if daemon and daemon[1] == "on":
        raise Unusable(f"cannot use {config.own_nginx_conf}: supervisord cannot supervise nginx with `daemon on`")
    foreground = () if whole is None or daemon else ("-g", "daemon off;")  # nginx refuses a repeated directive
    # If entrypoint obtains the certificate, the program `certificates` reloads nginx.
    keys = (config.settings.tls_certificate, config.settings.tls_key) if config.settings.tls_source == FILES else ()
    files = tuple(path for path in keys if path)
    return Program(
        name=NGINX,
        command=(str(config.path("nginx")), "-e", "stderr", "-c", conf, *foreground),
        account=None if config.nginx_switches else config.run_as,
        stop_signal="QUIT",
        stop_seconds=config.stop_times[NGINX].longest,
        supervision=ProgramConfig(
            essential=True,
            liveness=_NOT_FROZEN,
            accepts=connection(config.addresses[0].probe),
            restart=Restart.ALWAYS,
            stop_order=NGINX_ORDER,
            stop_seconds=config.nginx_stop,
            reload=ReloadConfig(files, "HUP") if files else None,
        ),
        start_seconds=0,  # its configuration has been validated
    )


def application_server(config: ResolvedConfig, server: Server) -> Program:
    """Return the application server."""
    bounded = server.name == "uwsgi" and not overrides.timeout(config) and not overrides.of_any_option(config)
    return Program(
        name=server.name,
        command=command_of(server.name, config),
        account=config.run_as,
        stop_signal="TERM",
        stop_seconds=config.server_stop,
        supervision=ProgramConfig(
            essential=True,
            listen=str(config.bind) if config.inherits_socket else "",
            ready=_ready(server.name, server.ready or config.connects),
            first_request=first_request(config),
            liveness=_NOT_FROZEN,
            # Only where the server ends each request in time: the others may be busy for as long as they want.
            accepts=connection(config.connects) if bounded else None,
            patience=config.request_seconds if bounded else 0,
            restart=Restart.ALWAYS,
            stop_order=SERVER_ORDER,
            stop_seconds=config.stop_times[server.name].guaranteed,
            stop_interval=server.stop_interval,
            stop_children=_stop_children(config, server),
            environment=dict(_server_environment(config, server)),
            application=ApplicationConfig(
                server.name,
                config.module,
                "ENTRYPOINT_APP" if config.settings.app else f"{config.interface.upper()}_APPLICATION",
                config.machine.app_dir,
                behind_nginx=config.nginx,
            ),
        ),
    )


def _ready(name: str, text: str) -> Probe:
    """Return a readiness probe. Raises Unusable."""
    try:
        return Probe.parse(text)
    except ValueError as error:  # PORT may name an interface: [fe80::1%eth0]:8080
        raise Unusable(f"cannot probe {name} by {text}: {error}") from error


def _stop_children(config: ResolvedConfig, server: Server) -> StopChildren | None:
    """Return the signal for its workers, if it certainly has a process beside them which stops them late."""
    if server.stop_children is None or server.stop_children.late:
        return server.stop_children
    workers = config.workers if overrides.workers(config) is None else 1  # nobody but the server reads its own variable
    # A server that has opened its socket itself still gets connections then, and no worker would accept them.
    held = config.nginx or config.inherits_socket
    return server.stop_children if held and workers >= server.master_from else None


def _server_environment(config: ResolvedConfig, server: Server) -> Iterator[tuple[str, str]]:
    if server.protocol == "http" and config.nginx:
        # gunicorn and uvicorn read it too. Only nginx reaches their socket, and nginx has checked the proxies already.
        yield "FORWARDED_ALLOW_IPS", "*"
    elif server.protocol == "http" and config.settings.proxies:
        # Our setting allows spaces between the addresses. gunicorn would not start with them.
        yield "FORWARDED_ALLOW_IPS", ",".join(dict.fromkeys(map(_proxy, config.settings.proxies)))
    # The settings in force, for entrypoint/app/served and entrypoint/contrib/django
    if config.logs_failed_requests:
        yield "ENTRYPOINT_APP", config.module
    if config.logs_failed_requests or (config.application is not None and config.nginx):
        yield "ENTRYPOINT_NGINX", "on" if config.nginx else "off"
        yield "ENTRYPOINT_LOG_FORMAT", config.settings.log_format
    if config.logs_failed_requests:
        yield "NGINX_SERVER_NAME", ",".join(config.settings.server_names)


def _proxy(network: Network) -> str:
    """Return the proxies as gunicorn and uvicorn read them: older ones know addresses and `*`, but no networks."""
    if network.prefixlen == 0:
        return "*"
    return str(network.network_address if network.num_addresses == 1 else network)


def user_program(config: ResolvedConfig, declared: UserProgram, bind: Listen | None = None) -> Program:
    """Return a user program; if it serves a site, it listens at `bind`, its $PORT.

    Unless declared, a program is essential if it serves, or if the container serves no site and it does not exit.
    """
    machine, once = config.machine, declared.ready == "exit"
    essential = bind is not None or not (config.settings.serves or once)
    return Program(
        name=declared.name,
        command=user_command(config, declared),
        account=user_account(config, declared),
        stop_signal=declared.stop_signal or "TERM",
        stop_seconds=config.stop_times[declared.name].longest,
        supervision=ProgramConfig(
            essential=essential if declared.essential is None else declared.essential,
            after=declared.after,
            ready=_ready(declared.name, declared.ready or (bind.probe if bind else Kind.RUNNING)),
            first_request=request_of(config, declared, bind),
            liveness=Probe.parse(declared.live) if declared.live else None,
            restart=Restart(declared.restart or ("on-failure" if once else "always")),
            memory_limit=declared.memory_limit,
            stop_order=order_of(declared),
            stop_seconds=config.stop_times[declared.name].guaranteed,
            environment=_variables(config, declared, bind),
            raw=declared.log == "raw",
        ),
        start_seconds=0 if once else 1,
        directory=machine.app_dir / declared.directory if declared.directory else None,
        replicas=declared.replicas,
        log_file=machine.app_dir / declared.log_file if declared.log_file else None,
    )


def user_command(config: ResolvedConfig, declared: UserProgram) -> tuple[str, ...]:
    """Return the command of a user program, found on the application's PATH."""
    return (str(config.machine.commands.get(declared.name, declared.command[0])), *declared.command[1:])


def user_account(config: ResolvedConfig, declared: UserProgram) -> Account | None:
    """Return the account of a user program; None: the current user."""
    return config.machine.accounts.get(declared.name, config.machine.account) if config.machine.root else None


def _variables(config: ResolvedConfig, declared: UserProgram, bind: Listen | None) -> Mapping[str, str]:
    """Return the variables of a user program: with $PORT, if it listens at `bind`."""
    if bind is None:
        return declared.environment
    # gunicorn and uvicorn read it: they trust the client's address that nginx sends.
    trusted = {"FORWARDED_ALLOW_IPS": bind.host} if config.nginx else {}
    return {**trusted, **declared.environment, "PORT": str(bind.port)}
