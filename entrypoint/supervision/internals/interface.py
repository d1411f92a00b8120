"""supervisord's interface for clients such as supervisorctl, extended so that a waiting restart can be stopped.

For supervisord a program that has ended is not running, so it would refuse to stop one that waits for its restart.
"""
# ruff: noqa: ANN401, D102, FBT002, N802 - supervisor ships no types, and its signatures are what clients call

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

from supervisor.http import NOT_DONE_YET
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.xmlrpc import Faults

DELAY = 0.05
"""Seconds until supervisord asks again for a result that is not known yet."""

P = ParamSpec("P")
R = TypeVar("R")


def _described(method: Callable[P, R]) -> Callable[P, R]:
    """Copy supervisord's docstring, which describes the types of `method` to clients."""
    method.__doc__ = getattr(SupervisorNamespaceRPCInterface, method.__name__).__doc__
    return method


class Interface(SupervisorNamespaceRPCInterface):  # type: ignore[misc] # supervisor ships no types
    """supervisord's interface; its three stop methods also cancel a waiting restart."""

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
    """Return the interface; supervisord calls this once for each of its HTTP servers."""
    return Interface(supervisord)


def _stopped_waiting(process: Any) -> bool:
    """Stop `process` if it waits for its restart, and return whether it did."""
    return process is not None and bool(process.stop_waiting())


def _stop_waiting(groups: Iterable[Any]) -> list[dict[str, Any]]:
    """Stop all waiting programs; return for each what a client gets for a stopped program."""
    return [
        {"name": process.config.name, "group": group.config.name, "status": Faults.SUCCESS, "description": "OK"}
        for group in groups
        for process in group.processes.values()
        if _stopped_waiting(process)
    ]


def _with(stopped: list[dict[str, Any]], rest: Callable[[], Any]) -> Any:
    """Return a function that returns `stopped` and the result of `rest`, which is called until it is done."""

    def answer() -> Any:
        found = rest()
        return found if found is NOT_DONE_YET else stopped + found

    answer.delay, answer.rpcinterface = rest.delay, rest.rpcinterface  # type: ignore[attr-defined] # supervisord's own
    return answer


def deferred(result: Callable[[], str | None]) -> Any:
    """Return a deferred response: supervisord calls `result` repeatedly until it returns something other than None."""

    def answer() -> Any:
        found = result()
        return NOT_DONE_YET if found is None else found

    answer.delay = DELAY  # type: ignore[attr-defined] # supervisord's own
    return answer
