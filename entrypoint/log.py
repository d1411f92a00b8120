"""The one line format that everything in the container writes: the program's name, then what it said; or JSON."""

from typing import Final, Protocol

from entrypoint.stderr import Stderr

ENTRYPOINT: Final = "entrypoint"
"""The name under which we speak ourselves."""
LEVELS: Final = ("debug", "info", "warning", "error")


class Tell(Protocol):
    """Whoever is told what somebody says."""

    def __call__(self, name: str, text: str, level: str = "info") -> None:
        """Hear that the program `name` says `text`, one line, which is of that level."""


_use = {"form": "text", "level": "info"}
_stderr = Stderr()


def use(form: str, level: str = "info") -> None:
    """Say from now on what has at least `level`, as `text` or `json`; anything else means text."""
    _use.update(form=form, level=level)


def line(name: str, text: str) -> str:
    """Return `text`, said by the program `name`, as one line without its newline."""
    return f"[{name}] {text}"


def printable(text: str) -> str:
    """Return `text` with each character escaped that a terminal would obey instead of showing it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tell(name: str, text: str, level: str = "info") -> None:
    """Write that line to stderr, which is where a person reads. Of what we say ourselves the level decides."""
    if name == ENTRYPOINT and LEVELS.index(level) < LEVELS.index(_use["level"]):
        return
    write(_formatted(name, text, level))


def offer(name: str, text: str, patience: float) -> bool:
    """Write that line if stderr has room for it within `patience` seconds, and return whether it had."""
    return _stderr.write(_formatted(name, text, "info"), patience)


def write(text: str) -> None:
    """Write text to stderr as it is. It is lost if stderr is closed or its reader is gone."""
    _stderr.write(text)


def _formatted(name: str, text: str, level: str) -> str:
    return (_json(name, text, level) if _use["form"] == "json" else line(name, text)) + "\n"


def _json(name: str, text: str, level: str) -> str:
    import json  # noqa: PLC0415 -- 5 ms that only this format has to pay
    import os  # noqa: PLC0415
    from datetime import UTC, datetime  # noqa: PLC0415

    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"time": time, "program": name, "stream": "stderr", "pid": os.getpid(), "level": level, "message": text}
    return json.dumps(said, ensure_ascii=False)
