"""The sources used for a plan, reported as steps without an action."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions import overrides
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files import adapted_nginx, configuration, nginx
from entrypoint.boot.plan.hook_steps import found_hooks
from entrypoint.boot.plan.steps import Read
from entrypoint.boot.settings.sources import compat
from entrypoint.boot.settings.types.values import shown

_NGINX_SETTINGS: Final = "the settings NGINX_…, PORT and FORWARDED_ALLOW_IPS"


def compatibility(config: ResolvedConfig) -> Iterator[Read]:
    """Report that entrypoint understands the variables and files of another image."""
    if not config.settings.tiangolo:
        return
    why = f"ENTRYPOINT_COMPAT={compat.TIANGOLO}"
    if "ENTRYPOINT_COMPAT" not in config.settings.origins:
        why = f"{compat.HOME} has a {compat.MAIN} or {compat.UWSGI_INI}; ENTRYPOINT_COMPAT={compat.OFF} turns this off"
    yield Read("compat", f"use the variables and files of tiangolo/uwsgi-nginx as that image does: {why}")


def sources_used(config: ResolvedConfig) -> Iterator[Read]:
    """Yield the sources besides the settings: the application, its server, and the user's files."""
    django = config.application and f"Django {config.application.version}, {config.application.settings_module}"
    what, machine = django or config.settings.app or "none", config.machine
    yield Read("application", f"read the application: {what} in {machine.app_dir}, run by {machine.python}")
    yield from _server(config)
    for program in config.sites:
        yield Read("sites", f"serve {program.site} on {config.bind_of_site(program)}")
    own = [f"{path} (http)" for path in config.machine.http_files]
    own += [f"{path} (server)" for path in config.machine.server_files]
    if own and config.nginx and config.machine.nginx_conf is None:
        yield Read("drop-ins", f"include in nginx's configuration {', '.join(own)}")
    if taken := [name for name in config.machine.templates if name in configuration.used(config)]:
        yield Read("templates", f"use {', '.join(taken)} from {config.settings.conf_dir}")
    if config.machine.supervisor_files:
        included = ", ".join(map(str, config.machine.supervisor_files))
        yield Read("drop-ins", f"include in supervisord's configuration {included}")
    yield from _own_files(config)
    yield from found_hooks(config)
    if config.server and config.server.worker_variables is not None:
        yield Read("sizes", f"{config.machine.limits}: {_workers(config)}")


def _server(config: ResolvedConfig) -> Iterator[Read]:
    """Report the server, unless it is the usual one."""
    if not config.settings.serves:
        yield Read("server", "serve no site: this container runs neither nginx nor an application server")
    elif config.server_name is None:
        yield Read("server", "serve without an application server: ENTRYPOINT_SERVER=none")
    elif not config.nginx:
        static = config.server and config.server.static and any(nginx.served(config))
        files = "and serves the static files" if static else "and leaves static files to the application"
        yield Read("server", f"serve without nginx: {config.server_name} listens on {config.bind}, {files}")
    elif config.server and config.server.name != "uwsgi":
        yield Read("server", f"serve {config.module} ({config.interface.upper()}) with {config.server.name}")


def _own_files(config: ResolvedConfig) -> Iterator[Read]:
    """Report the user's configuration files that replace or extend ours, and the settings that they override."""
    if config.nginx and config.machine.nginx_conf is not None:
        changes = adapted_nginx.adapted(config).changes if config.machine.app_nginx_conf else ()
        how = f"with {', '.join(changes)}" if changes else "unchanged"
        scope = f"{_NGINX_SETTINGS} affect only {config.run_dir}/nginx-app.conf"
        yield Read("own files", f"use {config.own_nginx_conf} {how}: {scope}")
    if overrides.conf(config):
        what = "it overrides WEB_CONCURRENCY and ENTRYPOINT_REQUEST_TIMEOUT"
        yield Read("own files", f"read {overrides.conf(config)}: {what}")


def _workers(config: ResolvedConfig) -> str:
    own, other = overrides.workers(config), overrides.of_any_option(config)
    name, number = own or ("WEB_CONCURRENCY", str(config.workers))
    if other and not own:
        why = f"unless {other} overrides it"
    else:
        why = f"set by {name}" if own or config.settings.workers else f"set {name} to change it"
    return f"{shown(number)} {'worker' if number == '1' else 'workers'} as {config.machine.account}; {why}"
