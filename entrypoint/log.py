"""The log format of the container: the program's name and its line, or a JSON object."""

from typing import Final, Protocol

from entrypoint.stderr import Stderr

ENTRYPOINT: Final = "entrypoint"
"""The program name in entrypoint's own lines."""
LEVELS: Final = ("debug", "info", "warning", "error")


class Tell(Protocol):
    """A function that logs a line."""

    def __call__(self, name: str, text: str, level: str = "info") -> None:
        """Log one line of the program `name`."""


_use = {"form": "text", "level": "info"}
_stderr = Stderr()


def use(form: str, level: str = "info") -> None:
    """Set the format, `text` or `json`, and the lowest level of entrypoint's own lines."""
    _use.update(form=form, level=level)


def shows(level: str) -> bool:
    """Return whether entrypoint's own lines of this level are logged."""
    return LEVELS.index(level) >= LEVELS.index(_use["level"])


def line(name: str, text: str) -> str:
    """Return a line of the program `name` in text format, without a newline."""
    return f"[{name}] {text}"


def printable(text: str) -> str:
    """Return `text` with each character escaped that a terminal would not show as it is."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tell(name: str, text: str, level: str = "info") -> None:
    """Write a line to stderr. The level filters entrypoint's own lines only."""
    if name == ENTRYPOINT and not shows(level):
        return
    write(_formatted(name, text, level))


def offer(name: str, text: str, patience: float) -> bool:
    """Write a line if stderr accepts it within `patience` seconds; return whether it did."""
    return _stderr.write(_formatted(name, text, "info"), patience)


def write(text: str) -> None:
    """Write text to stderr unchanged. It is lost if stderr or its reader is closed."""
    _stderr.write(text)


def _formatted(name: str, text: str, level: str) -> str:
    return (_json(name, text, level) if _use["form"] == "json" else line(name, text)) + "\n"


def _json(name: str, text: str, level: str) -> str:
    import json  # noqa: PLC0415 -- 5 ms, needed for this format only
    import os  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"time": time, "program": name, "stream": "stderr", "pid": os.getpid(), "level": level, "message": text}
    return json.dumps(said, ensure_ascii=False)
