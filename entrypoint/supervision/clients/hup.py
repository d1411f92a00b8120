"""SIGHUP to process 1 runs `entrypoint reload` in its own process: the files that it reads may be slow or broken."""

import os
import sys
from collections.abc import Callable, Mapping

from entrypoint.supervision.shutdown.hooks import IGNORED


class Hup:
    """The reload that a signal starts. It writes its lines to the container's standard error, as the boot did."""

    def __init__(self, environment: Mapping[str, str], log: Callable[[str], None]) -> None:
        """`environment` is that of the boot; `log` says why no reload can be started."""
        self._environment = environment
        self._log = log

    def start(self) -> None:
        """Start a reload. If another one is running, the new one says so and ends."""
        # As root, Python must not import modules from paths in the environment or in a home: see bin/entrypoint.
        flag = "-I" if os.geteuid() == 0 else "-P"
        try:
            os.posix_spawn(
                sys.executable,
                (sys.executable, flag, "-m", "entrypoint", "reload"),
                self._environment,
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
                setpgroup=0,
                setsigmask=(),
                setsigdef=IGNORED,
            )
        except OSError as error:
            self._log(f"cannot run entrypoint reload: {error.strerror}")
