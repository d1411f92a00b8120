"""Files of supervisord's configuration of the user's own, /etc/supervisor/conf.d/*.conf: more programs, as they are."""

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
    """Return what supervisord is told to include."""
    return tuple(dict.fromkeys(path.parent / _ALL for path in files))


def problems(files: Mapping[PurePosixPath, str], programs: Collection[str]) -> Iterator[str]:
    """Yield what in them would undo ours: sections of the same name are one to supervisord, the last line wins.

    `programs` are the names of the plan's own.
    """
    if not files:
        return
    import configparser  # noqa: PLC0415 -- supervisord's own reader; only who has such files has to pay

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
                yield f"cannot use {path}: [{shown(section)}] is decided by us; leave only programs there"
            elif kind in ("program", "group", "fcgi-program", "eventlistener") and name.strip() in programs:
                yield f"cannot use {path}: [{shown(section)}] has the name of a program that runs already"
