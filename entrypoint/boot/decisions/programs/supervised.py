"""The programs that supervisord runs in this container."""

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs import certificates, programs
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.settings.programs.user_programs import UserProgram


def supervised(config: ResolvedConfig) -> tuple[Program, ...]:
    """Return our programs, then the user's."""
    return (
        *([programs.application_server(config, config.server)] if config.server else []),
        *([programs.user_server(config, config.own_server, config.bind)] if config.own_server and config.bind else []),
        *([programs.nginx(config)] if config.nginx else []),
        *([certificates.program(config)] if config.nginx and config.settings.acme else []),
        *(_user_program(config, own) for own in config.user_programs),
    )


def _user_program(config: ResolvedConfig, own: UserProgram) -> Program:
    serves = own in config.sites
    return programs.user_server(config, own, config.bind_of_site(own)) if serves else programs.user_program(config, own)
