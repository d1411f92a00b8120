"""The command line: the only module that reads os.environ, and the only one that exits.

A container usually starts without arguments, so that case stays fast: `commands/`, which imports click (25 ms), is
imported only when there are arguments to parse.
"""

import os
import sys
from collections.abc import Mapping
from typing import Final, NoReturn

from entrypoint.errors import EntrypointError, ProgramFailed
from entrypoint.output import log, stderr
from entrypoint.serving import serve

_BUG: Final = 70  # EX_SOFTWARE
_INTERRUPTED: Final = 130
_COMPLETES: Final = "_ENTRYPOINT_COMPLETE"  # set by click's shell completion, which passes no arguments


def run() -> NoReturn:
    """Run the command line and exit with a code that docs/reference/commands.md lists."""
    stderr.open_missing()
    # Errors in the settings use these formats too.
    log.use(os.environ.get("ENTRYPOINT_LOG_FORMAT", ""), timestamps=os.environ.get("ENTRYPOINT_LOG_TIMESTAMPS") == "on")
    terminal = os.isatty(2) and os.environ.get("TERM") != "dumb"
    log.use_terminal(terminal=terminal, colour=terminal and not os.environ.get("NO_COLOR"))  # https://no-color.org/
    sys.exit(_exit_code(sys.argv[1:], os.environ))


def _exit_code(words: list[str], environ: Mapping[str, str]) -> int:
    try:
        return _obey(words, environ)
    except EntrypointError as error:
        for text in error.lines():
            log.tell(log.ENTRYPOINT, text, "error")
        if isinstance(error, ProgramFailed):
            for text in error.output:
                log.tell(error.program, text)
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 -- a bug of ours: its report needs the traceback
        import traceback  # noqa: PLC0415 -- takes 8 ms

        log.tell_traceback(traceback.format_exc())
        return _BUG


def _obey(words: list[str], environ: Mapping[str, str]) -> int:
    if not words and _COMPLETES not in environ:
        return serve(environ)
    from entrypoint.commands import obey  # noqa: PLC0415 -- see the module's docstring

    return obey(words, environ)
