"""The supervision config and the handover, which boot passes to supervisord's plugin.

Named tuples, not dataclasses: supervisord imports this before it starts anything.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from entrypoint.protocol.probe import RUNNING, Probe

LISTENER = 3
"""The descriptor of the listening socket that a program inherits."""


class OnFailure(StrEnum):
    """What happens when an essential program fails permanently."""

    EXIT = "exit"
    """All other programs are stopped, and the container ends with the exit code of the failed program."""
    KEEP = "keep"
    """The other programs keep running; the container is not ready."""


class Restart(StrEnum):
    """When a program that has ended is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    """After any end but exit status 0."""
    NEVER = "never"


class LogFormat(StrEnum):
    """The format of the container's log."""

    TEXT = "text"
    """The name of the program and the line that it wrote."""
    JSON = "json"
    """One object a line: time, level, program, message, then fields."""


class Protocol(StrEnum):
    """The protocol of a program that serves the site."""

    HTTP = "http"
    UWSGI = "uwsgi"


class RequestConfig(NamedTuple):
    """The request that a program must answer before it is ready."""

    to: Probe
    """The program's socket or address."""
    protocol: Protocol
    path: str
    """With the query, as in a request line."""
    host: str
    scheme: str
    """http or https: what the application is told of the client's connection."""
    seconds: float
    """The longest time for a response."""
    prefix: str = ""
    """The path below which the site is served, which the uwsgi protocol names SCRIPT_NAME."""
    any_status: bool = False
    """Whether only status 500 is a failure, as for a path that the user did not choose; else 500 and above are."""


class ReloadConfig(NamedTuple):
    """Files that a program has to read again when they change, such as a renewed certificate."""

    files: tuple[PurePosixPath, ...]
    signal: str
    """The name of the signal that reloads the program, such as HUP."""


class ApplicationConfig(NamedTuple):
    """The application that a server loads, for the messages about its start."""

    server: str
    module: str
    """The application, package.module:callable."""
    setting: str
    """The setting that names it, such as WSGI_APPLICATION."""
    folder: PurePosixPath
    behind_nginx: bool = True


class StopChildren(NamedTuple):
    """The signal that a stop also sends, once, to each process that the program itself has started."""

    signal: str
    """Its name, such as TERM."""
    handles: str
    """The name of a signal. A process that has a handler for it has come up; before that it gets no signal."""
    late: bool = False
    """Only processes that come up after the stop has begun get it: the program itself signals the others."""


class Identity(NamedTuple):
    """A user by its numbers."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class ProgramConfig(NamedTuple):
    """How one program is supervised. The defaults apply to a program that the configuration does not name."""

    essential: bool = False
    """The container ends when the program fails permanently, and is not ready without it."""
    after: tuple[str, ...] = ()
    """The processes that must be ready before this one starts."""
    listen: str = ""
    """The address of a TCP socket that it inherits as descriptor LISTENER, such as 0.0.0.0:8080."""
    ready: Probe = RUNNING
    first_request: RequestConfig | None = None
    """Once `ready` has succeeded, the program must answer this request to be ready."""
    liveness: Probe | None = None
    """The program is restarted when this probe fails several times in a row."""
    frozen_seconds: float | None = 60.0
    """With a liveness probe of the kind `process`: seconds of failures after which it is restarted; None: never."""
    accepts: Probe | None = None
    """With such a probe: where the program takes connections. Without it, only processes that are stopped count."""
    patience: float = 0.0
    """Seconds within which the program takes each connection, however busy it is."""
    restart: Restart | None = None
    """None: `autorestart` and `startretries` of supervisord's configuration apply."""
    memory_limit: int | None = None
    """Bytes, of the program and its descendants, above which the program is restarted."""
    stop_order: int = 0
    """The programs with the highest number are stopped first, together; the next ones when those have ended."""
    stop_seconds: int | None = None
    """The guaranteed seconds of its stop; it gets more if others do not use theirs. None: supervisord's own
    configuration says how long it gets."""
    stop_interval: float | None = None
    """Seconds after which the stop signal is sent again, until the program ends; None: it is sent once."""
    stop_children: StopChildren | None = None
    environment: Mapping[str, str] = MappingProxyType({})
    """The program's own variables: supervisord's configuration cannot carry every value."""
    raw: bool = False
    """The program writes to the container's standard output directly."""
    reload: ReloadConfig | None = None
    application: ApplicationConfig | None = None
    """The application that it loads, if it is one of our application servers."""
    identity: Identity | None = None
    """The user that its process switches to, where supervisord's own `user=` cannot name that."""

    def unlike(self, other: "ProgramConfig") -> bool:
        """Return whether a running program has to start again to apply this; a new stop time applies at once."""
        return self._replace(stop_seconds=None) != other._replace(stop_seconds=None)


class MetricsConfig(NamedTuple):
    """The sources of `/-/metrics`, and the clients that may read it."""

    socket: PurePosixPath
    """The Unix socket where the plugin answers HTTP requests, for nginx."""
    timeline: PurePosixPath
    """boot.json."""
    first_ready: PurePosixPath
    """The file that is created when the container is ready for the first time."""
    listen: tuple[str, ...] = ()
    """The addresses where the plugin answers itself, without nginx."""
    allow: tuple[str, ...] = ()
    """The networks that may connect there; if empty, everybody."""
    requests: PurePosixPath | None = None
    """The file where nginx writes the status of each request."""
    server: str = ""
    """The name of the application server's program."""
    upstream: str = ""
    """The address of the application server, unix:PATH or HOST:PORT."""
    uwsgi: PurePosixPath | None = None
    """The Unix socket of uWSGI's statistics."""
    certificates: tuple[PurePosixPath, ...] = ()
    """The certificates that nginx serves."""
    page: bool = False
    """Whether there is a status page."""


class PreStopHook(NamedTuple):
    """A command that runs before the first program is stopped."""

    name: str
    command: tuple[str, ...]
    """The first word is a path."""
    identity: Identity | None = None
    """The user that it runs as, if that is not supervisord's own."""
    as_root: bool = False


class SupervisionConfig(NamedTuple):
    """supervision.json: how all programs are supervised. The plugin reads it each time supervisord (re)loads."""

    ready_file: PurePosixPath
    """The file exists exactly while every essential program is ready and no stop has begun."""
    stop_seconds: int = 8
    """The longest time of a whole stop, drain and hooks included."""
    drain_seconds: int = 0
    """How long requests are still served after a stop signal, while the container is no longer ready."""
    hook_seconds: float = 0.0
    """How long the pre-stop hooks may take, counted from the stop signal."""
    on_failure: OnFailure = OnFailure.EXIT
    log_format: LogFormat = LogFormat.TEXT
    log_timestamps: bool = False
    """Each line of a text log begins with the time."""
    quiet: bool = False
    """Lines of a normal start that tell a user nothing are not logged."""
    programs: Mapping[str, ProgramConfig] = MappingProxyType({})
    """By supervisord's name of the process."""
    address: str = ""
    """Where the site can be reached, as a link or in words; logged when the container becomes ready."""
    listen: tuple[str, ...] = ()
    """The addresses of the site, such as 0.0.0.0:80 and [::]:80; empty if a program of the user's listens there."""
    pre_stop: tuple[PreStopHook, ...] = ()
    """The hooks run one after the other."""
    metrics: MetricsConfig | None = None
    second_socket: bool = False
    """The application server listens on the second of its two sockets; reloads use them in turn."""

    def program(self, name: str) -> ProgramConfig:
        """Return the configuration of the process `name`."""
        return self.programs.get(name, ProgramConfig())


class RunningProgram(NamedTuple):
    """A program that boot has started. It is still a child of this process after the exec of supervisord."""

    pid: int
    output: int
    """The descriptor that the program's output is read from."""
    unwritten: str = ""
    """Output that boot has read and not yet written, one character a byte (latin-1)."""


class Environments(NamedTuple):
    """The environments of the programs. They contain secrets, so they cross in memory and not in a file."""

    programs: Mapping[str, str]
    root: Mapping[str, str]
    """The environment of root's programs: without paths to code that the application's user can write."""
    private: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    """Secrets of single programs, by the program's name."""
    boot: Mapping[str, str] = MappingProxyType({})
    """The environment that the boot had, for a reload; empty if there was no boot."""
    page_password: str = ""
    """The password of the status page; empty if it has none."""


class Handover(NamedTuple):
    """handover.json: what boot leaves to supervisord's plugin."""

    environments: int
    """The descriptor of a memory file that contains `Environments`."""
    notify: int | None = None
    """The descriptor of the socket that programs notify of their readiness."""
    programs: Mapping[str, RunningProgram] = MappingProxyType({})
    """The programs that already run, by name."""
    began: float | None = None
    """When the process of the boot started, in seconds of CLOCK_BOOTTIME: clock_gettime(2)."""
