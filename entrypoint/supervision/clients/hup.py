"""SIGHUP to process 1 runs `entrypoint reload` in its own process: the files that it reads may be slow or broken."""

import os
import sys
from collections.abc import Mapping

from entrypoint.supervision.shutdown.hooks import IGNORED


def start_reload(environment: Mapping[str, str]) -> None:
    """Start a reload with the environment of the boot. Raises OSError.

    It writes its lines to the container's standard error, as the boot did. If another one is running, the new one says
    so and ends.
    """
    # As root, Python must not import modules from paths in the environment or in a home: see bin/entrypoint.
    flag = "-I" if os.geteuid() == 0 else "-P"
    os.posix_spawn(
        sys.executable,
        (sys.executable, flag, "-m", "entrypoint", "reload"),
        environment,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setpgroup=0,
        setsigmask=(),
        setsigdef=IGNORED,
    )
