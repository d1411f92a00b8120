"""The programs that supervisord runs, as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.server_commands import command_of
from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.decisions.stop_budget import NGINX_TIER, OWN_TIER, SERVER_TIER
from entrypoint.boot.settings.user_programs import UserProgram
from entrypoint.boot.settings.values import Listen
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import Unusable

_DAEMON: Final = re.compile(r"^[ \t]*daemon\s+(on|off)\s*;", re.MULTILINE)
# A server that is stopped by SIGSTOP still accepts connections. It is not asked anything: a busy one would not answer.
_NOT_FROZEN: Final = "process"


@dataclass(frozen=True)
class Program:
    """One program of the container."""

    name: str
    command: tuple[str, ...]
    account: Account | None  # who it runs as; None: as supervisord itself
    ready: str  # how its readiness shows: running, notify (sd_notify), exit, unix:…, tcp:…, http://…, log:…
    stop_signal: str
    stop_seconds: int  # from the stop signal to SIGKILL
    stop_order: int  # the programs with the highest number stop first, together
    start_seconds: int = 1  # an exit within them counts as a failed start
    start_retries: int = 1  # a start that failed twice will fail again: leave the rest to who runs the container
    essential: bool = True
    after: tuple[str, ...] = ()  # the programs that are ready before it starts
    restart: str = "always"  # or on-failure, never
    live: str | None = None  # the probe by which it is known to be alive: unix:…, tcp:…, http://…, notify, process
    memory_limit: int | None = None  # bytes
    directory: PurePosixPath | None = None  # None: the application's
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # beside what all programs get
    replicas: int = 1
    raw: bool = False  # whether it writes to the container's standard output by itself
    log_file: PurePosixPath | None = None  # the file that its output goes to; None: the container's output
    reload_on: tuple[PurePosixPath, ...] = ()  # the files that it reads again, told by a HUP

    @property
    def tier(self) -> int:
        """The name of `stop_order` in templates of the user's own."""
        return self.stop_order

    @property
    def user(self) -> str | None:
        """The `user=` of supervisord, which knows only users with a passwd entry, and their own group."""
        return self.account.name if self.account and self.account.by_name else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, changing the user by itself where `user=` cannot say it."""
        return self.account.switching(self.command) if self.account and self.switches else self.command

    @property
    def switches(self) -> bool:
        """Whether its command changes the user, since supervisord cannot."""
        return self.account is not None and not self.account.by_name

    @property
    def as_root(self) -> bool:
        """Whether it runs as root, where supervisord does."""
        return self.account is None or self.account.uid == 0

    @property
    def processes(self) -> tuple[str, ...]:
        """The names that supervisord gives its processes."""
        return (self.name,) if self.replicas == 1 else tuple(f"{self.name}_{n:02}" for n in range(self.replicas))

    @property
    def log_files(self) -> tuple[PurePosixPath, ...]:
        """The file of each process, as supervisord.conf names it: two in one file would rotate it twice."""
        file = self.log_file
        if file is None or self.replicas == 1:
            return (file,) if file else ()
        return tuple(file.with_name(f"{file.stem}_{n:02}{file.suffix}") for n in range(self.replicas))

    @property
    def autorestart(self) -> str:
        """The `autorestart=` of supervisord that says what `restart` does; an end that is expected is exit status 0."""
        return {"always": "true", "on-failure": "unexpected", "never": "false"}[self.restart]


def nginx(config: ResolvedConfig) -> Program:
    """Return nginx, in the foreground. Raises Unusable where a file of the user's own sends it to the background."""
    conf = str(config.run_dir / "nginx.conf")
    whole = config.machine.nginx_conf
    said = _DAEMON.search(whole) if whole is not None else None
    if said and said[1] == "on":
        raise Unusable(
            f"cannot use {config.settings.conf_dir}/nginx.conf: with `daemon on` supervisord would lose sight of nginx"
        )
    foreground = () if whole is None or said else ("-g", "daemon off;")  # what is told twice nginx refuses
    keys = (config.settings.tls_certificate, config.settings.tls_key)
    return Program(
        name="nginx",
        command=(str(config.path("nginx")), "-e", "stderr", "-c", conf, *foreground),
        account=None if config.nginx_drops else config.dropped,
        ready="running",
        stop_signal="QUIT",
        stop_seconds=config.nginx_stop,
        stop_order=NGINX_TIER,
        start_seconds=0,  # its configuration is known to be good
        live=_NOT_FROZEN,
        reload_on=tuple(path for path in keys if path),
    )


def application_server(config: ResolvedConfig, server: Server) -> Program:
    """Return the application server."""
    return Program(
        name=server.name,
        command=command_of(server.name, config),
        account=config.dropped,
        ready=config.ready,
        stop_signal="TERM",
        stop_seconds=config.server_stop,
        stop_order=SERVER_TIER,
        live=_NOT_FROZEN,
        # gunicorn and uvicorn read it too. Only nginx can reach their socket, and has settled whom it believes.
        environment={"FORWARDED_ALLOW_IPS": "*"} if config.nginx and server.protocol == "http" else {},
    )


def own(config: ResolvedConfig, declared: UserProgram) -> Program:
    """Return a program of the user's own; where no site is served, the container is there for it."""
    machine, once = config.machine, declared.ready == "exit"
    return Program(
        name=declared.name,
        command=own_command(config, declared),
        account=own_account(config, declared),
        ready=declared.ready or "running",
        stop_signal=declared.stop_signal or "TERM",
        stop_seconds=config.stop_seconds[declared.name],
        stop_order=declared.stop_order or OWN_TIER,
        start_seconds=0 if once else 1,
        essential=not config.settings.serves and not once if declared.essential is None else declared.essential,
        after=declared.after,
        restart=declared.restart or ("on-failure" if once else "always"),
        live=declared.live,
        memory_limit=declared.memory_limit,
        directory=machine.app_dir / declared.directory if declared.directory else None,
        environment=declared.environment,
        replicas=declared.replicas,
        raw=declared.log == "raw",
        log_file=machine.app_dir / declared.log_file if declared.log_file else None,
    )


def own_command(config: ResolvedConfig, declared: UserProgram) -> tuple[str, ...]:
    """Return the command of a program of the user's own, found on the application's PATH."""
    return (str(config.machine.commands.get(declared.name, declared.command[0])), *declared.command[1:])


def own_account(config: ResolvedConfig, declared: UserProgram) -> Account | None:
    """Return who it runs as; None: whoever runs us."""
    return config.machine.accounts.get(declared.name, config.machine.account) if config.machine.root else None


def own_server(config: ResolvedConfig, declared: UserProgram, bind: Listen) -> Program:
    """Return the application server of the user's own, which listens on $PORT, where nginx or the world expects it."""
    # gunicorn and uvicorn read that: what nginx tells of a client is settled, and comes from here.
    settled = {"FORWARDED_ALLOW_IPS": bind.host} if config.nginx else {}
    return replace(
        own(config, declared),
        ready=declared.ready or bind.probe,
        stop_order=declared.stop_order or SERVER_TIER,
        essential=declared.essential is not False,
        environment={**settled, **declared.environment, "PORT": str(bind.port)},
    )
