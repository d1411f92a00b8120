"""Named tuples to JSON and back, for every format in entrypoint/protocol."""

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from entrypoint.protocol.probe import Probe
from entrypoint.secret import Secret

T = TypeVar("T", bound=tuple[Any, ...])
_NAMES: Final = {bool: "true or false", float: "a number", int: "an integer", str: "a string", list: "a list"}


class ConfigError(ValueError):
    """A file that another process wrote, such as supervision.json, cannot be used; the message names file and key."""


def to_json(value: tuple[Any, ...]) -> str:
    """Return a named tuple as JSON, without the fields that have their default value."""
    return json.dumps(plain(value), indent=2) + "\n"


def from_json(kind: type[T], text: str | bytes, source: str) -> T:
    """Return the named tuple `kind` that `text` contains. Raises ConfigError, which names `source`."""
    try:
        made: T = typed(kind, json.loads(text))
    except ValueError as error:
        raise ConfigError(f"cannot read {source}: {error}") from error
    return made


def read_json(kind: type[T], file: Path) -> T:
    """Return the named tuple `kind` that `file` contains. Raises ConfigError."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    return from_json(kind, text, str(file))


def plain(value: Any) -> Any:  # noqa: ANN401 - a field of any type
    """Return a value as what JSON can express, without the fields that have their default value."""
    if isinstance(value, Probe):
        return value.text
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        defaults, fields = type(value)._field_defaults, value._asdict()  # type: ignore[attr-defined]
        return {key: plain(each) for key, each in fields.items() if key not in defaults or each != defaults[key]}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, PurePath) else value


def typed(kind: Any, value: Any, key: str = "") -> Any:  # noqa: ANN401 - a field of any type
    """Return `value` as a `kind`. Raises ValueError, which names the key; values may be secret."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return None if value is None else typed(inner[0], value, key)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{key}: not one of {', '.join(inner)}")
        return value
    if origin is tuple:
        return tuple(typed(inner[0], each, f"{key}.{at}") for at, each in enumerate(_checked(list, value, key)))
    if origin is Mapping:
        return {name: typed(inner[1], each, f"{key}.{name}") for name, each in _checked(dict, value, key).items()}
    if issubclass(kind, tuple) and kind is not Probe:
        return _named_tuple(kind, _checked(dict, value, key), key)
    checked = _checked(str if issubclass(kind, Probe | PurePath | Secret | StrEnum) else kind, value, key)
    try:
        return Probe.parse(checked) if kind is Probe else kind(checked)
    except ValueError as error:
        why = error if kind is Probe else f"not one of {', '.join(kind)}"
        raise ValueError(f"{key}: {checked!r}: {why}") from error


def _named_tuple(kind: Any, fields: dict[str, Any], key: str) -> Any:  # noqa: ANN401 - as above
    path = f"{key}." if key else ""
    for name in fields.keys() - kind.__annotations__.keys():  # a misspelt key would silently have no effect
        raise ValueError(f"{path}{name}: unknown key")
    for name in kind._fields:
        if name not in fields and name not in kind._field_defaults:
            raise ValueError(f"{path}{name}: missing")
    return kind(**{name: typed(kind.__annotations__[name], each, f"{path}{name}") for name, each in fields.items()})


def _checked(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401 - as above
    if type(value) is kind or (kind is float and type(value) is int and abs(value) <= sys.float_info.max):
        return value
    raise ValueError(f"{key}: not {_NAMES.get(kind, 'an object')}".removeprefix(": "))
