"""Programs of the user's own, beside a site and without one."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from deadline import until
from site_under_test import NewSite, free_port

DROP_IN = Path("/etc/supervisor/conf.d/zz-test.conf")
WORKER = """\
import os, sys, time
print("hello from", os.getcwd(), repr(os.environ["GREETING"]), flush=True)
time.sleep(1000)
"""
GREETING = '100% "hi" ; it\'s #1 %(ENV_HOME)s'
ECHO = """\
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_workers_run_beside_a_site_with_what_they_were_given(new_site: NewSite, project: Path) -> None:
    (project / "worker.py").write_text(WORKER)
    table = json.dumps(GREETING)
    (project / "entrypoint.toml").write_text(
        f"""
        [programs.worker]
        command = [{json.dumps(sys.executable)}, "../worker.py", "a ; b # c"]
        directory = "pages"
        replicas = 2
        environment = {{GREETING = {table}}}
        stop_signal = "INT"
        """
    )
    site = new_site(project).start().ready()
    said = f"hello from {project}/pages {GREETING!r}\n"
    for name in ("worker_00", "worker_01"):
        until(lambda name=name: f"[{name}] {said}" in site.output, said, instead=lambda: site.output)  # type: ignore[misc]
    commands = [child.cmdline()[1:] for child in psutil.Process(site.pid).children()]
    assert commands.count(["../worker.py", "a ; b # c"]) == 2
    status = site.command("ctl", "status", "worker:*")
    assert [line.split()[0] for line in status.stdout.splitlines()] == ["worker:worker_00", "worker:worker_01"]
    assert site.stop()[0] == 0


def test_a_worker_that_crashes_again_and_again_does_not_end_the_site(new_site: NewSite) -> None:
    site = new_site(ENTRYPOINT_PROGRAM_WORKER="false").start().ready()
    until(lambda: site.output.count("worker is started again in") > 1, "its crashes", instead=lambda: site.output)
    assert site.status("/-/ready") == 200
    assert site.stop()[0] == 0


def test_a_project_with_a_procfile_is_served_by_its_web(new_site: NewSite, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "echo.py").write_text(ECHO)
    web, port = f"PORT_WAS=$PORT {sys.executable} echo.py", free_port()
    (folder / "Procfile").write_text(f"release: echo released\nweb: {web}\nclock: sleep 1000\n")
    (folder / "entrypoint.toml").write_text(f"[programs.web.environment]\nPORT = {port}\n")
    site = new_site(folder, PYTHONUNBUFFERED="1").start()
    until(lambda: site.code is not None or site.status("/") == 200, "its answer", instead=lambda: site.output)
    assert "[release] released\n" in site.output
    headers = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=x",
        "Connection": "close",
    }
    told = requests.get(f"{site.url}/a%20b?c=d", headers=headers, timeout=10).json()
    assert told["path"] == "/a%20b?c=d"
    given = {name.lower(): value for name, value in told["headers"].items()}
    host = f"127.0.0.1:{site.port}"
    assert given["host"] == given["x-forwarded-host"] == host
    assert (given["x-forwarded-for"], given["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "forwarded" not in given
    assert len(site.programs("sleep")) == 1
    assert site.programs("uwsgi") == []
    assert site.stop()[0] == 0


def test_a_worker_alone_has_neither_nginx_nor_port(new_site: NewSite) -> None:
    site = new_site(ENTRYPOINT_PROGRAM_WORKER="sleep 1000", ENTRYPOINT_PROGRAMS="worker").start()
    ready = site.folder / "run/www/ready.json"
    until(lambda: site.code is not None or ready.exists(), "it to be ready", instead=lambda: site.output)
    (child,) = psutil.Process(site.pid).children()
    assert child.cmdline() == ["/usr/bin/sleep", "1000"]
    assert site.status("/-/live") is None
    assert not (site.folder / "run/nginx.conf").exists()
    assert site.stop()[0] == 0


def test_the_container_of_a_worker_ends_with_it(new_site: NewSite) -> None:
    site = new_site(ENTRYPOINT_PROGRAM_WORKER="sh -c 'exit 7'", ENTRYPOINT_PROGRAMS="worker").start()
    assert site.wait() == 7


@pytest.fixture
def drop_in() -> Iterator[Path]:
    made = [folder for folder in (DROP_IN.parent, DROP_IN.parent.parent) if not folder.exists()]
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    yield DROP_IN
    DROP_IN.unlink(missing_ok=True)
    for folder in made:
        folder.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes to /etc/supervisor")
def test_a_program_of_supervisords_own_files_runs(new_site: NewSite, drop_in: Path) -> None:
    drop_in.write_text(
        "[program:extra]\ncommand = sh -c 'echo extra is here; exec sleep 1000'\nstdout_logfile = NONE\n"
    )
    site = new_site().start().ready()
    until(lambda: "[extra] extra is here\n" in site.output, "its line", instead=lambda: site.output)
    assert f"include in supervisord's configuration {DROP_IN}" in site.output
    assert site.stop()[0] == 0
