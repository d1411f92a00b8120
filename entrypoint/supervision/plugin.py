"""The plugin that supervisord loads, `supervisor.rpcinterface_factory = entrypoint.supervision.plugin:make`.

It adds what supervisord alone does not do; `round.py` connects the parts of it.
"""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.protocol.codec import ConfigError, read_json
from entrypoint.protocol.supervision import SupervisionConfig
from entrypoint.supervision.clients.interface import Interface
from entrypoint.supervision.handover import take
from entrypoint.supervision.internals import Supervisord
from entrypoint.supervision.round import Round


def make(supervisord: Any, **settings: str) -> Interface:  # noqa: ANN401 - supervisor ships no types
    """Begin this round of supervisord, and return the methods that it offers on its HTTP servers.

    supervisord calls this once for each of them. `settings` are the keys of the section [rpcinterface:entrypoint]:
    `supervision`, the path of supervision.json, and optionally `handover`, the path of handover.json.
    """
    made = getattr(supervisord, "entrypoint", None)
    if isinstance(made, Round):
        return made.interface
    try:
        config, handover = _files(settings)
        plugin = Round(Supervisord(supervisord), read_json(SupervisionConfig, config), take(handover))
    except Exception as error:
        # supervisord logs the reason, but its log is silent at this point.
        sys.stderr.write(f"{error}\n")
        raise
    supervisord.entrypoint = plugin
    with contextlib.suppress(OSError):  # ps, top and pgrep would show the name of the interpreter
        Path("/proc/self/comm").write_text("supervisord", "ascii")
    return plugin.interface


def _files(settings: Mapping[str, str]) -> tuple[Path, Path | None]:
    left = dict(settings)
    file, handover = left.pop("supervision", ""), left.pop("handover", "")
    if not file:
        raise ConfigError("cannot read [rpcinterface:entrypoint]: supervision: missing")
    for key in left:
        raise ConfigError(f"cannot read [rpcinterface:entrypoint]: {key}: unknown key")
    return Path(file), Path(handover) if handover else None
