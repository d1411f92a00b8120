"""The one line format that everything in the container writes: the program's name, then what it said."""

from typing import Final

ENTRYPOINT: Final = "entrypoint"
"""The name under which we speak ourselves."""


def line(name: str, text: str) -> str:
    """Return `text`, said by the program `name`, as one line without its newline."""
    return f"[{name}] {text}"
