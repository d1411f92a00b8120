from signal import Signals

import pytest

from entrypoint import errors
from entrypoint.errors import EntrypointError, StepFailed, Stopped, Unusable
from entrypoint.output import log


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Unusable("x"), 78),
        (errors.NotAllowed("x"), 77),
        (errors.TimedOut("x"), 75),
        (errors.NotRunnable("x"), 126),
        (errors.NotFound("x"), 127),
        (StepFailed("x", 3), 3),
        (StepFailed("x", 0), 1),
        (Stopped(Signals.SIGTERM), 143),
        (Stopped(Signals.SIGINT), 130),
    ],
    ids=repr,
)
def test_an_error_ends_with_the_code_that_is_promised(error: EntrypointError, code: int) -> None:
    assert error.exit_code == code
    assert len(error.lines()) == 1


def test_problems_are_raised_together_and_printed_a_line_each() -> None:
    with pytest.raises(Unusable) as caught:
        Unusable.check(name for name in ("first", "second"))
    assert caught.value.lines() == ("first", "second")


def test_no_problem_raises_nothing() -> None:
    Unusable.check(())


def test_a_line_begins_with_its_source() -> None:
    assert log.line("nginx", "hello") == "[nginx] hello"
