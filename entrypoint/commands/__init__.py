"""The command line: its commands, in the order of their use."""

from typing import Final

from entrypoint.commands import inspection, operation, project
from entrypoint.commands.group import commands, obey

_IN_ORDER: Final = (
    operation.serve,
    operation.prepare,
    operation.render,
    operation.check,
    operation.reload,
    inspection.env,
    inspection.status,
    inspection.doctor,
    inspection.health,
    inspection.boot,
    operation.repair,
    project.init,
    operation.exec,
    operation.ctl,
)
for _command in _IN_ORDER:
    commands.add_command(_command)

__all__ = ["commands", "obey"]
