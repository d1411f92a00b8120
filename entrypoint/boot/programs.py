"""The programs that supervisord runs, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from entrypoint.boot.facts import Account, Machine
from entrypoint.boot.own_programs import OwnProgram
from entrypoint.boot.stop import NGINX_TIER, OWN_TIER, SERVER_TIER


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

    @property
    def processes(self) -> tuple[str, ...]:
        """The names that supervisord gives its processes."""
        return (self.name,) if self.replicas == 1 else tuple(f"{self.name}_{n:02}" for n in range(self.replicas))

    @property
    def autorestart(self) -> str:
        """The `autorestart=` of supervisord that says what `restart` does; an end that is expected is exit status 0."""
        return {"always": "true", "on-failure": "unexpected", "never": "false"}[self.restart]


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


def own(declared: OwnProgram, machine: Machine, stop_seconds: int, *, alone: bool) -> Program:
    """Return a program of the user's own; where it is `alone`, without a web server, the container is there for it."""
    once = declared.ready == "exit"
    return Program(
        name=declared.name,
        command=(str(machine.commands.get(declared.name, declared.command[0])), *declared.command[1:]),
        account=machine.accounts.get(declared.name, machine.account) if machine.root else None,
        ready=declared.ready or "running",
        stop_signal=declared.stop_signal or "TERM",
        stop_seconds=stop_seconds,
        tier=declared.tier or OWN_TIER,
        start_seconds=0 if once else 1,
        essential=alone and not once if declared.essential is None else declared.essential,
        after=declared.after,
        restart=declared.restart or ("on-failure" if once else "always"),
        live=declared.live,
        memory_limit=declared.memory_limit,
        directory=machine.app_dir / declared.directory if declared.directory else None,
        environment=declared.environment,
        replicas=declared.replicas,
        raw=declared.log == "raw",
    )


def web(declared: OwnProgram, machine: Machine, port: int, stop_seconds: int) -> Program:
    """Return the application server of the user's own, which listens on $PORT, where nginx expects it."""
    made = own(declared, machine, stop_seconds, alone=True)
    return replace(
        made,
        ready=declared.ready or f"tcp:127.0.0.1:{port}",
        tier=declared.tier or SERVER_TIER,
        environment={**declared.environment, "PORT": str(port)},
    )
