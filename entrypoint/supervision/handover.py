"""The handover from boot to supervisord's plugin. entrypoint/boot/effects/processes/children.py writes it."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from entrypoint.protocol.codec import from_json, read_json
from entrypoint.protocol.supervision import Environments, Handover, ProgramConfig, RunningProgram, SupervisionConfig


class Inheritance(NamedTuple):
    """What boot has handed over, its descriptors opened."""

    environments: Environments
    notify: int | None = None
    """The descriptor of the socket that programs notify of their readiness."""
    programs: Mapping[str, RunningProgram] = MappingProxyType({})
    began: float | None = None
    """When the boot began, in seconds of CLOCK_BOOTTIME; None if this process did not boot this time."""


class Current:
    """The configuration and the environments that apply now. A reload replaces both."""

    def __init__(self, config: SupervisionConfig, environments: Environments) -> None:
        self.config = config
        self.environments = environments

    def program(self, name: str) -> ProgramConfig:
        """Return the configuration of the process `name`."""
        return self.config.program(name)


_kept: list[Environments] = []
"""The environments of the last handover, for when supervisord reloads in this process."""


def keep(environments: Environments) -> None:
    """Keep the environments that a reload has brought."""
    _kept[:] = [environments]


def take(file: Path | None) -> Inheritance:
    """Read and remove `file`. Without a file, the programs get this process's environment, and none runs yet."""
    environments = _kept[-1] if _kept else Environments(dict(os.environ), dict(os.environ))
    if file is None or not file.exists():
        return Inheritance(environments)
    handover = read_json(Handover, file)
    file.unlink()
    with os.fdopen(handover.environments, "rb") as opened:
        opened.seek(0)
        environments = from_json(Environments, opened.read(), "the environments of the programs")
    keep(environments)
    return Inheritance(environments, handover.notify, handover.programs, handover.began)
