"""Every error that a user can cause, each with its exit code (sysexits.h where it has a word for it)."""

from collections.abc import Iterable, Sequence

from entrypoint.log import printable


class EntrypointError(Exception):
    """Something a user can mend: one line, `cannot <verb> <what>: <why>`, and an exit code."""

    exit_code = 1

    def lines(self) -> tuple[str, ...]:
        """Return what to print, a line each, whatever text of the user's it repeats."""
        return (printable(str(self)),)


class Unusable(EntrypointError):
    """The environment or a file cannot be used; carries every problem at once."""

    exit_code = 78  # EX_CONFIG

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    @classmethod
    def check(cls, problems: Iterable[str]) -> None:
        """Raise when there is any problem, else do nothing."""
        found = tuple(problems)
        if found:
            raise cls(*found)

    def lines(self) -> tuple[str, ...]:
        """Return the problems, a line each."""
        return tuple(map(printable, self.problems))


class Several(EntrypointError):
    """More than one thing went wrong; the exit code is that of the first."""

    def __init__(self, *errors: EntrypointError) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors
        self.exit_code = errors[0].exit_code

    @classmethod
    def check(cls, errors: Sequence[EntrypointError]) -> None:
        """Raise when there is any: one as it is."""
        if errors:
            raise errors[0] if len(errors) == 1 else cls(*errors)

    def lines(self) -> tuple[str, ...]:
        """Return what each has to print."""
        return tuple(line for error in self.errors for line in error.lines())


class NotAllowed(EntrypointError):
    """A path or a port may not be used by this user."""

    exit_code = 77  # EX_NOPERM


class TimedOut(EntrypointError):
    """Something that we waited for did not come in time."""

    exit_code = 75  # EX_TEMPFAIL


class NotRunnable(EntrypointError):
    """A command is there but cannot be run."""

    exit_code = 126


class NotFound(EntrypointError):
    """A command is not there."""

    exit_code = 127


class StepFailed(EntrypointError):
    """A step ended badly by itself; its own code is the container's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code or 1


class Stopped(EntrypointError):
    """A signal asked us to stop before the boot was done."""

    def __init__(self, signal_number: int, signal_name: str) -> None:
        super().__init__(f"stopped by {signal_name}")
        self.exit_code = 128 + signal_number
