"""The processes of this machine or container in one pass over /proc: proc(5)."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from entrypoint.processes.memory import pss

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


class Process(NamedTuple):
    """One process at the moment of the pass."""

    pid: int
    parent: int
    state: str
    """R, S, D, Z (zombie), T (stopped by a signal)…"""
    cpu: float
    """Seconds of CPU time, without that of its children."""
    cpu_of_ended: float
    """Seconds of CPU time of its descendants that have ended: cutime and cstime of proc(5)."""
    started: int
    """In clock ticks since the boot of the machine."""
    resident: int
    """Bytes."""

    @property
    def seconds(self) -> float:
        """The seconds since it started."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.started / _TICKS)


class Memory(NamedTuple):
    """The memory of several processes together."""

    size: int
    """Bytes."""
    kind: str
    """pss, in which shared memory counts once, or rss, in which it counts for each process."""


Processes = Mapping[int, Process]


def processes() -> Processes:
    """Return all processes that can be seen, by PID."""
    found = (read(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 -- names, without Paths
    return {process.pid: process for process in found if process}


def tree(pid: int, among: Processes) -> Iterator[Process]:
    """Yield the process and all its descendants; none if it is gone."""
    children: dict[int, list[Process]] = {}
    for process in among.values():
        children.setdefault(process.parent, []).append(process)
    found = [among[pid]] if pid in among else []
    while found:  # not recursively: a program may start processes to any depth
        yield (process := found.pop())
        found += children.get(process.pid, ())


def family(pid: int) -> tuple[Process, ...]:
    """Return the process and all its descendants, without a look at any other process; none if it is gone."""
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):  # noqa: PTH110 -- no Path, for speed
        return tuple(tree(pid, processes()))  # this kernel has no such file, or it has ended
    found, waiting = [], [pid]
    while waiting:
        if process := read(waiting.pop()):
            found.append(process)
            waiting += _children(f"/proc/{process.pid}/task")
    return tuple(found)


def _children(tasks: str) -> Iterator[int]:
    """Yield the children that each thread of a process has started."""
    with suppress(OSError):  # it has ended
        for task in os.listdir(tasks):  # noqa: PTH208 -- no Path, for speed
            yield from map(int, _text(f"{tasks}/{task}/children").split())


def memory(members: Iterable[Process]) -> Memory:
    """Return the memory of processes: the PSS if this user may read that of each, else the resident memory."""
    members = tuple(members)
    try:
        return Memory(sum(pss(each.pid) for each in members), "pss")
    except PermissionError:
        return Memory(sum(each.resident for each in members), "rss")


def read(pid: int | str) -> Process | None:
    """Return one process; None if it has ended."""
    try:
        text = _text(f"/proc/{pid}/stat")
    except OSError:  # it has ended
        return None
    number, _, rest = text.partition(b" ")
    fields = rest.rpartition(b")")[2].split()  # from the third on; the second is a name that may contain anything
    cpu, ended = (sum(map(int, fields[at : at + 2])) / _TICKS for at in (11, 13))
    state = fields[0].decode("ascii")
    return Process(int(number), int(fields[1]), state, cpu, ended, int(fields[19]), int(fields[21]) * _PAGE)


def _text(file: str) -> bytes:
    """Return the content of a file in /proc. Python's own files take three times as long. Raises OSError."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while piece := os.read(fd, _PAGE):  # the kernel gives a long list page by page
            text += piece
        return text
    finally:
        os.close(fd)
