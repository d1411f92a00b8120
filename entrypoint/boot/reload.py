"""`entrypoint reload`: read everything again, validate it, replace the files, and let process 1 apply them.

Nothing is changed before all is known to be valid. If process 1 cannot apply the files, the old ones come back.
"""

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from entrypoint.boot import run
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.decide import decide
from entrypoint.boot.decisions.folders.run_dir import run_dir
from entrypoint.boot.decisions.programs import certificates
from entrypoint.boot.decisions.servers import SERVERS
from entrypoint.boot.effects import printout
from entrypoint.boot.effects.checks import overlaps
from entrypoint.boot.effects.disk import folders, run_files, secret_key
from entrypoint.boot.effects.disk.difference import Difference, current, text_of
from entrypoint.boot.effects.performers import RealPerformer
from entrypoint.boot.effects.processes.control_socket import ControlSocket
from entrypoint.boot.effects.processes.hook_runner import HookRunner
from entrypoint.boot.effects.signals import StopRequests
from entrypoint.boot.facts.machine import Facts, Machine, read_machine
from entrypoint.boot.files.supervisor_files import sections
from entrypoint.boot.plan.hook_steps import exports
from entrypoint.boot.plan.plan import Plan, make_plan
from entrypoint.boot.settings.programs.user_programs import CERTIFICATES, NGINX
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.values import nearest
from entrypoint.errors import EntrypointError, NotAllowed, StepFailed, Stopped, TimedOut, Unusable
from entrypoint.output import log
from entrypoint.output.log import Tell
from entrypoint.protocol import filenames
from entrypoint.protocol.codec import to_json
from entrypoint.protocol.reload import ReloadRecord, ReloadRequest, ReloadState

_LOCK: Final = "reload.lock"
_NGINX_FILES: Final = ("nginx.conf", "nginx-app.conf")
_RESTART: Final = "that needs a restart of the container"
_PROGRAMS: Final = ("program", "group", "fcgi-program", "eventlistener")


def reload(folder: Path, names: Collection[str], tell: Tell) -> None:
    """Reload the site whose run directory is `folder`: all of it, or the programs `names`. Raises an EntrypointError.

    Whatever has changed is applied; `names` are reloaded or restarted even if nothing has changed.
    """
    process_1 = ControlSocket(folder)
    with _lock(folder):
        state = process_1.state()
        if state.refused:
            raise TimedOut(f"cannot reload: {state.refused}")
        record = folder / filenames.RELOAD
        try:
            done = _reload(process_1, state, folder, names, tell)
        except Stopped:
            raise
        except EntrypointError as error:
            if isinstance(error, StepFailed):  # the application does not load, or a sourced hook fails
                error = Unusable(*error.lines())
            text = to_json(ReloadRecord(time.time(), "; ".join(error.lines()), done=False))
            with suppress(EntrypointError):  # the first error says more
                run_files.write(PurePosixPath(record), text)
            raise error from None
        run_files.write(PurePosixPath(record), to_json(ReloadRecord(time.time(), done, done=True)))
        tell(log.ENTRYPOINT, f"reload: {done}")


def _reload(process_1: ControlSocket, state: ReloadState, folder: Path, names: Collection[str], tell: Tell) -> str:
    """Reload, and return what was done, in words."""
    stops = StopRequests()
    os.chdir(state.directory)
    settings = Settings.read(state.environments.boot)
    log.use(settings.log_format, settings.log_level, timestamps=settings.log_timestamps == "on")
    machine = read_machine(settings)
    settings, hooks = run.source(settings, machine, tell, stops)
    settings = secret_key.of_running(settings, machine, stops, state.environments.programs)
    for step in exports(settings, machine):
        hooks.run(step)
    old = current(folder)
    with run.agent_of(settings, machine, tell, stops) as agent:
        facts = Facts(machine, agent.application() if agent else None, second_socket=old.second_socket)
        config = decide(settings, facts)
        overlaps.check(config)
        plan = _validated(settings, facts, _SilentPerformer(hooks, agent))
    differs = Difference(plan, folder, state.environments)
    Unusable.check(f"cannot reload: {name} has changed; {_RESTART}" for name in _refused(config, differs))
    known = set(_programs(plan, machine))
    Unusable.check(
        f"cannot reload {name}: there is no such program{nearest(name, known)}" for name in names if name not in known
    )
    request = _request(config, plan, differs, names, hooks)
    if request.server:
        plan = make_plan(settings, replace(facts, second_socket=not old.second_socket))
    for line in printout.difference(differs.files).splitlines():
        tell(log.ENTRYPOINT, f"    {line}")
    stops.check()
    return _apply(process_1, plan, request)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let no other reload begin. Raises TimedOut if one is running."""
    try:
        # The file stays, because a new file would be another lock. Only the owner of the run directory gets here.
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise NotAllowed(f"cannot write {folder / _LOCK}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb"):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TimedOut("cannot reload: another reload has not ended") from error
        yield


def _validated(settings: Settings, facts: Facts, performer: RealPerformer) -> Plan:
    """Render into a new folder and validate what is there; return the plan. Raises all problems as one error."""
    plan = make_plan(settings, facts)
    with folders.temporary_folder(facts.machine.temporary) as folder:
        elsewhere = make_plan(replace(settings, run_dir=folder), facts)
        performer.execute_each(run.validating(elsewhere, facts.machine))
    return plan


class _SilentPerformer(RealPerformer):
    """Carries out the steps without their lines, which the boot has shown."""

    def announce(self, step: object) -> None:
        """Show nothing."""


def _refused(config: ResolvedConfig, differs: Difference) -> Iterator[str]:
    """Yield each change that a running container cannot take."""
    old, new, ours = differs.old, differs.new, {NGINX, *SERVERS}
    if run_dir(config.settings, config.machine) != differs.folder:
        yield "ENTRYPOINT_RUN_DIR"
    alone = config.server is not None and config.bind is not None and not config.inherits_socket
    if new.listen != old.listen or (config.server and alone and differs.of(config.server.name)):
        yield "the address that the site listens on, or the command of its server,"
    if ours & old.programs.keys() != ours & new.programs.keys():
        yield "ENTRYPOINT_SERVER or ENTRYPOINT_NGINX"
    if any(differs.section(f"program:{name}", "user") for name in ours):
        yield "ENTRYPOINT_USER"
    elif differs.of(NGINX):
        yield "the process of nginx"
    if (new.log_format, new.log_timestamps) != (old.log_format, old.log_timestamps):
        yield "ENTRYPOINT_LOG_FORMAT or ENTRYPOINT_LOG_TIMESTAMPS"
    if new.quiet != old.quiet or differs.section("supervisord", "loglevel"):
        yield "ENTRYPOINT_LOG_LEVEL"


def _programs(plan: Plan, machine: Machine) -> Iterator[str]:
    """Yield the name of each program and group: ours, and those in the user's own files."""
    for text in (text_of(plan, filenames.SUPERVISORD_CONF), *machine.supervisor_files.values()):
        for section in sections(text).sections():
            kind, _, name = section.partition(":")
            if kind in _PROGRAMS:
                yield name.strip()


def _why_not_beside(config: ResolvedConfig, plan: Plan) -> str:
    """Return why no new process of the application server can start beside the old one, "" if it can."""
    if config.inherits_socket:
        return ""
    if config.bind:
        return "it listens on its port by itself"
    socket = str(config.socket)
    named = (socket in file.text for file in plan.files if file.path.name in _NGINX_FILES)
    return "" if any(named) else "nginx.conf does not name its socket"


def _request(
    config: ResolvedConfig, plan: Plan, differs: Difference, names: Collection[str], hooks: HookRunner
) -> ReloadRequest:
    """Return what process 1 is to apply. Raises Unusable if the application server cannot be reloaded."""
    environments = run.environments_of(plan.exec, hooks, config.settings)
    renewed = (environments.programs, environments.root) != (differs.was.programs, differs.was.root)
    server, wanted = config.server, ""
    if server:
        conf = config.server_file.name if config.server_file else ""
        concerned = renewed or conf in differs.names or differs.of(server.name)
        # Without names, a reload also loads the application's code again.
        if concerned or not names or server.name in names:
            why = _why_not_beside(config, plan)
            if why and (concerned or not config.development):  # in development the server reloads its code by itself
                raise Unusable(f"cannot reload {server.name}: {why}; {_RESTART}")
            wanted = "" if why else server.name
    by_files = not differs.names.isdisjoint(_NGINX_FILES)
    # This program reads its file only when it starts.
    renewing = certificates.CONFIG in differs.names and CERTIFICATES in differs.old.programs
    restarted = [name for name in names if name not in {NGINX, wanted}] + ([CERTIFICATES] if renewing else [])
    return ReloadRequest(
        environments,
        server=wanted,
        nginx=config.nginx and (not names or NGINX in names or by_files or bool(wanted)),
        programs=tuple(restarted),
        start_seconds=config.settings.wait_timeout,
        finish_seconds=float(config.nginx_timeout),
    )


def _apply(process_1: ControlSocket, plan: Plan, request: ReloadRequest) -> str:
    """Replace the files and let process 1 apply them; if it cannot, the old files come back."""
    before = {file.path: run_files.read(file.path) for file in plan.files}
    run_files.write_all({file.path: file.text for file in plan.files})
    try:
        result = process_1.apply(request)
        if result.error:
            kind = TimedOut if result.late else Unusable
            raise kind(f"cannot reload: {result.error}")
    except EntrypointError:
        run_files.write_all({path: text for path, text in before.items() if text is not None})
        for path, text in before.items():
            if text is None:
                run_files.remove(path)
        raise
    return ", ".join(result.done) or "nothing to do"
