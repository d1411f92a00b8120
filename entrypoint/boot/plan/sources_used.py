"""What a plan was made from, told as its steps: nothing is left to do for them."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.facts import templates
from entrypoint.boot.files import configuration, nginx
from entrypoint.boot.plan.hook_steps import found_hooks
from entrypoint.boot.plan.steps import Read
from entrypoint.boot.settings.values import shown

_OF_NGINX: Final = "the settings NGINX_…, PORT and FORWARDED_ALLOW_IPS"


def readings(config: ResolvedConfig) -> Iterator[Read]:
    """Yield what the plan was made from, beside the settings: the application, who serves it, files of the user's."""
    django = config.application and f"Django {config.application.version}, {config.application.settings_module}"
    what = django or config.settings.app or "none"
    yield Read(
        "application", f"read the application: {what} in {config.machine.app_dir}, run by {config.machine.python}"
    )
    yield from _server(config)
    own = [f"{path} (http)" for path in config.machine.http_files] + [
        f"{path} (server)" for path in config.machine.server_files
    ]
    if own and config.nginx and config.machine.nginx_conf is None:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if taken := [name for name in config.machine.templates if name in configuration.used(config)]:
        yield Read("templates", f"take {', '.join(taken)} from {config.settings.conf_dir}")
    if config.machine.supervisor_files:
        included = ", ".join(map(str, config.machine.supervisor_files))
        yield Read("drop-ins", f"include in supervisord's configuration {included}")
    yield from _own_files(config)
    yield from found_hooks(config)
    if config.server and config.server.worker_variables is not None:
        yield Read("sizes", f"{config.machine.limits}: {_workers(config)}")


def _server(config: ResolvedConfig) -> Iterator[Read]:
    """Tell who serves, where that is not what it usually is."""
    if not config.settings.serves:
        yield Read("server", "serve no site here: neither nginx nor an application server is run")
    elif config.server_name is None:
        yield Read("server", "serve without an application server, as ENTRYPOINT_SERVER says")
    elif not config.nginx:
        itself = config.server_name == "uwsgi" and any(nginx.served(config))
        files = "and serves the static files" if itself else "and static files are left to the application"
        yield Read("server", f"serve without nginx: {config.server_name} listens on {config.bind}, {files}")
    elif config.server and config.server.name != "uwsgi":
        yield Read("server", f"serve {config.module} ({config.interface.upper()}) by {config.server.name}")


def _own_files(config: ResolvedConfig) -> Iterator[Read]:
    """Tell which whole files of the user's are taken, and what then has no effect."""
    if config.nginx and config.machine.nginx_conf is not None:
        own = f"{config.settings.conf_dir}/{templates.NGINX_CONF}"
        yield Read("own files", f"take {own} whole: {_OF_NGINX} have no effect but in {config.run_dir}/nginx-app.conf")
    if config.own_conf:
        yield Read(
            "own files",
            f"read {config.own_conf}: what it sets wins over WEB_CONCURRENCY and ENTRYPOINT_REQUEST_TIMEOUT",
        )


def _workers(config: ResolvedConfig) -> str:
    name, number = config.own_workers or ("WEB_CONCURRENCY", str(config.workers))
    if config.overridden_by and not config.own_workers:
        why = f"unless {config.overridden_by} says otherwise"
    else:
        why = f"as {name} says" if config.own_workers or config.settings.workers else f"set {name} to change"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {config.machine.account}; {why}"
