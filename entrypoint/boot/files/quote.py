"""Quoting: a text as one word of a configuration file. Raises Unusable if the format cannot express the text."""

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from entrypoint.errors import Unusable

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def nginx(value: object) -> str:
    r"""Quote for nginx, whose strings escape `\` and `"`, but have no escape for `$`."""
    text = _printable(value, "nginx.conf")
    if "$" in text:
        raise Unusable(f"cannot write {text} into nginx.conf: nginx would expand its $")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def nginx_include(value: object) -> str:
    """Quote for nginx's `include`, which takes `*`, `?` and `[` as a pattern and ignores a pattern without a match."""
    text = str(value)
    return nginx(re.sub(r"([*?\[\\])", r"\\\1", text) if re.search(r"[*?\[]", text) else text)


def nginx_optional(value: object) -> str:
    """Quote for nginx's `include` of a file that may be missing: as a pattern, which needs no match."""
    escaped = re.sub(r"([*?\[\\])", r"\\\1", str(value))
    return nginx(f"{escaped[:-1]}[{escaped[-1:]}]")


def uwsgi(value: object) -> str:
    """Return the text unchanged: uWSGI's ini format has no quotes, and expands `%x`, `$(X)` and `@(x)`."""
    text = _printable(value, "uwsgi.ini")
    if re.search(r"%|\$\(|@\(", text) or text != text.strip():
        raise Unusable(f"cannot write {text!r} into uwsgi.ini: uWSGI cannot quote it")
    return text


def python(value: object) -> str:
    """Quote as a Python string."""
    return repr(str(value))


def supervisord(words: Sequence[object]) -> str:
    """Quote a command for supervisord: shell words, `%` doubled.

    Even inside quotes, ` ;` and ` #` begin a comment, and a file with an [include] replaces `%(here)s`. So the quotes
    are closed and opened again between these characters.
    """
    text = shlex.join(_printable(word, "supervisord.conf") for word in words)
    return re.sub(r"(?<=\s)(?=[;#])|(?<=%)(?=\(here\)s)", "''", text).replace("%", "%%")


def supervisord_value(value: object) -> str:
    """Quote any other value for supervisord, whose parser strips it, expands `%` and takes ` ;` as a comment."""
    text = _printable(value, "supervisord.conf")
    if re.search(r"\s[;#]", text) or text != text.strip():
        raise Unusable(f"cannot write {text!r} into supervisord.conf: its parser would truncate it")
    if "%(here)s" in text:
        raise Unusable(f"cannot write {text!r} into supervisord.conf: its parser would replace %(here)s with a folder")
    return text.replace("%", "%%")


def supervisord_logfile(file: PurePath, replicas: int = 1) -> str:
    """Quote for `stdout_logfile`, which supervisord expands twice; each of `replicas` gets its own file."""
    text = supervisord_value(file).replace("%", "%%")
    if replicas == 1:
        return text
    suffix = file.suffix.replace("%", "%%%%")
    return f"{text.removesuffix(suffix)}_%(process_num)02d{suffix}"


def _printable(value: object, file: str) -> str:
    text = str(value)
    if _CONTROL.search(text):
        raise Unusable(f"cannot write {text!r} into {file}: it contains a control character")
    return text
