"""The user's own variables and configuration file for the application server. They override what we decide."""

from pathlib import PurePosixPath
from typing import NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig


class Variable(NamedTuple):
    """An environment variable that the application server reads itself, and its text."""

    name: str
    text: str


def conf(config: ResolvedConfig) -> PurePosixPath | None:
    """Return the user's configuration file for the application server."""
    return config.machine.server_confs.get(config.server.name) if config.server else None


def timeout(config: ResolvedConfig) -> Variable | None:
    """Return the server's own variable for the request timeout, if it is set."""
    return _set(config, config.server.timeout_variables) if config.server else None


def workers(config: ResolvedConfig) -> Variable | None:
    """Return the server's own variable for its number of workers, if it is set."""
    return _set(config, config.server.worker_variables or ()) if config.server else None


def workers_of(config: ResolvedConfig) -> int:
    """Return how many workers serve the site; the server's own variable wins."""
    own = workers(config)
    return int(own.text[:4]) if own and own.text.isascii() and own.text.isdecimal() else config.workers


def of_any_option(config: ResolvedConfig) -> str | None:
    """Return the variable or the file by which the user may override any option of the application server."""
    if config.server and config.server.arguments_variable in config.settings.environment:
        return config.server.arguments_variable
    file = conf(config)
    return file.name if file else None


def _set(config: ResolvedConfig, names: tuple[str, ...]) -> Variable | None:
    given = (Variable(name, config.settings.environment.get(name, "")) for name in names)
    return next((variable for variable in given if variable.text), None)
