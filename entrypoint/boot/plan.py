"""Settings and Facts to a Plan: a pure function. What is decided stands in `decisions`, the order of the steps here."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from entrypoint.boot import configuration, environment, programs, supervisor_files
from entrypoint.boot.contradictions import warnings
from entrypoint.boot.decisions import Decisions, decide
from entrypoint.boot.facts import Facts
from entrypoint.boot.own_programs import RELEASE
from entrypoint.boot.preparation import preparation
from entrypoint.boot.programs import Program
from entrypoint.boot.settings import Settings
from entrypoint.boot.steps import (
    CheckPort,
    CheckReadable,
    Exec,
    File,
    FindPrograms,
    MakeDirectories,
    Read,
    Run,
    Step,
    ValidateNginx,
    ValidateSupervisord,
    WriteFiles,
)
from entrypoint.boot.values import Listen, shown
from entrypoint.errors import Unusable


@dataclass(frozen=True)
class Plan:
    """What a boot does: the steps in their order, then the exec."""

    steps: tuple[Step, ...]
    exec: Exec

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the plan writes."""
        return tuple(file for step in self.steps if isinstance(step, WriteFiles) for file in step.files)


def make_plan(settings: Settings, facts: Facts) -> Plan:
    """Decide everything. Raises Unusable where the settings contradict each other or a text fits no file."""
    d = decide(settings, facts)
    supervised = tuple(_programs(d))
    Unusable.check(supervisor_files.problems(d.machine.supervisor_files, {program.name for program in supervised}))
    files = tuple(configuration.files(d, supervised))
    surroundings = environment.for_application(
        d.settings,
        d.machine,
        d.application.settings_module if d.application else d.settings.settings_module,
    )
    return Plan(
        steps=(
            *_readings(d, supervised),
            FindPrograms(dict(_found(d, supervised))),
            *_ports(d),
            *_keys(d),
            MakeDirectories(configuration.directories(d)),
            WriteFiles(files),
            *_validations(supervised, files),
            *preparation(d),
            *_release(d, surroundings),
        ),
        exec=_exec(d, surroundings),
    )


def _readings(d: Decisions, supervised: tuple[Program, ...]) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    if d.settings.chosen or d.settings.roles:
        names = ", ".join(f"{each.name} ({_source(d, each)})" for each in supervised)
        yield Read("programs", f"run {names or 'no program'}")
    what = (
        f"Django {d.application.version}, {d.application.settings_module}"
        if d.application
        else d.settings.app or "none"
    )
    yield Read("application", f"read the application: {what} in {d.machine.app_dir}, run by {d.machine.python}")
    own = [f"{path} (http)" for path in d.machine.http_files] + [f"{path} (server)" for path in d.machine.server_files]
    if own:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if d.machine.templates:
        yield Read("templates", f"take {', '.join(d.machine.templates)} from {d.settings.conf_dir}")
    if d.machine.supervisor_files:
        included = ", ".join(map(str, d.machine.supervisor_files))
        yield Read("drop-ins", f"include in supervisord's configuration {included}")
    if any(program.name == "uwsgi" for program in supervised):
        yield Read("sizes", f"{d.machine.limits}: {_workers(d)}")
    yield from warnings(d)


def _workers(d: Decisions) -> str:
    name, number = d.uwsgi_processes or ("WEB_CONCURRENCY", str(d.workers))
    why = f"as {name} says" if d.uwsgi_processes or d.settings.workers else f"set {name} to change"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {d.machine.account}; {why}"


def _keys(d: Decisions) -> Iterator[Step]:
    certificate, key = d.settings.tls_certificate, d.settings.tls_key
    if certificate and key and d.settings.serves:
        yield CheckReadable({"NGINX_TLS_CERTIFICATE": certificate, "NGINX_TLS_KEY": key})


def _programs(d: Decisions) -> Iterator[Program]:
    if d.settings.serves:
        yield _server(d)
        nginx_account = None if d.nginx_drops else d.dropped
        yield programs.nginx(d.path("nginx"), d.run_dir / "nginx.conf", nginx_account, d.nginx_stop)
    for own in d.own:
        yield programs.own(own, d.machine, d.stop_seconds[own.name], alone=not d.settings.serves)


def _server(d: Decisions) -> Program:
    if d.own_server:
        return programs.web(d.own_server, d.machine, d.server_port, d.server_stop)
    return programs.uwsgi(d.path("uwsgi"), d.run_dir / "uwsgi.ini", d.dropped, d.server_stop)


def _source(d: Decisions, program: Program) -> str:
    own = d.settings.programs.get(program.name)
    return own.source if own else "ours"


def _found(d: Decisions, supervised: tuple[Program, ...]) -> Iterator[tuple[str, PurePosixPath | None]]:
    """Yield what each program is called by, and where it is. A release is looked for as well."""
    for name in ("nginx", "uwsgi"):
        if any(program.name == name for program in supervised):
            yield name, d.machine.programs.get(name)
    yield "supervisord", d.machine.programs.get("supervisord")
    for own in d.settings.chosen:
        yield f"{own.command[0]} for {own.name}", d.machine.commands.get(own.name)


def _ports(d: Decisions) -> Iterator[Step]:
    if d.settings.serves:
        behind = (Listen(d.server_port, "127.0.0.1"),) if d.own_server else ()
        yield CheckPort((*d.addresses, *d.redirecting, *behind))


def _release(d: Decisions, surroundings: Mapping[str, str]) -> Iterator[Step]:
    for own in d.settings.chosen:
        if own.name == RELEASE:
            made = programs.own(own, d.machine, 0, alone=False)
            folder = made.directory or d.machine.app_dir
            of_user = environment.of_user(made.account) if made.account else {}
            yield Run(RELEASE, made.command, folder, made.account, {**surroundings, **of_user, **own.environment})


def _validations(supervised: tuple[Program, ...], files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    for program in supervised:
        if program.name == "nginx":
            yield ValidateNginx((*program.argv, "-t", "-q"), (by_name["nginx.conf"], by_name["nginx-app.conf"]))
    yield ValidateSupervisord(by_name["supervisord.conf"])


def _exec(d: Decisions, surroundings: Mapping[str, str]) -> Exec:
    supervisord = d.machine.programs.get("supervisord")
    command = (str(supervisord),) if supervisord else (sys.executable, "-m", "supervisor.supervisord")
    return Exec(
        argv=(*command, "-n", "-c", str(d.run_dir / "supervisord.conf")),
        directory=d.machine.app_dir,
        environment=surroundings,
    )
