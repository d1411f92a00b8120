"""Rendering of templates, ours and the user's."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
)

from entrypoint.boot.files import quote
from entrypoint.errors import Unusable

if TYPE_CHECKING:
    from jinja2.bccache import Bucket

_PACKAGE: Final = Path(__file__).resolve().parents[2]


def conf_dir() -> Path:
    """Return the folder of the templates: in an installed package, or next to the package in a checkout."""
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parent / "conf"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of our `template`. Raises UndefinedError if it uses a name that `values` lacks."""
    return _environment().get_template(template).render(values)


def render_own(path: PurePosixPath, text: str, values: Mapping[str, Any]) -> str:
    """Return the text of the user's template, which may include or extend ours.

    Raises Unusable with `path` and the line.
    """

    # The template's path becomes the file name of its frames in a traceback.
    def load(name: str) -> tuple[str, str, None] | None:
        return (text, name, None) if name == str(path) else None

    own = _environment().overlay(loader=ChoiceLoader([FunctionLoader(load), FileSystemLoader(conf_dir())]))
    try:
        return own.get_template(str(path)).render(values)
    except TemplateSyntaxError as error:
        raise Unusable(f"cannot render {path}, line {error.lineno}: {error.message}") from error
    except Exception as error:
        import traceback  # noqa: PLC0415 -- 8 ms, only for a broken template

        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f", line {lines[-1]}" if lines else ""
        why = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, TemplateNotFound):
            why = f"there is no template {why}"
        raise Unusable(f"cannot render {path}{where}: {why}") from error


class _Compiled(FileSystemBytecodeCache):
    """Keeps compiled templates beside our compiled modules: compiling takes longer than rendering."""

    def dump_bytecode(self, bucket: "Bucket") -> None:
        """Write the compiled template, unless Python must not write byte code."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)
                Path(self._get_cache_filename(bucket)).chmod(0o644)  # the image may run as another user


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(conf_dir()),
        bytecode_cache=_Compiled(str(Path(__file__).parent / "__pycache__")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 -- no HTML: each format has its own filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        nginx=quote.nginx,
        nginx_include=quote.nginx_include,
        nginx_optional=quote.nginx_optional,
        uwsgi=quote.uwsgi,
        python=quote.python,
        supervisord=quote.supervisord,
        supervisord_value=quote.supervisord_value,
        supervisord_logfile=quote.supervisord_logfile,
    )
    return environment
