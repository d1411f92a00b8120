"""Resolves the configuration from settings and facts, and checks it."""

from typing import Final

from entrypoint.boot.decisions import servers, sizing, stop_budget
from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.folders.run_dir import run_dir
from entrypoint.boot.facts.machine import Facts, Machine
from entrypoint.boot.settings.programs.user_programs import WEB
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.types.addresses import HIGHEST_PORT, Listen
from entrypoint.errors import NotAllowed, Unusable
from entrypoint.protocol import filenames
from entrypoint.protocol.probe import LONGEST_SOCKET

_LEAST_DESCRIPTORS: Final = 256  # supervisord's minfds, see conf/supervisord.conf.j2
_LONGEST_NAME: Final = f"{filenames.CONTROL_SOCKET}.4194304"
"""The longest name of a socket in the run directory: supervisord binds its own with its PID at the end."""


def decide(settings: Settings, facts: Facts) -> ResolvedConfig:
    """Return the resolved configuration.

    Raises Unusable if nothing would serve or settings contradict each other, NotAllowed if the port is privileged.
    """
    if (most := facts.machine.most_descriptors) < _LEAST_DESCRIPTORS:
        why = f"the limit of open files is {most}, and supervisord needs {_LEAST_DESCRIPTORS}"
        raise Unusable(f"cannot start: {why}; docker run --ulimit nofile=1024:4096, or ulimit -n in a shell")
    server = servers.choose(settings, facts)
    module, interface = servers.application_of(server, settings, facts.application) if server else ("", "")
    listen = settings.listen_on(root=facts.machine.root)
    config = ResolvedConfig(
        settings=settings,
        machine=facts.machine,
        application=facts.application,
        server=server,
        module=module,
        interface=interface,
        listen=listen,
        run_dir=run_dir(settings, facts.machine),
        workers=settings.workers or sizing.server_workers(facts.machine.limits),
        stop_times=stop_budget.stop_times(settings, facts.machine, server, settings.stop_timeout),
        second_socket=facts.second_socket,
    )
    if settings.serves and not config.nginx and not config.inherits_socket:
        _check_port(listen, facts.machine)
    _check_metrics_port(config)
    _check_ports_of_sites(config)
    longest = config.run_dir / _LONGEST_NAME
    if len(str(longest).encode(errors="surrogateescape")) > LONGEST_SOCKET:
        raise Unusable(
            f"cannot use ENTRYPOINT_RUN_DIR: {longest} exceeds the {LONGEST_SOCKET} bytes of a Unix socket's path"
        )
    if ":" in str(config.run_dir):
        raise Unusable(
            f"cannot use ENTRYPOINT_RUN_DIR={config.run_dir}: uWSGI takes the text after a colon as a section name"
        )
    return config


def _check_metrics_port(config: ResolvedConfig) -> None:
    """Raise Unusable if the site listens on the port for metrics."""
    if not (port := config.settings.metrics_port):
        return
    others = [("PORT", config.listen), *(("the redirect to TLS", each) for each in config.redirecting)]
    if config.nginx and config.bind:
        others.append(("the application server", config.bind))
    for name, other in others if config.settings.serves else ():
        if other.port == port.port:
            why = f"{name} uses port {port.port}; choose another one, such as 9100"
            raise Unusable(f"cannot use ENTRYPOINT_METRICS_PORT={port}: {why}")


def _check_ports_of_sites(config: ResolvedConfig) -> None:
    """Raise Unusable if the program of a further site would listen on the port of another one."""
    listens = {"PORT": (config.listen, *config.redirecting), "ENTRYPOINT_METRICS_PORT": config.metrics_addresses}
    taken = {each.port: name for name, addresses in listens.items() for each in addresses}
    if config.bind:
        taken.setdefault(config.bind.port, "the application server")
    for own in config.sites:
        port = config.bind_of_site(own).port
        if port in taken or port > HIGHEST_PORT:
            why = f"{taken[port]} uses port {port}" if port in taken else f"there is no port {port}"
            raise Unusable(f"cannot use program {own.name}: {why}; set programs.{own.name}.environment.PORT")
        taken[port] = own.name


def _check_port(listen: Listen, machine: Machine) -> None:
    """Raise NotAllowed if the application server runs as an ordinary user, and the port is privileged."""
    account = machine.accounts.get(WEB, machine.account)
    if machine.root and account.uid != 0 and listen.port < machine.lowest_port:
        raise NotAllowed(
            f"cannot listen on {listen} as {account}: "
            f"without nginx, PORT must be {machine.lowest_port} or higher, for example 8080"
        )
