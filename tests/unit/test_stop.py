"""How programs share the time of a stop."""

import pytest

from entrypoint.boot.decisions.stop_budget import NGINX_ORDER, SERVER_ORDER, WORKER_ORDER, Member, shares
from entrypoint.errors import Unusable

SITE = (Member("nginx", NGINX_ORDER, waits_for_clients=True), Member("web", SERVER_ORDER))


@pytest.mark.parametrize(
    ("own", "timeout", "drain", "expected"),
    [
        ((), 8, 0, (6, 2)),
        ((), 8, 3, (4, 1)),
        ((), 2, 0, (1, 1)),
        ((Member("a", WORKER_ORDER),), 8, 0, (4, 2, 2)),
        ((Member("a", WORKER_ORDER), Member("b", WORKER_ORDER)), 8, 0, (4, 2, 2, 2)),
        ((Member("a", WORKER_ORDER, 5),), 8, 0, (2, 1, 5)),
        ((Member("a", WORKER_ORDER, 5), Member("b", WORKER_ORDER)), 8, 0, (2, 1, 5, 5)),
        ((Member("a", NGINX_ORDER, 7),), 8, 0, (7, 1, 7)),
        ((Member("a", SERVER_ORDER, 5),), 8, 0, (3, 5, 5)),
        ((Member("a", WORKER_ORDER, 6),), 8, 0, (1, 1, 6)),
        ((Member("a", 1), Member("b", 2), Member("c", 3)), 30, 0, (15, 5, 5, 5, 5)),
    ],
)
def test_the_stop_orders_share_the_time(
    own: tuple[Member, ...], timeout: float, drain: float, expected: tuple[int, ...]
) -> None:
    members = (*SITE, *own)
    found = shares(members, timeout, drain)
    longest = {each.order: max(found[m.name] for m in members if m.order == each.order) for each in members}
    assert sum(longest.values()) <= timeout - drain
    if len(own) < 3:
        assert tuple(found.values()) == expected
    else:
        assert found["nginx"] >= max(found[each.name] for each in own) >= 1


def test_hooks_before_the_stop_have_half_of_it_or_the_drain() -> None:
    assert shares(SITE, 8, hooks=True) == {"nginx": 3, "web": 1}
    assert shares(SITE, 8, 6, hooks=True) == {"nginx": 1, "web": 1}
    with pytest.raises(
        Unusable, match=r"the stop phases add up to pre-stop hooks 1\.5 s \+ nginx 1 s \+ web 1 s; set 4s or more"
    ):
        shares(SITE, 3, hooks=True)
    assert shares(SITE, 4, hooks=True) == {"nginx": 1, "web": 1}


def test_without_a_web_server_a_program_gets_the_whole_time() -> None:
    assert shares([Member("a", WORKER_ORDER), Member("b", WORKER_ORDER, 3)], 8) == {"a": 8, "b": 3}


def test_nothing_to_stop_needs_no_time() -> None:
    assert shares([], 0) == {}


@pytest.mark.parametrize(
    ("own", "timeout", "drain", "told"),
    [
        ((), 1, 0, "nginx does not fit, the stop phases add up to nginx 1 s + web 1 s; set 2s or more"),
        ((), 8, 7, "ENTRYPOINT_DRAIN_DELAY does not fit, the stop phases add up to ENTRYPOINT_DRAIN_DE"),
        ((Member("a", 10, 7, source="a's time"),), 8, 0, "a's time does not fit, the stop phases add up to nginx 1 s"),
        ((Member("a", 10, 7),), 8, 0, "a does not fit, the stop phases add up to nginx 1 s + web 1 s"),
    ],
)
def test_the_program_that_does_not_fit_is_named(
    own: tuple[Member, ...], timeout: float, drain: float, told: str
) -> None:
    with pytest.raises(Unusable) as caught:
        shares((*SITE, *own), timeout, drain)
    assert str(caught.value).startswith(f"cannot use ENTRYPOINT_STOP_TIMEOUT={timeout}s: {told}")
    enough = int(str(caught.value).partition("; set ")[2].partition("s or more")[0])
    assert shares((*SITE, *own), enough, drain)
    with pytest.raises(Unusable):
        shares((*SITE, *own), enough - 1, drain)
