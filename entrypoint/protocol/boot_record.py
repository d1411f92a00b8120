"""boot.json: the steps that boot has recorded for `entrypoint boot` and the metrics."""

from typing import NamedTuple


class BootStep(NamedTuple):
    """A step of a boot and when it began."""

    at: float  # seconds since the boot's process started
    line: str
    phase: str = ""  # the name of the steps of its kind, such as migrate


class BootRecord(NamedTuple):
    """The steps of a boot that has reached its exec: boot.json."""

    began: float  # when the boot's process started: seconds since the epoch
    steps: tuple[BootStep, ...]
    migrations: int | None = None  # how many migrations it has applied; None if none were asked for
