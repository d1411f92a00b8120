"""One text as one word of a configuration file: quoted as its reader unquotes it, or refused."""

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from entrypoint.errors import Unusable

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def nginx(value: object) -> str:
    r"""Quote for nginx, whose quoted strings know `\` and `"` but expand `$` without any escape for it."""
    text = _printable(value, "nginx.conf")
    if "$" in text:
        raise Unusable(f"cannot write {text} into nginx.conf: nginx would read its $ as a variable")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def nginx_include(value: object) -> str:
    """Quote for nginx's `include`, to which a path with `*`, `?` or `[` is a pattern, and none matched is no error."""
    text = str(value)
    return nginx(re.sub(r"([*?\[\\])", r"\\\1", text) if re.search(r"[*?\[]", text) else text)


def uwsgi(value: object) -> str:
    """Pass through what uWSGI's ini reader takes literally; it has no quotes and expands `%x`, `$(X)` and `@(x)`."""
    text = _printable(value, "uwsgi.ini")
    if re.search(r"%|\$\(|@\(", text) or text != text.strip():
        raise Unusable(f"cannot write {text!r} into uwsgi.ini: uWSGI has no way to quote it")
    return text


def python(value: object) -> str:
    """Quote as a string of Python's."""
    return repr(str(value))


def supervisord(words: Sequence[object]) -> str:
    """Quote a command for supervisord: shell words, `%` doubled.

    ` ;` and ` #` begin comments even inside quotes, which each word with one of these has, and where there is an
    [include] `%(here)s` is replaced whatever stands before it. So between two of the characters the quotes are closed
    and opened again.
    """
    text = shlex.join(_printable(word, "supervisord.conf") for word in words)
    return re.sub(r"(?<=\s)(?=[;#])|(?<=%)(?=\(here\)s)", "''", text).replace("%", "%%")


def supervisord_value(value: object) -> str:
    """Quote any other value for supervisord, whose parser strips it, expands `%` and takes ` ;` for a comment."""
    text = _printable(value, "supervisord.conf")
    if re.search(r"\s[;#]", text) or text != text.strip():
        raise Unusable(f"cannot write {text!r} into supervisord.conf: its parser would cut it")
    if "%(here)s" in text:
        raise Unusable(f"cannot write {text!r} into supervisord.conf: its parser would put a folder there")
    return text.replace("%", "%%")


def supervisord_logfile(file: PurePath, replicas: int = 1) -> str:
    """Quote for `stdout_logfile`, which supervisord expands twice; of `replicas` each gets a file of its own."""
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
