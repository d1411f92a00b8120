"""The time for a whole stop, and each program's part of it.

The programs of the highest stop order stop first, together; the next order follows, so the times of all orders add up.
Each program is guaranteed a part. Time that an order does not use goes to the next ones
(`entrypoint/supervision/shutdown/stop.py`), so a program may get all the time that is not guaranteed to later ones.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from entrypoint.boot.decisions.servers import Server
from entrypoint.boot.facts.hooks import PRE_STOP
from entrypoint.boot.facts.machine import Machine
from entrypoint.boot.settings.programs.user_programs import CERTIFICATES, NGINX, RELEASE, WEB, UserProgram
from entrypoint.boot.settings.settings import Settings
from entrypoint.errors import Unusable

# nginx drains first (QUIT), then the application server finishes what it has: the only sequence that loses no request.
# Workers stop after the programs that give them work.
NGINX_ORDER: Final = 30
SERVER_ORDER: Final = 20
WORKER_ORDER: Final = 10

_PARTS_OF_THE_FIRST: Final = 3  # it has requests to finish; each other order has one part
_HOOKS_PART: Final = 0.5  # of the whole stop

# After these seconds the engine kills a container that it stops, unless it is configured otherwise.
DOCKER: Final = 10
KUBERNETES: Final = 30
_SPARE: Final = 2  # seconds between the end of the stop timeout and the engine's
_LEAST_SPARE: Final = 1


@dataclass(frozen=True)
class Member:
    """One program in a stop."""

    name: str
    order: int
    seconds: int | None = None  # None: a part of the unassigned time
    waits_for_clients: bool = False
    source: str = ""  # the key that sets the seconds


class StopTime(NamedTuple):
    """The seconds that a program gets from its stop signal to SIGKILL."""

    guaranteed: int  # when the container stops
    longest: int  # when it stops alone, or nobody before it uses any time


def order_of(own: UserProgram) -> int:
    """Return the stop order of a user's program."""
    return own.stop_order or (SERVER_ORDER if own.serves else WORKER_ORDER)


def stop_times(settings: Settings, machine: Machine, server: Server | None, timeout: float) -> Mapping[str, StopTime]:
    """Return each program's time in a stop of at most `timeout` seconds, by name. Raises Unusable."""
    members = tuple(_members(settings, server))
    hooks = bool(machine.hooks.of(PRE_STOP))
    guaranteed = shares(members, timeout, settings.drain_delay, hooks=hooks, request=settings.request_timeout)
    return {
        each.name: StopTime(guaranteed[each.name], _longest(each, members, guaranteed, timeout - settings.drain_delay))
        for each in members
    }


def check(settings: Settings, server: Server | None) -> None:
    """Raise Unusable if the programs and the drain do not fit into ENTRYPOINT_STOP_TIMEOUT. Hooks are not counted."""
    shares(tuple(_members(settings, server)), settings.stop_timeout, settings.drain_delay)


def _longest(member: Member, members: Iterable[Member], guaranteed: Mapping[str, int], total: float) -> int:
    """Return the time that the user has set, or `total` without the time that is guaranteed to later orders."""
    if member.seconds is not None:
        return member.seconds
    later = {each.order for each in members if each.order < member.order}
    return int(total) - sum(max(guaranteed[each.name] for each in members if each.order == order) for order in later)


def _members(settings: Settings, server: Server | None) -> Iterator[Member]:
    if settings.behind_nginx:
        yield Member(NGINX, NGINX_ORDER, waits_for_clients=True)
        if settings.acme:
            yield Member(CERTIFICATES, NGINX_ORDER)  # with nginx, so it takes no time from others
    if server:
        yield Member(server.name, SERVER_ORDER, waits_for_clients=not settings.behind_nginx)
    for own in settings.chosen:
        if own.name != RELEASE:
            waits = own.name == WEB and not settings.behind_nginx
            seconds = None if own.stop_timeout is None else math.ceil(own.stop_timeout)
            source = "" if seconds is None else own.describe("stop_timeout")
            yield Member(own.name, order_of(own), seconds, waits, source)


def fits(stop_timeout: float, grace: float) -> bool:
    """Return whether an engine that kills after `grace` seconds lets a stop of `stop_timeout` seconds finish."""
    return stop_timeout + _LEAST_SPARE <= grace


def grace_for(stop_timeout: float) -> int:
    """Return the grace period in seconds to set in an engine for a stop of `stop_timeout` seconds."""
    return math.ceil(stop_timeout) + _SPARE


def engine_setting(stop_timeout: float, *, kubernetes: bool = False) -> str:
    """Return the option that lets the engine wait for a stop of `stop_timeout` seconds; empty if it does by default.

    Without `kubernetes` the engine is not known.
    """
    seconds = grace_for(stop_timeout)
    settings = []
    if not kubernetes and not fits(stop_timeout, DOCKER):
        settings.append(f"docker run --stop-timeout {seconds}")
    if not fits(stop_timeout, KUBERNETES):
        settings.append(f"terminationGracePeriodSeconds: {seconds}")
    return " or ".join(settings)


def engine_default(stop_timeout: float, *, kubernetes: bool = False) -> str:
    """Return when an engine without `engine_setting` kills the container, in words."""
    docker, late = f"Docker kills the container after {DOCKER} s", f"after {KUBERNETES} s"
    if kubernetes:
        return f"Kubernetes kills the container {late}"
    return f"{docker}, Kubernetes {late}" if not fits(stop_timeout, KUBERNETES) else docker


def hook_seconds(stop_timeout: float, drain_delay: float) -> float:
    """Return how long the pre-stop hooks may take: half of the stop, or as long as the drain."""
    return max(drain_delay, stop_timeout * _HOOKS_PART)


def shares(
    members: Sequence[Member],
    stop_timeout: float,
    drain_delay: float = 0,
    *,
    hooks: bool = False,
    request: float = 0,
) -> Mapping[str, int]:
    """Return each program's guaranteed seconds from its stop signal to SIGKILL, by name.

    The drain and the pre-stop `hooks` run first, at the same time. `request` is the seconds of the longest request.
    Raises Unusable if `stop_timeout` is too short; the message names the program that needs most of it.
    """
    orders = {each.order for each in members}
    least = {order: max(_least(each) for each in members if each.order == order) for order in orders}
    rest = stop_timeout - (hook_seconds(stop_timeout, drain_delay) if hooks else drain_delay)
    if sum(least.values()) > rest:
        raise Unusable(_too_much(members, least, stop_timeout, drain_delay, hooks=hooks))
    left = _shares_of_orders(members, least, rest, math.ceil(request))
    return {each.name: left[each.order] if each.seconds is None else each.seconds for each in members}


def _shares_of_orders(
    members: Iterable[Member], least: Mapping[int, int], total: float, request: int
) -> Mapping[int, int]:
    """Return the seconds of each order: those that its programs set; the order with the clients gets most of the rest.

    If the others can give it enough time for the longest `request`, they do.
    """
    unset = {each.order for each in members if each.seconds is None}
    if not unset:
        return least
    clients = {each.order for each in members if each.seconds is None and each.waits_for_clients}
    first = max(clients or unset)
    # Where one program of an order sets more than the least, the others of that order get as much.
    fixed = {order: time for order, time in least.items() if order not in unset or (time > 1 and order != first)}
    sharing = unset - fixed.keys() - {first}
    rest = total - sum(fixed.values())
    share = max(1, round(rest / (len(sharing) + (_PARTS_OF_THE_FIRST if clients else 1))))
    if rest - share * len(sharing) < least[first]:
        share = 1
    if sharing and clients and int(rest - share * len(sharing)) < request <= rest - len(sharing):
        share = int((rest - request) / len(sharing))
    return {**fixed, **dict.fromkeys(sharing, share), first: int(rest - share * len(sharing))}


def _least(member: Member) -> int:
    return 1 if member.seconds is None else member.seconds


def _too_much(
    members: Sequence[Member], least: Mapping[int, int], stop_timeout: float, drain_delay: float, *, hooks: bool
) -> str:
    """Return the message, which names the program that needs most and all the times that add up."""
    orders = sorted(least, reverse=True)
    longest = [next(m for m in members if m.order == order and _least(m) == least[order]) for order in orders]
    parts = [f"{each.name} {_least(each)} s" for each in longest]
    of_hooks = stop_timeout * _HOOKS_PART if hooks else 0
    if drain_delay or hooks:
        name = "pre-stop hooks" if of_hooks > drain_delay else "ENTRYPOINT_DRAIN_DELAY"
        parts.insert(0, f"{name} {max(of_hooks, drain_delay):g} s")
    most = max(longest, key=_least)
    culprit = "ENTRYPOINT_DRAIN_DELAY" if drain_delay >= _least(most) else most.source or most.name
    programs = sum(least.values())
    needed = math.ceil(max(drain_delay + programs, programs / (1 - _HOOKS_PART) if hooks else 0))
    engine = engine_setting(needed)
    return (
        f"cannot use ENTRYPOINT_STOP_TIMEOUT={stop_timeout:g}s: {culprit} does not fit, "
        f"the stop phases add up to {' + '.join(parts)}; set {needed}s or more{' with ' if engine else ''}{engine}"
    )
