"""What more than one file or step needs to know, decided once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.decisions import servers, sizing, stop_budget
from entrypoint.boot.decisions.artifacts import READY, Phase
from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.decisions.stop_budget import Member
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.hooks import PRE_STOP
from entrypoint.boot.facts.machine import Application, Facts, Machine
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.user_programs import NGINX, RELEASE, WEB, UserProgram
from entrypoint.boot.settings.values import HIGHEST_PORT, Listen
from entrypoint.boot.trust.accounts import Account
from entrypoint.errors import NotAllowed, Unusable
from entrypoint.probe import LONGEST_SOCKET

READY_FILE: Final = PurePosixPath("www", READY)  # in the run directory
FIRST_READY_FILE: Final = PurePosixPath("www/first-ready")  # as old as the moment when a boot was ready
TIMELINE_FILE: Final = PurePosixPath("boot.json")
HANDOVER_FILE: Final = PurePosixPath("handover.json")
LEAST_DESCRIPTORS: Final = 256  # supervisord's minfds, see conf/supervisord.conf.j2
_NGINX_WAITS_LONGER: Final = 5  # seconds; uWSGI looks at its harakiri once a second
_FIRST_PORT_BEHIND: Final = 8000


@dataclass(frozen=True)
class ResolvedConfig:
    """The settings and facts of one boot, and what follows from them."""

    settings: Settings
    machine: Machine
    application: Application | None
    server: Server | None  # None: nginx serves alone, or there is one of the user's own, or no site is served here
    module: str  # the application, package.module:callable
    interface: str  # what it and the server speak: wsgi, asgi
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
        """How long the application server has for its end; where there is none, nothing."""
        return self.stop_seconds.get(self.server_name or "", 0)

    @property
    def own(self) -> tuple[UserProgram, ...]:
        """The programs of the user's own that run here, beside the application server."""
        return tuple(own for own in self.settings.chosen if own.name not in (WEB, RELEASE))

    @property
    def own_server(self) -> UserProgram | None:
        """The application server of the user's own."""
        return self.settings.own_server

    @property
    def server_name(self) -> str | None:
        """The name of the program that is the application server."""
        return WEB if self.own_server else self.server.name if self.server else None

    @property
    def protocol(self) -> str | None:
        """What nginx speaks with the application server."""
        return "http" if self.own_server else self.server.protocol if self.server else None

    @property
    def socket(self) -> PurePosixPath:
        """Where nginx meets an application server that can listen on a Unix socket."""
        return self.run_dir / "app" / f"{self.server.name if self.server else 'none'}.sock"

    @property
    def nginx(self) -> bool:
        """Whether nginx serves the site; without it the application server does."""
        return self.settings.behind_nginx

    @property
    def development(self) -> bool:
        """Whether the server looks for changes of the sources."""
        return self.settings.development

    @property
    def bind(self) -> Listen | None:
        """Where the application server listens itself, None where it does so on the socket."""
        if self.server_name is None:
            return None
        if not self.nginx:
            return self.addresses[0]
        if self.server and self.server.unix:
            return None
        told = self.own_server.environment.get("PORT") if self.own_server else None
        return Listen(int(told) if told else self._port_behind, "127.0.0.1")

    @property
    def _port_behind(self) -> int:
        """A port of nobody's that an ordinary user may listen on; two sites on one machine have two."""
        first = max(self.listen.port + 1, _FIRST_PORT_BEHIND)
        return first if first <= HIGHEST_PORT else HIGHEST_PORT - 1

    @property
    def upstream(self) -> str:
        """Where nginx finds the application server."""
        return str(self.bind) if self.bind else f"unix:{self.socket}"

    @property
    def ready(self) -> str:
        """How the readiness of the application server shows."""
        if self.server and self.server.ready:
            return self.server.ready
        return self.bind.probe if self.bind else f"unix:{self.socket}"

    @property
    def server_logs_requests(self) -> bool:
        """Whether the application server writes the access log."""
        return not self.nginx and self.settings.access_log != "off"

    @property
    def own_conf(self) -> PurePosixPath | None:
        """The user's own whole file for the application server."""
        return self.machine.server_confs.get(self.server.name) if self.server else None

    @property
    def request_seconds(self) -> int:
        """How long one request may take until the application server ends it."""
        return max(1, round(self.settings.request_timeout))

    @property
    def nginx_patience(self) -> int:
        """How long nginx waits for the application: longer, so that the server ends a request first, and logs it."""
        return self.request_seconds + _NGINX_WAITS_LONGER

    @property
    def overridden_by(self) -> str | None:
        """What of the user's may set anything of the application server, which wins over what we set."""
        if self.server and self.server.own_arguments in self.settings.environment:
            return self.server.own_arguments
        return self.own_conf.name if self.own_conf else None

    @property
    def own_timeout(self) -> tuple[str, str] | None:
        """What the user tells the application server itself about the longest request: the variable and its text."""
        name = self.server.own_timeout if self.server else None
        text = self.settings.environment.get(name) if name else None
        return (name, text) if name and text else None

    @property
    def own_workers(self) -> tuple[str, str] | None:
        """What the user tells the application server itself about its workers: the variable and its text."""
        names = (self.server.workers if self.server else None) or ()
        given = ((name, self.settings.environment.get(name)) for name in names)
        return next(((name, text) for name, text in given if text), None)

    @property
    def www(self) -> PurePosixPath:
        """What nginx serves of our own."""
        return self.run_dir / "www"

    @property
    def ready_file(self) -> PurePosixPath:
        """The file that is there while the site is ready."""
        return self.run_dir / READY_FILE

    @property
    def opens_early(self) -> bool:
        """Whether nginx answers while the site is still prepared: a template of the user's knows nothing of that."""
        own = {*templates.OF_NGINX, templates.NGINX_CONF}
        return self.nginx and self.machine.templates.keys().isdisjoint(own)

    def phase(self, name: str) -> Phase | None:
        """Return what is told while a step is at work, where nginx is there to tell it."""
        return Phase(self.www, name) if self.opens_early else None

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
        """Each address where the site is served. Not every application server can listen on more than one."""
        return self._addresses(self.listen)[: None if self.nginx else 1]

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


def decide(settings: Settings, facts: Facts) -> ResolvedConfig:
    """Decide. Raises Unusable where there is nothing to serve or a setting leaves no room, NotAllowed for a port."""
    if 0 <= (most := facts.machine.most_descriptors) < LEAST_DESCRIPTORS:  # -1: no limit
        why = f"the limit of open files is {most}, and supervisord needs {LEAST_DESCRIPTORS}"
        raise Unusable(f"cannot start: {why}; docker run --ulimit nofile=1024:4096, or ulimit -n in a shell")
    server = servers.choose(settings, facts)
    module, interface = servers.application_of(server, settings, facts.application) if server else ("", "")
    listen = settings.listen_on(root=facts.machine.root)
    if settings.serves and not settings.behind_nginx:
        _check_port(listen, facts.machine)
    decisions = ResolvedConfig(
        settings=settings,
        machine=facts.machine,
        application=facts.application,
        server=server,
        module=module,
        interface=interface,
        listen=listen,
        run_dir=run_dir(settings, facts.machine),
        workers=settings.workers or sizing.server_workers(facts.machine.limits),
        stop_seconds=stop_seconds(settings, facts.machine, server, settings.stop_timeout),
    )
    if len(str(decisions.socket).encode(errors="surrogateescape")) > LONGEST_SOCKET:
        raise Unusable(f"cannot use ENTRYPOINT_RUN_DIR: {decisions.socket} is too long for the path of a socket")
    if ":" in str(decisions.run_dir):
        raise Unusable(
            f"cannot use ENTRYPOINT_RUN_DIR={decisions.run_dir}: uWSGI takes what follows a colon for a section"
        )
    return decisions


def stop_seconds(settings: Settings, machine: Machine, server: Server | None, timeout: float) -> Mapping[str, int]:
    """Return the seconds that each program has of a stop within `timeout`, by name. Raises Unusable."""
    hooks = bool(machine.hooks.of(PRE_STOP))
    return stop_budget.shares(tuple(_members(settings, server)), timeout, settings.drain_delay, hooks=hooks)


def _members(settings: Settings, server: Server | None) -> Iterator[Member]:
    if settings.behind_nginx:
        yield Member(NGINX, stop_budget.NGINX_TIER, waits_for_clients=True)
    if server:
        yield Member(server.name, stop_budget.SERVER_TIER, waits_for_clients=not settings.behind_nginx)
    for own in settings.chosen:
        if own.name != RELEASE:
            yield _member(own, waits_for_clients=own.name == WEB and not settings.behind_nginx)


def _member(own: UserProgram, *, waits_for_clients: bool) -> Member:
    usual = stop_budget.SERVER_TIER if own.name == WEB else stop_budget.OWN_TIER
    given = own.stop_timeout
    return Member(
        name=own.name,
        tier=own.stop_order or usual,
        seconds=None if given is None else math.ceil(given),
        waits_for_clients=waits_for_clients,
        source="" if given is None else own.told("stop_timeout"),
    )


def _check_port(listen: Listen, machine: Machine) -> None:
    """Raise NotAllowed where the application server, who is not root, may not listen there."""
    account = machine.accounts.get(WEB, machine.account)
    if machine.root and account.uid != 0 and listen.port < machine.lowest_port:
        raise NotAllowed(
            f"cannot listen on {listen} as {account}: "
            f"without nginx choose a PORT from {machine.lowest_port} on, such as 8080"
        )


def run_dir(settings: Settings, machine: Machine) -> PurePosixPath:
    """Return where everything is written at run time; two sites of one user differ by their port."""
    if settings.run_dir:
        return settings.run_dir
    if machine.own_run_dir:
        return PurePosixPath("/run/entrypoint")
    port = settings.listen_on(root=machine.root).port
    return machine.temporary / f"entrypoint-{machine.account.uid}-{port}"
