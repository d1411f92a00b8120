"""The command itself: the only place that reads os.environ, and the only one that exits.

A container starts without a word on its command line, so that way is the short one: the parser of options (click,
25 ms) is imported by `commands.py`, for those who give it something to parse.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from entrypoint import log, stderr
from entrypoint.errors import EntrypointError, Stopped

if TYPE_CHECKING:
    from entrypoint.boot.settings.settings import Settings

_BUG: Final = 70  # EX_SOFTWARE
_INTERRUPTED: Final = 130


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of README's table."""
    stderr.open_missing()
    log.use(os.environ.get("ENTRYPOINT_LOG_FORMAT", ""))  # what is wrong with a setting is told in that form too
    words = list(sys.argv[1:] if argv is None else argv)
    sys.exit(_exit_code(lambda: _obey(words, os.environ)))


def read(environ: Mapping[str, str]) -> "Settings":
    """Read the settings, and write from now on as they say. Raises Unusable."""
    from entrypoint.boot.settings.settings import Settings  # noqa: PLC0415 -- `--help` needs none of it

    settings = Settings.read(environ)
    log.use(settings.log_format, settings.log_level)
    return settings


def serve(environ: Mapping[str, str]) -> int:
    """Boot, and become supervisord. Returns 0 if a stop was asked for before that; raises an EntrypointError."""
    from entrypoint.boot.run import serve as boot  # noqa: PLC0415 -- only a boot needs it

    try:
        boot(read(environ), log.tell)
    except Stopped as stop:
        log.tell(log.ENTRYPOINT, str(stop))
        return 0


def _obey(words: list[str], environ: Mapping[str, str]) -> int:
    if not words:
        return serve(environ)
    from entrypoint.commands import obey  # noqa: PLC0415 -- see above

    return obey(words, environ)


def _exit_code(action: Callable[[], int]) -> int:
    try:
        return action()
    except EntrypointError as error:
        for text in error.lines():
            log.tell(log.ENTRYPOINT, text, "error")
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 -- a bug of ours: the traceback is what its report needs
        import traceback  # noqa: PLC0415 -- 8 ms that only a bug has to pay

        log.write(traceback.format_exc())
        return _BUG
