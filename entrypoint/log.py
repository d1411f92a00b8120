"""The one line format that everything in the container writes: the program's name, then what it said."""

import sys
from typing import Final

ENTRYPOINT: Final = "entrypoint"
"""The name under which we speak ourselves."""


def line(name: str, text: str) -> str:
    """Return `text`, said by the program `name`, as one line without its newline."""
    return f"[{name}] {text}"


def printable(text: str) -> str:
    """Return `text` with each character escaped that a terminal would obey instead of showing it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tell(name: str, text: str) -> None:
    """Write that line to stderr, which is where a person reads."""
    sys.stderr.write(line(name, text) + "\n")
