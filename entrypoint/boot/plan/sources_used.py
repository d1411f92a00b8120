"""What a plan was made from, told as its steps: nothing is left to do for them."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import Decisions
from entrypoint.boot.facts import templates
from entrypoint.boot.files import configuration, nginx
from entrypoint.boot.plan.hook_steps import found_hooks
from entrypoint.boot.plan.steps import Read
from entrypoint.boot.settings.values import shown

_OF_NGINX: Final = "the settings NGINX_…, PORT and FORWARDED_ALLOW_IPS"


def readings(d: Decisions) -> Iterator[Read]:
    """Yield what the plan was made from, beside the settings: the application, who serves it, files of the user's."""
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


def _server(d: Decisions) -> Iterator[Read]:
    """Tell who serves, where that is not what it usually is."""
    if not d.settings.serves:
        yield Read("server", "serve no site here: neither nginx nor an application server is run")
    elif d.server_name is None:
        yield Read("server", "serve without an application server, as ENTRYPOINT_SERVER says")
    elif not d.nginx:
        itself = d.server_name == "uwsgi" and any(nginx.served(d))
        files = "and serves the static files" if itself else "and static files are left to the application"
        yield Read("server", f"serve without nginx: {d.server_name} listens on {d.bind}, {files}")
    elif d.server and d.server.name != "uwsgi":
        yield Read("server", f"serve {d.module} ({d.interface.upper()}) by {d.server.name}")


def _own_files(d: Decisions) -> Iterator[Read]:
    """Tell which whole files of the user's are taken, and what then has no effect."""
    if d.nginx and d.machine.nginx_conf is not None:
        own = f"{d.settings.conf_dir}/{templates.NGINX_CONF}"
        yield Read("own files", f"take {own} whole: {_OF_NGINX} have no effect but in {d.run_dir}/nginx-app.conf")
    if d.own_conf:
        yield Read(
            "own files", f"read {d.own_conf}: what it sets wins over WEB_CONCURRENCY and ENTRYPOINT_REQUEST_TIMEOUT"
        )


def _workers(d: Decisions) -> str:
    name, number = d.own_workers or ("WEB_CONCURRENCY", str(d.workers))
    if d.overridden_by and not d.own_workers:
        why = f"unless {d.overridden_by} says otherwise"
    else:
        why = f"as {name} says" if d.own_workers or d.settings.workers else f"set {name} to change"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {d.machine.account}; {why}"
