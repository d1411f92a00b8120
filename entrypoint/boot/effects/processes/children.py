"""Start programs before the exec. They stay children of this process, and supervisord adopts them.

So nginx answers from the first moment, and the application server loads while boot and supervisord still work. Boot
relays the programs' output until the exec; then supervisord reads it. `entrypoint/supervision/handover.py` reads what
`hand_over` writes.
"""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Self

from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.effects.disk import run_files
from entrypoint.boot.effects.processes.relay import Relay
from entrypoint.boot.plan.steps import Start
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import ProgramFailed
from entrypoint.output import log
from entrypoint.output.server_output import Banner, failure
from entrypoint.processes.children import children
from entrypoint.processes.endings import exit_code
from entrypoint.protocol.codec import to_json
from entrypoint.protocol.probe import Kind
from entrypoint.protocol.supervision import Environments, Handover, RunningProgram

_STARTS_WITHIN: Final = 2.0  # seconds for nginx to start its workers; it usually takes milliseconds
_DIES_WITHIN: Final = 2.0  # seconds after SIGKILL
_POLL_INTERVAL: Final = 0.002
_PIPE_SIZE: Final = 1 << 20  # bytes of output that may wait for supervisord


class _Child(NamedTuple):
    step: Start
    process: "subprocess.Popen[bytes]"
    output: int  # the descriptor to read its output from


class Children:
    """The running programs, as a context: an error kills them, the exec hands them over."""

    def __init__(self, trust: Trust) -> None:
        """`trust` decides what a program that starts as root may load."""
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
                self._kill(name)

    def start(self, step: Start) -> None:
        """Start a program as supervisord would. If that fails, supervisord tries again and reports why."""
        program, account = step.program, step.program.account
        environment = self._trust.environment(step.environment) if program.as_root else step.environment
        output, written = os.pipe()
        os.set_blocking(output, False)
        with suppress(OSError):  # the kernel limits the memory that a user's pipes may take
            fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        os.fchmod(written, 0o666)  # nginx opens /dev/stdout as another user
        try:
            process = subprocess.Popen(  # noqa: S603 -- the plan's own command, no shell
                program.command,
                cwd=step.directory,
                env={**environment, **program.supervision.environment, **self._notification(program)},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
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
            os.close(written)

    def discard_outdated(self) -> None:
        """Kill the programs that loaded the application, because it has changed. They have served nobody yet."""
        for name, child in list(self._running.items()):
            if child.step.loads:
                self._outdated.append(child.step)
                self._kill(name)

    def start_outdated(self) -> None:
        """Start the discarded programs again."""
        while self._outdated:
            self.start(self._outdated.pop())

    def check_loaded(self) -> None:
        """Raise ProgramFailed if a program has ended because it could not load the application.

        Another attempt would fail in the same way: nothing has changed since.
        """
        for name, child in self._running.items():
            application, code = child.step.program.supervision.application, child.process.poll()
            if not child.step.loads or application is None or not code:
                continue
            output = self._relay.read_rest(child.output).splitlines()
            if why := failure(application, output):
                banner = Banner(application)
                shown = [line for line in output if not banner.has(line) or log.shows("debug")]
                text = [line.decode(errors="backslashreplace") for line in shown]
                raise ProgramFailed(why, exit_code(code), name, text)

    def reload(self, name: str, check: Callable[[], None]) -> None:
        """Let nginx reload its configuration. `check` may raise to end the wait.

        nginx ignores a SIGHUP that arrives before it has started its workers, so wait for them.
        """
        deadline = time.monotonic() + _STARTS_WITHIN
        while (child := self._running.get(name)) and child.process.poll() is None and time.monotonic() < deadline:
            check()
            if children(child.process.pid):
                child.process.send_signal(signal.SIGHUP)
                return
            time.sleep(_POLL_INTERVAL)
        if child:
            self._kill(name)  # supervisord starts it again, with the new configuration

    def hand_over(self, file: PurePosixPath, environments: Environments, began: float) -> None:
        """Tell supervisord's plugin in `file` which programs run, and let their descriptors survive the exec.

        The `environments` hold secrets, so they go into a memfd. `began` is when this boot began, in seconds of
        CLOCK_BOOTTIME. Raises ProgramFailed as `check_loaded` does.
        """
        self.check_loaded()
        self._relay.stop()
        memory = os.memfd_create("environments", 0)
        with os.fdopen(os.dup(memory), "w", encoding="ascii") as opened:
            opened.write(to_json(environments))
        running = {name: child for name, child in self._running.items() if child.process.poll() is None}
        for child in running.values():
            os.set_inheritable(child.output, True)  # noqa: FBT003 -- its signature
        if self._notify:
            self._notify.set_inheritable(True)
        handover = Handover(
            environments=memory,
            notify=self._notify.fileno() if self._notify else None,
            programs={
                name: RunningProgram(
                    child.process.pid, child.output, self._relay.pending(child.output).decode("latin-1")
                )
                for name, child in running.items()
            },
            began=began,
        )
        run_files.write(file, to_json(handover), mode=0o600)  # no other user may read what a program has printed

    def _notification(self, program: Program) -> Mapping[str, str]:
        """Return the variables with which a program reports that it is ready: sd_notify(3)."""
        if program.supervision.ready.kind is not Kind.NOTIFY:
            return {}
        if self._notify is None:
            self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._notify.bind("")  # the kernel chooses an abstract name, see unix(7)
        return {"NOTIFY_SOCKET": "@" + self._notify.getsockname()[1:].decode("ascii")}

    def _kill(self, name: str) -> None:
        child = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        _wait_for_group(child.process.pid)
        self._relay.remove(child.output)
        os.close(child.output)


def _wait_for_group(group: int) -> None:
    """Wait until a killed process group is gone: one of its processes may hold the port that its successor needs."""
    deadline = time.monotonic() + _DIES_WITHIN
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(-group, os.WNOHANG)  # orphans become children of process 1
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(_POLL_INTERVAL)
