"""The steps of a boot, as values. `str(step)` is the line that a dry run and a real run print.

They are named tuples: a dataclass takes Python half a millisecond to make, and each boot makes all of these.
"""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from entrypoint.boot.decisions.artifacts import Directory, File, Progress
from entrypoint.boot.facts.hooks import Hook
from entrypoint.boot.settings.endpoints import Endpoint
from entrypoint.boot.settings.values import Listen
from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol.agent import Request

if TYPE_CHECKING:
    from entrypoint.boot.decisions.programs import Program

_Step = TypeVar("_Step", bound=tuple[Any, ...])

SERVE: Final = "serve"
"""The name of the steps that only `serve` has: they start the programs that supervisord adopts."""
COMPRESS: Final = "compress"
"""The name of the step that only `prepare --only compress` carries out."""
WARNING: Final = "warning"
"""The name of a step that only warns."""
_IN_CHECK: Final[set[type]] = set()


def _in_check(step: type[_Step]) -> type[_Step]:
    """Let `entrypoint check` carry out the steps of this class: they need no database and no free port."""
    _IN_CHECK.add(step)
    return step


def runs_in_check(step: "Step") -> bool:
    """Return whether `entrypoint check` carries the step out."""
    return type(step) in _IN_CHECK


def _without_secrets(step: object) -> str:
    return f"<{type(step).__name__}: {step}>"


@_in_check
class Read(NamedTuple):
    """A source of the plan. The step only reports it."""

    name: str
    line: str

    def __str__(self) -> str:
        return self.line


@_in_check
class FindPrograms(NamedTuple):
    """Check that all programs of the plan are installed, before anything is written."""

    programs: Mapping[str, PurePosixPath | None]
    name: str = "programs"

    def __str__(self) -> str:
        return "find " + ", ".join(self.programs)


class CheckPort(NamedTuple):
    """Check that the addresses are free and allowed, before the database is used."""

    addresses: tuple[Listen, ...]
    setting: str = "PORT"
    name: str = "port"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.addresses))} can be listened on"


@_in_check
class CheckReadable(NamedTuple):
    """Check that the user's files for nginx can be read. The key of each is the setting that names it."""

    files: Mapping[str, PurePosixPath]
    name: str = "tls"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.files.values()))} can be read"


@_in_check
class CheckPasswords(NamedTuple):
    """Check the user's file of passwords for nginx."""

    file: PurePosixPath
    account: Account | None  # of nginx's workers; None: the current user
    name: str = "passwords"

    def __str__(self) -> str:
        return f"check the users in {self.file}"


class CheckPages(NamedTuple):
    """Check that the user's error pages are among the static files. The key of each is its status."""

    pages: Mapping[int, PurePosixPath]
    name: str = "pages"

    def __str__(self) -> str:
        return f"find the error pages {', '.join(map(str, self.pages.values()))}"


@_in_check
class CheckWritable(NamedTuple):
    """Check that supervisord can write and rotate log files. The value of each is the key that names it."""

    files: Mapping[PurePosixPath, str]
    name: str = "logs"

    def __str__(self) -> str:
        return f"check that {' and '.join(map(str, self.files))} can be written"


class CheckSpace(NamedTuple):
    """Check that the cache of responses fits into the file system of its folder, and into memory if that is a tmpfs."""

    folder: PurePosixPath
    size: int  # bytes
    text: str  # the size as the user wrote it
    memory: int | None  # bytes that the container may use; None: no limit
    name: str = "cache"

    def __str__(self) -> str:
        return f"check that a cache of {self.size >> 20} MiB fits into {self.folder}"


@_in_check
class MakeDirectories(NamedTuple):
    """Create the folders of the run directory."""

    directories: tuple[Directory, ...]
    files: tuple[PurePosixPath, ...] = ()  # are written there later; none of them may be a folder
    stale: tuple[PurePosixPath, ...] = ()  # to remove: a killed container may have left them
    name: str = "render"

    def __str__(self) -> str:
        return "make " + ", ".join(map(str, self.directories))


class MakeStore(NamedTuple):
    """Make the folder where the certificate is kept, which only this user can change."""

    store: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"make {self.store}, for certificates"


@_in_check
class TakeCertificate(NamedTuple):
    """Let nginx have the certificate that an earlier boot has obtained."""

    store: PurePosixPath
    file: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"take the certificate of {self.store}"


@_in_check
class MakeCertificate(NamedTuple):
    """Let nginx have a self-signed certificate: the one of `store` if it is still good, else a new one."""

    openssl: PurePosixPath
    names: tuple[str, ...]
    file: PurePosixPath
    store: PurePosixPath | None
    name: str = "tls"

    def __str__(self) -> str:
        return f"make a self-signed certificate for {', '.join(self.names)}, unless there is one"


class KeepCertificate(NamedTuple):
    """Keep the self-signed certificate for later boots: whoever trusts it need not do so again."""

    file: PurePosixPath
    store: PurePosixPath
    name: str = "tls"

    def __str__(self) -> str:
        return f"keep the certificate in {self.store}"


class EmptyMetrics(NamedTuple):
    """Make and empty the folder of prometheus_client's files, as the user who writes them."""

    folder: str
    variable: str  # which names it
    directory: PurePosixPath  # to which the folder may be relative
    account: Account | None  # None: the current user
    name: str = SERVE

    def __str__(self) -> str:
        return f"empty {self.folder} ({self.variable}){f' as {self.account}' if self.account else ''}"


class HandOver(NamedTuple):
    """Give the application's user the folders that it writes and that belong to another user, but root."""

    folders: tuple[PurePosixPath, ...]
    account: Account
    others: tuple[int, ...] = ()  # the uids of the other programs
    name: str = "owner"

    def __str__(self) -> str:
        return f"hand over to {self.account} the files of other users in {', '.join(map(str, self.folders))}"


@_in_check
class Link(NamedTuple):
    """Make links to the files of the same names in another folder."""

    links: tuple[PurePosixPath, ...]
    folder: PurePosixPath  # of the files
    name: str = "render"

    def __str__(self) -> str:
        return f"link the files of {self.folder} into {self.links[0].parent}, for relative includes"


@_in_check
class WriteFiles(NamedTuple):
    """Write the configuration files, each atomically."""

    files: tuple[File, ...]
    name: str = "render"

    def __str__(self) -> str:
        return "write " + ", ".join(str(file.path) for file in self.files)


@_in_check
class ValidateNginx(NamedTuple):
    """Validate with `nginx -t`."""

    command: tuple[str, ...]
    files: tuple[File, ...]
    environment: Mapping[str, str] = MappingProxyType({})
    http_files: tuple[PurePosixPath, ...] = ()  # the user's files that nginx.conf includes
    server_files: tuple[PurePosixPath, ...] = ()  # those that nginx-app.conf includes
    tls: tuple[PurePosixPath, PurePosixPath] | None = None  # the user's certificate and its key
    name: str = "validate"

    def __str__(self) -> str:
        return f"validate {self.files[0].path} with nginx -t"


class ValidateSupervisord(NamedTuple):
    """Validate with supervisord's own parser."""

    file: File
    name: str = "validate"

    def __str__(self) -> str:
        return f"validate {self.file.path} with supervisord's parser"


class Start(NamedTuple):
    """Start a program, which supervisord adopts."""

    program: "Program"
    directory: PurePosixPath
    environment: Mapping[str, str]
    why: str
    loads: bool  # whether it loads the application, which a later step may change
    progress: Progress | None = None
    name: str = SERVE

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        return f"start {self.program.name}, {self.why}"


class Serve(NamedTuple):
    """Start the discarded programs again, and let nginx pass requests to the application."""

    program: "Program"
    progress: Progress
    name: str = SERVE

    def __str__(self) -> str:
        return f"let {self.program.name} pass requests to the application"


class Reload(NamedTuple):
    """Let a running program read its configuration again."""

    program: "Program"
    name: str = SERVE

    def __str__(self) -> str:
        return f"let {self.program.name} read its configuration again"


class Ask(NamedTuple):
    """A request to the application's agent."""

    name: str
    line: str
    request: Request
    progress: Progress | None = None

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        return self.line


class Compress(NamedTuple):
    """Compress static files ahead, as the user who owns their folder."""

    folder: PurePosixPath
    python: PurePosixPath  # the application's interpreter
    own_python: PurePosixPath  # for a folder that is not the application's user's
    script: PurePosixPath
    environment: Mapping[str, str]
    account: Account | None = None  # the application's user; None is the current user
    name: str = COMPRESS

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        return f"compress the static files in {self.folder}"


class WaitFor(NamedTuple):
    """Wait for services, besides Django's databases."""

    targets: tuple[Endpoint, ...]
    seconds: float  # until the deadline of all waits together
    progress: Progress | None = None
    name: str = "wait"

    def __str__(self) -> str:
        return f"wait for {', '.join(map(str, self.targets))}, at most {self.seconds:g} s"


class RunHooks(NamedTuple):
    """Run the hooks of one step, one after the other."""

    when: str  # the name of their folder
    hooks: tuple[Hook, ...]
    environment: Mapping[str, str]
    directory: PurePosixPath
    seconds: float  # for each hook
    progress: Progress | None = None
    name: str = "hooks"

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        hooks = (f"{hook}{f' as {hook.account}' if hook.account else ''}" for hook in self.hooks)
        return f"run {self.when} hooks {', '.join(hooks)}"


class Run(NamedTuple):
    """Run a command that must succeed before the programs start."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: PurePosixPath
    seconds: float
    account: Account | None  # None: the current user
    progress: Progress | None = None

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        return f"run {self.name}: {shlex.join(self.command)}"


Step = (
    Read
    | FindPrograms
    | CheckPort
    | CheckReadable
    | CheckPasswords
    | CheckPages
    | CheckWritable
    | CheckSpace
    | MakeDirectories
    | MakeStore
    | TakeCertificate
    | MakeCertificate
    | KeepCertificate
    | EmptyMetrics
    | HandOver
    | Link
    | WriteFiles
    | ValidateNginx
    | ValidateSupervisord
    | Start
    | Reload
    | Serve
    | Ask
    | Compress
    | WaitFor
    | RunHooks
    | Run
)


def copies(files: tuple[File, ...], folder: PurePosixPath) -> list[Step]:
    """Return the steps that write the same files into another folder."""
    root = next(place for place in files[0].path.parents if all(file.path.is_relative_to(place) for file in files))
    copied = tuple(file._replace(path=folder / file.path.relative_to(root)) for file in files)
    folders = sorted({file.path.parent for file in copied})
    return [MakeDirectories(tuple(Directory(path, None) for path in folders)), WriteFiles(copied)]


class Exec(NamedTuple):
    """Replace this process by supervisord."""

    argv: tuple[str, ...]
    directory: PurePosixPath
    environment: Mapping[str, str]  # of supervisord itself
    programs: Mapping[str, str]  # the environment of the programs
    handover: PurePosixPath  # the file that lists the running programs
    timeline: PurePosixPath  # the file that records the steps

    def __repr__(self) -> str:
        return _without_secrets(self)

    def __str__(self) -> str:
        return "exec " + " ".join(self.argv)
