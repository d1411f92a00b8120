"""What a user may set: one spec a variable, read once, every problem reported at once.

Add a setting by adding a field to `Settings`; nothing else lists them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Self

from entrypoint.boot.settings import addresses, endpoints, server_names, user_programs, values
from entrypoint.boot.settings.addresses import Network
from entrypoint.boot.settings.endpoints import Endpoint
from entrypoint.boot.settings.sources import ENVIRONMENT, Sources
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.user_programs import VARIABLE, WEB, UserProgram
from entrypoint.boot.settings.values import Listen, Type, shown
from entrypoint.errors import Unusable
from entrypoint.log import LEVELS
from entrypoint.secret import MASK, Secret


def setting(  # noqa: PLR0913 -- one argument a column of the reference table
    name: str,
    kind: Type[Any],
    meaning: str,
    *,
    default: str | None = None,
    otherwise: str = "none",
    aliases: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 -- a dataclass field takes the type of its annotation
    """Declare one setting; `default` is a text, read like one from the environment."""
    value = None if default is None else kind(default)
    spec = SettingSpec(name, kind, meaning, default, default or otherwise, aliases)
    return field(default=value, metadata={"spec": spec})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one boot, typed; None where a setting is not set and has no fixed default."""

    environment_kind: str = setting(
        "DJANGO_ENV",
        values.choice("production", "development"),
        "development is Django's runserver without nginx; handed on",
        default="production",
    )
    settings_module: str | None = setting(
        "DJANGO_SETTINGS_MODULE",
        values.module,
        "Django's settings; handed on",
        otherwise="as manage.py sets it",
    )
    listen: Listen | None = setting(
        "PORT",
        values.listen,
        "where nginx listens, or without it the application server: a port, or address:port",
        otherwise="80 as root, else 8080; with TLS 443 and 80, else 8443 and 8080",
    )
    workers: int | None = setting(
        "WEB_CONCURRENCY",
        values.count,
        "worker processes of the application server",
        otherwise="from the CPU and memory that the container may use",
    )
    superuser_username: str | None = setting(
        "SUPERUSER_USERNAME",
        values.text,
        "created once, if no such user exists",
        aliases=("DJANGO_SUPERUSER_USERNAME",),
    )
    superuser_email: str | None = setting(
        "SUPERUSER_EMAIL", values.email, "the superuser's address", aliases=("DJANGO_SUPERUSER_EMAIL",)
    )
    superuser_password: Secret | None = setting(
        "SUPERUSER_PASSWORD",
        values.secret,
        "the superuser's password; the programs that serve the site do not get it",
        aliases=("DJANGO_SUPERUSER_PASSWORD",),
    )
    superuser: str = setting(
        "ENTRYPOINT_SUPERUSER",
        values.choice("create", "update", "off"),
        "create makes the superuser once, update also sets password and rights again at each start",
        default="create",
    )
    app_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_APP_DIR",
        values.path,
        "where manage.py or the application module is",
        otherwise="the working directory",
    )
    app: str | None = setting(
        "ENTRYPOINT_APP",
        values.application,
        "the application, as package.module:callable",
        otherwise="Django's WSGI_APPLICATION or ASGI_APPLICATION",
    )
    server: str | None = setting(
        "ENTRYPOINT_SERVER",
        values.choice(*server_names.NAMES, server_names.NONE),
        "the application server; none: nginx serves alone, by configuration of your own",
        otherwise="uwsgi, in development runserver",
    )
    nginx: str | None = setting(
        "ENTRYPOINT_NGINX",
        values.choice("on", "off"),
        "off: the application server itself listens on PORT",
        otherwise="on, in development off",
    )
    python: PurePosixPath | None = setting(
        "ENTRYPOINT_PYTHON",
        values.path,
        "the application's interpreter",
        otherwise="$VIRTUAL_ENV, else .venv in the application, else ours",
    )
    user: str | None = setting(
        "ENTRYPOINT_USER",
        values.account,
        "who the application runs as: a name, or uid[:gid]",
        otherwise="www-data as root, else the current user",
    )
    migrate: str = setting(
        "ENTRYPOINT_MIGRATE",
        values.choice("auto", "wait", "check", "off"),
        "auto applies what is pending, one replica at a time; wait lets another replica do it; "
        "check refuses to start while anything is pending",
        default="auto",
    )
    migrate_database_url: Secret | None = setting(
        "ENTRYPOINT_MIGRATE_DATABASE_URL",
        addresses.database_url,
        "the default database by a direct way, past a pooler: for migrations and their lock",
        otherwise="as Django's settings say",
    )
    migrate_allow_older: bool = setting(
        "ENTRYPOINT_MIGRATE_ALLOW_OLDER",
        values.yes_or_no,
        "start although the database has migrations that this image does not know",
        default="no",
    )
    migrate_lock_timeout: float | None = setting(
        "ENTRYPOINT_MIGRATE_LOCK_TIMEOUT",
        values.duration,
        "how long a statement of a migration may wait for a lock on a table (PostgreSQL, MySQL, MariaDB)",
        otherwise="as the server is set",
    )
    migrate_statement_timeout: float | None = setting(
        "ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT",
        values.duration,
        "how long one statement of a migration may take (PostgreSQL, MariaDB; of MySQL a SELECT)",
        otherwise="as the server is set",
    )
    collectstatic: str = setting(
        "ENTRYPOINT_COLLECTSTATIC",
        values.choice("auto", "on", "off"),
        "auto collects only if the sources changed since the last time",
        default="auto",
    )
    wait_for: tuple[Endpoint, ...] = setting(
        "ENTRYPOINT_WAIT_FOR",
        endpoints.targets,
        "what must be there beside Django's databases: tcp, http, https, unix, file, postgres, mysql, redis, amqp",
        default="",
    )
    wait_timeout: float = setting(
        "ENTRYPOINT_WAIT_TIMEOUT", values.duration, "one deadline for all waiting", default="60s"
    )
    request_timeout: float = setting(
        "ENTRYPOINT_REQUEST_TIMEOUT", values.duration, "how long one request may take", default="60s"
    )
    stop_timeout: float = setting(
        "ENTRYPOINT_STOP_TIMEOUT", values.duration, "the whole stop must fit into it", default="8s"
    )
    drain_delay: float = setting(
        "ENTRYPOINT_DRAIN_DELAY",
        values.duration,
        "after a stop was asked for, requests are served for so long while /-/ready answers 503 already",
        default="0s",
    )
    on_failure: str = setting(
        "ENTRYPOINT_ON_FAILURE",
        values.choice("exit", "keep"),
        "when an essential program is lost for good: end the container, or keep the others running and not be ready",
        default="exit",
    )
    roles: tuple[str, ...] = setting(
        "ENTRYPOINT_PROGRAMS",
        values.program_names,
        "which programs run in this container; web is nginx and the application server",
        default="",
        otherwise="all",
    )
    log_format: str = setting(
        "ENTRYPOINT_LOG_FORMAT",
        values.choice("text", "json"),
        "how the lines of all programs are written: with the program's name before each, or as a JSON object each",
        default="text",
    )
    log_level: str = setting(
        "ENTRYPOINT_LOG_LEVEL",
        values.choice(*LEVELS),
        "the least that entrypoint and supervisord say; what the programs say is not touched",
        default="info",
    )
    run_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_RUN_DIR",
        values.path,
        "all that is written at run time",
        otherwise="/run/entrypoint, else under $TMPDIR",
    )
    data_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_DATA_DIR",
        values.path,
        "a volume for what must outlive the container: a SECRET_KEY made there if none is set",
    )
    secrets: tuple[str, ...] = setting(
        "ENTRYPOINT_SECRETS", values.names, "further names whose NAME_FILE is read", default=""
    )
    client_max_body_size: int = setting(
        "NGINX_CLIENT_MAX_BODY_SIZE", values.size, "the largest request that nginx takes", default="10m"
    )
    proxies: tuple[Network, ...] = setting(
        "FORWARDED_ALLOW_IPS",
        addresses.networks,
        "the proxies whose X-Forwarded-For, -Proto, -Host and -Port are believed: addresses, CIDR networks, or *",
        default="",
    )
    tls_certificate: PurePosixPath | None = setting(
        "NGINX_TLS_CERTIFICATE", values.path, "the file of the certificate and its chain (PEM): nginx speaks TLS"
    )
    tls_key: PurePosixPath | None = setting(
        "NGINX_TLS_KEY", values.path, "the file of the certificate's key (PEM, not encrypted)"
    )
    access_log: str = setting(
        "NGINX_ACCESS_LOG",
        values.choice("text", "json", "off"),
        "a line for each request: nginx's own format, a JSON object, or none",
        default="text",
    )
    server_names: tuple[str, ...] = setting(
        "NGINX_SERVER_NAME",
        addresses.hosts,
        "the host names of the site; any other host is answered 421; _ is every host",
        default="_",
    )
    nginx_workers: int | None = setting(
        "NGINX_WORKER_PROCESSES", values.count, "worker processes of nginx", otherwise="from the CPUs"
    )
    worker_connections: int = setting(
        "NGINX_WORKER_CONNECTIONS",
        values.count,
        "how many connections a worker of nginx may have, those to the application included",
        default="1024",
    )
    ipv6: str = setting(
        "NGINX_IPV6",
        values.choice("auto", "on", "off"),
        "whether nginx listens on IPv6 too; auto: where the kernel has it",
        default="auto",
    )
    static_url: str | None = setting(
        "NGINX_STATIC_URL",
        addresses.url_path,
        "where nginx serves static files, in place of what Django says",
        otherwise="Django's STATIC_URL",
    )
    static_root: PurePosixPath | None = setting(
        "NGINX_STATIC_ROOT", values.path, "the folder of the static files", otherwise="Django's STATIC_ROOT"
    )
    media_url: str | None = setting(
        "NGINX_MEDIA_URL",
        addresses.url_path,
        "where nginx serves uploads, in place of what Django says",
        otherwise="Django's MEDIA_URL",
    )
    media_root: PurePosixPath | None = setting(
        "NGINX_MEDIA_ROOT", values.path, "the folder of the uploads", otherwise="Django's MEDIA_ROOT"
    )
    conf_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_CONF_DIR", values.path, "templates of your own, each replacing the one of the same name"
    )
    hooks_dir: PurePosixPath = setting(
        "ENTRYPOINT_HOOKS_DIR",
        values.path,
        "hooks: NAME.sh, NAME.py and NAME.envsh, by phase in pre-migrate.d, post-migrate.d, pre-start.d and pre-stop.d",
        default="/docker-entrypoint.d",
    )
    hooks_timeout: float = setting(
        "ENTRYPOINT_HOOKS_TIMEOUT", values.duration, "how long each hook of a boot may take", default="10m"
    )

    programs: Mapping[str, UserProgram] = field(default_factory=dict)
    """The programs of the user's own, by name."""
    superuser_fields: Mapping[str, Secret] = field(default_factory=dict)
    """`SUPERUSER_<FIELD>` for further fields of the user model, by the field's name."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each variable that is set came from, by its name: `environment`, a file's path, or the project's file."""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The text of each variable that is set, by its name."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment that the programs get: each NAME_FILE replaced by its NAME."""
    warnings: tuple[str, ...] = ()
    """What is no error and yet hardly meant."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings from `environ`, and from the file of the project in ENTRYPOINT_APP_DIR or here.

        Raises Unusable with every problem at once: values that their type refuses, NAME beside NAME_FILE,
        files that cannot be read, names that no setting has.
        """
        sources = Sources(environ, tuple(setting_specs()))
        sources.read_project("ENTRYPOINT_APP_DIR")
        given = {f.name: sources.value(f.metadata["spec"]) for f in fields(cls) if f.metadata}
        sources.read_files(given.get("secrets") or ())
        extra = sources.superuser_fields()
        wanted = given["superuser_username"] and given["superuser"] != "off"
        if wanted and not given["superuser_password"] and not sources.refused("SUPERUSER_PASSWORD"):
            sources.problems.append("cannot create the superuser: SUPERUSER_PASSWORD is not set")
        for one, other in (("certificate", "key"), ("key", "certificate")):
            if given[f"tls_{one}"] and not given[f"tls_{other}"] and not sources.refused(f"NGINX_TLS_{other.upper()}"):
                sources.problems.append(f"cannot use NGINX_TLS_{one.upper()}: NGINX_TLS_{other.upper()} is not set")
        off = given["nginx"] == "off" or (given["environment_kind"] == "development" and given["nginx"] is None)
        if off and given["tls_certificate"]:
            sources.problems.append("cannot use NGINX_TLS_CERTIFICATE without nginx: set ENTRYPOINT_NGINX=on")
        programs = sources.programs()
        if off and given["server"] == server_names.NONE and not programs.keys() - {user_programs.RELEASE}:
            sources.problems.append("cannot use ENTRYPOINT_SERVER=none without nginx: nothing would answer")
        sources.problems.extend(user_programs.problems(programs, given["roles"] or ()))
        sources.check_names()
        Unusable.check(sources.problems)
        return cls(
            **{name: value for name, value in given.items() if value is not None},
            programs=programs,
            superuser_fields=extra,
            origins=sources.origins,
            texts=sources.texts,
            environment=sources.environment,
            warnings=tuple(sources.warnings),
        )

    def given(self) -> tuple[str, ...]:
        """Return what was set, as `NAME=value` fit to be printed: secrets masked, with the file a value came from."""
        plain = {name for spec in setting_specs() if not spec.secret for name in spec.names}
        return tuple(
            f"{name}={shown(self.texts[name]) if name in plain or name.startswith(VARIABLE) else MASK}"
            + (f" ({origin})" if origin != ENVIRONMENT else "")
            for name, origin in sorted(self.origins.items())
        )

    @property
    def secret_key_file(self) -> PurePosixPath | None:
        """The file that keeps a SECRET_KEY where none is set."""
        return self.data_dir / "secret_key" if self.data_dir else None

    @property
    def development(self) -> bool:
        """Whether the site is being worked on."""
        return self.environment_kind == "development"

    @property
    def behind_nginx(self) -> bool:
        """Whether nginx serves the site in this container."""
        return self._here and self._nginx_wanted

    @property
    def tls(self) -> bool:
        """Whether the site is served over TLS."""
        return self.tls_certificate is not None

    @property
    def serves(self) -> bool:
        """Whether the site is served in this container: by nginx, by the application server, or by both."""
        return self._here and (self._nginx_wanted or self.server != server_names.NONE or WEB in self.programs)

    @property
    def own_server(self) -> UserProgram | None:
        """The application server of the user's own."""
        return self.programs.get(WEB) if self.serves else None

    @property
    def chosen(self) -> tuple[UserProgram, ...]:
        """The programs of the user's own that run in this container; its release is run where the site is served."""
        return tuple(
            own
            for name, own in self.programs.items()
            if not self.roles or name in self.roles or (name == user_programs.RELEASE and self.serves)
        )

    @property
    def runs_own(self) -> bool:
        """Whether programs of the user's own run in this container."""
        return any(own.name != user_programs.RELEASE for own in self.chosen)

    @property
    def _here(self) -> bool:
        return not self.roles or WEB in self.roles

    @property
    def _nginx_wanted(self) -> bool:
        return self.nginx == "on" if self.nginx else not self.development

    def listen_on(self, *, root: bool) -> Listen:
        """Return where the site is served: with a certificate that is over TLS."""
        usual = (443, 8443) if self.tls else (80, 8080)
        return self.listen or Listen(usual[0] if root else usual[1])

    def redirect_on(self, *, root: bool) -> Listen | None:
        """Return where plain HTTP is redirected to TLS: nowhere if PORT says the one port that there is."""
        return Listen(80 if root else 8080) if self.tls and self.listen is None else None


def setting_specs() -> Iterator[SettingSpec]:
    """Yield every setting there is, in the order of the reference."""
    for f in fields(Settings):
        if f.metadata:
            yield f.metadata["spec"]
