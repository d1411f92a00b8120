"""The table of settings.

To add a setting, add a field here, in protection.py or in tls.py; nothing else lists them.
docs/reference/settings.md is generated from these tables.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot.settings import server_names
from entrypoint.boot.settings.sources import compat
from entrypoint.boot.settings.spec import setting
from entrypoint.boot.settings.types import addresses, protection_types, values
from entrypoint.boot.settings.types.addresses import Listen, Network
from entrypoint.boot.settings.types.endpoints import Endpoint, endpoints
from entrypoint.boot.settings.types.protection_types import BodySizes
from entrypoint.output.log import LEVELS
from entrypoint.secret import Secret


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # Settings generates these methods
class SettingsTable:
    """One field per setting; None if the setting is not set and has no fixed default."""

    environment_kind: str = setting(
        "DJANGO_ENV",
        values.choice("production", "development"),
        "development runs Django's runserver without nginx; the programs get this variable too",
        default="production",
    )
    settings_module: str | None = setting(
        "DJANGO_SETTINGS_MODULE",
        values.module,
        "Django's settings module; the programs get this variable too",
        when_unset="as manage.py sets it",
    )
    listen: Listen | None = setting(
        "PORT",
        addresses.listen,
        "where nginx listens: a port, or address:port; without nginx, the application server listens there",
        when_unset="80 as root, else 8080; with TLS, 443 and 80 as root, else 8443 and 8080",
    )
    workers: int | None = setting(
        "WEB_CONCURRENCY",
        values.count,
        "worker processes of the application server",
        when_unset="from the container's CPU and memory limits",
    )
    superuser_username: str | None = setting(
        "SUPERUSER_USERNAME",
        values.text,
        "the superuser's name; it is created once, if no such user exists",
        aliases=("DJANGO_SUPERUSER_USERNAME",),
    )
    superuser_email: str | None = setting(
        "SUPERUSER_EMAIL", values.email, "the superuser's e-mail address", aliases=("DJANGO_SUPERUSER_EMAIL",)
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
        "create creates the superuser once; update also resets its password and permissions at each start",
        default="create",
    )
    app_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_APP_DIR",
        values.path,
        "the folder of manage.py or of the application module",
        when_unset="the working directory",
    )
    app: str | None = setting(
        "ENTRYPOINT_APP",
        values.application,
        "the application, as package.module:callable",
        when_unset="Django's WSGI_APPLICATION or ASGI_APPLICATION",
    )
    compat: str = setting(
        "ENTRYPOINT_COMPAT",
        values.choice(compat.AUTO, compat.TIANGOLO, compat.OFF),
        "tiangolo: the variables and files of tiangolo/uwsgi-nginx (-flask) have the same meaning as in that image; "
        "auto: only if /app has a main.py or uwsgi.ini, and nothing else names the application",
        default=compat.AUTO,
    )
    server: str | None = setting(
        "ENTRYPOINT_SERVER",
        values.choice(*server_names.NAMES, server_names.NONE),
        "the application server; with none, nginx serves alone, with your own configuration",
        when_unset="uwsgi; in development, runserver",
    )
    nginx: str | None = setting(
        "ENTRYPOINT_NGINX",
        values.choice("on", "off"),
        "off: the application server listens on PORT itself",
        when_unset="on; in development, off",
    )
    python: PurePosixPath | None = setting(
        "ENTRYPOINT_PYTHON",
        values.path,
        "the application's Python interpreter",
        when_unset="$VIRTUAL_ENV, else .venv in the application, else entrypoint's own",
    )
    user: str | None = setting(
        "ENTRYPOINT_USER",
        values.account,
        "the user that runs the application: a name, or uid[:gid]",
        when_unset="www-data as root; in development, the owner of the application's folder; else the current user; "
        "PUID and PGID, if they are set",
    )
    puid: int | None = setting(
        "PUID",
        values.user_id,
        "the uid that runs the application; root also gives it the folders that the application writes (STATIC_ROOT, "
        "MEDIA_ROOT, ENTRYPOINT_DATA_DIR, SQLite's) if they belong to another user, but nothing that belongs to root",
    )
    pgid: int | None = setting("PGID", values.user_id, "the gid that goes with PUID", when_unset="the group of PUID")
    migrate: str = setting(
        "ENTRYPOINT_MIGRATE",
        values.choice("auto", "wait", "check", "off"),
        "auto applies pending migrations, one replica at a time; wait lets another replica apply them; "
        "check refuses to start while any is pending",
        default="auto",
    )
    migrate_database_url: Secret | None = setting(
        "ENTRYPOINT_MIGRATE_DATABASE_URL",
        addresses.database_url,
        "a direct connection to the default database, not through a pooler, for migrations and their lock",
        when_unset="as in Django's settings",
    )
    migrate_allow_older: bool = setting(
        "ENTRYPOINT_MIGRATE_ALLOW_OLDER",
        values.yes_or_no,
        "start even if the database has migrations that this image does not have",
        default="no",
    )
    migrate_lock_timeout: float | None = setting(
        "ENTRYPOINT_MIGRATE_LOCK_TIMEOUT",
        values.duration,
        "how long one statement of a migration may wait for a table lock (PostgreSQL, MySQL, MariaDB)",
        when_unset="the database server's setting",
    )
    migrate_statement_timeout: float | None = setting(
        "ENTRYPOINT_MIGRATE_STATEMENT_TIMEOUT",
        values.duration,
        "how long one statement of a migration may take (PostgreSQL, MariaDB; in MySQL only a SELECT)",
        when_unset="the database server's setting",
    )
    collectstatic: str = setting(
        "ENTRYPOINT_COLLECTSTATIC",
        values.choice("auto", "on", "off"),
        "auto collects static files only if the sources have changed since the last time",
        default="auto",
    )
    wait_for: tuple[Endpoint, ...] = setting(
        "ENTRYPOINT_WAIT_FOR",
        endpoints,
        "services to wait for, besides Django's databases: tcp, http, https, unix, file, postgres, mysql, redis, amqp",
    )
    wait_timeout: float = setting(
        "ENTRYPOINT_WAIT_TIMEOUT", values.duration, "how long the waits of a boot may take together", default="60s"
    )
    request_timeout: float = setting(
        "ENTRYPOINT_REQUEST_TIMEOUT", values.duration, "how long one request may take", default="60s"
    )
    ready_path: str | None = setting(
        "ENTRYPOINT_READY_PATH",
        addresses.request_path,
        "the path of a request that the application must answer, with a status below 500, before the site is ready; "
        "off: no request",
        when_unset="/, where only status 500, a crash and a timeout count; in development, off",
    )
    stop_timeout: float = setting(
        "ENTRYPOINT_STOP_TIMEOUT", values.duration, "how long the whole stop may take", default="8s"
    )
    drain_delay: float = setting(
        "ENTRYPOINT_DRAIN_DELAY",
        values.duration,
        "how long requests are still served after a stop signal, while /-/ready already answers 503",
        default="0s",
    )
    liveness_timeout: float = setting(
        "ENTRYPOINT_LIVENESS_TIMEOUT",
        values.duration_or_off,
        "how long nginx or the application server may be frozen before it is restarted; off: it is never restarted",
        default="60s",
    )
    on_failure: str = setting(
        "ENTRYPOINT_ON_FAILURE",
        values.choice("exit", "keep"),
        "when an essential program fails permanently: exit ends the container; keep keeps it running, not ready",
        default="exit",
    )
    roles: tuple[str, ...] = setting(
        "ENTRYPOINT_PROGRAMS",
        values.program_names,
        "the programs that run in this container; web is nginx and the application server",
        when_unset="all",
    )
    log_format: str = setting(
        "ENTRYPOINT_LOG_FORMAT",
        values.choice("text", "json"),
        "the format of all log lines: text with the program's name in front, or one JSON object per line",
        default="text",
    )
    log_timestamps: str = setting(
        "ENTRYPOINT_LOG_TIMESTAMPS",
        values.choice("on", "off"),
        "the time in front of each line of a text log, in UTC; Docker, Kubernetes and journald add their own times",
        default="off",
    )
    log_level: str = setting(
        "ENTRYPOINT_LOG_LEVEL",
        values.choice(*LEVELS),
        "the lowest level that entrypoint and supervisord log; the output of the programs is not filtered",
        default="info",
    )
    metrics_allow: tuple[Network, ...] = setting(
        "ENTRYPOINT_METRICS_ALLOW",
        addresses.networks,
        "the clients that may read /-/metrics, besides loopback addresses: addresses, CIDR networks, or *",
    )
    metrics_port: Listen | None = setting(
        "ENTRYPOINT_METRICS_PORT",
        addresses.metrics_port,
        "a port for /metrics alone: a port, or address:port; ENTRYPOINT_METRICS_ALLOW, if it is set, applies there too",
    )
    status_page: str = setting(
        "ENTRYPOINT_STATUS_PAGE",
        values.choice("on", "off"),
        "on: /-/ shows what runs, to those who may read /-/metrics, or to those who know ENTRYPOINT_STATUS_PASSWORD",
        default="off",
    )
    status_password: Secret | None = setting(
        "ENTRYPOINT_STATUS_PASSWORD",
        values.password,
        "the password of the status page, for any user name; with it, the page can restart programs and reload",
    )
    app_logging: str = setting(
        "ENTRYPOINT_APP_LOGGING",
        values.choice("auto", "off"),
        "auto logs exceptions, wrong hosts and failed CSRF checks, unless Django's LOGGING has a handler for them",
        default="auto",
    )
    run_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_RUN_DIR",
        values.path,
        "the folder of all files that are written at run time",
        when_unset="/run/entrypoint, else under $TMPDIR",
    )
    data_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_DATA_DIR",
        values.path,
        "a volume for data that must outlive the container: a SECRET_KEY is generated there if none is set",
    )
    secrets: tuple[str, ...] = setting("ENTRYPOINT_SECRETS", values.names, "other variables whose NAME_FILE is read")
    client_max_body_size: BodySizes = setting(
        "NGINX_CLIENT_MAX_BODY_SIZE",
        protection_types.body_sizes,
        "the largest request body; after a path, the largest for all paths that begin with it: 10m, /upload/ 1g",
        default="10m",
    )
    proxies: tuple[Network, ...] = setting(
        "FORWARDED_ALLOW_IPS",
        addresses.networks,
        "the proxies whose X-Forwarded-For, -Proto, -Host and -Port are trusted: addresses, CIDR networks, or *",
    )
    access_log: str | None = setting(
        "NGINX_ACCESS_LOG",
        values.choice("text", "json", "off"),
        "one line per request: in nginx's own format and with the request's ID, as a JSON object, or none",
        when_unset="as ENTRYPOINT_LOG_FORMAT",
    )
    server_names: tuple[str, ...] = setting(
        "NGINX_SERVER_NAME",
        addresses.hosts,
        "the host names of the site; a request for another host gets 421; _ matches every host",
        default="_",
    )
    nginx_workers: int | None = setting(
        "NGINX_WORKER_PROCESSES",
        values.count_or_auto,
        "worker processes of nginx; auto is the same as unset",
        when_unset="one per CPU that the container may use",
    )
    worker_connections: int = setting(
        "NGINX_WORKER_CONNECTIONS",
        values.count,
        "the maximum number of connections of one nginx worker, including those to the application",
        default="1024",
    )
    worker_open_files: int | None = setting(
        "NGINX_WORKER_OPEN_FILES",
        values.count,
        "the maximum number of files and connections that one nginx worker has open (worker_rlimit_nofile)",
        when_unset="as many as NGINX_WORKER_CONNECTIONS needs, if the container's limit is lower",
    )
    ipv6: str = setting(
        "NGINX_IPV6",
        values.choice("auto", "on", "off"),
        "whether nginx also listens on IPv6; auto: if the kernel supports it",
        default="auto",
    )
    static_url: str | None = setting(
        "NGINX_STATIC_URL",
        addresses.url_path,
        "the URL path where nginx serves static files",
        when_unset="Django's STATIC_URL",
    )
    static_root: PurePosixPath | None = setting(
        "NGINX_STATIC_ROOT", values.path, "the folder of the static files", when_unset="Django's STATIC_ROOT"
    )
    static_index: str | None = setting(
        "NGINX_STATIC_INDEX",
        values.file_name,
        "the static file that nginx serves at /, in place of the application's page",
    )
    media_url: str | None = setting(
        "NGINX_MEDIA_URL",
        addresses.url_path,
        "the URL path where nginx serves uploads",
        when_unset="Django's MEDIA_URL",
    )
    media_root: PurePosixPath | None = setting(
        "NGINX_MEDIA_ROOT", values.path, "the folder of the uploads", when_unset="Django's MEDIA_ROOT"
    )
    cache: int | None = setting(
        "NGINX_CACHE",
        values.cache_size,
        "the size of nginx's cache of responses, in the run directory; it stores only responses that the application "
        "marks as public in Cache-Control",
        when_unset="off",
    )
    cache_lock: tuple[str, ...] = setting(
        "NGINX_CACHE_LOCK",
        addresses.url_paths,
        "URL paths whose pages are all public: if many clients request a page that is not in the cache, one request "
        "reaches the application and the others wait for it",
    )
    cache_sessions: bool = setting(
        "NGINX_CACHE_SESSIONS",
        values.yes_or_no,
        "yes: requests with a session cookie use the cache as well",
        default="no",
    )
    private_root: PurePosixPath | None = setting(
        "NGINX_PRIVATE_ROOT",
        values.path,
        "a folder of files that nginx sends only if the application says so, by X-Accel-Redirect",
    )
    private_url: str = setting(
        "NGINX_PRIVATE_URL",
        addresses.url_path,
        "the URL path that X-Accel-Redirect uses for that folder; clients get 404 there",
        default="/-/private/",
    )
    gzip: str = setting(
        "NGINX_GZIP",
        values.choice("auto", "on", "off"),
        "which responses nginx compresses while it sends them: auto leaves out those to requests with a session "
        "cookie, because of BREACH; precompressed files are always sent",
        default="auto",
    )
    conf_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_CONF_DIR",
        values.path,
        "a folder of your own templates; each replaces the built-in one of the same name",
    )
    hooks_dir: PurePosixPath = setting(
        "ENTRYPOINT_HOOKS_DIR",
        values.path,
        "a folder of hooks: NAME.sh, NAME.py and NAME.envsh; one folder per step: pre-migrate.d, post-migrate.d, "
        "pre-start.d and pre-stop.d",
        default="/docker-entrypoint.d",
    )
    release: str | None = setting(
        "ENTRYPOINT_RELEASE",
        values.text,
        "the version or digest of this image: hooks named NAME.once.sh and NAME.once.py run once for each release",
        when_unset="such a hook runs once, and again when its file changes",
    )
    hooks_timeout: float = setting(
        "ENTRYPOINT_HOOKS_TIMEOUT", values.duration, "how long each hook of a boot may take", default="10m"
    )
