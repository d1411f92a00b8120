"""What more than one file or step needs to know, decided once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot import sizing
from entrypoint.boot.facts import Account, Application, Facts, Machine
from entrypoint.boot.own_programs import NGINX, RELEASE, WEB, OwnProgram
from entrypoint.boot.settings import Settings
from entrypoint.boot.stop import NGINX_TIER, OWN_TIER, SERVER_TIER, Member, shares
from entrypoint.boot.values import Listen
from entrypoint.errors import Unusable

_NGINX_WAITS_LONGER: Final = 5  # seconds; uWSGI looks at its harakiri once a second
_LONGEST_SOCKET: Final = 107  # bytes of a path: unix(7)


@dataclass(frozen=True)
class Decisions:
    """The settings and facts of one boot, and what follows from them."""

    settings: Settings
    machine: Machine
    application: Application | None
    listen: Listen
    run_dir: PurePosixPath
    workers: int
    stop_seconds: Mapping[str, int]  # of each program that runs here, by name

    @property
    def nginx_stop(self) -> int:
        """How long nginx has to finish the requests."""
        return self.stop_seconds[NGINX]

    @property
    def server_stop(self) -> int:
        """How long the application server has for its end."""
        return self.stop_seconds[WEB]

    @property
    def own(self) -> tuple[OwnProgram, ...]:
        """The programs of the user's own that run here, beside the application server."""
        return tuple(own for own in self.settings.chosen if own.name not in (WEB, RELEASE))

    @property
    def own_server(self) -> OwnProgram | None:
        """The application server of the user's own."""
        return self.settings.programs.get(WEB)

    @property
    def server_port(self) -> int:
        """Where on the loopback interface an application server of the user's own listens."""
        taken = {listen.port for listen in (*self.addresses, *self.redirecting)}
        given = self.own_server.environment.get("PORT") if self.own_server else None
        return int(given) if given else next(port for port in count(8000) if port not in taken)

    @property
    def upstream(self) -> str:
        """Where nginx finds the application server."""
        return f"127.0.0.1:{self.server_port}" if self.own_server else f"unix:{self.socket}"

    @property
    def socket(self) -> PurePosixPath:
        """Where nginx meets the application server."""
        return self.run_dir / "app" / "uwsgi.sock"

    @property
    def request_seconds(self) -> int:
        """How long one request may take until the application server ends it."""
        return max(1, round(self.settings.request_timeout))

    @property
    def nginx_patience(self) -> int:
        """How long nginx waits for the application: longer, so that the server ends a request first, and logs it."""
        return self.request_seconds + _NGINX_WAITS_LONGER

    @property
    def uwsgi_harakiri(self) -> str | None:
        """What the user tells uWSGI itself about the longest request."""
        return self.settings.environment.get("UWSGI_HARAKIRI") or None

    @property
    def uwsgi_processes(self) -> tuple[str, str] | None:
        """What the user tells uWSGI itself about its workers: the variable and its text."""
        given = ((name, self.settings.environment.get(name)) for name in ("UWSGI_PROCESSES", "UWSGI_WORKERS"))
        return next(((name, text) for name, text in given if text), None)

    @property
    def www(self) -> PurePosixPath:
        """What nginx serves of our own."""
        return self.run_dir / "www"

    @property
    def ready_file(self) -> PurePosixPath:
        """The file that is there while the site is ready."""
        return self.www / "ready.json"

    @property
    def dropped(self) -> Account | None:
        """Who the programs run as where that is not who we are."""
        return self.machine.account if self.machine.root else None

    @property
    def nginx_drops(self) -> bool:
        """Whether nginx starts as root and its workers run as the account; a uid without a name nginx cannot take."""
        return self.machine.root and self.machine.account.name is not None

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """Each address where nginx serves the site."""
        return self._addresses(self.listen)

    @property
    def redirecting(self) -> tuple[Listen, ...]:
        """Each address where nginx redirects plain HTTP to TLS."""
        listen = self.settings.redirect_on(root=self.machine.root)
        return self._addresses(listen) if listen else ()

    def _addresses(self, listen: Listen) -> tuple[Listen, ...]:
        if listen.address:
            return (listen,)
        ipv6 = self.machine.ipv6 if self.settings.ipv6 == "auto" else self.settings.ipv6 == "on"
        families = ("0.0.0.0", "[::]") if ipv6 else ("0.0.0.0",)  # noqa: S104 -- what a container is for
        return tuple(Listen(listen.port, address) for address in families)

    def path(self, program: str) -> PurePosixPath:
        """Return where a program is; its bare name where it is missing, which is told before it is run."""
        return self.machine.programs.get(program, PurePosixPath(program))


def decide(settings: Settings, facts: Facts) -> Decisions:
    """Decide. Raises Unusable where there is nothing to serve or a setting leaves no room."""
    if settings.serves and facts.application is None and settings.app is None and WEB not in settings.programs:
        raise Unusable(
            f"cannot find the application: there is no manage.py in {facts.machine.app_dir}, "
            "and ENTRYPOINT_APP is not set; ENTRYPOINT_APP_DIR says where to look"
        )
    decisions = Decisions(
        settings=settings,
        machine=facts.machine,
        application=facts.application,
        listen=settings.listen_on(root=facts.machine.root),
        run_dir=run_dir(settings, facts.machine),
        workers=settings.workers or sizing.server_workers(facts.machine.limits),
        stop_seconds=shares(stop_members(settings), settings.stop_timeout, settings.drain_delay),
    )
    if len(os.fsencode(decisions.socket)) > _LONGEST_SOCKET:
        raise Unusable(f"cannot use ENTRYPOINT_RUN_DIR: {decisions.socket} is too long for the path of a socket")
    return decisions


def stop_members(settings: Settings) -> tuple[Member, ...]:
    """Return the programs that share the time of a stop."""
    own = tuple(_member(own) for own in settings.chosen if own.name != RELEASE)
    if not settings.serves:
        return own
    server = () if WEB in settings.programs else (Member(WEB, SERVER_TIER),)
    return (Member(NGINX, NGINX_TIER, waits_for_clients=True), *server, *own)


def _member(own: OwnProgram) -> Member:
    usual = SERVER_TIER if own.name == WEB else OWN_TIER
    given = own.stop_timeout
    return Member(
        name=own.name,
        tier=own.tier or usual,
        seconds=None if given is None else math.ceil(given),
        source="" if given is None else own.told("stop_timeout"),
    )


def run_dir(settings: Settings, machine: Machine) -> PurePosixPath:
    """Return where everything is written at run time; two sites of one user differ by their port."""
    if settings.run_dir:
        return settings.run_dir
    if machine.own_run_dir:
        return PurePosixPath("/run/entrypoint")
    port = settings.listen_on(root=machine.root).port
    return machine.temporary / f"entrypoint-{machine.account.uid}-{port}"
