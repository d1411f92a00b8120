"""The configuration: which folders and files there are, and what stands in them."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from entrypoint.boot.decisions import sizing
from entrypoint.boot.decisions.artifacts import Directory, File, Phase
from entrypoint.boot.decisions.config import FIRST_READY_FILE, HANDOVER_FILE, READY_FILE, TIMELINE_FILE, Decisions
from entrypoint.boot.decisions.programs import Program
from entrypoint.boot.facts import templates
from entrypoint.boot.facts.hooks import PRE_STOP, Hook
from entrypoint.boot.files import nginx, supervisor_files
from entrypoint.boot.files.render import render, render_own
from entrypoint.boot.settings.user_programs import WEB

_MOST_DESCRIPTORS: Final = 65536
_LONGEST_BACKLOG: Final = 1024


def directories(d: Decisions) -> tuple[Directory, ...]:
    """Return the folders."""
    return (
        Directory(d.run_dir, 0o755),
        Directory(d.www, 0o755, inner=True),
        Directory(d.run_dir / "app", 0o750, d.dropped, inner=True),
        # Where nginx's master is root, it follows links in its folder: nobody else may write there.
        *([Directory(d.run_dir / "nginx", 0o755, None if d.nginx_drops else d.dropped, inner=True)] if d.nginx else []),
    )


def run_files(d: Decisions) -> tuple[PurePosixPath, ...]:
    """Return what a boot, supervisord and the servers write into those folders."""
    names = [name.removesuffix(".j2") for name in used(d) if name != templates.STARTING_PAGE]
    if d.nginx:
        names += [templates.NGINX_CONF, "nginx/nginx.pid", f"www/{templates.STARTING_PAGE}"]
    names += ["promises.json", "supervisor.sock", "supervisord.pid"]
    ours = (HANDOVER_FILE, TIMELINE_FILE, READY_FILE, FIRST_READY_FILE)
    paths = [d.run_dir / name for name in (*map(PurePosixPath, names), *ours)]
    return tuple(dict.fromkeys((*paths, *Phase(d.www, "").paths, d.socket)))


def files(d: Decisions, supervised: tuple[Program, ...]) -> Iterator[File]:
    """Yield the files. Raises Unusable where a text fits no file."""
    given = variables(d, supervised)
    if d.nginx and d.machine.nginx_conf is not None:
        own = f"{d.settings.conf_dir}/{templates.NGINX_CONF}"
        yield File(d.run_dir / templates.NGINX_CONF, d.machine.nginx_conf, source=own)
    for template in used(d):
        yield _file(d, template, given)
    yield File(d.run_dir / "promises.json", _promises(d, supervised), source="the plan")


def starting_files(d: Decisions, supervised: tuple[Program, ...]) -> tuple[File, ...]:
    """Return nginx's files as they can be before the application is known: without what it says of its own files."""
    given = variables(d, supervised, starting=True)
    return tuple(_file(d, template, given) for template in (*templates.OF_NGINX, templates.STARTING_PAGE))


def _file(d: Decisions, template: str, given: Mapping[str, Any]) -> File:
    path = (d.www if template == templates.STARTING_PAGE else d.run_dir) / template.removesuffix(".j2")
    if d.settings.conf_dir and template in d.machine.templates:
        own = d.settings.conf_dir / template
        return File(path, render_own(own, d.machine.templates[template], given), source=str(own))
    return File(path, render(template, given), source=template)


def used(d: Decisions) -> tuple[str, ...]:
    """Return the names of the templates that this boot renders."""
    own = d.machine.nginx_conf is not None
    nginx = (*templates.OF_NGINX[own:], templates.STARTING_PAGE) if d.nginx else ()
    wanted = {templates.SUPERVISORD, *nginx, d.server.template if d.server else None}
    return tuple(name for name in templates.NAMES if name in wanted)


def variables(d: Decisions, supervised: tuple[Program, ...], *, starting: bool = False) -> dict[str, Any]:
    """Return what each template may use; docs/how-to/own-templates.md tells the users of theirs."""
    return {
        "run_dir": d.run_dir,
        "root": d.machine.root,
        "programs": supervised,
        "supervisor_files": supervisor_files.patterns(d.machine.supervisor_files),
        "log_level": d.settings.log_level,
        "socket": d.socket,
        "www": d.www,
        "server": d.server.name if d.server else None,
        "bind": d.bind,
        "own_conf": d.own_conf,
        "development": d.development,
        "server_logs_requests": d.server_logs_requests,
        "ready_file": d.ready_file,
        "starting_page": d.www / templates.STARTING_PAGE,
        "request_seconds": d.nginx_patience,
        "worker_processes": d.settings.nginx_workers or sizing.nginx_workers(d.machine.limits),
        "nginx_user": d.machine.account.name if d.nginx_drops else None,
        "nginx_group": d.machine.account.group,
        "mime_types": d.machine.mime_types,
        "client_max_body_size": d.settings.client_max_body_size,
        "app_dir": d.machine.app_dir,
        "module": d.module,
        "home": _python_home(d),
        # What a server is told in its own variables it would not hear over its file.
        "workers": None if d.own_workers else d.workers,
        "harakiri": None if d.own_timeout else d.request_seconds,
        "backlog": min(d.machine.backlog, _LONGEST_BACKLOG),
        "stop_seconds": d.server_stop,
        "descriptors": min(d.machine.descriptors, _MOST_DESCRIPTORS),
        **nginx.variables(d, starting=starting),
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
    if d.server_name:
        processes[WEB] = processes[d.server_name]
    whole: dict[str, Any] = {
        "ready_file": str(d.ready_file),
        "stop_seconds": int(d.settings.stop_timeout),
        "drain_seconds": math.ceil(d.settings.drain_delay),
        "on_failure": d.settings.on_failure,
        "log_format": d.settings.log_format,
        "programs": {process: _promise(program, processes) for program in supervised for process in program.processes},
    }
    if d.nginx:
        whole["listen"] = [str(each) for each in (*d.addresses, *d.redirecting)]
    if before_stop := d.machine.hooks.of(PRE_STOP):
        whole["pre_stop"] = [_pre_stop(hook) for hook in before_stop]
    return json.dumps(whole, indent=2) + "\n"


def _pre_stop(hook: Hook) -> dict[str, Any]:
    command = hook.account.switching(hook.command) if hook.account else hook.command
    return {"name": hook.path.name, "command": command, "as_root": hook.account is None}


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
    said = {key: value for key, value in promise.items() if value}  # what is not promised is not said
    return {**said, "as_root": False} if program.switches else said  # supervisord cannot know that
