"""An application that is not Django: the boot waits, runs its hooks, and serves it."""

import socket
from pathlib import Path

import psutil
import requests
from deadline import PATIENCE
from site_under_test import NewSite

APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join([environ["PATH_INFO"], os.environ["GREETING"], open("schema").read()]).encode()]
"""

FROZEN = """
import gc

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % gc.get_freeze_count()]
"""


def test_a_plain_wsgi_application_is_served_with_what_its_hooks_made(new_site: NewSite, tmp_path: Path) -> None:
    project, hooks = tmp_path / "project", tmp_path / "hooks"
    (hooks / "pre-migrate.d").mkdir(parents=True)
    project.mkdir()
    (project / "shop.py").write_text(APP)
    (hooks / "pre-migrate.d" / "1-schema.py").write_text("open('schema', 'w').write('migrated')")
    (hooks / "2-greeting.envsh").write_text("export GREETING=hello")
    with socket.create_server(("127.0.0.1", 0)) as other:
        site = new_site(
            project,
            ENTRYPOINT_APP="shop:app",
            ENTRYPOINT_HOOKS_DIR=str(hooks),
            ENTRYPOINT_WAIT_FOR=f"tcp://127.0.0.1:{other.getsockname()[1]}",
        )
        site.start().ready()
    assert requests.get(f"{site.url}/x", timeout=PATIENCE).text == "/x hello migrated"
    names = [step.split(" ", 1)[1].split()[0] for step in site.steps]
    assert names[-5:] == ["wait", "run", "run", "let", "exec"]
    assert "python" not in {child.name() for child in psutil.Process(site.pid).children()}


def test_the_garbage_collector_leaves_alone_what_the_workers_share(new_site: NewSite, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "shop.py").write_text(FROZEN)
    site = new_site(project, ENTRYPOINT_APP="shop:app").start().ready()
    assert int(requests.get(site.url, timeout=PATIENCE).text) > 1000
