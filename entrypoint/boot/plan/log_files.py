"""The files that user programs log to."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.settings.programs.user_programs import UserProgram
from entrypoint.errors import Unusable


def named(programs: Iterable[Program], declared: Mapping[str, UserProgram]) -> Mapping[PurePosixPath, str]:
    """Return each file with the key that names it. Raises Unusable if two programs would rotate the same file."""
    found: dict[PurePosixPath, str] = {}
    problems = []
    for program in programs:
        for file in program.log_files:
            told = declared[program.name].describe("log")
            if file in found:
                problems.append(f"cannot use {told}: another program logs to that file")
            found[file] = told
    Unusable.check(problems)
    return found
