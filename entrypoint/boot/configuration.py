"""The configuration: which folders and files there are, and what stands in them."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from entrypoint.boot import sizing, supervisor_files, templates, web
from entrypoint.boot.decisions import Decisions
from entrypoint.boot.own_programs import NGINX, WEB
from entrypoint.boot.programs import Program
from entrypoint.boot.render import render, render_own
from entrypoint.boot.steps import Directory, File
from entrypoint.boot.stop import SERVER_TIER

_MOST_DESCRIPTORS: Final = 65536
_LONGEST_BACKLOG: Final = 1024
# Where that program does not run, there is no such file.
_READ_BY: Final = {
    "nginx.conf.j2": NGINX,
    "nginx-app.conf.j2": NGINX,
    "starting.html": NGINX,
    "uwsgi.ini.j2": "uwsgi",
}


def directories(d: Decisions) -> tuple[Directory, ...]:
    """Return the folders."""
    return (
        Directory(d.run_dir, 0o755),
        Directory(d.www, 0o755),
        Directory(d.run_dir / "app", 0o750, d.dropped),
        Directory(d.run_dir / "nginx", 0o750, d.dropped),
    )


def files(d: Decisions, supervised: tuple[Program, ...]) -> Iterator[File]:
    """Yield the files. Raises Unusable where a text fits no file."""
    given = variables(d, supervised)
    running = {program.name for program in supervised}
    for template in templates.NAMES:
        if _READ_BY.get(template, template) not in {*running, template}:
            continue
        path = (d.www if template == "starting.html" else d.run_dir) / template.removesuffix(".j2")
        if d.settings.conf_dir and template in d.machine.templates:
            own = d.settings.conf_dir / template
            yield File(path, render_own(own, d.machine.templates[template], given), source=str(own))
        else:
            yield File(path, render(template, given), source=template)
    yield File(d.run_dir / "promises.json", _promises(d, supervised), source="the plan")


def variables(d: Decisions, supervised: tuple[Program, ...]) -> dict[str, Any]:
    """Return what each template may use; docs/how-to/own-templates.md tells the users of theirs."""
    return {
        "run_dir": d.run_dir,
        "root": d.machine.root,
        "programs": supervised,
        "supervisor_files": supervisor_files.patterns(d.machine.supervisor_files),
        "log_level": d.settings.log_level,
        "server": None if d.own_server else "uwsgi",
        "protocol": "http" if d.own_server else "uwsgi",
        "upstream": d.upstream,
        "socket": d.socket,
        "ready_file": d.ready_file,
        "starting_page": d.www / "starting.html",
        "request_seconds": d.nginx_patience,
        "worker_processes": d.settings.nginx_workers or sizing.nginx_workers(d.machine.limits),
        "nginx_user": d.machine.account.name if d.nginx_drops else None,
        "nginx_group": d.machine.account.group,
        "mime_types": d.machine.mime_types,
        "client_max_body_size": d.settings.client_max_body_size,
        "app_dir": d.machine.app_dir,
        "module": d.settings.app or (d.application.wsgi if d.application else ""),
        "home": _python_home(d),
        # What uWSGI is told in its own variables it would not hear over this file.
        "workers": None if d.uwsgi_processes else d.workers,
        "harakiri": None if d.uwsgi_harakiri else d.request_seconds,
        "backlog": min(d.machine.backlog, _LONGEST_BACKLOG),
        "stop_seconds": d.stop_seconds.get(WEB),
        "descriptors": min(d.machine.descriptors, _MOST_DESCRIPTORS),
        **web.variables(d),
    }


def _python_home(d: Decisions) -> str | None:
    """Return the virtual environment that uWSGI has to be told of, being installed elsewhere itself."""
    uwsgi = d.machine.programs.get("uwsgi")
    if d.application is None or not d.application.virtual or uwsgi is None:
        return None
    return None if uwsgi.is_relative_to(d.application.prefix) else d.application.prefix


def _promises(d: Decisions, supervised: tuple[Program, ...]) -> str:
    """Return what supervisord's plugin is to keep, as it reads it (entrypoint/supervision/promises.py)."""
    processes = {program.name: program.processes for program in supervised}
    if d.settings.serves and not d.own_server:
        processes[WEB] = next(program.processes for program in supervised if program.tier == SERVER_TIER)
    whole = {
        "ready_file": str(d.ready_file),
        "stop_seconds": int(d.settings.stop_timeout),
        "drain_seconds": math.ceil(d.settings.drain_delay),
        "on_failure": d.settings.on_failure,
        "log_format": d.settings.log_format,
        "programs": {process: _promise(program, processes) for program in supervised for process in program.processes},
    }
    return json.dumps(whole, indent=2) + "\n"


def _promise(program: Program, processes: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    promise = {
        "essential": program.essential,
        # One that does not run in this container is another container's: there is nothing to wait for here.
        "after": [process for name in program.after for process in processes.get(name, ())],
        "ready": program.ready,
        "live": program.live,
        "restart": program.restart,
        "memory_limit": program.memory_limit,
        "tier": program.tier,
        "environment": dict(program.environment),
        "raw": program.raw,
        "reload": {"files": [str(path) for path in program.reload_on], "signal": "HUP"} if program.reload_on else None,
    }
    return {key: value for key, value in promise.items() if value}  # what is not promised is not said
