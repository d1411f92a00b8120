"""Settings and Facts to a Plan: a pure function. What is decided stands in `decisions`, the order of the steps here."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from entrypoint.boot import configuration, environment, programs
from entrypoint.boot.contradictions import warnings
from entrypoint.boot.decisions import Decisions, decide
from entrypoint.boot.facts import Facts
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
        """The files that the plan writes."""
        return tuple(file for step in self.steps if isinstance(step, WriteFiles) for file in step.files)


def make_plan(settings: Settings, facts: Facts) -> Plan:
    """Decide everything. Raises Unusable where the settings contradict each other or a text fits no file."""
    d = decide(settings, facts)
    supervised = _programs(d)
    files = tuple(configuration.files(d, supervised))
    return Plan(
        steps=(
            *_readings(d),
            FindPrograms({name: d.machine.programs.get(name) for name in ("nginx", "uwsgi", "supervisord")}),
            CheckPort((*d.addresses, *d.redirecting)),
            *_keys(d),
            MakeDirectories(configuration.directories(d)),
            WriteFiles(files),
            *_validations(supervised, files),
            *preparation(d),
        ),
        exec=_exec(d),
    )


def _readings(d: Decisions) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    what = f"Django {d.application.version}, {d.application.settings_module}" if d.application else d.settings.app
    yield Read("application", f"read the application: {what} in {d.machine.app_dir}, run by {d.machine.python}")
    own = [f"{path} (http)" for path in d.machine.http_files] + [f"{path} (server)" for path in d.machine.server_files]
    if own:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if d.machine.templates:
        yield Read("templates", f"take {', '.join(d.machine.templates)} from {d.settings.conf_dir}")
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
    nginx_account = None if d.nginx_drops else d.dropped
    return (
        programs.uwsgi(d.path("uwsgi"), d.run_dir / "uwsgi.ini", d.dropped, d.server_stop),
        programs.nginx(d.path("nginx"), d.run_dir / "nginx.conf", nginx_account, d.nginx_stop),
    )


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
        environment=environment.for_programs(
            d.settings,
            d.machine,
            d.application.settings_module if d.application else d.settings.settings_module,
        ),
    )
