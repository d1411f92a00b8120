"""What a user may set: one declaration a variable, read once, every problem reported at once.

Add a setting by adding a field to `Settings`; nothing else lists them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

from entrypoint.boot import values
from entrypoint.boot.values import Listen
from entrypoint.errors import Unusable
from entrypoint.secret import MASK, Secret

ENVIRONMENT: Final = "environment"
RUN_SECRETS: Final = "/run/secrets/"
# What Kubernetes puts into each container beside a service that is named "entrypoint" (its page "Service", discovery).
_KUBERNETES: Final = re.compile(r"ENTRYPOINT_(SERVICE_.+|PORT(_.+)?)")
_SUPERUSER: Final = re.compile(r"(?:DJANGO_)?SUPERUSER_([A-Z][A-Z0-9_]*)")
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True)
class Declaration:
    """One setting: its name in the environment, how its text is read, what it means."""

    name: str
    parse: Callable[[str], Any]
    meaning: str
    otherwise: str  # what holds where it is not set, in words
    aliases: tuple[str, ...] = ()


def setting(  # noqa: PLR0913 -- one argument a column of the reference table
    name: str,
    parse: Callable[[str], Any],
    meaning: str,
    *,
    default: Any = None,  # noqa: ANN401 -- of the type that `parse` returns
    otherwise: str = "none",
    aliases: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 -- a dataclass field takes the type of its annotation
    """Declare one setting; `default` is a text, read like one from the environment."""
    value = None if default is None else parse(default)
    declaration = Declaration(name, parse, meaning, otherwise if default is None else default, aliases)
    return field(default=value, metadata={"declaration": declaration})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one boot, typed; None where a setting is not set and has no fixed default."""

    settings_module: str | None = setting(
        "DJANGO_SETTINGS_MODULE",
        values.module,
        "Django's settings; handed on",
        otherwise="as manage.py sets it",
    )
    listen: Listen | None = setting(
        "PORT",
        values.listen,
        "where nginx listens: a port, or address:port",
        otherwise="80 as root, else 8080",
    )
    workers: int | None = setting(
        "WEB_CONCURRENCY",
        values.count,
        "worker processes of the application server",
        otherwise="from the CPU and memory that the container may use",
    )
    superuser_username: str | None = setting(
        "SUPERUSER_USERNAME",
        values.text,
        "created once, if no such user exists",
        aliases=("DJANGO_SUPERUSER_USERNAME",),
    )
    superuser_email: str | None = setting(
        "SUPERUSER_EMAIL", values.email, "the superuser's address", aliases=("DJANGO_SUPERUSER_EMAIL",)
    )
    superuser_password: Secret | None = setting(
        "SUPERUSER_PASSWORD",
        values.secret,
        "the superuser's password",
        aliases=("DJANGO_SUPERUSER_PASSWORD",),
    )
    superuser: str = setting(
        "ENTRYPOINT_SUPERUSER",
        values.choice("create", "off"),
        "what to do about the superuser",
        default="create",
    )
    app_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_APP_DIR",
        values.path,
        "where manage.py or the application module is",
        otherwise="the working directory",
    )
    app: str | None = setting(
        "ENTRYPOINT_APP",
        values.application,
        "the application, as package.module:callable",
        otherwise="Django's WSGI_APPLICATION",
    )
    python: PurePosixPath | None = setting(
        "ENTRYPOINT_PYTHON",
        values.path,
        "the application's interpreter",
        otherwise="$VIRTUAL_ENV, else .venv in the application, else ours",
    )
    user: str | None = setting(
        "ENTRYPOINT_USER",
        values.account,
        "who the application runs as: a name, or uid[:gid]",
        otherwise="www-data as root, else the current user",
    )
    migrate: str = setting(
        "ENTRYPOINT_MIGRATE",
        values.choice("auto", "check", "off"),
        "auto applies what is pending, check refuses to start while anything is",
        default="auto",
    )
    collectstatic: str = setting(
        "ENTRYPOINT_COLLECTSTATIC",
        values.choice("auto", "on", "off"),
        "auto collects only if the sources changed since the last time",
        default="auto",
    )
    wait_timeout: float = setting(
        "ENTRYPOINT_WAIT_TIMEOUT", values.duration, "one deadline for all waiting", default="60s"
    )
    request_timeout: float = setting(
        "ENTRYPOINT_REQUEST_TIMEOUT", values.duration, "how long one request may take", default="60s"
    )
    stop_timeout: float = setting(
        "ENTRYPOINT_STOP_TIMEOUT", values.duration, "the whole stop must fit into it", default="8s"
    )
    run_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_RUN_DIR",
        values.path,
        "all that is written at run time",
        otherwise="/run/entrypoint, else under $TMPDIR",
    )
    secrets: tuple[str, ...] = setting(
        "ENTRYPOINT_SECRETS", values.names, "further names whose NAME_FILE is read", default=""
    )
    client_max_body_size: int = setting(
        "NGINX_CLIENT_MAX_BODY_SIZE", values.size, "the largest request that nginx takes", default="10m"
    )
    conf_dir: PurePosixPath | None = setting(
        "ENTRYPOINT_CONF_DIR", values.path, "templates of your own, each replacing the one of the same name"
    )

    superuser_fields: Mapping[str, Secret] = field(default_factory=dict)
    """`SUPERUSER_<FIELD>` for further fields of the user model, by the field's name."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each variable that is set came from: `environment` or a file's path, by the variable's name."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment that the programs get: each NAME_FILE replaced by its NAME."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings from `environ`.

        Raises Unusable with every problem at once: values that their type refuses, NAME beside NAME_FILE,
        files that cannot be read, names that no setting has.
        """
        reader = _Reader(environ)
        given = {f.name: reader.value(f.metadata["declaration"]) for f in fields(cls) if f.metadata}
        reader.read_files(given.get("secrets") or ())
        extra = reader.superuser_fields()
        wanted = given["superuser_username"] and given["superuser"] != "off"
        if wanted and not given["superuser_password"] and not reader.refused("SUPERUSER_PASSWORD"):
            reader.problems.append("cannot create the superuser: SUPERUSER_PASSWORD is not set")
        reader.check_names()
        Unusable.check(reader.problems)
        return cls(
            **{name: value for name, value in given.items() if value is not None},
            superuser_fields=extra,
            origins=reader.origins,
            environment=reader.environment,
        )

    def given(self) -> tuple[str, ...]:
        """Return what was set, as `NAME=value` fit to be printed: secrets masked, with the file a value came from."""
        plain = {name for d in declarations() if d.parse is not values.secret for name in (d.name, *d.aliases)}
        return tuple(
            f"{name}={shown(self.environment[name]) if name in plain else MASK}"
            + (f" ({origin})" if origin != ENVIRONMENT else "")
            for name, origin in sorted(self.origins.items())
        )

    def listen_on(self, *, root: bool) -> Listen:
        """Return where the site is served."""
        return self.listen or Listen(80 if root else 8080)


def declarations() -> Iterator[Declaration]:
    """Yield every setting there is, in the order of the reference."""
    for f in fields(Settings):
        if f.metadata:
            yield f.metadata["declaration"]


def shown(text: str) -> str:
    """Return `text` fit for one line of a message: printable, not endless."""
    printable = text.encode("unicode_escape", "backslashreplace").decode("ascii") if not text.isprintable() else text
    return printable if len(printable) <= _LONGEST_SHOWN else printable[: _LONGEST_SHOWN - 1] + "…"


class _Reader:
    """One pass over the environment, gathering problems instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environment = dict(environ)
        self.origins: dict[str, str] = {}
        self.problems: list[str] = []
        self._refused: set[str] = set()

    def refused(self, name: str) -> bool:
        return name in self._refused

    def value(self, declaration: Declaration) -> Any:  # noqa: ANN401 -- of the declaration's type
        """Return the typed value of a setting, None where it is not set or was refused."""
        found = {name: value for name in (declaration.name, *declaration.aliases) if (value := self.text_of(name))}
        if self._refused.intersection(declaration.aliases):
            self._refused.add(declaration.name)
        if not found:
            return None
        name, value = next(iter(found.items()))
        if len(set(found.values())) > 1:
            return self._refuse(name, f"cannot use {' and '.join(found)}: they mean the same and differ")
        try:
            return declaration.parse(value)
        except ValueError as error:
            secret = declaration.parse is values.secret
            return self._refuse(name, f"cannot use {name}{'' if secret else '=' + shown(value)}: {error}")

    def text_of(self, name: str) -> str:
        """Return the text of one variable, from the environment or its NAME_FILE; an empty one is as good as none."""
        path = self.environment.pop(f"{name}_FILE", "")
        value = self.environment.get(name, "")
        if path and value:
            self._refuse(name, f"cannot use {name}: {name}_FILE is set as well")
            return ""
        if path:
            value = self._text_in_file(name, path)
        elif value:
            self.origins[name] = ENVIRONMENT
        return value

    def _text_in_file(self, name: str, path: str) -> str:
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
            self._refuse(name, f"cannot read {name}_FILE={shown(path)}: {why}")
            return ""
        if not value:
            self._refuse(name, f"cannot use {name}_FILE={shown(path)}: the file is empty")
            return ""
        if "\0" in value:
            self._refuse(name, f"cannot use {name}_FILE={shown(path)}: it contains a NUL")
            return ""
        self.origins[name] = path
        self.environment[name] = value
        return value

    def read_files(self, names: tuple[str, ...]) -> None:
        """Resolve NAME_FILE of what is not a setting: by name, and whatever lies under /run/secrets."""
        for variable, path in list(self.environment.items()):
            name = variable.removesuffix("_FILE")
            if name not in ("", variable) and (name in names or path.startswith(RUN_SECRETS)):
                self.text_of(name)

    def superuser_fields(self) -> dict[str, Secret]:
        """Return the fields of the user model that SUPERUSER_<FIELD> names beside those that are settings."""
        known = {name for declaration in declarations() for name in (declaration.name, *declaration.aliases)}
        found = {}
        for variable in list(self.environment):
            match = _SUPERUSER.fullmatch(variable.removesuffix("_FILE"))
            if match and match[0] not in known and (value := self.text_of(match[0])):
                found[match[1].lower()] = Secret(value)
        return found

    def check_names(self) -> None:
        """Report every ENTRYPOINT_ variable that is no setting, with the nearest that is."""
        known = {declaration.name for declaration in declarations()}
        for name in sorted(self.environment):
            if name.startswith("ENTRYPOINT_") and name not in known and not _KUBERNETES.fullmatch(name):
                import difflib  # noqa: PLC0415 -- 5 ms that only a typing error has to pay

                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.problems.append(f"cannot use {shown(name)}: there is no such setting{hint}")

    def _refuse(self, name: str, problem: str) -> None:
        self._refused.add(name)
        self.problems.append(problem)
