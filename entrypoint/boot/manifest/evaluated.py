"""The settings of a container in a manifest, parsed as at its boot.

This process stands for the image: its environment is used as the image's, and so is the project's file in its working
directory. The check is most exact inside the image.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from entrypoint.boot.decisions import stop_budget
from entrypoint.boot.decisions.servers import SERVERS, Server
from entrypoint.boot.manifest.containers import Container
from entrypoint.boot.settings import server_names
from entrypoint.boot.settings.programs.user_programs import VARIABLE
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.errors import Unusable

_CANNOT_USE: Final = "cannot use "
_NAME: Final = re.compile(r"(?:cannot (?:use|read) )?([A-Z][A-Z0-9_]*)")
_OF_THE_IMAGE: Final = re.compile(r"cannot use ENTRYPOINT_PROGRAMS: there is no program ([a-z0-9-]+)")
_FILE: Final = "_FILE"


@dataclass(frozen=True)
class Evaluated:
    """A container and its settings."""

    container: Container
    settings: Settings | None  # None if they cannot be used
    problems: tuple[tuple[str, str], ...] = ()  # the place and the text of each mistake in the settings
    warnings: tuple[tuple[str, str], ...] = ()  # the place and the text of each probable mistake
    programs: tuple[str, ...] = ()  # the programs that the image must define

    def knows(self, name: str) -> bool:
        """Return whether the value of a setting, or that it has its default, is known."""
        return self.container.variables.knows(name) and all(_named(problem) != name for _, problem in self.problems)


def evaluate(container: Container, environ: Mapping[str, str]) -> Evaluated:
    """Return the settings of a container. `environ` is the environment of the image."""
    variables = container.variables
    given = {**environ, **_known(variables.texts)}
    unknown = {name.removesuffix(_FILE) for name, text in given.items() if name in variables.texts and not text}
    problems: dict[str, None] = {}
    programs: list[str] = []
    settings = None
    while settings is None:
        try:
            settings = Settings.read(given)
        except Unusable as error:
            before, judged = dict(given), frozenset(unknown)
            for problem in error.problems:
                if match := _OF_THE_IMAGE.fullmatch(problem):
                    programs.append(match[1])
                    given[f"{VARIABLE}{match[1].replace('-', '_').upper()}"] = "true"
                    continue
                # A problem is not reported if it depends on a variable that is unknown, or was a mistake itself.
                if judged.isdisjoint(re.findall(r"[A-Z][A-Z0-9_]+", problem)):
                    problems[problem] = None
                for name in (_named(problem), f"{_named(problem)}{_FILE}"):
                    given.pop(name, None)
                    unknown.add(name)
            if given == before:
                break
    if settings and not problems:
        try:
            stop_budget.check(settings, _server(settings))
        except Unusable as error:
            problems.update(dict.fromkeys(error.problems))
    return Evaluated(
        container,
        settings,
        tuple((_origin(container, each), each.removeprefix(_CANNOT_USE)) for each in problems),
        tuple(
            (_origin(container, each), each)
            for each in (settings.warnings if settings else ())
            if _named(each) in variables.texts
        ),
        tuple(programs),
    )


def _known(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the variables. `NAME_FILE` has no text: the file exists only in the container."""
    settings = {name for spec in setting_specs() for name in spec.names}
    found = dict(texts)
    for name in texts:
        stem = name.removesuffix(_FILE)
        ours = stem.startswith(("ENTRYPOINT_", "NGINX_")) and stem not in settings and not stem.startswith(VARIABLE)
        if stem not in ("", name) and not texts.get(stem) and not ours:
            found[name] = ""
    return found


def _origin(container: Container, problem: str) -> str:
    """Return where the variable of a problem is set. Many containers may use one ConfigMap."""
    return container.variables.origins.get(_named(problem), container.where)


def _named(problem: str) -> str:
    """Return the variable with which the text of a problem begins, or an empty text."""
    match = _NAME.match(problem)
    return match[1] if match else ""


def _server(settings: Settings) -> Server | None:
    name = settings.server or ("runserver" if settings.development else "uwsgi")
    return None if not settings.serves or settings.own_server or name == server_names.NONE else SERVERS[name]
