"""The messages between `entrypoint reload` and supervisord's plugin, as JSON on supervisord's control socket."""

from pathlib import PurePosixPath
from typing import NamedTuple

from entrypoint.protocol.supervision import Environments


class ReloadState(NamedTuple):
    """The state of the container before a reload."""

    environments: Environments
    """A reload reads the settings from the environment of the boot, and compares those of the programs."""
    directory: PurePosixPath
    """The working directory of process 1."""
    refused: str = ""
    """Why no reload is possible now."""


class ReloadRequest(NamedTuple):
    """The changes to apply, after the files have been replaced."""

    environments: Environments
    server: str = ""
    """The application server that a new process replaces; empty: it stays as it is."""
    nginx: bool = False
    """Whether nginx reads its files again."""
    programs: tuple[str, ...] = ()
    """The programs to restart although their configuration is unchanged."""
    start_seconds: float = 60.0
    """How long the new process of the server may take until it is ready."""
    finish_seconds: float = 60.0
    """How long the old workers of nginx may take to finish their requests."""


class ReloadResult(NamedTuple):
    """The end of a reload."""

    done: tuple[str, ...] = ()
    """What was reloaded or restarted, in words."""
    error: str = ""
    """Why nothing was applied."""
    late: bool = False
    """A time was up."""


class ReloadRecord(NamedTuple):
    """reload.json: the last reload, for `entrypoint status`."""

    at: float
    """When it ended: seconds since the epoch."""
    result: str
    """What was done, or why nothing was."""
    done: bool
