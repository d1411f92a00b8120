"""The values of a manifest in the types that the checks need. A value of another type is left out.

Whether a manifest is valid is the question of `docker compose config` and `kubectl apply --dry-run`, not of ours.
"""

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*))?\})")
_HIGHEST_PORT: Final = 65535


def table(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 -- whatever YAML holds
    """Return a mapping with its keys as texts; an empty one if it is none."""
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else {}


def inner(value: Any, *keys: str) -> Mapping[str, Any]:  # noqa: ANN401 -- as above
    """Return the mapping at the end of a path of keys."""
    for key in keys:
        value = table(value).get(key)
    return table(value)


def rows(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- as above
    """Return a list; an empty one if it is none."""
    return tuple(value) if isinstance(value, list) else ()


def tables(value: Any) -> tuple[Mapping[str, Any], ...]:  # noqa: ANN401 -- as above
    """Return the mappings of a list."""
    return tuple(table(each) for each in rows(value) if isinstance(each, dict))


def text(value: Any) -> str | None:  # noqa: ANN401 -- as above
    """Return a scalar; None if it is null, a list or a mapping."""
    if isinstance(value, bool):  # JSON's
        return str(value).lower()
    return value if isinstance(value, str) else None


def words(value: Any) -> tuple[str, ...] | None:  # noqa: ANN401 -- as above
    """Return a command: a list, or a text in shell words. None if there is none, or it cannot be read."""
    if isinstance(value, list):
        return tuple(text(each) or "" for each in value)
    if not isinstance(value, str):
        return None
    try:
        return tuple(shlex.split(value))
    except ValueError:
        return None


def port(value: Any) -> int | None:  # noqa: ANN401 -- as above
    """Return a port number; None if it is none."""
    found = text(value) or ""
    return int(found) if found.isascii() and found.isdigit() and int(found[:6]) <= _HIGHEST_PORT else None


def seconds(value: Any) -> float | None:  # noqa: ANN401 -- as above
    """Return the seconds of a duration such as 1m30s, or of a bare number; None if it is none."""
    found = text(value) or ""
    if found.isascii() and found.isdigit():
        return float(found[:9])
    parts = _PART.findall(found)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != found:
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return total if math.isfinite(total) else None


def interpolated(value: str) -> str | None:
    """Return the text in which Compose has replaced ${NAME:-default}. None if that depends on an unknown variable."""
    known = True

    def replace(match: re.Match[str]) -> str:
        nonlocal known
        dollar, _, _, operator, default = match.groups()
        if dollar:
            return "$"
        if operator in ("-", ":-"):
            return interpolated(default) or ""
        known = known and operator in ("+", ":+")
        return ""

    found = _REFERENCE.sub(replace, value)
    return found if known else None


def resolved(value: Any) -> Any:  # noqa: ANN401 -- as above
    """Return a part of a Compose file with its variables replaced; what is unknown is null."""
    if isinstance(value, str):
        return interpolated(value)
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if isinstance(value, dict):
        return {key: resolved(each) for key, each in value.items()}
    return value


def environment_lines(lines: str) -> Iterator[tuple[str, str | None]]:
    """Yield the variables of a file for `env_file`; None for one that gets its text from elsewhere."""
    for line in lines.splitlines():
        name, equals, given = line.strip().removeprefix("export ").partition("=")
        if not name or name.startswith("#"):
            continue
        quote = given[:1]
        if quote in ("'", '"') and quote in given[1:]:
            inside = given[1:].partition(quote)[0]
            yield name.strip(), inside if quote == "'" else interpolated(inside)
        else:
            yield name.strip(), interpolated(re.sub(r"(?:^|\s+)#.*", "", given).strip()) if equals else None
