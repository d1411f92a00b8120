"""Reading the settings and booting, for a start without arguments and for the commands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from entrypoint.errors import Stopped
from entrypoint.output import log

if TYPE_CHECKING:
    from entrypoint.boot.settings.settings import Settings


def read_settings(environ: Mapping[str, str]) -> "Settings":
    """Return the settings. Raises Unusable."""
    from entrypoint.boot.settings.settings import Settings  # noqa: PLC0415 -- 40 ms that `--help` does not need

    return Settings.read(environ)


def read(environ: Mapping[str, str]) -> "Settings":
    """Return the settings, and log in the format and from the level that they name. Raises Unusable."""
    settings = read_settings(environ)
    log.use(settings.log_format, settings.log_level, timestamps=settings.log_timestamps == "on")
    return settings


def serve(environ: Mapping[str, str]) -> int:
    """Boot, and exec supervisord. Return 0 if a stop was requested before that. Raises an EntrypointError."""
    from entrypoint.boot.run import serve as boot  # noqa: PLC0415 -- only a boot needs it

    try:
        boot(read(environ), log.tell)
    except Stopped as stop:
        log.tell(log.ENTRYPOINT, str(stop))
        return 0
