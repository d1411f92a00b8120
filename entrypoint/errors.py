"""The errors that a user can cause, each with its exit code; from sysexits.h where possible."""

from collections.abc import Iterable, Sequence
from signal import Signals
from typing import Final

from entrypoint.output.log import printable


class EntrypointError(Exception):
    """An error that a user can fix: one line, `cannot <verb> <what>: <why>`, and an exit code."""

    exit_code = 1

    def lines(self) -> tuple[str, ...]:
        """Return the lines to print; control characters are escaped."""
        return (printable(str(self)),)


class Unusable(EntrypointError):
    """The environment or a file cannot be used; contains every problem."""

    exit_code = 78  # EX_CONFIG

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    @classmethod
    def check(cls, problems: Iterable[str]) -> None:
        """Raise the error if there are any problems."""
        found = tuple(problems)
        if found:
            raise cls(*found)

    def lines(self) -> tuple[str, ...]:
        """Return one line per problem."""
        return tuple(map(printable, self.problems))


class Several(EntrypointError):
    """More than one error; the exit code is that of the first."""

    def __init__(self, *errors: EntrypointError) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
        self.exit_code = errors[0].exit_code

    @classmethod
    def check(cls, errors: Sequence[EntrypointError]) -> None:
        """Raise the errors, if any; a single error is raised unchanged."""
        if errors:
            raise errors[0] if len(errors) == 1 else cls(*errors)

    def lines(self) -> tuple[str, ...]:
        """Return the lines of all errors."""
        return tuple(line for error in self.errors for line in error.lines())


class NotAllowed(EntrypointError):
    """This user may not use a path or a port."""

    exit_code = 77  # EX_NOPERM


class TimedOut(EntrypointError):
    """A wait reached its timeout."""

    exit_code = 75  # EX_TEMPFAIL


class NotRunnable(EntrypointError):
    """A command exists but cannot be run."""

    exit_code = 126


class NotFound(EntrypointError):
    """A command does not exist."""

    exit_code = 127
    WHY: Final = "there is no such command; install it in the image, or correct its name"


class StepFailed(EntrypointError):
    """A step failed; the container exits with the code of the step."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code or 1


class ProgramFailed(StepFailed):
    """A program that boot has started has ended; `output` are its lines that say why."""

    def __init__(self, message: str, exit_code: int, program: str, output: Sequence[str]) -> None:
        super().__init__(message, exit_code)
        self.program = program
        self.output = tuple(map(printable, output))


class Stopped(EntrypointError):
    """A signal stopped the boot or a command; `state` says what that left behind."""

    def __init__(self, number: Signals, state: str = "") -> None:
        super().__init__(f"stopped by {number.name}{f': {state}' if state else ''}")
        self.number = number
        self.exit_code = 128 + number
