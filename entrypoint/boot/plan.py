"""Settings and Facts to a Plan: a pure function. What is decided stands in `decisions`, the order of the steps here."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot import configuration, environment, programs, secret_key, supervisor_files, templates, web
from entrypoint.boot.contradictions import warnings
from entrypoint.boot.decisions import TIMELINE_FILE, Decisions, decide
from entrypoint.boot.facts import BROUGHT_BY, Facts, Machine
from entrypoint.boot.own_programs import RELEASE, OwnProgram
from entrypoint.boot.phases import around, found_hooks
from entrypoint.boot.preparation import preparation
from entrypoint.boot.programs import Program
from entrypoint.boot.settings import Settings
from entrypoint.boot.steps import (
    SERVE,
    CheckPort,
    CheckReadable,
    Exec,
    File,
    FindPrograms,
    MakeDirectories,
    Phase,
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
from entrypoint.boot.values import shown
from entrypoint.errors import Unusable

_OF_NGINX: Final = "the settings NGINX_…, PORT and FORWARDED_ALLOW_IPS"


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
    Unusable.check(supervisor_files.problems(machine.supervisor_files, {program.name for program in _programs(d)}))
    return tuple(_opening(d))


def make_plan(settings: Settings, facts: Facts, *, ahead: bool = False) -> Plan:
    """Decide everything, for a boot or `ahead` of one.

    Raises Unusable where the settings contradict each other or a text fits no file.
    """
    d = decide(settings, facts)
    supervised = _programs(d)
    files = tuple(configuration.files(d, supervised))
    return Plan(
        steps=(
            *make_opening(settings, facts.machine),
            *_readings(d),
            WriteFiles(files),
            *_validations(supervised, files),
            *_reload(d, files),
            *around(d, preparation(d, *_early_server(d), ahead=ahead)),
            *_release(d),
            *_serve(d),
        ),
        exec=_exec(d),
    )


def _opening(d: Decisions) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    yield from warnings(d)
    if d.settings.data_dir and d.settings.origins.get("SECRET_KEY") == str(d.settings.data_dir / secret_key.FILE):
        yield Read("secret-key", f"keep SECRET_KEY in {d.settings.data_dir / secret_key.FILE}")
    if d.settings.chosen or d.settings.roles:
        yield Read("programs", f"run {', '.join(_sources(d)) or 'no program'}")
    yield FindPrograms(dict(_needed(d)))
    if d.settings.serves:
        yield CheckPort((*d.addresses, *d.redirecting, *([d.bind] if d.nginx and d.bind else [])))
    yield from _keys(d)
    yield MakeDirectories(configuration.directories(d))
    if d.opens_early:
        yield WriteFiles(configuration.starting_files(d, _programs(d)), name=SERVE)
        why = "which says that the site is starting until all is prepared"
        phase = d.phase("loading application")
        yield Start(programs.nginx(d), d.machine.app_dir, _environment(d), why, loads=False, phase=phase)


def _readings(d: Decisions) -> Iterator[Step]:
    django = d.application and f"Django {d.application.version}, {d.application.settings_module}"
    what = django or d.settings.app or "none"
    yield Read("application", f"read the application: {what} in {d.machine.app_dir}, run by {d.machine.python}")
    yield from _server(d)
    own = [f"{path} (http)" for path in d.machine.http_files] + [f"{path} (server)" for path in d.machine.server_files]
    if own and d.nginx and d.machine.nginx_conf is None:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if taken := [name for name in d.machine.templates if name in configuration.used(d)]:
        yield Read("templates", f"take {', '.join(taken)} from {d.settings.conf_dir}")
    if d.machine.supervisor_files:
        included = ", ".join(map(str, d.machine.supervisor_files))
        yield Read("drop-ins", f"include in supervisord's configuration {included}")
    yield from _own_files(d)
    yield from found_hooks(d)
    if d.server and d.server.workers is not None:
        yield Read("sizes", f"{d.machine.limits}: {_workers(d)}")


def _server(d: Decisions) -> Iterator[Step]:
    """Tell who serves, where that is not what it usually is."""
    if not d.settings.serves:
        yield Read("server", "serve no site here: neither nginx nor an application server is run")
    elif d.server_name is None:
        yield Read("server", "serve without an application server, as ENTRYPOINT_SERVER says")
    elif not d.nginx:
        itself = d.server_name == "uwsgi" and any(web.served(d))
        files = "and serves the static files" if itself else "and static files are left to the application"
        yield Read("server", f"serve without nginx: {d.server_name} listens on {d.bind}, {files}")
    elif d.server and d.server.name != "uwsgi":
        yield Read("server", f"serve {d.module} ({d.interface.upper()}) by {d.server.name}")


def _own_files(d: Decisions) -> Iterator[Step]:
    """Tell which whole files of the user's are taken, and what then has no effect."""
    if d.nginx and d.machine.nginx_conf is not None:
        own = f"{d.settings.conf_dir}/{templates.NGINX_CONF}"
        yield Read("own files", f"take {own} whole: {_OF_NGINX} have no effect but in {d.run_dir}/nginx-app.conf")
    if d.own_conf:
        yield Read(
            "own files", f"read {d.own_conf}: what it sets wins over WEB_CONCURRENCY and ENTRYPOINT_REQUEST_TIMEOUT"
        )


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


def _workers(d: Decisions) -> str:
    name, number = d.own_workers or ("WEB_CONCURRENCY", str(d.workers))
    if d.overridden_by and not d.own_workers:
        why = f"unless {d.overridden_by} says otherwise"
    else:
        why = f"as {name} says" if d.own_workers or d.settings.workers else f"set {name} to change"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {d.machine.account}; {why}"


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
            {**_application_environment(d), **(environment.of_user(account) if account else {}), **release.environment},
            d.machine.app_dir / (release.directory or ""),
            d.settings.hooks_timeout,
            account,
        )


def _own_release(d: Decisions) -> OwnProgram | None:
    return next((own for own in d.settings.chosen if own.name == RELEASE), None)


def _early_server(d: Decisions) -> tuple[Start, ...]:
    """Return the start of the application server, which loads the application while the next steps are at work."""
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


def _validations(supervised: tuple[Program, ...], files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    for program in supervised:
        if program.name == "nginx":
            yield ValidateNginx((*program.argv, "-t", "-q"), (by_name["nginx.conf"], by_name["nginx-app.conf"]))
    yield ValidateSupervisord(by_name["supervisord.conf"])


def _exec(d: Decisions) -> Exec:
    supervisord = d.machine.programs.get("supervisord")
    command = (str(supervisord),) if supervisord else (sys.executable, "-m", "supervisor.supervisord")
    return Exec(
        argv=(*command, "-n", "-c", str(d.run_dir / "supervisord.conf")),
        directory=d.machine.app_dir,
        environment=_environment(d),
        handover=d.run_dir / "handover.json",
        timeline=d.run_dir / TIMELINE_FILE,
    )


def _environment(d: Decisions) -> Mapping[str, str]:
    return environment.for_programs(d.settings, d.machine, _settings_module(d))


def _application_environment(d: Decisions) -> Mapping[str, str]:
    return environment.for_application(d.settings, d.machine, _settings_module(d))


def _settings_module(d: Decisions) -> str | None:
    return d.application.settings_module if d.application else d.settings.settings_module
