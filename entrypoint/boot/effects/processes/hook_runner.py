"""Run hooks and the release command, log their output by name, and keep what hooks export."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from entrypoint.boot.effects.command import run as run_command
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.hooks import POST_MIGRATE, PRE_START, Hook
from entrypoint.boot.settings.settings import setting_specs
from entrypoint.boot.settings.sources.sources import MIGRATED, SOURCED
from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.accounts import Account
from entrypoint.boot.trust.trust import Trust
from entrypoint.errors import StepFailed, TimedOut
from entrypoint.output import log
from entrypoint.output.lines import Lines
from entrypoint.output.log import Tell
from entrypoint.processes.endings import exit_code, signal_name

if TYPE_CHECKING:
    from entrypoint.boot.plan.steps import Run, RunHooks

_SET_BY_SHELL: Final = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
_READ_BY_APPLICATION: Final = frozenset({"DJANGO_SETTINGS_MODULE"})


class HookRunner:
    """Runs hooks, and keeps the changes that sourced hooks make to the environment."""

    def __init__(self, tell: Tell, stops: StopRequests, trust: Trust) -> None:
        """`tell(name, line)` logs their output, `stops` ends them, `trust` decides what root may load."""
        self.tell = tell
        self.stops = stops
        self.trust = trust
        self.migrated: int | None = None  # how many migrations this boot has applied; None: it does not migrate
        self._changes: dict[str, str | None] = {}  # None: removed
        self._changes_by_root: dict[str, str | None] = {}

    def changed(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with the variables that hooks exported and without those that they removed."""
        return _merged(environment, self._changes)

    def changed_for_root(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment for processes of root: only the changes of hooks that ran as root count."""
        return self.trust.environment(_merged(environment, self._changes_by_root))

    def run(self, step: "RunHooks") -> None:
        """Run the hooks of a step one after another.

        Raises StepFailed with the hook's own exit code, TimedOut, NotRunnable, Stopped.
        """
        for hook in step.hooks:
            self.stops.check()
            title, name = f"{step.when} hook {hook}", f"hook {shown(hook.path.stem)}"
            process = _Process(title, name, step, self.tell, self.stops)
            before = {**self._environment(step.environment, hook.account), SOURCED: "yes"}
            if step.when in (POST_MIGRATE, PRE_START):
                before[MIGRATED] = str(self.migrated or 0)
            if hook.sourced:
                self._keep(hook, before, _source(process, hook, before), self.changed(step.environment).get("PATH", ""))
            else:
                process.run(hook.command, before, hook.account)

    def run_alone(self, step: "Run") -> None:
        """Run the command of a step like a hook. Raises the same errors as `run`."""
        process = _Process(step.name, step.name, step, self.tell, self.stops)
        process.run(step.command, self._environment(step.environment, step.account), step.account)

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
            self.tell(log.ENTRYPOINT, f"warning: {why}", "warning")


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
        process.run(command, environment, hook.account, (result.fileno(),))
        pairs = [os.fsdecode(pair).partition("=") for pair in result.read().split(b"\0")[:-1]]
    found = {name: value for name, equals, value in pairs if name and equals}  # the hook may write there, too
    if not found:
        raise StepFailed(
            f"cannot run {process.title}: it replaced the shell or its EXIT trap, so its variables are unknown", 1
        )
    return found


class _Process(NamedTuple):
    """A hook or the command of a step."""

    title: str  # its name in errors
    name: str  # its name in the log
    step: "RunHooks | Run"
    tell: Tell
    stops: StopRequests

    def run(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        account: Account | None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        """Run it until it ends. Raises the same errors as `HookRunner.run`."""
        lines = Lines()

        def log_lines(complete: Iterable[bytes]) -> None:
            for line in complete:
                self.tell(self.name, line.decode(errors="backslashreplace"))

        try:
            status = run_command(
                self.title,
                command,
                environment,
                lambda data: log_lines(lines.feed(data)),
                self.stops,
                seconds=self.step.seconds,
                directory=self.step.directory,
                account=account,
                pass_fds=pass_fds,
            )
        finally:
            log_lines(lines.end())
        if status is None:
            why = f"it did not end within {self.step.seconds:g} s; ENTRYPOINT_HOOKS_TIMEOUT sets the limit"
            raise TimedOut(f"cannot run {self.title}: {why}")
        if status:
            how = f"was killed by {signal_name(-status)}" if status < 0 else f"exited with status {status}"
            raise StepFailed(f"cannot run {self.title}: it {how}", exit_code(status))
