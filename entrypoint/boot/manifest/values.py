"""The values of a manifest in the types that the checks need. A value of another type counts as missing.

`docker compose config` and `kubectl apply --dry-run` check whether a manifest is valid; we do not.
"""

import math
import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-+?])((?:[^{}]|\{[^{}]*\})*))?\})")
_HIGHEST_PORT: Final = 65535


class Table(dict[str, Any]):
    """A mapping whose values are texts, lists, tables, or None: null or an unknown text."""

    def table(self, *keys: str) -> "Table":
        """Return the mapping at the end of a path of keys."""
        found = self
        for key in keys:
            value = found.get(key)
            found = value if isinstance(value, Table) else Table()
        return found

    def rows(self, key: str) -> list[Any]:
        """Return a list."""
        found = self.get(key)
        return found if isinstance(found, list) else []

    def tables(self, key: str) -> list["Table"]:
        """Return the mappings of a list."""
        return [each for each in self.rows(key) if isinstance(each, Table)]

    def text(self, key: str) -> str | None:
        """Return a text; None if there is none."""
        return text(self.get(key))

    def texts(self) -> dict[str, str]:
        """Return all texts; an empty one in place of any other value."""
        return {key: text(each) or "" for key, each in self.items()}

    def words(self, key: str) -> tuple[str, ...] | None:
        """Return a command: a list, or a text in shell words. None if there is none, or it cannot be read."""
        found = self.get(key)
        if isinstance(found, list):
            return tuple(text(each) or "" for each in found)
        try:
            return tuple(shlex.split(found)) if isinstance(found, str) else None
        except ValueError:
            return None

    def seconds(self, key: str) -> float | None:
        """Return the seconds of a duration such as 1m30s, or of a bare number; None if it is none."""
        found = self.text(key) or ""
        if found.isascii() and found.isdigit():
            return float(found[:9])
        parts = _PART.findall(found)
        if not parts or "".join(f"{number}{unit}" for number, unit in parts) != found:
            return None
        total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        return total if math.isfinite(total) else None


def text(value: object) -> str | None:
    """Return the value if it is a text, else None."""
    return value if isinstance(value, str) else None


def port(number: str | None) -> int | None:
    """Return a port number; None if it is none."""
    found = int(number[:6]) if number and number.isascii() and number.isdigit() else None
    return found if found is not None and found <= _HIGHEST_PORT else None


def interpolated(value: str) -> str | None:
    """Replace ${NAME:-default} as Compose does; return None if the text depends on an unknown variable."""
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


def environment_lines(lines: str) -> Iterator[tuple[str, str | None]]:
    """Yield the variables of an `env_file`. None: Compose takes the text from elsewhere."""
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
