"""Templates to text."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from entrypoint.boot import quote

_PACKAGE: Final = Path(__file__).resolve().parent.parent


def conf_dir() -> Path:
    """Return the folder of the templates: in the package as it was installed, beside it in a checkout."""
    inside = _PACKAGE / "conf"
    return inside if inside.is_dir() else _PACKAGE.parent / "conf"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the text of `template`; a name that it uses and `values` lacks is an error."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(conf_dir()),
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
        supervisord=quote.supervisord,
    )
    return environment
