"""The facts about the application, as its agent reports them, and all facts together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from entrypoint.boot.facts.machine import Machine


@dataclass(frozen=True)
class Database:
    """One of Django's DATABASES, without its password."""

    alias: str
    vendor: str
    name: str
    host: str
    port: str

    def __str__(self) -> str:
        where = f"{self.host}{':' + self.port if self.port else ''}/" if self.host else ""
        return f"{self.alias} ({self.vendor} {where}{self.name})"


@dataclass(frozen=True)
class User:
    """Django's user model."""

    model: str
    username_field: str
    fields: Sequence[str]
    required: Sequence[str]  # the fields that a superuser needs, besides name and password


@dataclass(frozen=True)
class Application:
    """A Django project: first what its settings contain, then also what its loaded apps contain."""

    version: str
    settings_module: str
    wsgi: str
    asgi: str
    asynchronous: bool  # whether its settings define ASGI_APPLICATION
    prefix: str  # the interpreter's sys.prefix
    virtual: bool  # whether that is a virtual environment
    static_url: str
    static_root: str
    media_url: str
    media_root: str
    allowed_hosts: tuple[str, ...]
    sqlite: Mapping[str, str] = field(default_factory=dict)  # the names of the SQLite databases, by alias
    # Known only after the apps are loaded:
    databases: tuple[Database, ...] = ()
    staticfiles: bool = False  # whether django.contrib.staticfiles is installed
    user: User | None = None  # None without django.contrib.auth

    @classmethod
    def parse(cls, report: Mapping[str, Any]) -> Self:
        """Read the agent's first report."""
        return cls(**{**report, "allowed_hosts": tuple(report["allowed_hosts"])})

    def with_apps(self, report: Mapping[str, Any]) -> Self:
        """Return a copy with the agent's report on the loaded apps."""
        return replace(
            self,
            databases=tuple(Database(**database) for database in report["databases"]),
            staticfiles=report["staticfiles"],
            user=report["user"] and User(**report["user"]),
        )


@dataclass(frozen=True)
class Facts:
    """The input of a plan, besides the settings."""

    machine: Machine
    application: Application | None  # None if it is not Django
