"""The description of one setting."""

from dataclasses import dataclass, field
from typing import Any, Final

from entrypoint.boot.settings.types.values import Type

NONE: Final = "none"
"""The default, in words, of a setting that has none."""


@dataclass(frozen=True)
class SettingSpec:
    """The name, type, meaning and default of one setting."""

    name: str
    type: Type[Any]
    meaning: str
    default: str | None  # parsed like a text from the environment; None if the default depends on other facts
    when_unset: str  # the default in words
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that sets it; the name in the reference comes first."""
        return (self.name, *self.aliases)

    @property
    def depends(self) -> bool:
        """Whether its default follows from other facts."""
        return self.when_unset not in (self.default, NONE)

    @property
    def key(self) -> str:
        """Its key in a project's file."""
        return self.name.lower().removeprefix("entrypoint_")

    @property
    def secret(self) -> bool:
        """Whether its value may be a secret."""
        return self.type.secret


def setting(  # noqa: PLR0913 -- one argument per column of the reference
    name: str,
    type_: Type[Any],
    meaning: str,
    *,
    default: str | None = None,
    when_unset: str = NONE,
    aliases: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 -- a dataclass field takes the type of its annotation
    """Return the dataclass field of one setting; `default` is parsed like a text from the environment."""
    default = type_.default if default is None else default
    value = None if default is None else type_(default)
    spec = SettingSpec(name, type_, meaning, default, default or when_unset, aliases)
    return field(default=value, metadata={"spec": spec})
