from entrypoint.supervision.restarts import CRASHES, INTERVAL, WINDOW, Restarts, Verdict


def test_a_program_that_has_lived_is_restarted_at_once() -> None:
    restarts = Restarts()
    restarts.started(0)
    restarts.crashed(INTERVAL)
    assert restarts.verdict(INTERVAL) is Verdict.START


def test_two_starts_are_never_close() -> None:
    restarts = Restarts()
    restarts.started(10)
    restarts.crashed(10.1)
    assert restarts.verdict(10.1) is Verdict.WAIT
    assert abs(restarts.due(10.1) - (INTERVAL - 0.1)) < 1e-9
    assert restarts.verdict(10 + INTERVAL) is Verdict.START


def test_a_crash_loop_is_given_up_at_once() -> None:
    restarts = Restarts()
    for crash in range(CRASHES):
        restarts.started(crash * 2)
        restarts.crashed(crash * 2 + 0.1)
    assert restarts.verdict(CRASHES * 2) is Verdict.GIVE_UP
    assert restarts.due((CRASHES - 1) * 2 + 0.1) == 0


def test_rare_crashes_are_forgiven() -> None:
    restarts = Restarts()
    for crash in range(3 * CRASHES):
        now = crash * (WINDOW / (CRASHES - 1) + 0.1)
        restarts.started(now - 5)
        restarts.crashed(now)
        assert restarts.verdict(now) is Verdict.START


def test_who_is_started_by_hand_begins_anew() -> None:
    restarts = Restarts()
    for _ in range(CRASHES):
        restarts.crashed(1)
    restarts.forget()
    assert restarts.verdict(5) is Verdict.START
