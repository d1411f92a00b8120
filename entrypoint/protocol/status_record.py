"""programs.json: what supervisord's plugin knows of the programs, for `entrypoint status`."""

from typing import NamedTuple


class ProgramRecord(NamedTuple):
    """One program when its state last changed."""

    name: str
    state: str
    """One of supervisord's process states: RUNNING, for example."""
    pid: int = 0
    """0: it does not run."""
    ready: bool = False
    essential: bool = False
    restarts: int = 0
    """How often it was started again, by the plugin or by a client."""
    last_end: str = ""
    """How it last ended, in words; empty if it has not ended yet."""
    ended: float = 0.0
    """When it last ended: seconds since the epoch."""
    why: str = ""
    """Why it is not ready."""


class StatusRecord(NamedTuple):
    """All programs, and the process that supervises them."""

    pid: int
    """supervisord's."""
    started: int
    """When that process started, in clock ticks since the boot of the machine: proc(5). A PID may be used again."""
    stopping: bool = False
    programs: tuple[ProgramRecord, ...] = ()
