"""One setting, described."""

from dataclasses import dataclass
from typing import Any

from entrypoint.boot.settings.values import Type


@dataclass(frozen=True)
class SettingSpec:
    """One setting: its name in the environment, how its text is read, what it means."""

    name: str
    kind: Type[Any]
    meaning: str
    default: str | None  # a text, read like one from the environment; None where what holds depends on more
    otherwise: str  # what holds where it is not set, in words
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that sets it, the one of the reference first."""
        return (self.name, *self.aliases)

    @property
    def key(self) -> str:
        """Its name in a project's file."""
        return self.name.lower().removeprefix("entrypoint_")

    @property
    def secret(self) -> bool:
        """Whether its value must not be shown."""
        return bool(self.kind.schema.get("writeOnly"))
