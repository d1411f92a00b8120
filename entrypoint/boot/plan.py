"""Settings and Facts to a Plan: a pure function. What is decided stands in `decisions`, the order of the steps here."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from entrypoint.boot import configuration, environment, programs, secret_key
from entrypoint.boot.contradictions import warnings
from entrypoint.boot.decisions import Decisions, decide
from entrypoint.boot.facts import Facts, Machine
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
    Serve,
    Start,
    Step,
    ValidateNginx,
    ValidateSupervisord,
    WriteFiles,
)
from entrypoint.boot.values import shown


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
    return tuple(_opening(decide(settings, Facts(machine, None))))


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
            *_serve(d),
        ),
        exec=_exec(d),
    )


def _opening(d: Decisions) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    if d.settings.data_dir and d.settings.origins.get("SECRET_KEY") == str(d.settings.data_dir / secret_key.FILE):
        yield Read("secret-key", f"keep SECRET_KEY in {d.settings.data_dir / secret_key.FILE}")
    yield FindPrograms({name: d.machine.programs.get(name) for name in ("nginx", "uwsgi", "supervisord")})
    yield CheckPort((*d.addresses, *d.redirecting))
    yield from _keys(d)
    yield MakeDirectories(configuration.directories(d))
    if d.opens_early:
        yield WriteFiles(configuration.starting_files(d, _programs(d)), name=SERVE)
        why = "which says that the site is starting until all is prepared"
        phase = d.phase("loading application")
        yield Start(_nginx(d), d.machine.app_dir, _environment(d), why, loads=False, phase=phase)


def _readings(d: Decisions) -> Iterator[Step]:
    what = f"Django {d.application.version}, {d.application.settings_module}" if d.application else d.settings.app
    yield Read("application", f"read the application: {what} in {d.machine.app_dir}, run by {d.machine.python}")
    own = [f"{path} (http)" for path in d.machine.http_files] + [f"{path} (server)" for path in d.machine.server_files]
    if own:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if d.machine.templates:
        yield Read("templates", f"take {', '.join(d.machine.templates)} from {d.settings.conf_dir}")
    yield from found_hooks(d)
    yield Read("sizes", f"{d.machine.limits}: {_workers(d)}")
    yield from warnings(d)


def _workers(d: Decisions) -> str:
    name, number = d.uwsgi_processes or ("WEB_CONCURRENCY", str(d.workers))
    why = f"as {name} says" if d.uwsgi_processes or d.settings.workers else f"set {name} to change"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {d.machine.account}; {why}"


def _keys(d: Decisions) -> Iterator[Step]:
    certificate, key = d.settings.tls_certificate, d.settings.tls_key
    if certificate and key:
        yield CheckReadable({"NGINX_TLS_CERTIFICATE": certificate, "NGINX_TLS_KEY": key})


def _programs(d: Decisions) -> tuple[Program, ...]:
    return _server(d), _nginx(d)


def _server(d: Decisions) -> Program:
    return programs.uwsgi(d.path("uwsgi"), d.run_dir / "uwsgi.ini", d.dropped, d.server_stop)


def _nginx(d: Decisions) -> Program:
    account = None if d.nginx_drops else d.dropped
    return programs.nginx(d.path("nginx"), d.run_dir / "nginx.conf", account, d.nginx_stop)


def _early_server(d: Decisions) -> tuple[Start, ...]:
    """Return the start of the application server, which loads the application while the next steps are at work."""
    if not d.opens_early or d.machine.hooks.prepare:
        return ()  # a hook may change what it has to load
    why = "again if a step below changes what it has loaded"
    return (Start(_server(d), d.machine.app_dir, _environment(d), why, loads=True),)


def _serve(d: Decisions) -> Iterator[Serve]:
    if d.opens_early:
        yield Serve(_nginx(d), Phase(d.www, "starting application"))


def _reload(d: Decisions, files: tuple[File, ...]) -> Iterator[Reload]:
    if d.opens_early and not set(configuration.starting_files(d, _programs(d))).issubset(files):
        yield Reload(_nginx(d))


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
        timeline=d.run_dir / "boot.json",
    )


def _environment(d: Decisions) -> Mapping[str, str]:
    module = d.application.settings_module if d.application else d.settings.settings_module
    return environment.for_application(d.settings, d.machine, module)
