"""The messages between boot and the application's agent.

A message is one line of JSON. The agent first sends an `Application` and then an `AppsReport`, without being asked.
From then on it answers each request with any number of `ProgressReport` and one `AgentResult`. An `ErrorReport` may
take the place of each of these messages.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Self

from entrypoint.protocol.codec import plain, typed
from entrypoint.secret import Secret

UNKNOWN: Final = "unknown: "
"""The prefix of a line about a database that could not be reached. Such a line is a note, not an error."""


class Database(NamedTuple):
    """One of Django's DATABASES, without its password."""

    alias: str
    vendor: str
    name: str
    host: str
    port: str

    def __str__(self) -> str:
        where = f"{self.host}{':' + self.port if self.port else ''}/" if self.host else ""
        return f"{self.alias} ({self.vendor} {where}{self.name})"


class User(NamedTuple):
    """Django's user model."""

    model: str
    username_field: str
    fields: tuple[str, ...]
    required: tuple[str, ...]  # the fields that a superuser must have, besides name and password
    superuser: Mapping[str, Secret] = MappingProxyType({})  # what Django's settings SUPERUSER_<FIELD> say, by field


class AppsReport(NamedTuple):
    """The facts that Django knows only after it has loaded the apps."""

    databases: tuple[Database, ...]
    staticfiles: bool
    user: User | None


class Application(NamedTuple):
    """The facts about a Django project: first those from its settings, later also those from its apps."""

    version: str
    settings_module: str
    wsgi: str
    asgi: str
    asynchronous: bool  # whether the settings name an ASGI_APPLICATION
    prefix: str  # the interpreter's sys.prefix
    virtual: bool  # whether that is a virtual environment
    static_url: str
    static_root: str
    media_url: str
    media_root: str
    allowed_hosts: tuple[str, ...]
    sqlite: Mapping[str, str] = MappingProxyType({})  # the names of the SQLite databases, by alias
    debug: bool = False
    weak_key: str = ""  # why the SECRET_KEY can be guessed
    needs_static_root: bool = False  # whether static files are served only from STATIC_ROOT
    unwritable: tuple[str, ...] = ()  # why MEDIA_ROOT or an SQLite database cannot be written, and the remedy
    ssl_redirect: bool = False  # SECURE_SSL_REDIRECT
    proxy_ssl_header: bool = False  # whether SECURE_PROXY_SSL_HEADER is set
    csrf_trusted_origins: tuple[str, ...] = ()
    session_cookie: str = "sessionid"  # SESSION_COOKIE_NAME
    # Unknown until the apps are loaded:
    databases: tuple[Database, ...] = ()
    staticfiles: bool = False  # whether django.contrib.staticfiles is installed
    user: User | None = None  # None without django.contrib.auth

    def with_apps(self, apps: AppsReport) -> Self:
        """Return these facts together with those of the loaded apps."""
        return self._replace(databases=apps.databases, staticfiles=apps.staticfiles, user=apps.user)


class WaitRequest(NamedTuple):
    """Wait until each of these databases accepts a connection."""

    aliases: tuple[str, ...]
    seconds: float


class MigrateRequest(NamedTuple):
    """Migrate each database, wait until another replica has done so, or check that no migration is pending."""

    mode: str  # auto, wait or check
    patience: float  # seconds to wait for a database, or for another replica's progress
    allow_older: bool
    url: Secret | None  # a direct connection to the default database
    lock_timeout: float | None  # seconds
    statement_timeout: float | None  # seconds


class SuperuserRequest(NamedTuple):
    """Create a superuser; where a user of that name exists, `update` sets its password and rights."""

    name: str
    password: Secret
    fields: Mapping[str, Secret]
    update: bool
    development: bool  # whether a well-known password only causes a warning


class CollectStaticRequest(NamedTuple):
    """Collect static files into STATIC_ROOT."""

    always: bool  # even if no source changed since the last time
    precompress: bool  # whether to write .gz and .br files, too
    patience: float  # seconds to wait while another container collects


class CheckRequest(NamedTuple):
    """Run `manage.py check --deploy`."""

    collects: bool  # whether a boot collects static files


class CapacityRequest(NamedTuple):
    """Compare each database server's limits and clock with this container; the result has a line for each finding."""

    connections: int  # that the workers of one container may open
    seconds: float  # to wait for each server


class RepairRequest(NamedTuple):
    """Record the state of a migration that a person has repaired by hand."""

    migration: str
    applied: bool
    database: str
    url: Secret | None  # a direct connection to the default database
    seconds: float  # to wait for the database


class HookDueRequest(NamedTuple):
    """Ask whether a hook that runs once is due. If it is, the agent locks out other replicas until it is recorded."""

    hook: str  # its name, and the release or the text that it runs once for


class HookDoneRequest(NamedTuple):
    """Record that the hook which was due has succeeded."""

    hook: str


Request = (
    WaitRequest
    | MigrateRequest
    | SuperuserRequest
    | CollectStaticRequest
    | CheckRequest
    | CapacityRequest
    | RepairRequest
    | HookDueRequest
    | HookDoneRequest
)

ErrorKind = Literal["unusable", "not allowed", "timed out", "failed"]
"""The exit code of an error: 78, 77, 75 or 1."""


class ProgressReport(NamedTuple):
    """A line for the log; where the work can be counted, also how much of it is done."""

    text: str
    done: int | None = None
    total: int | None = None


class AgentResult(NamedTuple):
    """The outcome of a request, as a line for the log."""

    text: str
    changed: bool = False  # whether an application that is already loaded has to load again to see the change
    number: int = 0  # of applied migrations, or of hooks that are due


class ErrorReport(NamedTuple):
    """The reason why the agent could not do something."""

    text: str
    kind: ErrorKind
    hint: str = ""  # a second line: how to fix it


Message = Application | AppsReport | ProgressReport | AgentResult | ErrorReport | Request

_MESSAGES: Final[Mapping[str, Any]] = {each.__name__: each for each in Message.__args__}


def encode(message: Message) -> bytes:
    """Return a message as a line of JSON, in which secrets are plain text."""
    return json.dumps([type(message).__name__, plain(message)]).encode() + b"\n"


def decode(line: bytes | str) -> Message:
    """Return the message that `encode` wrote as this line. Raises an exception if the line is none.

    The application can write to the agent's socket, so the line may have any form.
    """
    name, fields = json.loads(line)
    message: Message = typed(_MESSAGES[name], fields)
    return message
