"""The containers of a manifest, whatever engine it is for."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from entrypoint.boot.decisions import stop_budget

ENTRYPOINT: Final = "entrypoint"  # our command
_OURS: Final = re.compile(
    r"ENTRYPOINT_.+|DJANGO_ENV|(?:DJANGO_)?SUPERUSER_.+|NGINX_(?:CLIENT|WORKER|TLS|STATIC|MEDIA)_.+"
)
_MIGRATE: Final = re.compile(r"(?:manage\.py|django-admin|-m django)\s+migrate\b")
_URL: Final = re.compile(r"(https?)://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(\d+))?(/[^\s'\"?#|;&]*)?")


class Engine(NamedTuple):
    """The words of one engine."""

    name: str
    grace: str  # the key of the time after which it kills
    usual_grace: int  # its default, in seconds
    seconds: str  # how it spells seconds
    health: str  # how a check runs our command


COMPOSE: Final = Engine(
    "Docker", "stop_grace_period", stop_budget.DOCKER, "{}s", 'test: ["CMD", "entrypoint", "health"]'
)
KUBERNETES: Final = Engine(
    "Kubernetes",
    "terminationGracePeriodSeconds",
    stop_budget.KUBERNETES,
    "{}",
    "exec: {command: [entrypoint, health, live]}",
)


class Probe(NamedTuple):
    """One health check of an engine."""

    where: str  # its key
    kills: bool = False  # whether a failure ends the container
    port: str | None = None  # a number, or the name of a port of the container; None: it connects nowhere
    path: str | None = None
    host: bool = False  # whether the request names a host of its own
    tls: bool = False
    command: tuple[str, ...] = ()


@dataclass
class Variables:
    """The environment that a manifest gives to a container."""

    texts: dict[str, str] = field(default_factory=dict)  # empty if the manifest has no text, as for a secret
    origins: dict[str, str] = field(default_factory=dict)  # where each variable is set
    missing: list[str] = field(default_factory=list)  # the files and ConfigMaps that do not exist here

    def add(self, name: str, value: str | None, origin: str) -> None:
        """Add a variable, which replaces an earlier one."""
        self.texts[name] = value or ""
        self.origins[name] = origin

    def knows(self, name: str) -> bool:
        """Return whether the value of the variable is known, or that it is unset."""
        if name in self.texts:
            return bool(self.texts[name])
        return not self.missing and f"{name}_FILE" not in self.texts


@dataclass(frozen=True)
class Container:
    """One container."""

    file: str
    where: str  # its name in messages
    engine: Engine
    image: str
    variables: Variables
    replaced: bool  # whether another command runs in place of the image's
    words: tuple[str, ...]  # the arguments of our command, or the whole command that replaces it; none: it boots
    grace: float | None  # seconds from the stop signal to SIGKILL; None if it cannot be known
    grace_given: bool
    pre_stop: float = 0  # the seconds that a preStop hook takes before the stop signal
    probes: tuple[Probe, ...] = ()
    ports: tuple[int, ...] = ()  # the ports inside the container that the manifest lists
    named_ports: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    root: bool | None = None  # whether root starts it; None: as the image says
    endpoints: bool = False  # whether requests go to a list of endpoints, which changes after the stop has begun
    after: frozenset[str] = frozenset()  # the containers that have ended or are healthy before it starts
    builds: str | None = None  # the folder from which the manifest builds its image

    def number_of(self, port: str) -> int | None:
        """Return the number of a port that may be given by name; None if the container names no such port."""
        return int(port[:6]) if port.isdecimal() else self.named_ports.get(port)

    @property
    def boots(self) -> bool:
        """Whether its command is that of a boot."""
        return not self.replaced and self.words in ((), ("serve",))

    @property
    def migrates(self) -> bool:
        """Whether it applies the migrations and ends."""
        if self.words[:1] == ("prepare",) and not self.replaced:
            options = set(_options(self.words))
            chosen = ("--only", "migrate") in options or all(option != "--only" for option, _ in options)
            return chosen and ("--skip", "migrate") not in options
        return _MIGRATE.search(" ".join(self.words)) is not None

    @property
    def settings(self) -> list[str]:
        """Our settings that it gets. A file or a ConfigMap may give them to other containers, too."""
        return [] if self.replaced else [name for name in self.variables.texts if _OURS.fullmatch(name)]

    @property
    def recognized(self) -> bool:
        """Whether the manifest shows that our command runs in it."""
        return not self.replaced and (
            any(self.variables.origins[name] == self.where for name in self.settings)
            or any((probe.path or "").startswith("/-/") or runs_entrypoint(probe.command) for probe in self.probes)
        )


def ours(containers: Iterable[Container]) -> list[Container]:
    """Return the containers that run our command, and those of the same image.

    If there are none: the containers whose image the manifest builds, else those that get a setting of ours.
    """
    every = list(containers)
    sources = {source for each in every if each.recognized for source in (each.image, each.builds) if source}
    return (
        [each for each in every if each.recognized or _is_from(each, sources)]
        or [each for each in every if each.builds and not each.replaced]
        or [each for each in every if each.settings]
    )


def _is_from(container: Container, sources: Collection[str]) -> bool:
    same = container.image in sources or container.builds in sources
    return same and (not container.replaced or container.migrates)


def command_of(command: tuple[str, ...] | None, arguments: tuple[str, ...] | None) -> tuple[bool, tuple[str, ...]]:
    """Return whether another command replaces ours, and our arguments or the whole other command."""
    words, given = command or (), arguments or ()
    at = next((at for at, word in enumerate(words) if word.rpartition("/")[2] == ENTRYPOINT), None)
    return (False, (*words[at + 1 :], *given)) if at is not None else (bool(words), (*words, *given))


def runs_entrypoint(command: tuple[str, ...]) -> bool:
    """Return whether a check runs our command."""
    return any(word.rpartition("/")[2] == ENTRYPOINT for part in command for word in part.split())


def probe_of(command: tuple[str, ...], where: str, *, kills: bool) -> Probe:
    """Return what a command such as curl probes."""
    line = " ".join(command)
    match = _URL.search(line)
    if match is None:
        return Probe(where, kills, command=command)
    scheme, port, path = match.groups()
    tls = scheme == "https"
    host = re.search(r"[Hh]ost:", line) is not None
    return Probe(where, kills, port or ("443" if tls else "80"), path or "/", host, tls, command)


def _options(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, (*words[1:], ""), strict=True):
        name, equals, value = word.partition("=")
        yield name, value if equals else following
