"""Settings and Facts to a Plan: a pure function, and every decision is here."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from entrypoint.boot import environment, programs
from entrypoint.boot.facts import Account, Application, Facts, Machine
from entrypoint.boot.programs import Program
from entrypoint.boot.render import render
from entrypoint.boot.settings import Settings
from entrypoint.boot.steps import (
    Ask,
    CheckPort,
    Directory,
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
from entrypoint.boot.values import Listen
from entrypoint.errors import Unusable

_MOST_DESCRIPTORS: Final = 65536
_LONGEST_BACKLOG: Final = 1024
_LONGEST_SOCKET: Final = 107  # bytes of a path: unix(7)
_LEAST_WORKERS: Final = 2  # with one, a single slow request stops the site


@dataclass(frozen=True)
class Plan:
    """What a boot does: the steps in their order, then the exec."""

    steps: tuple[Step, ...]
    exec: Exec

    @property
    def files(self) -> tuple[File, ...]:
        """The files that the plan writes."""
        return tuple(file for step in self.steps if isinstance(step, WriteFiles) for file in step.files)


@dataclass(frozen=True)
class _Decisions:
    """What more than one file or step needs to know, decided once."""

    settings: Settings
    machine: Machine
    application: Application | None
    listen: Listen
    run_dir: PurePosixPath
    workers: int
    nginx_stop: int
    server_stop: int

    @property
    def socket(self) -> PurePosixPath:
        return self.run_dir / "app" / "uwsgi.sock"

    @property
    def www(self) -> PurePosixPath:
        return self.run_dir / "www"

    @property
    def ready_file(self) -> PurePosixPath:
        return self.www / "ready.json"

    @property
    def dropped(self) -> Account | None:
        """Who the programs run as where that is not who we are."""
        return self.machine.account if self.machine.root else None

    @property
    def nginx_drops(self) -> bool:
        """Whether nginx starts as root and its workers run as the account; a uid without a name nginx cannot take."""
        return self.machine.root and self.machine.account.name is not None


def make_plan(settings: Settings, facts: Facts) -> Plan:
    """Decide everything. Raises Unusable where the settings contradict each other or a text fits no file."""
    decisions = _decide(settings, facts)
    supervised = _programs(decisions)
    files = tuple(_files(decisions, supervised))
    return Plan(
        steps=(
            *_readings(decisions),
            FindPrograms(_program_paths(decisions.machine)),
            CheckPort(_addresses(decisions)),
            MakeDirectories(_directories(decisions)),
            WriteFiles(files),
            *_validations(supervised, files),
            *_preparation(decisions),
        ),
        exec=_exec(decisions),
    )


def run_dir(settings: Settings, machine: Machine) -> PurePosixPath:
    """Return where everything is written at run time; two sites of one user differ by their port."""
    if settings.run_dir:
        return settings.run_dir
    if machine.own_run_dir:
        return PurePosixPath("/run/entrypoint")
    port = settings.listen_on(root=machine.root).port
    return machine.temporary / f"entrypoint-{machine.account.uid}-{port}"


def _decide(settings: Settings, facts: Facts) -> _Decisions:
    if facts.application is None and settings.app is None:
        raise Unusable(
            f"cannot find the application: there is no manage.py in {facts.machine.app_dir}, "
            "and ENTRYPOINT_APP is not set; ENTRYPOINT_APP_DIR says where to look"
        )
    server_stop = max(1, round(settings.stop_timeout / 4))
    nginx_stop = int(settings.stop_timeout - server_stop)
    if nginx_stop < 1:
        raise Unusable(
            f"cannot use ENTRYPOINT_STOP_TIMEOUT={settings.stop_timeout:g}s: "
            "nginx and the application server need a second each"
        )
    decisions = _Decisions(
        settings=settings,
        machine=facts.machine,
        application=facts.application,
        listen=settings.listen_on(root=facts.machine.root),
        run_dir=run_dir(settings, facts.machine),
        workers=settings.workers or max(_LEAST_WORKERS, facts.machine.cpus),
        nginx_stop=nginx_stop,
        server_stop=server_stop,
    )
    if len(os.fsencode(decisions.socket)) > _LONGEST_SOCKET:
        raise Unusable(f"cannot use ENTRYPOINT_RUN_DIR: {decisions.socket} is too long for the path of a socket")
    return decisions


def _readings(d: _Decisions) -> Iterator[Step]:
    yield Read("settings", f"read the settings: {', '.join(d.settings.given()) or 'none is set'}")
    what = f"Django {d.application.version}, {d.application.settings_module}" if d.application else d.settings.app
    yield Read("application", f"read the application: {what} in {d.machine.app_dir}, run by {d.machine.python}")
    yield Read(
        "sizes",
        f"run {d.workers} workers as {d.machine.account} ({d.machine.cpus} CPUs; WEB_CONCURRENCY changes it)",
    )


def _program_paths(machine: Machine) -> dict[str, PurePosixPath | None]:
    return {name: machine.programs.get(name) for name in ("nginx", "uwsgi", "supervisord")}


def _path(machine: Machine, name: str) -> PurePosixPath:
    """Return where a program is; its bare name where it is missing, which FindPrograms tells before it is run."""
    return machine.programs.get(name, PurePosixPath(name))


def _programs(d: _Decisions) -> tuple[Program, ...]:
    nginx_account = None if d.nginx_drops else d.dropped
    return (
        programs.uwsgi(_path(d.machine, "uwsgi"), d.run_dir / "uwsgi.ini", d.dropped, d.server_stop),
        programs.nginx(_path(d.machine, "nginx"), d.run_dir / "nginx.conf", nginx_account, d.nginx_stop),
    )


def _directories(d: _Decisions) -> tuple[Directory, ...]:
    return (
        Directory(d.run_dir, 0o755),
        Directory(d.www, 0o755),
        Directory(d.run_dir / "app", 0o750, d.dropped),
        Directory(d.run_dir / "nginx", 0o750, d.dropped),
    )


def _files(d: _Decisions, supervised: tuple[Program, ...]) -> Iterator[File]:
    request_seconds = max(1, round(d.settings.request_timeout))
    common: dict[str, Any] = {
        "run_dir": d.run_dir,
        "root": d.machine.root,
        "programs": supervised,
        "socket": d.socket,
        "ready_file": d.ready_file,
        "starting_page": d.www / "starting.html",
        "request_seconds": request_seconds,
        "worker_processes": d.machine.cpus,
        "nginx_user": d.machine.account.name if d.nginx_drops else None,
        "nginx_group": d.machine.account.group,
        "mime_types": d.machine.mime_types,
        "client_max_body_size": d.settings.client_max_body_size,
        "listen": _addresses(d),
        "files": tuple(_served(d.application)) if d.application else (),
        "app_dir": d.machine.app_dir,
        "module": d.settings.app or (d.application.wsgi if d.application else ""),
        "home": _python_home(d),
        "workers": d.workers,
        "backlog": min(d.machine.backlog, _LONGEST_BACKLOG),
        "stop_seconds": d.server_stop,
        "descriptors": min(d.machine.descriptors, _MOST_DESCRIPTORS),
    }
    for name in ("supervisord.conf", "nginx.conf", "nginx-app.conf", "uwsgi.ini"):
        yield File(d.run_dir / name, render(f"{name}.j2", common), source=f"{name}.j2")
    yield File(d.www / "starting.html", render("starting.html", common), source="starting.html")
    yield File(d.run_dir / "promises.json", _promises(d, supervised), source="the plan")


def _python_home(d: _Decisions) -> str | None:
    """Return the virtual environment that uWSGI has to be told of, being installed elsewhere itself."""
    uwsgi = d.machine.programs.get("uwsgi")
    if d.application is None or not d.application.virtual or uwsgi is None:
        return None
    return None if uwsgi.is_relative_to(d.application.prefix) else d.application.prefix


def _promises(d: _Decisions, supervised: tuple[Program, ...]) -> str:
    """Return what supervisord's plugin is to keep, as it reads it (entrypoint/supervision/promises.py)."""
    kept = {program.name: {"essential": program.essential, "ready": program.ready} for program in supervised}
    return json.dumps({"ready_file": str(d.ready_file), "programs": kept}, indent=2) + "\n"


def _addresses(d: _Decisions) -> tuple[Listen, ...]:
    if d.listen.address:
        return (d.listen,)
    families = ("0.0.0.0", "[::]") if d.machine.ipv6 else ("0.0.0.0",)  # noqa: S104 -- what a container is for
    return tuple(Listen(d.listen.port, address) for address in families)


def _served(application: Application) -> Iterator[tuple[str, str, str]]:
    """Yield the URL prefix, the folder and Django's setting of the files that nginx serves by itself."""
    for url, root, source in (
        (application.static_url, application.static_root, "STATIC_ROOT"),
        (application.media_url, application.media_root, "MEDIA_ROOT"),
    ):
        # A full URL is another host's; "/" would hide the application.
        if root and url.startswith("/") and url != "/" and not url.startswith("//"):
            yield url if url.endswith("/") else f"{url}/", f"{root.rstrip('/')}/", source


def _validations(supervised: tuple[Program, ...], files: tuple[File, ...]) -> Iterator[Step]:
    by_name = {file.path.name: file for file in files}
    for program in supervised:
        if program.name == "nginx":
            yield ValidateNginx((*program.argv, "-t", "-q"), (by_name["nginx.conf"], by_name["nginx-app.conf"]))
    yield ValidateSupervisord(by_name["supervisord.conf"])


def _preparation(d: _Decisions) -> Iterator[Step]:
    """Yield what the agent does. Whether anything is pending is found by the step, so the plan holds before that."""
    if d.application is None:
        return
    settings = d.settings
    databases = d.application.databases
    if databases:
        yield Ask(
            "wait",
            f"wait for database {', '.join(map(str, databases))}, at most {settings.wait_timeout:g} s",
            {"aliases": [database.alias for database in databases], "seconds": settings.wait_timeout},
        )
    if databases and settings.migrate != "off":
        verb = (
            "apply the migrations that are pending"
            if settings.migrate == "auto"
            else "check that no migration is pending"
        )
        yield Ask("migrate", verb, {"mode": settings.migrate})
    if settings.superuser != "off" and (superuser := _superuser(d.application, settings)):
        yield Ask("superuser", f"create the superuser {superuser['name']} unless there is one", superuser)
    if d.application.staticfiles and d.application.static_root and settings.collectstatic != "off":
        when = " if their sources changed" if settings.collectstatic == "auto" else ""
        yield Ask(
            "collectstatic",
            f"collect static files into {d.application.static_root}{when}",
            {"always": settings.collectstatic == "on"},
        )


def _superuser(application: Application, settings: Settings) -> dict[str, Any] | None:
    """Return what makes the superuser, None if there is to be none. Raises Unusable if the user model wants else."""
    user = application.user
    by_email = user is not None and user.username_field == "email"
    name = (settings.superuser_email if by_email else None) or settings.superuser_username
    if name is None:
        return None
    if user is None:
        raise Unusable("cannot create the superuser: django.contrib.auth is not installed")
    if settings.superuser_password is None:
        raise Unusable("cannot create the superuser: SUPERUSER_PASSWORD is not set")
    fields: dict[str, Any] = dict(settings.superuser_fields)
    if settings.superuser_username and "username" in user.fields:
        fields["username"] = settings.superuser_username
    if settings.superuser_email and "email" in user.fields:
        fields["email"] = settings.superuser_email
    unknown = sorted(set(fields) - set(user.fields))
    missing = sorted(set(user.required) - set(fields))
    Unusable.check(
        [f"cannot use SUPERUSER_{name.upper()}: {user.model} has no such field" for name in unknown]
        + [f"cannot create the superuser: SUPERUSER_{name.upper()} is not set" for name in missing]
    )
    fields.pop(user.username_field, None)  # that is the name
    return {"name": name, "password": settings.superuser_password, "fields": fields}


def _exec(d: _Decisions) -> Exec:
    supervisord = d.machine.programs.get("supervisord")
    command = (str(supervisord),) if supervisord else (sys.executable, "-m", "supervisor.supervisord")
    return Exec(
        argv=(*command, "-n", "-c", str(d.run_dir / "supervisord.conf")),
        directory=d.machine.app_dir,
        environment=environment.for_application(
            d.settings,
            d.machine,
            d.application.settings_module if d.application else d.settings.settings_module,
        ),
    )
