"""The programs that supervisord runs in this container."""

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs import certificates, programs
from entrypoint.boot.decisions.programs.programs import Program


def supervised(config: ResolvedConfig) -> tuple[Program, ...]:
    """Return our programs, then the user's."""
    return (
        *([programs.application_server(config, config.server)] if config.server else []),
        *([programs.user_program(config, config.own_server, config.bind)] if config.own_server else []),
        *([programs.nginx(config)] if config.nginx else []),
        *([certificates.program(config)] if config.nginx and config.settings.acme else []),
        *(
            programs.user_program(config, own, config.bind_of_site(own) if own in config.sites else None)
            for own in config.user_programs
        ),
    )
