"""The part of supervisord's internals that the plugin relies on. Only this package imports supervisor.

It offers two typed classes, `Supervisord` and `Program`. It guards every callback, because an exception in a callback
would end supervisord and leave its children without supervision.
"""

from entrypoint.supervision.internals.child import switch_user
from entrypoint.supervision.internals.contract import IncompatibleError, verify
from entrypoint.supervision.internals.interface import deferred
from entrypoint.supervision.internals.output import Sink
from entrypoint.supervision.internals.program import NEVER, Program, State
from entrypoint.supervision.internals.supervisord import Supervisord

__all__ = ["NEVER", "IncompatibleError", "Program", "Sink", "State", "Supervisord", "deferred", "switch_user", "verify"]
