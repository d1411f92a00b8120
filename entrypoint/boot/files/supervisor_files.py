"""The user's supervisord files, /etc/supervisor/conf.d/*.conf, which are included unchanged."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.settings.values import shown

_ALL: Final = "*.conf"
_OURS: Final = (
    "supervisord",
    "unix_http_server",
    "supervisorctl",
    "rpcinterface:supervisor",
    "rpcinterface:entrypoint",
)


def patterns(files: Collection[PurePosixPath]) -> tuple[PurePosixPath, ...]:
    """Return the patterns for supervisord's [include]."""
    return tuple(dict.fromkeys(path.parent / _ALL for path in files))


def problems(files: Mapping[PurePosixPath, str], programs: Collection[str]) -> Iterator[str]:
    """Yield the sections that would override ours: supervisord merges sections of one name, the last line wins.

    `programs` are the names of the programs that this boot configures.
    """
    if not files:
        return
    import configparser  # noqa: PLC0415 -- supervisord's own parser; only needed for such files

    for path, text in files.items():
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        try:
            parser.read_string(text)
        except configparser.Error as error:
            yield f"cannot use {path}: {' '.join(error.message.replace('<string>', path.name).split())}"
            continue
        for section in parser.sections():
            kind, _, name = section.partition(":")
            if section in _OURS or kind == "include":
                yield f"cannot use {path}: [{shown(section)}] is managed by entrypoint; define only programs here"
            elif kind in ("program", "group", "fcgi-program", "eventlistener") and name.strip() in programs:
                yield f"cannot use {path}: [{shown(section)}] duplicates the name of another program"
