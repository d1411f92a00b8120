"""The files that programs of the user's own log to: which there are, and whether supervisord can write them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from entrypoint.boot.own_programs import OwnProgram
from entrypoint.boot.programs import Program
from entrypoint.boot.trust import Trust
from entrypoint.errors import EntrypointError, NotAllowed, Unusable


def named(programs: Iterable[Program], declared: Mapping[str, OwnProgram]) -> Mapping[PurePosixPath, str]:
    """Return each file with what names it. Raises Unusable where two programs name one: both would rotate it."""
    found: dict[PurePosixPath, str] = {}
    problems = []
    for program in programs:
        for file in program.log_files:
            told = declared[program.name].told("log")
            if file in found:
                problems.append(f"cannot use {told}: another program logs to that file")
            found[file] = told
    Unusable.check(problems)
    return found


def faults(files: Mapping[PurePosixPath, str], trust: Trust) -> Iterator[EntrypointError]:
    """Yield why files cannot be written or rotated by whoever we are; supervisord will be the same."""
    for file, told in files.items():
        # Not by Path's methods, which raise where a name is too long.
        if not os.path.isdir(file.parent):  # noqa: PTH112 -- see above
            yield Unusable(f"cannot use {told}: there is no folder {file.parent}")
        elif os.path.exists(file) and not os.path.isfile(file):  # noqa: PTH110, PTH113 -- see above
            yield Unusable(f"cannot use {told}: it is no ordinary file")
        elif not os.access(file.parent, os.W_OK | os.X_OK):
            yield NotAllowed(f"cannot use {told}: the folder {file.parent} cannot be written")
        elif fault := trust.fault_of_new(file):
            why = "supervisord writes as root, and would follow a link there; name a folder that root alone can write"
            yield NotAllowed(f"cannot use {told}: {fault}; {why}")
        elif os.path.exists(file) and not os.access(file, os.W_OK):  # noqa: PTH110 -- see above
            yield NotAllowed(f"cannot use {told}: the file cannot be written")
