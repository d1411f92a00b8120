"""The settings of one boot: read once, with every problem reported at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Self

from entrypoint.boot.settings import server_names, tls
from entrypoint.boot.settings.programs import sites, user_programs
from entrypoint.boot.settings.programs.sites import Site
from entrypoint.boot.settings.programs.user_programs import VARIABLE, WEB, UserProgram
from entrypoint.boot.settings.protection import ProtectionTable
from entrypoint.boot.settings.sources.sources import ENVIRONMENT, Sources
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.table import SettingsTable
from entrypoint.boot.settings.tls import TlsTable
from entrypoint.boot.settings.types.values import Listen, shown
from entrypoint.boot.trust import accounts
from entrypoint.errors import Unusable
from entrypoint.secret import MASK, Secret


@dataclass(frozen=True, kw_only=True)
class Settings(TlsTable, ProtectionTable, SettingsTable):  # the fields of the last table come first
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
        sources.read_files(given.get("secrets") or ())
        extra = sources.superuser_fields()
        by_program = sources.sites()
        programs = sources.programs(by_program)
        sources.problems.extend(_conflicts(given, sources.refused, programs))
        roles = given["roles"] or ()
        runnable = {name: each for name, each in programs.items() if name != user_programs.RELEASE}
        runs = {name: name in roles if roles else each.enabled for name, each in runnable.items()}
        sources.problems.extend(sites.problems(by_program.values(), given, runs, off=_off(given)))
        sources.problems.extend(user_programs.problems(programs, roles))
        sources.check_names()
        Unusable.check(sources.problems)
        given["user"] = given["user"] or accounts.numeric(given["puid"], given["pgid"])
        return cls(
            **{name: value for name, value in given.items() if value is not None},
            programs=programs,
            superuser_fields=extra,
            origins=sources.origins,
            texts=sources.texts,
            environment=sources.environment,
            surroundings=environ,
            tiangolo=sources.tiangolo,
            owner=sources.owner,
            warnings=tuple(sources.warnings),
        )

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
        return self._web_runs_here and self._nginx_wanted

    @property
    def serves(self) -> bool:
        """Whether the site is served in this container: by nginx, by the application server, or by both."""
        return self._web_runs_here and (self._nginx_wanted or self.server != server_names.NONE or bool(self._web))

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
    def _web_runs_here(self) -> bool:
        return not self.roles or WEB in self.roles

    @property
    def _nginx_wanted(self) -> bool:
        return self.nginx == "on" if self.nginx else not self.development

    def listen_on(self, *, root: bool) -> Listen:
        """Return where nginx listens, or without nginx the application server; with TLS, for TLS."""
        usual = (443, 8443) if self.tls else (80, 8080)
        return self.listen or Listen(usual[0] if root else usual[1])

    def redirect_on(self, *, root: bool) -> Listen | None:
        """Return the port where HTTP is redirected to TLS; None if PORT is set, since it is then the only port."""
        return Listen(80 if root else 8080) if self.tls and self.listen is None else None


def _conflicts(
    given: Mapping[str, Any], refused: Callable[[str], bool], programs: Mapping[str, UserProgram]
) -> Iterator[str]:
    """Yield a problem for each setting that conflicts with another."""
    if given["puid"] is not None and given["user"]:
        yield "cannot use PUID and ENTRYPOINT_USER: both name the application's user; set one of them"
    if given["pgid"] is not None and given["puid"] is None and not refused("PUID"):
        yield "cannot use PGID: PUID is not set; set both"
    off = _off(given)
    yield from tls.problems(given, refused, nginx=not off)
    yield from _unprotected(given, off=off)
    for name in ("cache_lock", "cache_sessions"):
        if given[name] and given["cache"] is None and not refused("NGINX_CACHE"):
            yield f"cannot use NGINX_{name.upper()}: NGINX_CACHE is not set; set it to a size, such as 64m"
    if off and given["server"] == server_names.NONE and not programs.keys() - {user_programs.RELEASE}:
        yield "cannot use ENTRYPOINT_SERVER=none without nginx: nothing would serve the site"


def _off(given: Mapping[str, Any]) -> bool:
    """Return whether nginx is turned off."""
    return given["nginx"] == "off" or (given["environment_kind"] == "development" and given["nginx"] is None)


def _unprotected(given: Mapping[str, Any], *, off: bool) -> Iterator[str]:
    """Yield a problem for each protection that nothing would provide."""
    for field_name, name in (("basic_auth_file", "BASIC_AUTH_FILE"), ("allowed", "ALLOW"), ("denied", "DENY")):
        if off and given[field_name]:
            yield f"cannot use NGINX_{name} without nginx: set ENTRYPOINT_NGINX=on"
    if given["https_redirect"] == "on" and not given["proxies"]:
        yield "cannot use NGINX_HTTPS_REDIRECT: no proxy is trusted; set FORWARDED_ALLOW_IPS to the proxy's addresses"
    canonical, names = (given["canonical_host"] or "").partition(":")[0], given["server_names"] or ("_",)
    if canonical and "_" not in names and not any(_matches(name, canonical) for name in names):
        yield (
            f"cannot use NGINX_CANONICAL_HOST={canonical}: NGINX_SERVER_NAME does not name it; "
            f"set NGINX_SERVER_NAME={','.join((*names, canonical))}"
        )


def _matches(name: str, host: str) -> bool:
    """Return whether a name of nginx's `server_name` matches the host."""
    if name.endswith(".*"):
        return host.startswith(name[:-1])
    if name.startswith("*"):
        return host.endswith(name[1:])
    return host == name.removeprefix(".") or (name.startswith(".") and host.endswith(name))


def setting_specs() -> Iterator[SettingSpec]:
    """Yield the spec of every setting, in the order of the reference."""
    for f in fields(Settings):
        if f.metadata:
            yield f.metadata["spec"]
