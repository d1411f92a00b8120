"""Templates of the user's own (ENTRYPOINT_CONF_DIR), each replacing the one of ours that has its name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entrypoint.boot.settings import textfile
from entrypoint.boot.settings.values import shown
from entrypoint.errors import Unusable

OF_NGINX: Final = ("nginx.conf.j2", "nginx-app.conf.j2")
STARTING_PAGE: Final = "starting.html"
SUPERVISORD: Final = "supervisord.conf.j2"
NAMES: Final = (SUPERVISORD, *OF_NGINX, "uwsgi.ini.j2", "gunicorn.conf.py.j2", STARTING_PAGE)
"""What can be replaced: every file that is a template's text."""
NGINX_CONF: Final = "nginx.conf"
"""No template but the whole file, as it is."""


def read_templates(folder: Path) -> Mapping[str, str]:
    """Return the texts of the templates in `folder`, by name.

    Raises Unusable with every problem at once: no such folder, a file that replaces nothing or cannot be read.
    """
    try:
        # A mounted ConfigMap keeps the versions of its files under names that begin with a dot.
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise Unusable(f"cannot use ENTRYPOINT_CONF_DIR={folder}: {error.strerror}") from error
    texts: dict[str, str] = {}
    problems = []
    for path in found:
        if path.name not in (*NAMES, NGINX_CONF):
            problems.append(f"cannot use {folder}/{shown(path.name)}: it replaces no template{_hint(path.name)}")
            continue
        try:
            texts[path.name] = textfile.read(path)
        except ValueError as error:
            problems.append(f"cannot read {path}: {error}")
    Unusable.check(problems)
    return texts


def _hint(name: str) -> str:
    import difflib  # noqa: PLC0415 -- 5 ms that only a typing error has to pay

    near = difflib.get_close_matches(name, NAMES, n=1)
    return f"; did you mean {near[0]}?" if near else f", which are {', '.join(NAMES)}"
