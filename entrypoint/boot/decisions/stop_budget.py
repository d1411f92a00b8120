"""The time that a whole stop has, and what of it each program gets. Tiers stop one after the other, so they add up."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from entrypoint.errors import Unusable

# nginx drains first (QUIT), then the application server finishes what it has: of all orders and signals the one that
# loses no request. Workers come after what gives them work.
NGINX_TIER: Final = 30
SERVER_TIER: Final = 20
OWN_TIER: Final = 10

_OF_THE_FIRST: Final = 3  # parts; it has requests to finish, the others one
_HOOKS_SHARE: Final = 0.5  # of the whole stop


@dataclass(frozen=True)
class Member:
    """One program that is to be stopped."""

    name: str
    tier: int
    seconds: int | None = None  # None: what is left
    waits_for_clients: bool = False
    source: str = ""  # who said the seconds


def hook_seconds(stop_timeout: float, drain_delay: float) -> float:
    """Return how long the pre-stop hooks may take: half of the stop, or as long as the drain."""
    return max(drain_delay, stop_timeout * _HOOKS_SHARE)


def shares(
    members: Sequence[Member], stop_timeout: float, drain_delay: float = 0, *, hooks: bool = False
) -> Mapping[str, int]:
    """Return the seconds that each program has from its stop signal to SIGKILL, by name.

    Before the first tier there is the drain, or `hooks` of pre-stop, which may take longer. Raises Unusable where some
    program finds no room in `stop_timeout`, naming it.
    """
    least = {tier: max(_least(each) for each in members if each.tier == tier) for tier in {m.tier for m in members}}
    rest = stop_timeout - (hook_seconds(stop_timeout, drain_delay) if hooks else drain_delay)
    if sum(least.values()) > rest:
        raise Unusable(_too_much(members, least, stop_timeout, drain_delay, hooks=hooks))
    left = _shares_of_tiers(members, least, rest)
    return {each.name: left[each.tier] if each.seconds is None else each.seconds for each in members}


def _shares_of_tiers(members: Iterable[Member], least: Mapping[int, int], total: float) -> Mapping[int, int]:
    """Return the seconds of each tier: what its programs ask for, and of the rest most to the one with the clients."""
    open_ = {each.tier: each.waits_for_clients for each in sorted(members, key=_clients_last) if each.seconds is None}
    if not open_:
        return least
    first = next((tier for tier in open_ if open_[tier]), max(open_))
    # A tier in which a program asks for more than the least has that, and its others with it.
    fixed = {tier: seconds for tier, seconds in least.items() if tier not in open_ or (seconds > 1 and tier != first)}
    sharing = [tier for tier in open_ if tier not in fixed and tier != first]
    rest = total - sum(fixed.values())
    share = max(1, round(rest / (len(sharing) + (_OF_THE_FIRST if open_[first] else 1))))
    if rest - share * len(sharing) < least[first]:
        share = 1
    return {**fixed, **dict.fromkeys(sharing, share), first: int(rest - share * len(sharing))}


def _clients_last(member: Member) -> bool:
    return member.waits_for_clients


def _least(member: Member) -> int:
    return 1 if member.seconds is None else member.seconds


def _too_much(
    members: Sequence[Member], least: Mapping[int, int], stop_timeout: float, drain_delay: float, *, hooks: bool
) -> str:
    """Return the line that names the program that takes most, and all that add up."""
    longest = [next(m for m in members if m.tier == tier and _least(m) == least[tier]) for tier in sorted(least)[::-1]]
    parts = [f"{each.name} {_least(each)} s" for each in longest]
    of_hooks = stop_timeout * _HOOKS_SHARE if hooks else 0
    if drain_delay or hooks:
        name = "pre-stop hooks" if of_hooks > drain_delay else "ENTRYPOINT_DRAIN_DELAY"
        parts.insert(0, f"{name} {max(of_hooks, drain_delay):g} s")
    most = max(longest, key=_least)
    culprit = "ENTRYPOINT_DRAIN_DELAY" if drain_delay >= _least(most) else most.source or most.name
    programs = sum(least.values())
    needed = math.ceil(max(drain_delay + programs, programs / (1 - _HOOKS_SHARE) if hooks else 0))
    return (
        f"cannot use ENTRYPOINT_STOP_TIMEOUT={stop_timeout:g}s: {culprit} does not fit, "
        f"for one after the other the stop takes {' + '.join(parts)}; set {needed}s or more, "
        "and let Docker or Kubernetes wait longer than that"
    )
