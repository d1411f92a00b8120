"""CPU time, memory and start of the programs, each with all its descendants."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from entrypoint.processes.memory import pss
from entrypoint.processes.table import Process, family, read

FRESH: Final = 1.0
"""Seconds for which the figures stay valid: a client that asks often costs no more than one that asks once a second."""

CREDIT: Final = 0.0015
"""Seconds of CPU time that reading the PSS may take, on average of all scrapes: about 1 ms for 100 MB. What is not read
anew keeps its last value."""


class Usage(NamedTuple):
    """What one program uses."""

    cpu: float
    """Seconds since its first process started, with processes that have ended."""
    memory: int
    """Bytes: the PSS of each process, or the resident memory where this user may not read that."""
    processes: int
    started: float
    """Seconds since the epoch."""


class Usages:
    """The figures of all programs, measured when they are asked for."""

    def __init__(self, fresh: float = FRESH, credit: float = CREDIT) -> None:
        self._fresh = fresh
        self._allowance = credit
        self._measured = -fresh
        self._usages: Mapping[int, Usage] = {}
        self._memory: dict[tuple[int, int], int] = {}
        self._credit = 0.0

    def of(self, pids: Iterable[int]) -> Mapping[int, Usage]:
        """Return the figures by the PID of each program; a program that has just ended is missing."""
        now = time.monotonic()
        pids = set(pids)
        if now - self._measured >= self._fresh or not pids <= self._usages.keys():
            self._measured = now
            self._usages = self._measure(pids)
        return self._usages

    def _measure(self, pids: set[int]) -> Mapping[int, Usage]:
        members = {pid: found for pid in pids if (found := family(pid))}
        self._read_memory([process for each in members.values() for process in each])
        return {pid: self._usage(pid, each) for pid, each in members.items()}

    def _usage(self, pid: int, members: Sequence[Process]) -> Usage:
        cpu = sum(each.cpu + each.cpu_of_ended for each in members)
        before = self._usages.get(pid)
        started = time.time() - members[0].seconds
        if before and abs(before.started - started) < 1:  # the same process: its CPU time never goes back
            cpu, started = max(cpu, before.cpu), before.started
        memory = sum(self._memory[_key(each)] for each in members)
        return Usage(round(cpu, 2), memory, len(members), round(started, 2))

    def _read_memory(self, members: Iterable[Process]) -> None:
        """Read the memory of each new process; and of the others, beginning with the oldest figure, on credit."""
        old, self._memory = self._memory, {}
        by_key = {_key(each): each for each in members}
        self._credit = min(self._credit, 0) + self._allowance
        for key, process in by_key.items():
            if key not in old:
                self._memory[key] = self._memory_of(process)
        for key in [key for key in old if key in by_key]:
            if self._credit <= 0:
                break
            del old[key]
            self._memory[key] = self._memory_of(by_key[key])
        # The figures that are kept come first, so that the next scrape begins with them.
        self._memory = {**{key: size for key, size in old.items() if key in by_key}, **self._memory}

    def _memory_of(self, process: Process) -> int:
        began = time.thread_time()
        try:
            return pss(process.pid)
        except OSError:
            return process.resident
        finally:
            self._credit -= time.thread_time() - began


def _key(process: Process) -> tuple[int, int]:
    """Return what tells a process from a later one with the same PID."""
    return process.pid, process.started


def own_usage() -> Usage | None:
    """Return the figures of supervisord alone; None if /proc cannot be read."""
    own = read(os.getpid())
    return own and Usage(round(time.process_time(), 3), own.resident, 1, round(time.time() - own.seconds, 2))
