"""The resolved configuration: settings and facts of one boot, and what several files or steps decide from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from entrypoint import certificate_store
from entrypoint.boot.decisions.folders import written_folders
from entrypoint.boot.decisions.folders.artifacts import Progress
from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.decisions.stop_budget import StopTime
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings.programs.user_programs import NGINX, RELEASE, WEB, UserProgram
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.tls import FILES
from entrypoint.boot.settings.types.addresses import HIGHEST_PORT, Listen
from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol import filenames
from entrypoint.protocol.agent import Application
from entrypoint.protocol.supervision import LISTENER

_NGINX_WAITS_LONGER: Final = 5  # seconds; uWSGI checks its harakiri once a second
_FIRST_UPSTREAM_PORT: Final = 8000


@dataclass(frozen=True)
class ResolvedConfig:
    """The settings and facts of one boot, and what follows from them."""

    settings: Settings
    machine: Machine
    application: Application | None
    server: Server | None  # None: nginx serves alone, or a user's program `web` serves, or there is no site
    module: str  # the application, package.module:callable
    interface: str  # between the application and the server: wsgi or asgi
    listen: Listen
    run_dir: PurePosixPath
    workers: int
    stop_times: Mapping[str, StopTime]  # by the name of each program that runs here
    second_socket: bool = False  # for a reload: the running application server uses the first one

    # ---- programs

    @property
    def nginx(self) -> bool:
        """Whether nginx serves the site; without nginx the application server does."""
        return self.settings.behind_nginx

    @property
    def user_programs(self) -> tuple[UserProgram, ...]:
        """The user's programs that run here, except the application server."""
        return tuple(own for own in self.settings.chosen if own.name not in (WEB, RELEASE))

    @property
    def own_server(self) -> UserProgram | None:
        """The user's program `web`, which is the application server."""
        return self.settings.own_server

    @property
    def server_name(self) -> str | None:
        """The name of the program that is the application server, if there is one."""
        return WEB if self.own_server else self.server.name if self.server else None

    @property
    def settings_module(self) -> str | None:
        """Django's settings module, which the application reports once it is loaded."""
        return self.application.settings_module if self.application else self.settings.settings_module

    @property
    def development(self) -> bool:
        """Whether the server reloads changed sources."""
        return self.settings.development

    @property
    def run_as(self) -> Account | None:
        """The account that the programs switch to; None: they run as the current user."""
        return self.machine.account if self.machine.root else None

    @property
    def nginx_switches(self) -> bool:
        """Whether nginx's master is root and its workers run as the account, which must have a name for that."""
        return self.machine.root and self.machine.account.name is not None

    @property
    def nginx_stop(self) -> int:
        """The seconds that a stop guarantees to nginx for its last requests."""
        return self.stop_times[NGINX].guaranteed

    @property
    def server_stop(self) -> int:
        """The most seconds that a stop gives to the application server; 0 if there is none."""
        return self.stop_times[self.server_name].longest if self.server_name else 0

    def path(self, program: str) -> PurePosixPath:
        """Return the path of a program; its bare name if it is missing, which an earlier step reports."""
        return self.machine.programs.get(program, PurePosixPath(program))

    @property
    def handed_over(self) -> tuple[PurePosixPath, ...]:
        """The folders that root gives to the application's user, if PUID is set: those that the application writes."""
        if self.settings.puid is None or not self.machine.root or self.machine.account.uid == 0:
            return ()
        return written_folders.of(self.settings, self.machine.app_dir, self.application)

    # ---- addresses

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """The addresses of the site. Without nginx only one: not every application server listens on more."""
        return self._addresses(self.listen)[: None if self.nginx else 1]

    @property
    def redirecting(self) -> tuple[Listen, ...]:
        """The addresses where nginx redirects plain HTTP to TLS."""
        listen = self.settings.redirect_on(root=self.machine.root)
        return self._addresses(listen) if listen else ()

    def _addresses(self, listen: Listen) -> tuple[Listen, ...]:
        if listen.address:
            return (listen,)
        ipv6 = self.machine.ipv6 if self.settings.ipv6 == "auto" else self.settings.ipv6 == "on"
        families = ("0.0.0.0", "[::]") if ipv6 else ("0.0.0.0",)  # noqa: S104 -- what a container is for
        return tuple(Listen(listen.port, address) for address in families)

    @property
    def bind(self) -> Listen | None:
        """The address where the application server listens, None if it listens on the Unix socket or does not exist."""
        if self.server_name is None:
            return None
        if not self.nginx:
            return self.addresses[0]
        if self.server and self.server.unix:
            return None
        given = self.own_server.environment.get("PORT") if self.own_server else None
        return Listen(int(given) if given else self._upstream_port, "127.0.0.1")

    @property
    def inherits_socket(self) -> bool:
        """Whether process 1 opens the socket at `bind`, and the application server inherits it."""
        return not self.nginx and self.server is not None and self.server.unix and not self.development

    @property
    def listens_on(self) -> str:
        """Where the application server listens, as gunicorn and uWSGI spell it."""
        return f"fd://{LISTENER}" if self.inherits_socket else self.upstream

    @property
    def _upstream_port(self) -> int:
        """An unprivileged port, derived from the site's: two sites on one machine get two."""
        first = max(self.listen.port + 1, _FIRST_UPSTREAM_PORT)
        return first if first <= HIGHEST_PORT else HIGHEST_PORT - 1

    @property
    def sites(self) -> tuple[UserProgram, ...]:
        """The user's programs that serve further sites."""
        return tuple(own for own in self.user_programs if own.site) if self.nginx else ()

    def bind_of_site(self, own: UserProgram) -> Listen:
        """Return where the program of a further site listens: its own PORT, or the next port after the main site's."""
        given = own.environment.get("PORT")
        return Listen(int(given) if given else self._upstream_port + 1 + self.sites.index(own), "127.0.0.1")

    @property
    def socket(self) -> PurePosixPath:
        """The Unix socket between nginx and the application server."""
        return self._of_this_socket(f"app/{self.server.name if self.server else 'none'}.sock")

    @property
    def server_file(self) -> PurePosixPath | None:
        """The configuration file of the application server."""
        template = self.server and self.server.template
        return self._of_this_socket(template.removesuffix(".j2")) if template else None

    @property
    def statistics(self) -> PurePosixPath | None:
        """The socket of uWSGI's statistics."""
        return self._of_this_socket(filenames.STATISTICS) if self.server and self.server.name == "uwsgi" else None

    def _of_this_socket(self, name: str | PurePosixPath) -> PurePosixPath:
        """Return the path of a file that the application server has for each of its two sockets.

        So the new process of a reload leaves the files of the old one alone. The old one may have to start again, and
        removes its own sockets when it ends.
        """
        file = self.run_dir / name
        return file.with_stem(f"{file.stem}.2") if self.second_socket else file

    @property
    def upstream(self) -> str:
        """The address of the application server, as nginx spells it."""
        return str(self.bind) if self.bind else f"unix:{self.socket}"

    @property
    def protocol(self) -> str | None:
        """The protocol between nginx and the application server: uwsgi or http."""
        return "http" if self.own_server else self.server.protocol if self.server else None

    @property
    def connects(self) -> str:
        """The probe that connects to the application server."""
        return self.bind.probe if self.bind else f"unix:{self.socket}"

    # ---- TLS

    @property
    def secured(self) -> bool:
        """Whether nginx has a certificate when it starts. Without one, the site is served over plain HTTP at first."""
        return self.nginx and self.settings.tls and (not self.settings.acme or self.machine.kept_certificate)

    @property
    def certificate_file(self) -> PurePosixPath | None:
        """The file of entrypoint's own from which nginx reads certificate and key; None if the user has files."""
        own = self.nginx and self.settings.tls and self.settings.tls_source != FILES
        return self.run_dir / filenames.CERTIFICATE if own else None

    @property
    def store(self) -> PurePosixPath | None:
        """The folder where certificates are kept."""
        return certificate_store.place(self.settings.data_dir) if self.settings.data_dir else None

    # ---- requests

    @property
    def prefix(self) -> str:
        """The path below which nginx serves the site, without a slash at its end; empty for the whole host."""
        return (self.settings.prefix or "") if self.nginx and self.protocol else ""

    @property
    def removes_prefix(self) -> bool:
        """Whether nginx removes the prefix from the path, because the application server does not."""
        return bool(self.prefix) and not (self.server and self.server.keeps_prefix)

    @property
    def request_seconds(self) -> int:
        """The seconds after which the application server ends a request."""
        return max(1, round(self.settings.request_timeout))

    @property
    def nginx_timeout(self) -> int:
        """The seconds that nginx waits for a response: longer, so that the server ends a request first and logs it."""
        return self.request_seconds + _NGINX_WAITS_LONGER

    @property
    def access_log(self) -> str:
        """The format of the access log: text, json or off."""
        return self.settings.access_log or self.settings.log_format

    @property
    def server_logs_requests(self) -> bool:
        """Whether the application server writes the access log."""
        return not self.nginx and self.access_log != "off"

    @property
    def logs_failed_requests(self) -> bool:
        """Whether the application server lets Django's errors reach the log. With DEBUG, Django does so by itself."""
        able = self.server is not None and self.server.name != "runserver" and not self.development
        return able and self.application is not None and self.settings.app_logging == "auto"

    @property
    def own_nginx_conf(self) -> PurePosixPath | None:
        """The user's complete nginx.conf."""
        if self.machine.nginx_conf is None:
            return None
        return self.machine.app_nginx_conf or PurePosixPath(f"{self.settings.conf_dir}/{templates.NGINX_CONF}")

    # ---- metrics

    @property
    def metrics_addresses(self) -> tuple[Listen, ...]:
        """The addresses of the port for metrics alone."""
        return self._addresses(self.settings.metrics_port) if self.settings.metrics_port else ()

    @property
    def counts_requests(self) -> bool:
        """Whether nginx logs each request for the metrics: only if somebody may read them.

        Root must not open a file of another user. So if this process is root, nginx's folder must be root's.
        """
        settings = self.settings
        asked = bool(settings.metrics_allow or settings.metrics_port or settings.status_page == "on")
        return self.nginx and asked and (self.nginx_switches or not self.machine.root)

    # ---- the start

    @property
    def www(self) -> PurePosixPath:
        """The folder of the files that nginx serves for entrypoint itself."""
        return self.run_dir / filenames.WWW

    @property
    def ready_file(self) -> PurePosixPath:
        """The file that exists while the site is ready."""
        return self.run_dir / filenames.READY

    @property
    def readiness_files(self) -> tuple[PurePosixPath, ...]:
        """The files that tell the state of the programs, and whether the site is or was ready."""
        return tuple(self.run_dir / name for name in filenames.READINESS)

    @property
    def stale_files(self) -> tuple[PurePosixPath, ...]:
        """The files of a killed container. A boot removes them, because they tell the state of that container."""
        return (*self.readiness_files, *([self.run_dir / filenames.REQUESTS] if self.counts_requests else ()))

    @property
    def opens_early(self) -> bool:
        """Whether nginx answers during the preparation. With a template of the user's it may not be able to."""
        own = {*templates.OF_NGINX, templates.NGINX_CONF}
        return self.nginx and self.machine.templates.keys().isdisjoint(own)

    def progress(self, name: str) -> Progress | None:
        """Return what nginx shows while a step works; None if nginx does not run yet."""
        return Progress(self.www, name) if self.opens_early else None
