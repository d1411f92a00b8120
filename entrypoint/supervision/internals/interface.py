"""What clients of supervisord call, supervisorctl among them: its own interface, by its own point of extension.

To supervisord a program that has ended does not run, so that it refuses to stop one that we start again in a while.
"""
# ruff: noqa: ANN401, D102, FBT002, N802 - supervisor ships no types, and its signatures are what clients call

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from supervisor.http import NOT_DONE_YET
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.xmlrpc import Faults

P = ParamSpec("P")
R = TypeVar("R")


def _described(method: Callable[P, R]) -> Callable[P, R]:
    """Describe `method` as supervisord does, which tells clients of its types by that."""
    method.__doc__ = getattr(SupervisorNamespaceRPCInterface, method.__name__).__doc__
    return method


class Interface(SupervisorNamespaceRPCInterface):  # type: ignore[misc] # supervisor ships no types
    """supervisord's interface, whose three ways to stop end the wait for a restart, too."""

    @_described
    def stopProcess(self, name: str, wait: Any = True) -> Any:
        self._update("stopProcess")
        _, process = self._getGroupAndProcess(name)
        return _stopped_waiting(process) or super().stopProcess(name, wait)

    @_described
    def stopProcessGroup(self, name: str, wait: Any = True) -> Any:
        rest = super().stopProcessGroup(name, wait)
        return _with(_stop_waiting([self.supervisord.process_groups[name]]), rest)

    @_described
    def stopAllProcesses(self, wait: Any = True) -> Any:
        rest = super().stopAllProcesses(wait)
        return _with(_stop_waiting(self.supervisord.process_groups.values()), rest)


def make(supervisord: Any) -> Interface:
    """Return the interface, for each of supervisord's HTTP servers."""
    return Interface(supervisord)


def _stopped_waiting(process: Any) -> bool:
    """Stop `process` if it waits for its restart, and tell whether it did."""
    return process is not None and bool(process.stop_waiting())


def _stop_waiting(groups: Iterable[Any]) -> list[dict[str, Any]]:
    """Stop all that wait; return of each what a client is told of a program that was stopped."""
    return [
        {"name": process.config.name, "group": group.config.name, "status": Faults.SUCCESS, "description": "OK"}
        for group in groups
        for process in group.processes.values()
        if _stopped_waiting(process)
    ]


def _with(stopped: list[dict[str, Any]], rest: Callable[[], Any]) -> Any:
    """Return what `rest` will, which is asked until it is done, after those that have stopped."""

    def answer() -> Any:
        found = rest()
        return found if found is NOT_DONE_YET else stopped + found

    answer.delay, answer.rpcinterface = rest.delay, rest.rpcinterface  # type: ignore[attr-defined] # supervisord's own
    return answer
