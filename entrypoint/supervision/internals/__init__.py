"""supervisord's insides, as far as we rely on them: only here supervisor is imported and its names known.

What it offers is typed and small: `Supervisord` and `Program`. Every callback that is given to it is guarded
before supervisord gets it, because supervisord does not survive an exception in one, and its children then
run on alone.
"""

from entrypoint.supervision.internals.contract import IncompatibleError, verify
from entrypoint.supervision.internals.output import Sink
from entrypoint.supervision.internals.program import NEVER, Program, State
from entrypoint.supervision.internals.supervisord import Supervisord

__all__ = ["NEVER", "IncompatibleError", "Program", "Sink", "State", "Supervisord", "verify"]
