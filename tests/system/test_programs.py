"""User programs, beside a site and without one."""

import json
import os
import shlex
import signal
import sys
from pathlib import Path

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from ports import free_port
from site_under_test import NewSite

WORKER = """\
import os, sys, time
print("hello from", os.getcwd(), repr(os.environ["GREETING"]), flush=True)
time.sleep(1000)
"""
CONNECT = "import os, socket; socket.socket(socket.AF_UNIX).connect(os.environ['APP']); print('it listens')"
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


def test_workers_run_beside_a_site_with_what_they_were_given(plain_site: NewSite, plain_project: Path) -> None:
    (plain_project / "inner").mkdir()
    (plain_project / "worker.py").write_text(WORKER)
    table = json.dumps(GREETING)
    (plain_project / "entrypoint.toml").write_text(
        f"""
        [programs.worker]
        command = [{json.dumps(sys.executable)}, "../worker.py", "a ; b # c"]
        directory = "inner"
        replicas = 2
        environment = {{GREETING = {table}}}
        stop_signal = "INT"
        """
    )
    site = plain_site().start().ready()
    said = f"hello from {plain_project}/inner {GREETING!r}\n"
    for name in ("worker_00", "worker_01"):
        until(lambda name=name: f"[{name}] {said}" in site.output, said, instead=lambda: site.output)  # type: ignore[misc]
    commands = [child.cmdline()[1:] for child in psutil.Process(site.pid).children()]
    assert commands.count(["../worker.py", "a ; b # c"]) == 2
    status = site.command("ctl", "status", "worker:*")
    assert [line.split()[0] for line in status.stdout.splitlines()] == ["worker:worker_00", "worker:worker_01"]
    assert site.stop()[0] == 0


def test_a_program_logs_to_a_file_of_its_own(plain_site: NewSite, plain_project: Path) -> None:
    (plain_project / "the logs").mkdir()
    command = ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"]
    (plain_project / "entrypoint.toml").write_text(
        f"""
        [programs.worker]
        command = {json.dumps(command)}
        replicas = 2
        log = "file:the logs/100%.log"
        """
    )
    site = plain_site(ENTRYPOINT_LOG_FORMAT="json").start().ready()
    files = [plain_project / f"the logs/100%_0{number}.log" for number in (0, 1)]
    for file in files:
        until(lambda file=file: file.read_text() == "out\nerr\n", "its lines", instead=lambda: site.output)  # type: ignore[misc]
        file.rename(file.with_suffix(".old"))
    psutil.Process(site.pid).send_signal(signal.SIGUSR2)
    until(lambda: all(file.exists() for file in files), "files that are opened again", instead=lambda: site.output)
    assert '"message":"out"' not in site.output
    assert site.command("ctl", "tail", "worker:worker_00").stdout == "\n"


def test_a_worker_that_crashes_again_and_again_does_not_end_the_site(plain_site: NewSite) -> None:
    site = plain_site(ENTRYPOINT_PROGRAM_WORKER="false").start().ready()
    until(lambda: site.output.count("restarting worker in") > 1, "its crashes", instead=lambda: site.output)
    assert site.status("/-/ready") == 200


def test_a_project_with_a_procfile_is_served_by_its_web(new_site: NewSite, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "echo.py").write_text(ECHO)
    web, port = f"PORT_WAS=$PORT {sys.executable} echo.py", free_port()
    (folder / "Procfile").write_text(f"release: echo released\nweb: {web}\nclock: sleep 1000\n")
    (folder / "entrypoint.toml").write_text(f"[programs.web.environment]\nPORT = {port}\n")
    site = new_site(folder).start().ready()
    assert "[release] released\n" in site.output
    headers = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=x",
        "Connection": "close",
    }
    told = requests.get(f"{site.url}/a%20b?c=d", headers=headers, timeout=PATIENCE).json()
    assert told["path"] == "/a%20b?c=d"
    given = {name.lower(): value for name, value in told["headers"].items()}
    host = f"127.0.0.1:{site.port}"
    assert given["host"] == given["x-forwarded-host"] == host
    assert (given["x-forwarded-for"], given["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "forwarded" not in given
    assert len(site.programs("sleep")) == 1
    assert site.programs("uwsgi") == []


def test_a_worker_alone_has_neither_nginx_nor_port(plain_site: NewSite) -> None:
    site = plain_site(ENTRYPOINT_PROGRAM_WORKER="sleep 1000", ENTRYPOINT_PROGRAMS="worker").start()
    ready = site.folder / "run/www/ready.json"
    until(lambda: site.code is not None or ready.exists(), "it to be ready", instead=lambda: site.output)
    for what in ("ready", "live"):
        assert site.command("health", what).returncode == 0
    (child,) = psutil.Process(site.pid).children()
    assert child.cmdline() == ["/usr/bin/sleep", "1000"]
    assert site.status("/-/live") is None
    assert not (site.folder / "run/nginx.conf").exists()
    assert site.stop()[0] == 0
    unreachable = f"cannot reach {site.folder}/run/supervisor.sock: "
    for what, said in (("ready", "not ready: stopping\n"), ("live", unreachable)):
        health = site.command("health", what)
        assert (health.returncode, health.stderr[: len(said)]) == (1, said)


def test_the_container_of_a_worker_ends_with_it(plain_site: NewSite) -> None:
    site = plain_site(ENTRYPOINT_PROGRAM_WORKER="sh -c 'exit 7'", ENTRYPOINT_PROGRAMS="worker").start()
    assert site.wait() == 7


def test_a_worker_starts_when_the_site_is_ready(plain_site: NewSite, plain_project: Path) -> None:
    (plain_project / "entrypoint.toml").write_text(
        f"""
        [programs.worker]
        command = [{json.dumps(sys.executable)}, "-c", {json.dumps(CONNECT)}]
        after = ["web", "seed"]
        restart = "never"
        [programs.seed]
        command = "sh -c 'echo sown'"
        ready = "exit"
        """
    )
    site = plain_site()
    # At the level debug supervisord's log has uWSGI's own reports.
    site.start({"APP": str(site.folder / "run/app/uwsgi.sock"), "ENTRYPOINT_LOG_LEVEL": "debug"}).ready()
    until(lambda: "[worker] it listens\n" in site.output, "the worker", instead=lambda: site.output)
    assert site.output.index("[seed] sown\n") < site.output.index("spawned: 'worker'")
    assert site.output.index("uwsgi reports: uWSGI is ready") < site.output.index("spawned: 'worker'")


def test_without_nginx_a_users_web_listens_on_the_sites_port(new_site: NewSite, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "echo.py").write_text(ECHO)
    (folder / "Procfile").write_text(f"web: {sys.executable} echo.py\n")
    site = new_site(folder, ENTRYPOINT_NGINX="off", ENTRYPOINT_SERVER="gunicorn").start().ready()
    assert requests.get(f"{site.url}/a", timeout=PATIENCE).json()["path"] == "/a"
    assert "warning: ENTRYPOINT_SERVER=gunicorn has no effect: web from Procfile serves the site\n" in site.output


def test_without_an_application_server_nginx_and_workers_run(plain_site: NewSite) -> None:
    site = plain_site(ENTRYPOINT_SERVER="none", ENTRYPOINT_PROGRAM_WORKER="sleep 1000").start().ready()

    def names() -> list[str]:
        return sorted(child.name() for child in psutil.Process(site.pid).children())

    until(lambda: names() == ["nginx", "sleep"], "both programs", instead=lambda: str(names()))


def test_requests_are_served_while_it_drains(plain_site: NewSite) -> None:
    times = {"ENTRYPOINT_DRAIN_DELAY": "5m", "ENTRYPOINT_STOP_TIMEOUT": "10m"}
    site = plain_site(**times, ENTRYPOINT_PROGRAM_WORKER="sleep 1000").start().ready()
    os.kill(site.pid, signal.SIGTERM)
    until(lambda: site.status("/-/ready") == 503, "the drain")
    assert requests.get(site.url + "/-/ready", timeout=PATIENCE).json() == {"phase": "stopping"}
    assert site.status("/") == 200
    os.kill(site.pid, signal.SIGTERM)  # a second one ends the drain
    assert site.wait() == 0


@pytest.mark.thorough
def test_a_worker_finishes_in_the_time_that_nginx_and_uwsgi_leave(prepared_site: NewSite, tmp_path: Path) -> None:
    hook = tmp_path / "hooks" / "pre-stop.d" / "10-bye.sh"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\necho bye\n")
    hook.chmod(0o755)
    # Guaranteed are 2 s to it and 10 s to the hook; it needs 5 of the 20.
    wait = "trap 'sleep 5; echo finished; exit' TERM; echo up; while true; do sleep 0.1; done"
    hooks = {"ENTRYPOINT_HOOKS_DIR": str(tmp_path / "hooks"), "ENTRYPOINT_STOP_TIMEOUT": "20s"}
    site = prepared_site(ENTRYPOINT_PROGRAM_WORKER=f'sh -c "{wait}"', **hooks)
    site.start().ready()
    until(lambda: "[worker] up" in site.output, "the worker")
    assert site.stop()[0] == 0
    assert "[pre-stop 10-bye.sh] bye" in site.output
    assert "[worker] finished" in site.output
    assert "killed" not in site.output


def test_every_line_from_the_first_to_the_last_is_an_object(prepared_site: NewSite) -> None:
    says = 'echo hi; printf \'\\377\\n\'; echo \'{"msg": "paid", "time": 1, "order": 7}\'; exec sleep 1000'
    settings = {
        "ENTRYPOINT_LOG_FORMAT": "json",
        "NGINX_NAME": "x",
        "ENTRYPOINT_PROGRAM_WORKER": f"sh -c {shlex.quote(says)}",
    }
    site = prepared_site(**settings).start().ready()
    until(lambda: '"message":"paid"' in site.output, "the worker", instead=lambda: site.output)
    assert requests.get(f"{site.url}/request/?a=%22b", timeout=PATIENCE).status_code == 200
    assert requests.get(f"{site.url}/static/none", timeout=PATIENCE).status_code == 404
    assert site.stop()[0] == 0
    lines = [json.loads(line) for line in site.output.splitlines()]
    for line in lines:
        assert list(line)[:6] == ["time", "level", "program", "message", "stream", "pid"], line
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}, line
        assert line["time"].endswith("Z"), line
        assert isinstance(line["message"], str), line
    assert lines[0]["message"].startswith("1. read the settings: ")
    assert [line["level"] for line in lines if "NGINX_NAME has no effect" in line["message"]] == ["warning"]
    assert {"entrypoint", "application", "nginx", "uwsgi", "worker", "supervisord"} >= {
        each["program"] for each in lines
    }
    assert {each["message"]: each.get("order") for each in lines if each["program"] == "worker"} == {
        "hi": None,
        "\ufffd": None,
        "paid": 7,
    }
    (request,) = (each for each in lines if each.get("uri") == "/request/?a=%22b")
    assert (request["message"], request["level"], request["method"], request["status"], request["client"]) == (
        *("GET /request/?a=%22b 200", "info", "GET", 200, "127.0.0.1"),
    )
    assert {"bytes", "seconds", "request_id", "agent", "host"} <= request.keys()
    steps = {each["step"]: each.get("phase") for each in lines if "step" in each}
    assert (steps["settings"], steps["migrate"], steps["exec"]) == (None, "migrating", None)
    stop = next(line for line in reversed(lines) if line["message"].startswith("received SIGTERM"))
    assert (stop["program"], stop["level"]) == ("supervisord", "warning")


def test_the_log_level_limits_only_our_own_lines(plain_site: NewSite) -> None:
    worker = "sh -c 'echo hi; sleep 1000'"
    site = plain_site(ENTRYPOINT_LOG_LEVEL="error", ENTRYPOINT_PROGRAM_WORKER=worker).start().ready()
    until(lambda: "[worker] hi\n" in site.output, "the worker", instead=lambda: site.output)
    assert site.stop()[0] == 0
    assert "[entrypoint]" not in site.output
    assert "[supervisord]" not in site.output
