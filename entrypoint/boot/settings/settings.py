"""The settings of one boot: read once, with every problem reported at once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePosixPath
from typing import Self

from entrypoint.boot.settings import protection, server_names, tls
from entrypoint.boot.settings.programs import user_programs
from entrypoint.boot.settings.programs.sites import Site
from entrypoint.boot.settings.programs.user_programs import VARIABLE, WEB, UserProgram
from entrypoint.boot.settings.protection import ProtectionTable
from entrypoint.boot.settings.sources.sources import ENVIRONMENT, Sources
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.tls import TlsTable
from entrypoint.boot.settings.types.addresses import Listen
from entrypoint.boot.settings.types.values import nearest, shown
from entrypoint.boot.trust import accounts
from entrypoint.errors import Unusable
from entrypoint.secret import MASK, Secret


@dataclass(frozen=True, kw_only=True)
class Settings(TlsTable, ProtectionTable):  # the fields of their common table come first
    """All settings of one boot, typed."""

    programs: Mapping[str, UserProgram] = field(default_factory=dict)
    """The user programs, by name."""
    superuser_fields: Mapping[str, Secret] = field(default_factory=dict)
    """The values of `SUPERUSER_<FIELD>` for further fields of the user model, by field name."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The source of each variable that is set: `environment`, a file's path, or the project file's name."""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The text of each variable that is set."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment of the programs, with NAME in place of each NAME_FILE."""
    surroundings: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment that these settings were read from."""
    tiangolo: bool = False
    """Whether the application was made for tiangolo/uwsgi-nginx or tiangolo/uwsgi-nginx-flask."""
    owner: str | None = None
    """The application's user if ENTRYPOINT_USER is not set: in development, the owner of the mounted source tree."""
    warnings: tuple[str, ...] = ()
    """Probable mistakes that are not errors."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings from `environ` and from the project's file in ENTRYPOINT_APP_DIR or the working directory.

        Raises Unusable with every problem at once: invalid values, NAME together with NAME_FILE, unreadable files,
        unknown names and settings that conflict.
        """
        sources = Sources(environ, tuple(setting_specs()))
        sources.read_project("ENTRYPOINT_APP_DIR")
        given = {f.name: sources.value(f.metadata["spec"]) for f in fields(cls) if f.metadata}
        sources.read_files(given["secrets"] or ())
        superuser_fields = sources.superuser_fields()
        by_program = sources.sites()
        settings = cls(
            **{name: value for name, value in given.items() if value is not None},
            programs=sources.programs(by_program),
            superuser_fields=superuser_fields,
            origins=sources.origins,
            texts=sources.texts,
            environment=sources.environment,
            surroundings=environ,
            tiangolo=sources.tiangolo,
            owner=sources.owner,
        )
        sources.problems.extend(_conflicts(settings, by_program.values(), sources.refused))
        sources.check_names()
        Unusable.check(sources.problems)
        user = settings.user or accounts.numeric(settings.puid, settings.pgid)
        return replace(settings, user=user, warnings=tuple(sources.warnings))

    def given(self) -> tuple[str, ...]:
        """Return what was set as `NAME=value (file)` for printing; secrets are masked."""
        kinds = {name: spec.type for spec in setting_specs() for name in spec.names}
        found = []
        for name, origin in sorted(self.origins.items()):
            kind, text = kinds.get(name), self.texts[name]
            plain = name.startswith(VARIABLE) if kind is None else not kind.secret_in(text)
            source = f" ({origin})" if origin != ENVIRONMENT else ""
            found.append(f"{name}={shown(text) if plain else MASK}{source}")
        return tuple(found)

    @property
    def secret_key_file(self) -> PurePosixPath | None:
        """The file of the generated SECRET_KEY."""
        return self.data_dir / "secret_key" if self.data_dir else None

    @property
    def development(self) -> bool:
        """Whether DJANGO_ENV is development."""
        return self.environment_kind == "development"

    @property
    def behind_nginx(self) -> bool:
        """Whether nginx serves the site in this container."""
        return self.web_runs_here and self.wants_nginx

    @property
    def serves(self) -> bool:
        """Whether the site is served in this container: by nginx, by the application server, or by both."""
        return self.web_runs_here and (self.wants_nginx or self.server != server_names.NONE or bool(self._web))

    @property
    def own_server(self) -> UserProgram | None:
        """The user program that serves the site in place of an application server."""
        return self._web if self.serves else None

    @property
    def _web(self) -> UserProgram | None:
        web = self.programs.get(WEB)
        return web if web and (web.enabled or self.roles) else None

    @property
    def chosen(self) -> tuple[UserProgram, ...]:
        """The user programs that run in this container; `release` runs where the site is served."""
        return tuple(
            program
            for name, program in self.programs.items()
            if (name in self.roles if self.roles else program.enabled)
            or (name == user_programs.RELEASE and self.serves)
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """The further sites that are served in this container."""
        return tuple(each.site for each in self.chosen if each.site) if self.behind_nginx else ()

    @property
    def web_runs_here(self) -> bool:
        """Whether ENTRYPOINT_PROGRAMS lets nginx and the application server run in this container."""
        return not self.roles or WEB in self.roles

    @property
    def wants_nginx(self) -> bool:
        """Whether nginx serves the site, in this container or in another one."""
        return self.nginx == "on" if self.nginx else not self.development

    def listen_on(self, *, root: bool) -> Listen:
        """Return where nginx listens, or without nginx the application server; with TLS, for TLS."""
        usual = (443, 8443) if self.tls else (80, 8080)
        return self.listen or Listen(usual[0] if root else usual[1])

    def redirect_on(self, *, root: bool) -> Listen | None:
        """Return the port where HTTP is redirected to TLS; None if PORT is set, since it is then the only port."""
        return Listen(80 if root else 8080) if self.tls and self.listen is None else None


def _conflicts(settings: Settings, sites: Collection[Site], refused: Callable[[str], bool]) -> Iterator[str]:
    """Yield a problem for each setting that conflicts with another, with the further sites or with the programs."""
    if settings.puid is not None and settings.user:
        yield "cannot use PUID and ENTRYPOINT_USER: both name the application's user; set one of them"
    if settings.pgid is not None and settings.puid is None and not refused("PUID"):
        yield "cannot use PGID: PUID is not set; set both"
    nginx = settings.wants_nginx
    yield from tls.problems(settings, refused, nginx=nginx)
    yield from protection.problems(settings, nginx=nginx)
    for name, value in (("NGINX_CACHE_LOCK", settings.cache_lock), ("NGINX_CACHE_SESSIONS", settings.cache_sessions)):
        if value and settings.cache is None and not refused("NGINX_CACHE"):
            yield f"cannot use {name}: NGINX_CACHE is not set; set it to a size, such as 64m"
    if not nginx and settings.server == server_names.NONE and not settings.programs.keys() - {user_programs.RELEASE}:
        yield "cannot use ENTRYPOINT_SERVER=none without nginx: nothing would serve the site"
    yield from _problems_of_sites(settings, sites)
    yield from user_programs.problems(settings.programs, settings.roles)


def _problems_of_sites(settings: Settings, sites: Iterable[Site]) -> Iterator[str]:
    """Yield a problem for each site that conflicts with another site, with a setting or with the programs."""
    taken = {name.removeprefix("."): "NGINX_SERVER_NAME" for name in settings.server_names}
    domains, programs = settings.tls_domains, settings.programs
    running = [program.name for program in settings.chosen if program.name != user_programs.RELEASE]
    for site in sites:
        if not settings.wants_nginx:
            yield f"cannot use sites.{site.name} in {site.file} without nginx: set ENTRYPOINT_NGINX=on"
        for host in site.hosts:
            if host in taken:
                yield f"cannot use {site.describe('hosts')}: {taken[host]} names {host}, too; name it in one place"
            taken.setdefault(host, f"sites.{site.name}")
        if unnamed := [host for host in site.hosts if domains and host not in domains]:
            names = ",".join((*domains, *unnamed))
            yield f"cannot use {site.describe('hosts')}: the certificate lacks them; set NGINX_TLS_DOMAIN={names}"
        if site.application not in programs:
            yield (
                f"cannot use {site.describe('application')}: there is no program {site.application}"
                f"{nearest(site.application, programs) or f'; define one in programs.{site.application}'}"
            )
        elif settings.web_runs_here and site.application not in running:
            here = ("web", *running, site.application)
            yield (
                f"cannot use {site.describe('application')}: {site.application} does not run in this container; "
                f"set ENTRYPOINT_PROGRAMS={','.join(dict.fromkeys(here))}"
            )


def setting_specs() -> Iterator[SettingSpec]:
    """Yield the spec of every setting, in the order of the reference."""
    for f in fields(Settings):
        if f.metadata:
            yield f.metadata["spec"]
