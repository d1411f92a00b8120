"""The sources of the values in a rendered file.

A template names the setting after its line, `listen 80;  # PORT`, or in a comment before it, `; WEB_CONCURRENCY`. The
dry run adds the source of each setting; the written files do not contain it.
"""

import re
from collections.abc import Mapping
from typing import Final

from entrypoint.boot.settings.settings import setting_specs

# The name ends the line, in a comment of its own, after words and a colon, or in a comment after a directive.
_COMMENT: Final = re.compile(r"(?m)^( *[#;] (?:.*: )?|.*[;{}]  # )([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)$")
_FROM_DJANGO: Final = ("STATIC_ROOT", "MEDIA_ROOT")


def annotate(text: str, origins: Mapping[str, str]) -> str:
    """Return `text` with the source after each setting in a comment; `origins` has the settings that are set."""
    known = dict.fromkeys(_FROM_DJANGO, "Django's settings")
    for spec in setting_specs():
        known[spec.name] = next((origins[name] for name in spec.names if name in origins), "default")

    def with_origins(match: re.Match[str]) -> str:
        names = (f"{name} ({known[name]})" if name in known else name for name in match[2].split(", "))
        return match[1] + ", ".join(names)

    return _COMMENT.sub(with_origins, text)
