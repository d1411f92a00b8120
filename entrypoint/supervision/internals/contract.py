"""The names in supervisor's internals that the plugin relies on, and a check that this release has them."""

from collections.abc import Mapping
from typing import Any

from supervisor import events
from supervisor.dispatchers import POutputDispatcher
from supervisor.http import deferring_http_channel
from supervisor.loggers import RotatingFileHandler
from supervisor.process import EventListenerPool, Subprocess
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

RELIED_UPON: Mapping[str, str] = {
    "Supervisor": (
        "add_process_group diff_to_active handle_signal options ordered_stop_groups_phase_1 "
        "ordered_stop_groups_phase_2 process_groups remove_process_group"
    ),
    "ServerOptions": (
        "cleanup close_logger fork get_signal kill logger minfds mood parse_warnings pidhistory poller "
        "process_config server_configs signal_receiver waitpid"
    ),
    "SignalReceiver": "_signals_recvd",
    "Poller": "poll",
    "Logger": "addHandler critical handlers info level warn",
    "Subprocess": (
        "_prepare_child_fds _spawn_as_child administrative_stop backoff change_state config delay dispatchers "
        "exitstatus finish get_execv_args group kill laststart listener_state pid signal spawn state stop "
        "system_stop transition"
    ),
    "EventListenerPool": "_acceptEvent dispatch",
    "POutputDispatcher": "_init_normallog handle_read_event readable",
    "RotatingFileHandler": "close doRollover emit reopen",
    "SupervisorNamespaceRPCInterface": "_getGroupAndProcess _update stopAllProcesses stopProcess stopProcessGroup",
    "deferring_http_channel": "delay last_writable_check",
    "events": (
        "ProcessGroupAddedEvent ProcessGroupRemovedEvent ProcessStateEvent SupervisorRunningEvent "
        "SupervisorStoppingEvent TickEvent callbacks subscribe"
    ),
}
"""The names of attributes, by owner. Each start checks that they exist, the tests check what they do."""


class IncompatibleError(RuntimeError):
    """This release of supervisor lacks an attribute that the plugin relies on."""


def verify(supervisord: Any) -> None:  # noqa: ANN401 - supervisor ships no types
    """Raise IncompatibleError, which names the missing attribute, if `supervisord` lacks one."""
    options = _of(supervisord, "Supervisor", "options")
    owners = {
        "Supervisor": supervisord,
        "ServerOptions": options,
        "SignalReceiver": _of(options, "ServerOptions", "signal_receiver"),
        "Poller": _of(options, "ServerOptions", "poller"),
        "Logger": _of(options, "ServerOptions", "logger"),
        "Subprocess": Subprocess,
        "EventListenerPool": EventListenerPool,
        "POutputDispatcher": POutputDispatcher,
        "RotatingFileHandler": RotatingFileHandler,
        "SupervisorNamespaceRPCInterface": SupervisorNamespaceRPCInterface,
        "deferring_http_channel": deferring_http_channel,
        "events": events,
    }
    for whose, names in RELIED_UPON.items():
        for name in names.split():
            _of(owners[whose], whose, name)


def _of(owner: Any, whose: str, name: str) -> Any:  # noqa: ANN401 - supervisor ships no types
    try:
        return getattr(owner, name)
    except AttributeError:
        raise IncompatibleError(
            f"cannot supervise with this release of supervisor: its {whose} has no {name}"
        ) from None
