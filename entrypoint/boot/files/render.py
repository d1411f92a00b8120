"""Templates to text."""

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
    """Return the folder of the templates: in the package as it was installed, beside it in a checkout."""
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parent / "conf"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of `template`; a name that it uses and `values` lacks is an error."""
    return _environment().get_template(template).render(values)


def render_own(path: PurePosixPath, text: str, values: Mapping[str, Any]) -> str:
    """Return what the user's own template makes of `values`; it may include ours or extend it.

    Raises Unusable that names `path` and the line.
    """

    # The path as the template's file: by that its frames are known in a traceback.
    def load(name: str) -> tuple[str, str, None] | None:
        return (text, name, None) if name == str(path) else None

    own = _environment().overlay(loader=ChoiceLoader([FunctionLoader(load), FileSystemLoader(conf_dir())]))
    try:
        return own.get_template(str(path)).render(values)
    except TemplateSyntaxError as error:
        raise Unusable(f"cannot render {path}, line {error.lineno}: {error.message}") from error
    except Exception as error:
        import traceback  # noqa: PLC0415 -- 8 ms that only a broken template has to pay

        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f", line {lines[-1]}" if lines else ""
        why = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, TemplateNotFound):
            why = f"there is no template {why}"
        raise Unusable(f"cannot render {path}{where}: {why}") from error


class _Compiled(FileSystemBytecodeCache):
    """Keeps templates compiled, where Python keeps our modules so: to compile them takes longer than all else here."""

    def dump_bytecode(self, bucket: "Bucket") -> None:
        """Write it, where and when Python would."""
        if not sys.dont_write_bytecode:
            with suppress(OSError):
                super().dump_bytecode(bucket)
                Path(self._get_cache_filename(bucket)).chmod(0o644)  # whoever runs the image later may read it


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(conf_dir()),
        bytecode_cache=_Compiled(str(Path(__file__).parent / "__pycache__")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 -- no HTML is rendered: each format has its own filter
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        nginx=quote.nginx,
        nginx_include=quote.nginx_include,
        uwsgi=quote.uwsgi,
        python=quote.python,
        supervisord=quote.supervisord,
        supervisord_value=quote.supervisord_value,
        supervisord_logfile=quote.supervisord_logfile,
    )
    return environment
