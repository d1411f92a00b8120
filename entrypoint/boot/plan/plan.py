"""Settings and Facts to a Plan: a pure function. What is decided stands in `decisions`, the order of the steps here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot.decisions import environment, programs
from entrypoint.boot.decisions.artifacts import File, Phase
from entrypoint.boot.decisions.config import HANDOVER_FILE, TIMELINE_FILE, Decisions, decide
from entrypoint.boot.decisions.programs import Program
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.machine import BROUGHT_BY, Facts, Machine
from entrypoint.boot.files import configuration, supervisor_files
from entrypoint.boot.plan import log_files
from entrypoint.boot.plan.config_warnings import warnings
from entrypoint.boot.plan.hook_steps import around
from entrypoint.boot.plan.preparation import preparation
from entrypoint.boot.plan.sources_used import readings
from entrypoint.boot.plan.steps import (
    SERVE,
    CheckPort,
    CheckReadable,
    CheckWritable,
    Exec,
    FindPrograms,
    MakeDirectories,
    Read,
    Reload,
    Run,
    Serve,
    Start,
    Step,
    ValidateNginx,
    ValidateSupervisord,
    WriteFiles,
)
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.user_programs import RELEASE, OwnProgram
from entrypoint.errors import Unusable


@dataclass(frozen=True)
class Plan:
    """What a boot does: the steps in their order, then the exec."""

    steps: tuple[Step, ...]
    exec: Exec

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the plan writes, as they are in the end."""
        rendered = (step for step in self.steps if isinstance(step, WriteFiles) and step.name == "render")
        return tuple(file for step in rendered for file in step.files)


def make_opening(settings: Settings, machine: Machine) -> tuple[Step, ...]:
    """Return the steps that every plan of these begins with: they need not know the application. Raises Unusable."""
    d = decide(settings, Facts(machine, None))
    names = {program.name for program in _programs(d)}
    Unusable.check((*machine.hooks.problems, *supervisor_files.problems(machine.supervisor_files, names)))
    return tuple(_opening(d))


def make_start(settings: Settings, facts: Facts) -> tuple[Step, ...]:
    """Return the steps that follow those: they need know no more of the application than its settings.

    Raises Unusable where the settings contradict each other or a text fits no file.
    """
    d = decide(settings, facts)
    supervised = _programs(d)
    files = tuple(configuration.files(d, supervised))
    return (
        *readings(d),
        WriteFiles(files),
        *_early_server(d),
        *_validations(d, supervised, files),
        *_reload(d, files),
    )


def make_plan(settings: Settings, facts: Facts, *, ahead: bool = False) -> Plan:
    """Decide everything, for a boot or `ahead` of one. Raises Unusable where one of the parts does."""
    d = decide(settings, facts)
    return Plan(
        steps=(
            *make_opening(settings, facts.machine),
            *make_start(settings, facts),
            *around(d, preparation(d, ahead=ahead)),
            *_release(d),
            *_serve(d),
        ),
        exec=_exec(d),
    )


def _opening(d: Decisions) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    yield from warnings(d)
    kept = d.settings.secret_key_file
    if kept and d.settings.origins.get("SECRET_KEY") == str(kept):
        yield Read("secret-key", f"keep SECRET_KEY in {kept}")
    if d.settings.chosen or d.settings.roles:
        yield Read("programs", f"run {', '.join(_sources(d)) or 'no program'}")
    yield FindPrograms(dict(_needed(d)))
    if d.settings.serves:
        yield CheckPort((*d.addresses, *d.redirecting, *([d.bind] if d.nginx and d.bind else [])))
    yield from _keys(d)
    if files := log_files.named(_programs(d), d.settings.programs):
        yield CheckWritable(files)
    yield MakeDirectories(configuration.directories(d), configuration.run_files(d), stale=(d.ready_file,))
    if d.opens_early:
        yield WriteFiles(configuration.starting_files(d, _programs(d)), name=SERVE)
        why = "which says that the site is starting until all is prepared"
        phase = d.phase("loading application")
        yield Start(programs.nginx(d), d.machine.app_dir, _environment(d), why, loads=False, phase=phase)


def _needed(d: Decisions) -> Iterator[tuple[str, PurePosixPath | None]]:
    """Yield what has to be installed, and where it is; a command of the user's own with the program that it is for."""
    if d.nginx:
        yield "nginx", d.machine.programs.get("nginx")
    if d.server and d.server.name in BROUGHT_BY:
        yield d.server.name, d.machine.programs.get(d.server.name)
    yield "supervisord", d.machine.programs.get("supervisord")
    for own in d.settings.chosen:
        yield f"{own.command[0]} for {own.name}", d.machine.commands.get(own.name)


def _sources(d: Decisions) -> Iterator[str]:
    """Yield each program that runs here, and who said so."""
    for program in _programs(d):
        own = d.settings.programs.get(program.name)
        yield f"{program.name} ({own.source if own else 'ours'})"


def _keys(d: Decisions) -> Iterator[Step]:
    certificate, key = d.settings.tls_certificate, d.settings.tls_key
    if certificate and key and d.settings.serves:
        yield CheckReadable({"NGINX_TLS_CERTIFICATE": certificate, "NGINX_TLS_KEY": key})


def _programs(d: Decisions) -> tuple[Program, ...]:
    return (
        *([programs.application_server(d, d.server)] if d.server else []),
        *([programs.own_server(d, d.own_server, d.bind)] if d.own_server and d.bind else []),
        *([programs.nginx(d)] if d.nginx else []),
        *(programs.own(d, own) for own in d.own),
    )


def _release(d: Decisions) -> Iterator[Run]:
    if release := _own_release(d):
        account = programs.own_account(d, release)
        yield Run(
            RELEASE,
            programs.own_command(d, release),
            {**_application_environment(d), **(account.variables if account else {}), **release.environment},
            d.machine.app_dir / (release.directory or ""),
            d.settings.hooks_timeout,
            account,
            d.phase("running the release"),
        )


def _own_release(d: Decisions) -> OwnProgram | None:
    return next((own for own in d.settings.chosen if own.name == RELEASE), None)


def _early_server(d: Decisions) -> tuple[Start, ...]:
    """Return the start of the application server, which loads the application while the next steps are at work.

    Usually they find all as it should be. It may meet a database that is not there yet; then it is started again.
    """
    if d.server is None or not d.opens_early or d.machine.hooks.prepare or _own_release(d):
        return ()  # a hook or a release may change what it has to load
    why = "again if a step below changes what it has loaded"
    return (Start(programs.application_server(d, d.server), d.machine.app_dir, _environment(d), why, loads=True),)


def _serve(d: Decisions) -> Iterator[Serve]:
    if d.opens_early:
        yield Serve(programs.nginx(d), Phase(d.www, "starting application"))


def _reload(d: Decisions, files: tuple[File, ...]) -> Iterator[Reload]:
    if d.opens_early and not set(configuration.starting_files(d, _programs(d))).issubset(files):
        yield Reload(programs.nginx(d))


def _validations(d: Decisions, supervised: tuple[Program, ...], files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    for program in supervised:
        if program.name == "nginx":
            yield ValidateNginx((*program.argv, "-t", "-q"), (by_name["nginx.conf"], by_name["nginx-app.conf"]))
    # Its parser takes 50 ms to import: for a text that is ours alone `entrypoint check` asks it, not every boot.
    if d.own or d.machine.supervisor_files or templates.SUPERVISORD in d.machine.templates:
        yield ValidateSupervisord(by_name["supervisord.conf"])


def _exec(d: Decisions) -> Exec:
    # By our own interpreter: for root it must load nothing that the environment or a home names.
    command = (str(d.machine.own_python), "-I" if d.machine.root else "-P", str(d.path("supervisord")))
    return Exec(
        argv=(*command, "-n", "-c", str(d.run_dir / "supervisord.conf")),
        directory=d.machine.app_dir,
        environment=environment.of_process_1(d.settings, d.machine),
        programs=_environment(d),
        handover=d.run_dir / HANDOVER_FILE,
        timeline=d.run_dir / TIMELINE_FILE,
    )


def _environment(d: Decisions) -> Mapping[str, str]:
    return environment.for_programs(d.settings, d.machine, _settings_module(d))


def _application_environment(d: Decisions) -> Mapping[str, str]:
    return environment.for_application(d.settings, d.machine, _settings_module(d))


def _settings_module(d: Decisions) -> str | None:
    return d.application.settings_module if d.application else d.settings.settings_module
