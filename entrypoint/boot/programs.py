"""The programs that supervisord runs, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.facts import Account


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


# nginx drains first (QUIT), then uWSGI finishes what it has: of all orders and signals the one that loses no request.
NGINX_TIER: Final = 30
SERVER_TIER: Final = 20


def nginx(path: PurePosixPath, conf: PurePosixPath, account: Account | None, stop_seconds: int) -> Program:
    """Return nginx, in the foreground by its own `daemon off`."""
    return Program(
        name="nginx",
        command=(str(path), "-e", "stderr", "-c", str(conf)),
        account=account,
        ready="running",
        stop_signal="QUIT",
        stop_seconds=stop_seconds,
        tier=NGINX_TIER,
        start_seconds=0,  # its configuration is known to be good
    )


def uwsgi(path: PurePosixPath, conf: PurePosixPath, account: Account | None, stop_seconds: int) -> Program:
    """Return uWSGI, which tells by sd_notify when its application is loaded."""
    return Program(
        name="uwsgi",
        command=(str(path), "--ini", str(conf)),
        account=account,
        ready="notify",
        stop_signal="TERM",
        stop_seconds=stop_seconds,
        tier=SERVER_TIER,
    )
