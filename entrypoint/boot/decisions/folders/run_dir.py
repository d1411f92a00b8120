"""The folder of all that is written at run time; entrypoint/protocol/filenames.py names what is in it."""

from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings.settings import Settings

USUAL_RUN_DIR: Final = PurePosixPath("/run/entrypoint")


def run_dir(settings: Settings, machine: Machine) -> PurePosixPath:
    """Return the run directory. Outside /run, the port in its name tells two sites of one user apart."""
    if settings.run_dir:
        return settings.run_dir
    if machine.own_run_dir:
        return USUAL_RUN_DIR
    port = settings.listen_on(root=machine.root).port
    return machine.temporary / f"entrypoint-{machine.account.uid}-{port}"
