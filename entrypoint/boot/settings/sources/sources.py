"""The sources of settings: the project's file, the environment, which overrides it, and NAME_FILE."""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from entrypoint.boot.settings import server_names
from entrypoint.boot.settings.programs import sites
from entrypoint.boot.settings.programs.sites import Site
from entrypoint.boot.settings.programs.user_programs import PROCFILE, VARIABLE, UserProgram, UserPrograms
from entrypoint.boot.settings.sources import compat, other_names, project_file, textfile
from entrypoint.boot.settings.sources.compat import Given
from entrypoint.boot.settings.sources.project_file import Project
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust import accounts
from entrypoint.boot.trust.trust import Trust
from entrypoint.secret import Secret

ENVIRONMENT: Final = "environment"
_RUN_SECRETS: Final = "/run/secrets/"
# Kubernetes sets these in each container for a service named entrypoint or nginx (its page "Service", discovery).
_KUBERNETES: Final = re.compile(r"(?:ENTRYPOINT|NGINX)_(?:SERVICE_.+|PORT(?:_.+)?)")
# A boot sets these, and a hook or a program may run `entrypoint`.
MIGRATED: Final = "ENTRYPOINT_MIGRATED"
"""How many migrations the boot has applied, for the hooks after them."""
SOURCED: Final = "ENTRYPOINT_SOURCED"
"""Is set while hooks are sourced, and afterwards: the environment then has their variables."""
OTHER_NAMES: Final = re.compile(rf"{_KUBERNETES.pattern}|{VARIABLE}.+|{MIGRATED}|{SOURCED}")
SUPERUSER_FIELD: Final = re.compile(r"(?:DJANGO_)?SUPERUSER_([A-Z][A-Z0-9_]*)")


class Sources:
    """One pass over all sources, which collects every problem."""

    def __init__(self, environ: Mapping[str, str], setting_specs: tuple[SettingSpec, ...]) -> None:
        self.environment = dict(environ)
        self.origins: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.tiangolo = False
        self._specs = setting_specs
        self._folder = Path()
        self._project = Project()
        self._procfile = ""
        self._other = compat.NO_OTHER_IMAGE
        self._refused: set[str] = set()
        numbers = accounts.numeric(environ.get("PUID") or None, environ.get("PGID") or None)
        self.owner = accounts.owner_in_development(environ)
        self._trust = Trust.of([*([self.owner] if self.owner else []), environ.get("ENTRYPOINT_USER") or numbers])

    def refused(self, name: str) -> bool:
        """Return whether a problem with this variable was reported."""
        return name in self._refused

    def read_project(self, variable: str) -> None:
        """Read the project's file and Procfile in the folder in `variable`, by default the working directory.

        An application for one of tiangolo's images lies in /app by default, whatever the working directory is.
        """
        text = self.text_of(variable)
        if self.refused(variable) or (text and not text.startswith("/")):
            return
        self._read_folder(Path(text or "."))
        self.tiangolo = self._is_tiangolo(text)
        if not self.tiangolo:
            return
        if not text and Path.cwd() != compat.HOME:
            self._read_folder(compat.HOME)
        folder = Path(text or compat.HOME)
        sized = bool(self.text_of("WEB_CONCURRENCY") or self._project.texts.get("web_concurrency"))
        self._other = compat.read(folder, self.environment, self._trust, self.problems.append, sized=sized)
        self.environment |= self._other.environment

    def _read_folder(self, folder: Path) -> None:
        by_key = {spec.key: spec for spec in self._specs}
        self._folder = folder
        self._project = project_file.read(folder, by_key, self.problems.append, self._trust, self.environment)
        self._procfile = self._text_of_file(folder / PROCFILE)

    def _is_tiangolo(self, folder: str) -> bool:
        """Return whether the application was made for one of tiangolo's images: ENTRYPOINT_COMPAT, or by its files."""
        mode = self.text_of("ENTRYPOINT_COMPAT") or self._project.texts.get("compat") or compat.AUTO
        if mode != compat.AUTO:
            return mode == compat.TIANGOLO
        return folder in ("", str(compat.HOME)) and compat.has_application() and not self._has_own_application()

    def _has_own_application(self) -> bool:
        """Return whether the settings, or the files in the application's folder, name what runs in this container."""
        return bool(
            self._project.file
            or self._procfile
            or self.text_of("ENTRYPOINT_APP")
            or self.text_of("ENTRYPOINT_SERVER") == server_names.NONE
            or any(name.startswith("ENTRYPOINT_PROGRAM") for name in self.environment)
            or os.path.lexists(self._folder / "manage.py")
        )

    def _text_of_file(self, path: Path) -> str:
        """Return the text of a file; empty if it does not exist or cannot be read."""
        try:
            return textfile.read(path, self._trust) if os.path.lexists(path) else ""
        except ValueError as error:
            self.problems.append(f"cannot read {shown(str(path))}: {error}")
            return ""

    def value(self, spec: SettingSpec) -> Any:  # noqa: ANN401 -- the spec's type
        """Return the value of a setting; None if it is not set or is invalid."""
        found = {name: text for name in spec.names if (text := self.text_of(name))}
        if self._refused.intersection(spec.names):
            self._refused.add(spec.name)
            return None
        if not found:
            return self._value_elsewhere(spec)
        name, text = next(iter(found.items()))
        if len(set(found.values())) > 1:
            why = "they mean the same setting and have different values; unset one of them"
            return self._refuse(name, f"cannot use {' and '.join(found)}: {why}")
        try:
            return spec.type(text)
        except ValueError as error:
            value = "" if spec.secret else f"={shown(text)}"
            return self._refuse(name, f"cannot use {name}{value}: {error}")

    def _value_elsewhere(self, spec: SettingSpec) -> Any:  # noqa: ANN401 -- as above
        """Return the value from another image's variable, from the project's file, or that image's default."""
        found = self._other.given.get(spec.name) or self._in_project(spec) or self._other.defaults.get(spec.name)
        if found is None:
            return None
        self._note(spec.name, found.text, found.origin)
        try:
            return spec.type(found.text)
        except ValueError as error:
            return self._refuse(spec.name, f"cannot use {found.label}: {error}{found.remedy}")

    def _in_project(self, spec: SettingSpec) -> Given | None:
        text = self._project.texts.get(spec.key)
        if not text:
            return None
        value = "" if spec.secret else f"={shown(text)}"
        return Given(f"{spec.key}{value} in {self._project.file}", text, self._project.file)

    def text_of(self, name: str) -> str:
        """Return the text of one variable or of its NAME_FILE; empty if it is unset."""
        if name in self.texts or self.refused(name):
            return self.texts.get(name, "")
        path = self.environment.pop(f"{name}_FILE", "")
        text = self.environment.get(name, "")
        if path and text:
            self._refuse(name, f"cannot use {name}: {name}_FILE is also set; unset one of them")
        elif path:
            self._read_file(name, path)
        elif text:
            self._note(name, text, ENVIRONMENT)
        return self.texts.get(name, "")

    def _read_file(self, name: str, path: str) -> None:
        try:
            text = textfile.read(Path(path), self._trust).rstrip("\r\n")
        except ValueError as error:
            missing = str(error) == os.strerror(errno.ENOENT)
            hint = f"; mount the file, or unset {name}_FILE" if missing else ""
            self._refuse(name, f"cannot read {name}_FILE={shown(path)}: {error}{hint}")
            return
        if not text:
            self._refuse(name, f"cannot use {name}_FILE={shown(path)}: the file is empty")
        elif "\0" in text:
            self._refuse(name, f"cannot use {name}_FILE={shown(path)}: it contains a NUL")
        else:
            self.environment[name] = text
            self._note(name, text, path)

    def read_files(self, names: tuple[str, ...]) -> None:
        """Resolve NAME_FILE of other variables: those in `names`, and those with a file under /run/secrets."""
        settings = {spec.name for spec in self._specs}  # NGINX_BASIC_AUTH_FILE is a setting itself
        for variable, path in list(self.environment.items()):
            name = variable.removesuffix("_FILE")
            if (
                name not in ("", variable)
                and variable not in settings
                and (name in names or path.startswith(_RUN_SECRETS))
            ):
                self.text_of(name)

    def superuser_fields(self) -> dict[str, Secret]:
        """Return the values of `SUPERUSER_<FIELD>`, by field, without those that are settings."""
        known = {name for spec in self._specs for name in spec.names}
        found = {}
        for variable in list(self.environment):
            match = SUPERUSER_FIELD.fullmatch(variable.removesuffix("_FILE"))
            if match and match[0] not in known and (value := self.text_of(match[0])):
                found[match[1].lower()] = Secret(value)
        return found

    def sites(self) -> dict[str, Site]:
        """Return the further sites, by the programs that serve them."""
        found: dict[str, Site] = {}
        for site in sites.read(self._project.file, self._project.sites, self.problems.append):
            if (other := found.setdefault(site.application, site)) is not site:
                why = f"{site.application} serves sites.{other.name}, too; name the hosts of both there"
                self.problems.append(f"cannot use {site.describe('application')}: {why}")
        return found

    def programs(self, sites: Mapping[str, Site]) -> dict[str, UserProgram]:
        """Return the user programs. The environment overrides the project's file, which overrides a Procfile.

        `sites` are the further sites, by the programs that serve them.
        """
        found = UserPrograms(self.problems.append)
        found.add_procfile(self._procfile)
        found.add_tables(self._project.file, self._project.programs)
        for variable in sorted(name.removesuffix("_FILE") for name in self.environment if name.startswith(VARIABLE)):
            if variable != VARIABLE and (command := self.text_of(variable)):
                found.add_variable(variable, command)
        return found.programs(sites)

    def check_names(self) -> None:
        """Report each variable that looks like a setting and is not one, with the name that was probably meant."""
        known = [spec.name for spec in self._specs]
        ours = (name for name in self.environment if name.startswith(("ENTRYPOINT_", "NGINX_")))
        for name in sorted({*ours}.difference(known, self._other.names)):
            if OTHER_NAMES.fullmatch(name):
                continue
            why = f"there is no such setting{other_names.hint(name, known)}"
            if name.startswith("ENTRYPOINT_"):
                self.problems.append(f"cannot use {shown(name)}: {why}")
            else:  # it may belong to another program, such as the nginx image's scripts
                self.warnings.append(f"{shown(name)} has no effect: {why}")
        others = {
            name: text
            for name, text in {**self.environment, **self.texts}.items()
            if name not in self._project.variables | self._other.names
        }
        django = os.path.lexists(self._folder / "manage.py")
        hints = list(other_names.warnings(others, self._specs, django=django))
        # A misspelt name may be the cause of a problem, such as a setting that is missing.
        (self.problems or self.warnings).extend(hints)

    def _note(self, name: str, text: str, origin: str) -> None:
        self.texts[name] = text
        self.origins[name] = origin

    def _refuse(self, name: str, problem: str) -> None:
        self._refused.add(name)
        self.problems.append(problem)
