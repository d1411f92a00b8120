"""The programs that supervisord runs, as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions import Decisions
from entrypoint.boot.facts import Account
from entrypoint.boot.servers import Server
from entrypoint.errors import Unusable


@dataclass(frozen=True)
class Program:
    """One program of the container."""

    name: str
    command: tuple[str, ...]
    account: Account | None  # who it runs as; None: as supervisord itself
    ready: str  # how its readiness shows: running, notify (sd_notify), exit, unix:…, tcp:…, http://…, log:…
    stop_signal: str
    stop_seconds: int  # from the stop signal to SIGKILL
    tier: int  # the programs of the highest tier stop first, together
    start_seconds: int = 1  # an exit within them counts as a failed start
    start_retries: int = 1  # a start that failed twice will fail again: leave the rest to who runs the container
    essential: bool = True
    after: tuple[str, ...] = ()  # the programs that are ready before it starts
    restart: str = "always"  # or on-failure, never
    live: str | None = None  # the probe by which it is known to be alive: unix:…, tcp:…, http://…
    memory_limit: int | None = None  # bytes
    directory: PurePosixPath | None = None  # None: the application's
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # beside what all programs get
    replicas: int = 1
    raw: bool = False  # whether it writes to the container's standard output by itself
    reload_on: tuple[PurePosixPath, ...] = ()  # the files that it reads again, told by a HUP

    @property
    def user(self) -> str | None:
        """The `user=` of supervisord, which knows only users with a passwd entry, and their own group."""
        return self.account.name if self.account and self.account.by_name else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, changing the user by itself where `user=` cannot say it."""
        if self.account is None or self.account.by_name:
            return self.command
        ids = (f"--reuid={self.account.uid}", f"--regid={self.account.gid}", "--clear-groups")
        return ("setpriv", *ids, "--", *self.command)


# nginx drains first (QUIT), then the application server finishes what it has (TERM): of all orders and signals the one
# that loses no request.
NGINX_TIER: Final = 30
SERVER_TIER: Final = 20
_DAEMON: Final = re.compile(r"^[ \t]*daemon\s+(on|off)\s*;", re.MULTILINE)


def nginx(d: Decisions) -> Program:
    """Return nginx, in the foreground. Raises Unusable where a file of the user's own sends it to the background."""
    conf = str(d.run_dir / "nginx.conf")
    whole = d.machine.nginx_conf
    said = _DAEMON.search(whole) if whole is not None else None
    if said and said[1] == "on":
        raise Unusable(
            f"cannot use {d.settings.conf_dir}/nginx.conf: with `daemon on` supervisord would lose sight of nginx"
        )
    foreground = () if whole is None or said else ("-g", "daemon off;")  # what is told twice nginx refuses
    keys = (d.settings.tls_certificate, d.settings.tls_key)
    return Program(
        name="nginx",
        command=(str(d.path("nginx")), "-e", "stderr", "-c", conf, *foreground),
        account=None if d.nginx_drops else d.dropped,
        ready="running",
        stop_signal="QUIT",
        stop_seconds=d.nginx_stop,
        tier=NGINX_TIER,
        start_seconds=0,  # its configuration is known to be good
        reload_on=tuple(path for path in keys if path),
    )


def application_server(d: Decisions, server: Server) -> Program:
    """Return the application server."""
    return Program(
        name=server.name,
        command=server.command(d),
        account=d.dropped,
        ready=d.ready,
        stop_signal="TERM",
        stop_seconds=d.server_stop,
        tier=SERVER_TIER,
        # gunicorn and uvicorn read it too. Only nginx can reach their socket, and has settled whom it believes.
        environment={"FORWARDED_ALLOW_IPS": "*"} if d.nginx and server.protocol == "http" else {},
    )
