"""What `entrypoint env` shows: every setting, as a person, a file or a program wants it."""

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from entrypoint.boot.settings import values
from entrypoint.boot.settings.settings import Settings, setting_specs
from entrypoint.boot.settings.sources import ENVIRONMENT, OTHERS
from entrypoint.boot.settings.spec import SettingSpec
from entrypoint.boot.settings.values import shown
from entrypoint.secret import MASK

_PLAIN: Final = re.compile(r"[\w%+,./:@-]+", re.ASCII)
_SPECIAL: Final = re.compile(r'([\\"$`])')
_HEAD: Final = """\
<!-- Written by `entrypoint env --format markdown`; a setting is declared in entrypoint/boot/settings/settings.py. -->

# Settings

Each setting is an environment variable. Of its sources the later wins:

1. the default,
2. the file of the project, in `ENTRYPOINT_APP_DIR` or the working directory: `[tool.entrypoint]` in its
   `pyproject.toml`, or its `entrypoint.toml`, which holds the same keys without that heading. A key is the name in
   lower case without `ENTRYPOINT_`: `migrate`, `wait_timeout`, `port`. A secret may not stand there.
3. the environment,
4. the file that `NAME_FILE` names: its text without the line ending. NAME and `NAME_FILE` exclude each other.

An empty text counts as none. `NAME_FILE` is also read for a variable that is no setting, where the file lies under
`/run/secrets` or `ENTRYPOINT_SECRETS` lists the name; the programs get NAME. `SUPERUSER_<FIELD>` sets a further field
of the superuser, as a secret. `ENTRYPOINT_PROGRAM_<NAME>` is the command of a further program, see
[how to run more programs](../how-to/programs.md).

An unknown `ENTRYPOINT_…` is an error and an unknown `NGINX_…` a warning, except what Kubernetes injects for a service
of such a name. `entrypoint env` shows what holds here and where it came from.

| name | type | default | meaning |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """One setting as it is here."""

    spec: SettingSpec
    value: str | None  # fit to be shown; None where it is not set and has no fixed default
    origin: str | None  # None where it is not set

    @property
    def source(self) -> str:
        """Where the value came from."""
        return self.origin or "default"


def rows(settings: Settings) -> Iterator[Row]:
    """Yield every setting there is, then the superuser's further fields."""
    known: set[str] = set()
    for spec in setting_specs():
        known.update(spec.names)
        name = next((name for name in spec.names if name in settings.origins), None)
        if name is None:
            yield Row(spec, spec.default, None)
        else:
            yield Row(spec, MASK if spec.secret else settings.texts[name], settings.origins[name])
    for name, origin in sorted(settings.origins.items()):
        field = name.rpartition("SUPERUSER_")[2].lower()
        if name not in known and field in settings.superuser_fields:
            yield Row(SettingSpec(name, values.secret, f"the superuser's {field}", None, "none"), MASK, origin)


def table(settings: Settings, width: int | None) -> str:
    """Return a line a setting; for a terminal of `width` columns as many as it needs."""
    found = list(rows(settings))
    cells = [(row.spec.name, shown(row.value or ""), shown(row.source)) for row in found]
    about = [(row.spec.otherwise, row.spec.kind.name, row.spec.meaning) for row in found]
    if width is None:
        head = ("NAME", "VALUE", "FROM", "DEFAULT", "TYPE", "MEANING")
        return _aligned([head, *((*cell, *more) for cell, more in zip(cells, about, strict=True))])
    text = ""
    for (name, value, source), (otherwise, kind, meaning) in zip(cells, about, strict=True):
        text += _wrapped(f"{name}={value} ({source})", width, "")
        text += _wrapped(f"{meaning} ({kind}; default: {otherwise})", width, "    ")
    return text


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, max(width, 20), initial_indent=indent, subsequent_indent="    ") + "\n"


def markdown() -> str:
    """Return the reference of all settings: what holds for everyone, nothing of this environment."""
    return _HEAD + "".join(f"| {' | '.join(map(_cell, _described(d)))} |\n" for d in setting_specs())


def _described(spec: SettingSpec) -> tuple[str, str, str, str]:
    kind = spec.kind
    example = f", such as `{kind.schema['examples'][0]}`" if "examples" in kind.schema else ""
    names = ", ".join(f"`{name}`" for name in spec.names)
    default = f"`{spec.default}`" if spec.default else spec.otherwise or "none"
    return names, kind.name + example, default, spec.meaning


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def as_json(settings: Settings) -> str:
    """Return all settings as a list of objects."""
    found = [
        {
            "name": row.spec.name,
            "type": row.spec.kind.name,
            "default": row.spec.default,
            "otherwise": row.spec.otherwise,
            "value": row.value,
            "origin": row.source,
            "meaning": row.spec.meaning,
        }
        for row in rows(settings)
    ]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def dotenv(settings: Settings) -> str:
    """Return an environment file for a shell or Compose: what is set; the rest, and secrets, in comments."""
    return "\n".join("".join(f"{line}\n" for line in _dotenv_lines(row)) for row in rows(settings))


def _dotenv_lines(row: Row) -> Iterator[str]:
    name = row.spec.name
    yield f"# {row.spec.meaning} (default: {row.spec.otherwise})"
    if row.origin is None:
        yield f"# {name}={row.value or ''}"
    elif not row.spec.secret:
        yield f"{name}={_quoted(row.value or '')}"
    elif row.origin == ENVIRONMENT:
        yield f"# {name}={MASK} is a secret: it is set, and left out here"
    else:
        yield f"{name}_FILE={_quoted(row.origin)}"


def _quoted(text: str) -> str:
    """Quote as a shell reads it, and as near to it as they come, readers of .env files."""
    if _PLAIN.fullmatch(text):
        return text
    return f"'{text}'" if "'" not in text else '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def schema() -> str:
    """Return the JSON Schema of an environment."""
    properties: dict[str, Any] = {}
    for spec in setting_specs():
        default = {"default": spec.default} if spec.default else {}
        for name in spec.names:
            properties[name] = {
                "description": f"{spec.meaning} (default: {spec.otherwise})",
                "type": "string",
                "anyOf": [{"const": ""}, dict(spec.kind.schema)],
                **default,
            }
            properties[f"{name}_FILE"] = {"description": f"the path of a file that holds {name}", "type": "string"}
    ours = {"anyOf": [{"enum": sorted(properties)}, {"pattern": f"^(?:{OTHERS.pattern})$"}]}
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The environment of entrypoint",
        "type": "object",
        "properties": properties,
        "propertyNames": {"if": {"pattern": "^ENTRYPOINT_"}, "then": ours},
        "additionalProperties": {"type": "string"},
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
