"""The traceback of an error in the application, from the application's own first frame on."""

import os
import traceback
from pathlib import Path
from typing import Final

import django

_ENTRYPOINT: Final = str(Path(__file__).resolve().parents[1])
_STANDARD_LIBRARY: Final = os.path.dirname(os.__file__)  # noqa: PTH120 -- as frames name it
_PACKAGES: Final = frozenset({"site-packages", "dist-packages"})
# The packages of Django and of the database drivers raise errors, but do not cause them.
_LIBRARIES: Final = frozenset(
    {"psycopg", "psycopg_binary", "psycopg_c", "psycopg2", "MySQLdb", "pymysql", "oracledb", "sqlite3"}
)


def application_traceback(error: BaseException, *, chain: bool = True) -> str:
    """Return the traceback without frames of the toolkit; empty if the application's code did not raise the error.

    With `chain` it includes the errors that caused this one.
    """
    report = traceback.TracebackException.from_exception(error)
    own = next((at for at, frame in enumerate(report.stack) if _is_applications(frame.filename)), None)
    if own is None:
        return ""
    del report.stack[:own]
    each: traceback.TracebackException | None = report
    while each:
        each.stack = traceback.StackSummary.from_list(
            [frame for frame in each.stack if not _is_in(frame.filename, _ENTRYPOINT)]
        )
        each = each.__cause__ or each.__context__
    return "".join(report.format(chain=chain))


def _is_applications(file: str) -> bool:
    parts = Path(file).parts
    if file.startswith("<") or any(_is_in(file, folder) for folder in (_ENTRYPOINT, *django.__path__)):
        return False
    if _PACKAGES.isdisjoint(parts):
        return not _is_in(file, _STANDARD_LIBRARY)
    return _LIBRARIES.isdisjoint(parts)


def _is_in(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/")
