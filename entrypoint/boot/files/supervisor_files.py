"""The user's supervisord files, /etc/supervisor/conf.d/*.conf, which are included unchanged."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from entrypoint.boot.settings.programs.user_programs import NGINX
from entrypoint.boot.settings.server_names import NAMES
from entrypoint.boot.settings.types.values import shown

if TYPE_CHECKING:
    from configparser import RawConfigParser

_OURS: Final = (
    "supervisord",
    "unix_http_server",
    "supervisorctl",
    "rpcinterface:supervisor",
    "rpcinterface:entrypoint",
)
_SERVERS: Final = (NGINX, *NAMES)


def patterns(files: Collection[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the patterns for supervisord's [include]."""
    return tuple(dict.fromkeys(path.parent / "*.conf" for path in files))


def problems(files: Mapping[PurePosixPath, str], programs: Collection[str]) -> Iterator[str]:
    """Yield the sections that would override ours: supervisord merges sections of one name, the last line wins.

    `programs` are the names of the programs that this boot configures.
    """
    for path, text in files.items():
        try:
            parser = sections(text)
        except ValueError as error:
            yield f"cannot use {path}: {' '.join(str(error).replace('<string>', path.name).split())}"
            continue
        ours = {section: server for section in parser.sections() if (server := _server(section, parser, programs))}
        if ours:
            names = " and ".join(dict.fromkeys(ours.values()))
            yield f"cannot use {path}: entrypoint runs {names} itself; delete {_lines(text, ours)}"
        for section in parser.sections():
            kind, _, name = section.partition(":")
            if section in ours:
                continue
            if section in _OURS or kind == "include":
                yield f"cannot use {path}: [{shown(section)}] is managed by entrypoint; define only programs here"
            elif kind in ("program", "group", "fcgi-program", "eventlistener") and name.strip() in programs:
                yield f"cannot use {path}: [{shown(section)}] duplicates the name of another program"


def sections(text: str) -> "RawConfigParser":
    """Return the sections of a configuration for supervisord, read as supervisord does. Raises ValueError."""
    import configparser  # noqa: PLC0415 -- only needed for such files and a reload

    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(error.message) from error
    return parser


def _server(section: str, parser: "RawConfigParser", programs: Collection[str]) -> str | None:
    """Return nginx or the application server if the section would run it a second time, else None."""
    kind, _, name = section.partition(":")
    command = parser.get(section, "command", fallback="").split()
    called = (name.strip(), PurePosixPath(command[0]).name if command else "")
    return next((each for each in called if kind == "program" and each in _SERVERS and each in programs), None)


def _lines(text: str, sections: Collection[str]) -> str:
    """Return the line numbers of these sections, from 1 on. Comments before the next section do not count."""
    found = []
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("[")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        section = lines[start][1:].partition("]")[0]
        last = max(number for number in range(start, end) if number == start or re.match(r"\s*[^\s;#]", lines[number]))
        if section in sections:
            numbers = f"line {start + 1}" if start == last else f"lines {start + 1}-{last + 1}"
            found.append(f"{numbers} ([{shown(section)}])")
    return " and ".join(found)
