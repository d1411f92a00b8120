"""Where what stands in a rendered file came from.

The templates name the setting beside the line that it decides, `listen 80;  # PORT`, or in a comment of its own before
it, `; WEB_CONCURRENCY`. What each of them came from is for a reader of the dry run, and stays out of the files.
"""

import re
from collections.abc import Mapping
from typing import Final

from entrypoint.boot.settings.settings import setting_specs

DEFAULT: Final = "default"
# The name ends the line. Before it is the sign of a comment: alone, with words and a colon, or after a directive's end.
_COMMENT: Final = re.compile(r"(?m)^( *[#;] (?:.*: )?|.*[;{}]  # )([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)$")
_OF_DJANGO: Final = ("STATIC_ROOT", "MEDIA_ROOT")


def annotate(text: str, origins: Mapping[str, str]) -> str:
    """Return `text` with the origin after each setting that a comment names; `origins` has those that are set."""
    known = dict.fromkeys(_OF_DJANGO, "Django's settings")
    known |= {d.name: origin_of((d.name, *d.aliases), origins) for d in setting_specs()}

    def named(match: re.Match[str]) -> str:
        names = (f"{name} ({known[name]})" if name in known else name for name in match[2].split(", "))
        return match[1] + ", ".join(names)

    return _COMMENT.sub(named, text)


def origin_of(names: tuple[str, ...], origins: Mapping[str, str]) -> str:
    """Return where a setting of these names came from."""
    return next((origins[name] for name in names if name in origins), DEFAULT)
