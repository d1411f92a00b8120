"""The steps of a boot, as values. `str(step)` is the line that a dry run and a real run print.

They are named tuples: Python takes half a millisecond to create the class of a dataclass, and each boot creates them
all. Steps that check something are in check_steps.py, steps that write files in file_steps.py.
"""

import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

from entrypoint.boot.decisions.folders.artifacts import Progress
from entrypoint.boot.facts.hooks import Hook
from entrypoint.boot.plan.check_steps import in_check
from entrypoint.boot.settings.types.endpoints import Endpoint
from entrypoint.boot.trust.accounts import Account
from entrypoint.protocol.agent import Request

if TYPE_CHECKING:
    from entrypoint.boot.decisions.programs.programs import Program

_Step = TypeVar("_Step", bound=tuple[Any, ...])

SERVE: Final = "serve"
"""The name of the steps that only `serve` has: they start the programs that supervisord adopts."""
COMPRESS: Final = "compress"
"""The name of the step that only `prepare --only compress` carries out."""
WARNING: Final = "warning"
"""The name of a step that only warns."""


class Step(Protocol):
    """The attributes that all steps have."""

    @property
    def name(self) -> str:
        """The name for `entrypoint prepare --only` and `--skip`; several steps may share one."""


def _secret(step: type[_Step]) -> type[_Step]:
    """Make the repr of a step show only its line, because its fields hold secrets."""
    step.__repr__ = lambda self: f"<{step.__name__}: {self}>"  # type: ignore[method-assign]
    return step


@in_check
class Read(NamedTuple):
    """A source of the plan. The step only reports it."""

    name: str
    line: str

    def __str__(self) -> str:
        return self.line


class EmptyMetrics(NamedTuple):
    """Make and empty the folder of prometheus_client's files, as the user who writes them."""

    folder: str
    variable: str  # which names it
    directory: PurePosixPath  # to which the folder may be relative
    account: Account | None  # None: the current user
    name: str = SERVE

    def __str__(self) -> str:
        return f"empty {self.folder} ({self.variable}){f' as {self.account}' if self.account else ''}"


@_secret
class Start(NamedTuple):
    """Start a program, which supervisord adopts."""

    program: "Program"
    directory: PurePosixPath
    environment: Mapping[str, str]
    why: str
    loads: bool  # whether it loads the application, which a later step may change
    progress: Progress | None = None
    name: str = SERVE

    def __str__(self) -> str:
        return f"start {self.program.name}, {self.why}"


class Serve(NamedTuple):
    """Start again the programs that a step has made outdated, and let nginx pass requests to the application."""

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
        return f"reload {self.program.name}"


@_secret
class Ask(NamedTuple):
    """A request to the application's agent."""

    name: str
    line: str
    request: Request
    progress: Progress | None = None

    def __str__(self) -> str:
        return self.line


@_secret
class Compress(NamedTuple):
    """Compress static files ahead, as the user who owns their folder."""

    folder: PurePosixPath
    python: PurePosixPath  # the application's interpreter
    own_python: PurePosixPath  # for a folder that is not the application's user's
    script: PurePosixPath
    environment: Mapping[str, str]
    account: Account | None = None  # the application's user; None is the current user
    name: str = COMPRESS

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


@_secret
class RunHooks(NamedTuple):
    """Run the hooks of one step, one after the other."""

    when: str  # the name of their folder
    hooks: tuple[Hook, ...]
    environment: Mapping[str, str]
    directory: PurePosixPath
    seconds: float  # for each hook
    progress: Progress | None = None
    name: str = "hooks"

    def __str__(self) -> str:
        hooks = (f"{hook}{f' as {hook.account}' if hook.account else ''}" for hook in self.hooks)
        return f"run {self.when} hooks {', '.join(hooks)}"


@_secret
class Run(NamedTuple):
    """Run a command that must succeed before the programs start."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: PurePosixPath
    seconds: float
    account: Account | None  # None: the current user
    progress: Progress | None = None

    def __str__(self) -> str:
        return f"run {self.name}: {shlex.join(self.command)}"


@_secret
class Exec(NamedTuple):
    """Replace this process by supervisord."""

    argv: tuple[str, ...]
    directory: PurePosixPath
    environment: Mapping[str, str]  # of supervisord itself
    programs: Mapping[str, str]  # the environment of the programs
    handover: PurePosixPath  # the file that lists the running programs
    timeline: PurePosixPath  # the file that records the steps

    def __str__(self) -> str:
        return "exec " + " ".join(self.argv)
