"""Run hooks and the release command: log their output by name, limit their time, keep what hooks export."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.hooks import POST_MIGRATE, PRE_START, Hook
from entrypoint.boot.settings.settings import setting_specs
from entrypoint.boot.settings.sources.sources import MIGRATED, SOURCED
from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import NotRunnable, StepFailed, TimedOut
from entrypoint.output import log
from entrypoint.output.lines import Lines
from entrypoint.output.log import Tell
from entrypoint.processes.endings import exit_code, signal_name

if TYPE_CHECKING:
    from entrypoint.boot.plan.steps import Run, RunHooks

_GRACE: Final = 5.0  # seconds between SIGTERM and SIGKILL
_LONGEST_PAUSE: Final = 0.1  # seconds between two checks whether a silent hook has ended
_SET_BY_SHELL: Final = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
_READ_BY_APPLICATION: Final = frozenset({"DJANGO_SETTINGS_MODULE"})


class HookRunner:
    """Runs hooks, and keeps the changes that sourced hooks make to the environment."""

    def __init__(self, tell: Tell, stops: StopRequests, trust: Trust) -> None:
        """`tell(name, line)` logs their output, `stops` ends them, `trust` decides what root may load."""
        self._tell = tell
        self._stops = stops
        self._trust = trust
        self.migrated = 0  # how many migrations this boot has applied
        self._changes: dict[str, str | None] = {}  # None: removed
        self._changes_by_root: dict[str, str | None] = {}

    def changed(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with the variables that hooks exported and without those that they removed."""
        return _merged(environment, self._changes)

    def changed_for_root(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the same for processes of root: only hooks that ran as root may change it."""
        return self._trust.environment(_merged(environment, self._changes_by_root))

    def run(self, step: "RunHooks") -> None:
        """Run the hooks of a step one after another.

        Raises StepFailed with the hook's own exit code, TimedOut, NotRunnable, Stopped.
        """
        for hook in step.hooks:
            self._stops.check()
            title, name = f"{step.when} hook {hook}", f"hook {shown(hook.path.stem)}"
            process = _Process(title, name, step, self._tell, self._stops)
            before = self._environment(step.environment, hook.account) | self._about(step.when)
            if hook.sourced:
                self._keep(hook, before, _source(process, hook, before), self.changed(step.environment).get("PATH", ""))
            else:
                process.run(hook.command, before, account=hook.account)

    def run_alone(self, step: "Run") -> None:
        """Run the command of a step like a hook. Raises the same errors as `run`."""
        process = _Process(step.name, step.name, step, self._tell, self._stops)
        process.run(step.command, self._environment(step.environment, step.account), account=step.account)

    def _about(self, when: str) -> dict[str, str]:
        """Return what a hook learns about the boot."""
        migrated = {MIGRATED: str(self.migrated)} if when in (POST_MIGRATE, PRE_START) else {}
        return {SOURCED: "yes", **migrated}

    def _environment(self, environment: Mapping[str, str], account: Account | None) -> dict[str, str]:
        by_root = account is None or account.uid == 0
        return self.changed_for_root(environment) if by_root else self.changed(environment)

    def _keep(self, hook: Hook, before: Mapping[str, str], after: Mapping[str, str], path: str) -> None:
        """Keep the changes of a sourced hook. `path` is the programs' PATH before it."""
        names = {name for name in {*before, *after} - _SET_BY_SHELL if before.get(name) != after.get(name)}
        changes = {SOURCED: "yes", **{name: after.get(name) for name in names}}
        self._changes.update(changes)
        if hook.account is None:
            self._changes_by_root.update(changes)
            if "PATH" in changes:  # the folders that root must not use stay first in the programs' PATH
                left_out = [folder for folder in path.split(":") if folder not in before["PATH"].split(":")]
                self._changes["PATH"] = ":".join([*left_out, after.get("PATH", "")])
        settings = {name for spec in setting_specs() for name in spec.names}
        for name in sorted(names & settings - _READ_BY_APPLICATION):
            why = f"hook {hook} changes {name}, which has no effect: settings are read before hooks run"
            self._tell(log.ENTRYPOINT, f"warning: {why}", "warning")


def _merged(environment: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**environment, **changes}.items() if value is not None}


def _source(process: "_Process", hook: Hook, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Source the hook in a shell; return the environment at the shell's exit."""
    with os.fdopen(os.memfd_create("environment"), "rb") as result:
        # A trap, since the hook may call exit; an absolute path, since it may change PATH.
        script = f"trap '/usr/bin/env -0 >/proc/self/fd/{result.fileno()}' EXIT; . \"$0\""
        if hook.ends_at_an_error:
            script = f"set -e; {script}"
        command = ("/bin/sh", "-c", script, str(hook.path))
        process.run(command, environment, pass_fds=(result.fileno(),), account=hook.account)
        pairs = result.read().split(b"\0")[:-1]
    if not pairs:
        raise StepFailed(
            f"cannot run {process}: it replaced the shell or its EXIT trap, so its variables are unknown", 1
        )
    return dict(os.fsdecode(pair).split("=", 1) for pair in pairs)


class _Process:
    """A running hook or command of a step."""

    def __init__(self, title: str, name: str, step: "RunHooks | Run", tell: Tell, stops: StopRequests) -> None:
        """`title` names it in errors, `name` in the log."""
        self._title = title
        self._name = name
        self._tell = tell
        self._stops = stops
        self._directory = step.directory
        self._seconds = step.seconds
        self._lines = Lines()

    def __str__(self) -> str:
        return self._title

    def run(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        pass_fds: tuple[int, ...] = (),
        account: Account | None = None,
    ) -> None:
        """Run it until it ends. Raises the same errors as `HookRunner.run`."""
        try:
            process = subprocess.Popen(  # noqa: S603 -- the user's own command; no shell unless they ask for one
                command,
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
                start_new_session=True,  # we signal its whole group; Ctrl-C in the terminal does not reach it
            )
        except OSError as error:
            raise NotRunnable(f"cannot run {self}: {error.strerror}") from error
        assert process.stdout is not None  # noqa: S101 -- it is a PIPE
        with process.stdout, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(self._stops, selectors.EVENT_READ)
            try:
                self._check_status(self._follow(process, selector, self._seconds))
            except BaseException:
                selector.unregister(self._stops)
                self._stop(process, selector)
                raise

    def _check_status(self, status: int | None) -> None:
        if status is None:
            why = f"it did not end within {self._seconds:g} s; ENTRYPOINT_HOOKS_TIMEOUT sets the limit"
            raise TimedOut(f"cannot run {self}: {why}")
        if status:
            how = f"was killed by {signal_name(-status)}" if status < 0 else f"exited with status {status}"
            raise StepFailed(f"cannot run {self}: it {how}", exit_code(status))

    def _follow(
        self, process: "subprocess.Popen[bytes]", selector: selectors.BaseSelector, seconds: float
    ) -> int | None:
        """Log its output until it ends; return its status, or None after `seconds`."""
        assert process.stdout is not None  # noqa: S101 -- it is a PIPE
        output = process.stdout.fileno()
        deadline = time.monotonic() + seconds
        pause = _LONGEST_PAUSE  # a process that it left running may hold its output open: poll as well
        while process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            pause = min(2 * pause, _LONGEST_PAUSE)
            for key, _ in selector.select(min(left, pause)):
                if key.fileobj is self._stops:
                    self._stops.check()
                elif not self._relay(output):
                    selector.unregister(process.stdout)
                    pause = 0.0005
        os.set_blocking(output, False)
        with suppress(BlockingIOError):
            while self._relay(output):
                pass
        self._log(self._lines.end())
        return process.returncode

    def _relay(self, output: int) -> bool:
        """Log the complete lines of its output; return whether more may follow."""
        data = os.read(output, 65536)
        self._log(self._lines.feed(data))
        return bool(data)

    def _log(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._tell(self._name, line.decode(errors="backslashreplace"))

    def _stop(self, process: "subprocess.Popen[bytes]", selector: selectors.BaseSelector) -> None:
        """Stop its process group: SIGTERM, then SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        self._follow(process, selector, _GRACE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
