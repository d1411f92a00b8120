"""What the steps do to the world: only here are files written, sockets opened and programs run."""

import errno
import io
import os
import re
import selectors
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from functools import singledispatchmethod
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint import log
from entrypoint.boot.decisions.artifacts import Directory, Progress
from entrypoint.boot.effects import run_files
from entrypoint.boot.effects.agent import Agent
from entrypoint.boot.effects.children import Children
from entrypoint.boot.effects.hook_runner import HookRunner
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.effects.timeline import Timeline
from entrypoint.boot.facts.machine import BROUGHT_BY
from entrypoint.boot.plan.steps import (
    WARNING,
    Ask,
    CheckPort,
    CheckReadable,
    CheckWritable,
    Exec,
    FindPrograms,
    MakeDirectories,
    Read,
    Reload,
    Run,
    RunHooks,
    Serve,
    Start,
    Step,
    ValidateNginx,
    ValidateSupervisord,
    WaitFor,
    WriteFiles,
)
from entrypoint.boot.settings import textfile
from entrypoint.boot.settings.values import Listen
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import EntrypointError, NotAllowed, NotFound, NotRunnable, Several, TimedOut, Unusable
from entrypoint.log import Tell, printable
from entrypoint.protocol.agent import WaitRequest

_WHERE: Final = re.compile(r" in (?P<path>/\S+):(?P<line>\d+)$")
_EMERGENCY: Final = re.compile(r"^.*\[emerg\] (\d+#\d+: )?")
_FILE: Final = re.compile(r" \(file: '(?P<path>[^']+)'\)")
_LONGEST_VALIDATION: Final = 60.0  # seconds
_RESULT_GRACE: Final = 2.0  # seconds by which the agent's result may come after its own deadline


class DryRunPerformer:
    """Shows the steps, and carries out none."""

    def __init__(self, tell: Tell) -> None:
        """`tell` logs each line under our own name."""
        self._tell = tell
        self._announced = 0

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, with its number."""
        self._announced += 1
        level = "warning" if not isinstance(step, Exec) and step.name == WARNING else "info"
        self._tell(log.ENTRYPOINT, f"{self._announced}. {printable(str(step))}", level)

    def apply(self, step: Step) -> None:
        """Do nothing."""


class RealPerformer(DryRunPerformer):
    """Carries out the steps that prepare the application. It starts no program that is to stay."""

    def __init__(self, tell: Tell, stops: StopRequests, agent: Agent | None, hooks: HookRunner, trust: Trust) -> None:
        """Stop between two steps if `stops` says so; send requests to `agent`; let `trust` say where root may write."""
        super().__init__(tell)
        self._stops = stops
        self._agent = agent
        self._hooks = hooks
        self._trust = trust
        self._waiting_since: float | None = None

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, unless a stop was requested."""
        self._stops.check()
        super().announce(step)

    def _show(self, progress: Progress | None, done: int | None = None, of: int | None = None) -> None:
        """Show clients what is being done. Nothing serves them here."""

    def _outdate(self) -> None:
        """Discard what loaded the application before it changed. Nothing did here."""

    @singledispatchmethod
    def apply(self, step: Step) -> None:
        """Carry the step out. Raises an EntrypointError that says what could not be done."""
        raise NotImplementedError(step)

    @apply.register
    def _(self, step: Read) -> None:
        pass

    @apply.register
    def _(self, step: FindPrograms) -> None:
        missing = (name for name, path in step.programs.items() if path is None)
        Several.check([NotFound(f"cannot run {name}: {_why_missing(name)}") for name in missing])

    @apply.register
    def _(self, step: CheckPort) -> None:
        for listen in step.addresses:
            _try_to_listen(listen)

    @apply.register
    def _(self, step: CheckReadable) -> None:
        errors: list[EntrypointError] = []
        for name, path in step.files.items():
            try:
                textfile.read_bytes(Path(path))
            except OSError as error:
                kind = NotAllowed if isinstance(error, PermissionError) else Unusable
                errors.append(kind(f"cannot read {name}={path}: {error.strerror}"))
            except ValueError as error:
                errors.append(Unusable(f"cannot read {name}={path}: {error}"))
        Several.check(errors)

    @apply.register
    def _(self, step: CheckWritable) -> None:
        Several.check(list(_faults_of_logs(step.files, self._trust)))

    @apply.register
    def _(self, step: MakeDirectories) -> None:
        for directory in step.directories:
            _make(directory)
        Several.check([error for path in step.files if (error := _in_the_way(path))])

    @apply.register
    def _(self, step: WriteFiles) -> None:
        for file in step.files:
            run_files.write(file.path, file.text)

    @apply.register
    def _(self, step: ValidateNginx) -> None:
        status, said = _run(step.command, self._stops)
        if status == 0:
            return
        message = next((line for line in said.splitlines() if "[emerg]" in line), said.strip())
        message = _EMERGENCY.sub("", message)
        where = _WHERE.search(message)
        if where is None:
            raise Unusable(f"cannot use {step.files[0].path}: {message}")
        for file in step.files:
            if str(file.path) == where["path"]:
                line = file.text.splitlines()[int(where["line"]) - 1].strip()
                raise Unusable(
                    f"cannot use {file.path}, from {file.source}: {message[: where.start()]}; it says: {line}"
                )
        raise Unusable(f"cannot use {where['path']}: {message[: where.start()]} in line {where['line']}")

    @apply.register
    def _(self, step: ValidateSupervisord) -> None:
        from supervisor.options import ServerOptions  # noqa: PLC0415 -- 50 ms in which nginx could serve already

        # It looks for a folder for temporary files, which a read-only container may lack, and writes nothing there.
        tempfile.tempdir = str(step.file.path.parent)
        options = ServerOptions()
        said = io.StringIO()
        options.stderr = options.stdout = said
        try:
            with redirect_stderr(said):
                options.realize(["-c", str(step.file.path)])
        except (ValueError, SystemExit) as error:
            why = (said.getvalue().strip().splitlines() or [str(error)])[0].removeprefix("Error: ")
            found = _FILE.search(why)
            if found and found["path"] != str(step.file.path):
                raise Unusable(f"cannot use {found['path']}: {_FILE.sub('', why)}") from error
            raise Unusable(f"cannot use {step.file.path}, from {step.file.source}: {why}") from error

    @apply.register
    def _(self, step: Ask) -> None:
        if self._agent is None:
            raise NotImplementedError(step)
        self._show(step.progress)
        request, seconds = step.request, None
        if isinstance(request, WaitRequest):
            request = request._replace(seconds=self._left(request.seconds))
            seconds = request.seconds + _RESULT_GRACE
        result = self._agent.ask(
            step.name, request, seconds, lambda done, total: self._show(step.progress, done, total)
        )
        if result.changed:
            self._outdate()
        self._say(f"    {result.text}")

    @apply.register
    def _(self, step: WaitFor) -> None:
        from entrypoint.boot.effects.waiting import wait_for  # noqa: PLC0415 -- what only who waits has to pay

        self._show(step.progress)
        late = wait_for(step.targets, self._left(step.seconds), self._say, self._stops)
        if late:
            self._outdate()

    @apply.register
    def _(self, step: RunHooks) -> None:
        self._show(step.progress)
        self._hooks.run(step)

    @apply.register
    def _(self, step: Run) -> None:
        self._show(step.progress)
        self._hooks.run_alone(step)

    def _say(self, line: str) -> None:
        self._tell(log.ENTRYPOINT, line)

    def _left(self, seconds: float) -> float:
        """Return what is left of the one deadline of all waiting, which begins with the first wait."""
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        return max(0.0, self._waiting_since + seconds - now)


class BootPerformer(RealPerformer):
    """Carries out a whole boot: it also starts programs, for supervisord to adopt, and shows clients the progress."""

    def __init__(  # noqa: PLR0913, PLR0917 -- what steps are carried out by
        self,
        tell: Tell,
        stops: StopRequests,
        agent: Agent | None,
        hooks: HookRunner,
        trust: Trust,
        children: Children,
    ) -> None:
        """`children` are the programs that are started."""
        super().__init__(tell, stops, agent, hooks, trust)
        self._children = children
        self.timeline = Timeline()

    def announce(self, step: Step | Exec) -> None:
        """Show the line of the step, and note when the step began."""
        super().announce(step)
        self.timeline.mark(f"{self._announced}. {printable(str(step))}")

    def _show(self, progress: Progress | None, done: int | None = None, of: int | None = None) -> None:
        for file in progress.files(done, of) if progress else ():
            run_files.write(file.path, file.text)

    def _outdate(self) -> None:
        self._children.discard_outdated()

    @singledispatchmethod
    def apply(self, step: Step) -> None:
        """Carry the step out, as for a preparation unless it is one of those below."""
        super().apply(step)

    @apply.register
    def _(self, step: MakeDirectories) -> None:
        super().apply(step)
        for path in step.stale:
            run_files.remove(path)

    @apply.register
    def _(self, step: Start) -> None:
        self._show(step.progress)
        self._children.start(step)

    @apply.register
    def _(self, step: Reload) -> None:
        self._children.reload(step.program.name, self._stops.check)

    @apply.register
    def _(self, step: Serve) -> None:
        self._children.start_outdated()
        for path in step.progress.paths:
            run_files.remove(path)


def _why_missing(name: str) -> str:
    return f"it is not installed; {BROUGHT_BY[name]}" if name in BROUGHT_BY else "there is no such command"


def _try_to_listen(listen: Listen) -> None:
    ipv6 = listen.host.count(":") > 0
    try:
        with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ipv6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((listen.host, listen.port))
            probe.listen()
    except OSError as error:
        hint = "; as an ordinary user choose a PORT above 1023" if error.errno == errno.EACCES else ""
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise NotAllowed(f"cannot listen on {listen}: {why}{hint}") from error


def _make(directory: Directory) -> None:
    path, owner = Path(directory.path), directory.owner
    try:
        path.mkdir(parents=True, exist_ok=True)
        if directory.mode is None:
            return
        found, owners = path.lstat(), (os.geteuid(), owner.uid if owner else -1)
        if directory.inner and stat.S_ISDIR(found.st_mode) and found.st_uid not in owners:
            # An older release gave it to another user, who may have put links into it that root would follow.
            shutil.rmtree(path)
            path.mkdir()
            found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise NotAllowed(f"cannot use {path}: it is not a folder of ours; ENTRYPOINT_RUN_DIR names another")
        if owner:
            os.chown(path, owner.uid, owner.gid)
        path.chmod(directory.mode)
    except OSError as error:
        hint = "" if directory.mode is None else "; ENTRYPOINT_RUN_DIR names another place"
        raise NotAllowed(f"cannot make {path}: {error.strerror}{hint}") from error


def _in_the_way(path: PurePosixPath) -> NotAllowed | None:
    """Return why a file or a socket cannot be put there: something else is."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- the name of stat(2), which follows links
    except OSError:  # usually nothing is there
        return None
    if stat.S_ISREG(mode) or stat.S_ISSOCK(mode):
        return None
    what = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
    return NotAllowed(f"cannot write {path}: it is {what}; remove it, or set ENTRYPOINT_RUN_DIR to another folder")


@contextmanager
def temporary_folder(place: PurePosixPath) -> Iterator[PurePosixPath]:
    """Give a folder in `place` that is gone afterwards, with all that is in it. Raises NotAllowed."""
    try:
        folder = tempfile.mkdtemp(prefix="entrypoint-", dir=place)
    except OSError as error:
        raise NotAllowed(f"cannot make a folder in {place}: {error.strerror}; TMPDIR names another place") from error
    try:
        yield PurePosixPath(folder)
    finally:
        shutil.rmtree(folder)


def _run(command: tuple[str, ...], stops: StopRequests) -> tuple[int, str]:
    """Run a command to its end; return its exit status and all that it said.

    Raises NotRunnable, TimedOut, Stopped when a stop was asked for meanwhile.
    """
    output, written = os.pipe()
    # The command may run as another user, who has to be able to open its /dev/stdout.
    os.fchmod(written, 0o666)
    with os.fdopen(output, "rb", buffering=0) as stream:
        try:
            # Without a terminal, on which OpenSSL would ask for the pass phrase of an encrypted key.
            process = subprocess.Popen(  # noqa: S603 -- the plan's own command, no shell
                command, stdin=subprocess.DEVNULL, stdout=written, stderr=written, start_new_session=True
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {command[0]}: {error.strerror}") from error
        finally:
            os.close(written)
        try:
            said = b"".join(_read_to_the_end(stream, stops, f"run {' '.join(command)}"))
        except EntrypointError:
            process.kill()
            raise
        finally:
            process.wait()
    return process.returncode, said.decode(errors="backslashreplace")


def _read_to_the_end(stream: io.RawIOBase, stops: StopRequests, doing: str) -> Iterator[bytes]:
    """Yield what a command says until it ends. Raises TimedOut, Stopped."""
    deadline = time.monotonic() + _LONGEST_VALIDATION
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        selector.register(stops, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.fileobj is stops:
                    stops.check()
                elif data := stream.read(65536):
                    yield data
                else:
                    return
    raise TimedOut(f"cannot {doing}: it did not end within {_LONGEST_VALIDATION:g} s")


def _faults_of_logs(files: Mapping[PurePosixPath, str], trust: Trust) -> Iterator[EntrypointError]:
    """Yield why files cannot be written or rotated by whoever we are; supervisord will be the same."""
    for file, told in files.items():
        # Not by Path's methods, which raise where a name is too long.
        if not os.path.isdir(file.parent):  # noqa: PTH112 -- see above
            yield Unusable(f"cannot use {told}: there is no folder {file.parent}")
        elif os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 -- see above
            yield Unusable(f"cannot use {told}: it is no ordinary file")
        elif not os.access(file.parent, os.W_OK | os.X_OK):
            yield NotAllowed(f"cannot use {told}: the folder {file.parent} cannot be written")
        elif fault := trust.fault_of_new(file):
            why = "supervisord writes as root, and would follow a link there; name a folder that root alone can write"
            yield NotAllowed(f"cannot use {told}: {fault}; {why}")
        elif os.path.exists(file) and not os.access(file, os.W_OK):  # noqa: PTH110 -- see above
            yield NotAllowed(f"cannot use {told}: the file cannot be written")
