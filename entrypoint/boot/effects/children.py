"""The programs that boot starts itself. They stay our children across the exec, and supervisord adopts them.

So the site answers from its first moment, and the application server loads while boot and supervisord still work. What
they print is relayed until the exec, and read by supervisord from then on. The other half is
`entrypoint/supervision/handover.py`.
"""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple, Self

from entrypoint.boot.decisions.programs import Program
from entrypoint.boot.effects.relay import Relay
from entrypoint.boot.plan.steps import Start
from entrypoint.boot.settings import textfile
from entrypoint.boot.trust.trust import Trust
from entrypoint.codec import to_json
from entrypoint.protocol import Environments, Handover, RunningProgram

_STARTS_WITHIN: Final = 2.0  # seconds that nginx has to start its workers; milliseconds are usual
_DIES_WITHIN: Final = 2.0  # seconds from SIGKILL
_LOOKS_EVERY: Final = 0.002
_PIPE: Final = 1 << 20  # bytes of what they print that wait for supervisord


class _Child(NamedTuple):
    step: Start
    process: "subprocess.Popen[bytes]"
    output: int  # the descriptor that what it prints is read from


class Children:
    """Those that run now, as a context: an error ends them, the exec hands them over."""

    def __init__(self, trust: Trust) -> None:
        """`trust` is what a program that starts as root may load."""
        self._trust = trust
        self._running: dict[str, _Child] = {}
        self._outdated: list[Start] = []
        self._notify: socket.socket | None = None
        self._relay = Relay()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            for name in list(self._running):
                self._end(name)

    def start(self, step: Start) -> None:
        """Start a program as supervisord would. Where that cannot be, supervisord will try and say why."""
        program, account = step.program, step.program.account
        output, theirs = os.pipe()
        os.set_blocking(output, False)
        with suppress(OSError):  # who has many pipes may have no larger ones
            fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _PIPE)
        os.fchmod(theirs, 0o666)  # nginx opens /dev/stdout as another user
        try:
            process = subprocess.Popen(  # noqa: S603 -- the plan's own command, no shell
                program.command,
                cwd=step.directory,
                env={**self._environment(step), **program.environment, **self._notification(program)},
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                process_group=0,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
            )
        except OSError:
            os.close(output)
        else:
            self._running[program.name] = _Child(step, process, output)
            self._relay.add(program.name, output, hold=step.loads)
        finally:
            os.close(theirs)

    def discard_outdated(self) -> None:
        """End what has loaded the application: what it read has changed. Nobody was served by it yet."""
        for name, child in list(self._running.items()):
            if child.step.loads:
                self._outdated.append(child.step)
                self._end(name)

    def start_outdated(self) -> None:
        """Start again what was discarded."""
        while self._outdated:
            self.start(self._outdated.pop())

    def reload(self, name: str, check: Callable[[], None]) -> None:
        """Let nginx read its configuration again, as soon as it can take the signal. `check` may end the wait.

        A signal that comes before it has started its workers is noted, and forgotten until there is another.
        """
        deadline = time.monotonic() + _STARTS_WITHIN
        while (child := self._running.get(name)) and child.process.poll() is None and time.monotonic() < deadline:
            check()
            if _has_children(child.process.pid):
                child.process.send_signal(signal.SIGHUP)
                return
            time.sleep(_LOOKS_EVERY)
        if child:
            self._end(name)  # supervisord starts it, and it has the new configuration

    def hand_over(self, file: PurePosixPath, programs: Mapping[str, str], root: Mapping[str, str]) -> None:
        """Write down for supervisord's plugin who runs, and let the descriptors through the exec.

        So are the environments of the programs, and of those that run as `root`: in memory, for they hold secrets.
        """
        self._relay.stop()
        environments = os.memfd_create("environments", 0)
        with os.fdopen(os.dup(environments), "w", encoding="ascii") as opened:
            opened.write(to_json(Environments(programs, root)))
        running = {name: child for name, child in self._running.items() if child.process.poll() is None}
        for child in running.values():
            os.set_inheritable(child.output, True)  # noqa: FBT003 -- its signature
        if self._notify:
            self._notify.set_inheritable(True)
        handover = Handover(
            environments=environments,
            notify=self._notify.fileno() if self._notify else None,
            programs={name: self._running_program(child) for name, child in running.items()},
        )
        textfile.write(file, to_json(handover), mode=0o600)  # no other user may read what a program has printed

    def _running_program(self, child: _Child) -> RunningProgram:
        return RunningProgram(child.process.pid, child.output, self._relay.begun(child.output).decode("latin-1"))

    def _environment(self, step: Start) -> Mapping[str, str]:
        return self._trust.environment(step.environment) if step.program.as_root else step.environment

    def _notification(self, program: Program) -> Mapping[str, str]:
        """Return what a program needs to tell that it is ready: sd_notify(3)."""
        if program.ready != "notify":
            return {}
        if self._notify is None:
            self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._notify.bind("")  # an abstract name of the kernel's choice, see unix(7)
        return {"NOTIFY_SOCKET": "@" + self._notify.getsockname()[1:].decode("ascii")}

    def _end(self, name: str) -> None:
        child = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        _wait_for_group(child.process.pid)
        self._relay.remove(child.output)
        os.close(child.output)


def _wait_for_group(group: int) -> None:
    """Wait until all of a killed process group are gone: one of them may hold the port that its successor wants."""
    deadline = time.monotonic() + _DIES_WITHIN
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(-group, os.WNOHANG)  # process 1 is the parent of all orphans
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(_LOOKS_EVERY)


def _has_children(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/task/{pid}/children").read_bytes())
    except OSError:
        return False
