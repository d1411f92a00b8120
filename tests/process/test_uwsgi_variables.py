"""uWSGI's own variables win over our uwsgi.ini."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Command, Project

# uWSGI loads this module, which prints uWSGI's options and ends uWSGI (exit code 22 of need-app).
TELLTALE = """
    import uwsgi

    print("workers", uwsgi.numproc, "harakiri", uwsgi.opt.get("harakiri"), flush=True)
    raise SystemExit
"""


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"WEB_CONCURRENCY": "2"}, "workers 2 harakiri b'60'"),
        ({"UWSGI_PROCESSES": "3"}, "workers 3 harakiri b'60'"),
        ({"UWSGI_WORKERS": "3", "UWSGI_HARAKIRI": "7"}, "workers 3 harakiri b'7'"),
    ],
)
def test_uwsgi_obeys_its_own_variables(
    entrypoint: Command, project: Project, place: Path, environ: dict[str, str], said: str
) -> None:
    project.write("telltale.py", TELLTALE)
    environ = {**environ, "ENTRYPOINT_APP": "telltale:application"}
    rendered = entrypoint.run(project.root, "prepare", "--only", "render", **environ)
    assert rendered.code == 0, rendered.err
    uwsgi = str(Path(sys.executable).parent / "uwsgi")
    done = entrypoint.run_argv(project.root, [uwsgi, "--ini", f"{place}/run/uwsgi.ini"], **environ)
    assert said in done.out + done.err
