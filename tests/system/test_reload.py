"""`entrypoint reload` and SIGHUP: changes take effect, mistakes are refused, and no request is lost."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from load import Load
from site_under_test import COMMAND, NewSite, Site

APPLICATION = """
    import asyncio, json, os, time
    from pathlib import Path

    here = Path(__file__).parent
    while (here / "wait").exists():
        time.sleep(0.02)
    STATUS = "500 Internal Server Error" if (here / "fail").exists() else "200 OK"
    BODY = json.dumps({"code": (here / "code").read_text(), "token": os.environ.get("TOKEN"), "pid": os.getpid()})
"""
WSGI = """
    def application(environ, start_response):
        time.sleep(0.02)
        start_response(STATUS, [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
        return [BODY.encode()]
"""
ASGI = """
    async def application(scope, receive, send):
        assert scope["type"] == "http"
        await asyncio.sleep(0.02)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
        await send({"type": "http.response.start", "status": int(STATUS[:3]), "headers": headers})
        await send({"type": "http.response.body", "body": BODY.encode()})
"""
TEMPLATE = "nginx-app.conf.j2"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small application of both kinds, with a version of its code, a secret and two workers."""
    folder = tmp_path / "project"
    (folder / "conf").mkdir(parents=True)
    (folder / "hooks").mkdir()
    (folder / "hooks" / "10-token.envsh").write_text("export HOOKED=1\n")
    for kind, served in (("wsgi", WSGI), ("asgi", ASGI)):
        (folder / f"{kind}.py").write_text(dedent(APPLICATION) + dedent(served))
    (folder / "code").write_text("1")
    (folder / "token").write_text("first")
    (folder / "token").chmod(0o644)
    write_workers(folder)
    return folder


def write_workers(folder: Path, sleeps: int = 1000, **more: str) -> None:
    workers = {"steady": "sleep 1000", "worker": f"sleep {sleeps}", **more}
    (folder / "entrypoint.toml").write_text(
        "".join(f'[programs.{name}]\ncommand = "{command}"\n' for name, command in workers.items())
    )


def small_site(
    new_site: NewSite, project: Path, server: str = "uwsgi", interface: str = "wsgi", workers: int = 2, **settings: str
) -> Site:
    return new_site(
        project,
        ENTRYPOINT_SERVER=server,
        ENTRYPOINT_APP=f"{interface}:application",
        ENTRYPOINT_CONF_DIR=str(project / "conf"),
        ENTRYPOINT_HOOKS_DIR=str(project / "hooks"),
        ENTRYPOINT_SECRETS="TOKEN",
        TOKEN_FILE=str(project / "token"),
        WEB_CONCURRENCY=str(workers),
        NGINX_ACCESS_LOG="off",
        **settings,
    )


def shown(site: Site) -> dict[str, str]:
    answer: dict[str, str] = requests.get(site.url, timeout=PATIENCE).json()
    return answer


def pids(site: Site) -> dict[str, int]:
    """Return the PID of each program, as supervisord knows it."""
    status = json.loads(site.command("status", "--format", "json").stdout)
    return {program["program"]: program["pid"] for program in status["programs"]}


def children(site: Site) -> set[int]:
    return {child.pid for child in psutil.Process(site.pid).children()}


def ready_file(site: Site) -> tuple[int, int]:
    """Return what tells the file ready.json from any that is written later."""
    status = (site.folder / "run" / "www" / "ready.json").stat()
    return status.st_ino, status.st_mtime_ns


def reloaded(site: Site, *names: str) -> str:
    done = site.command("reload", *names)
    assert done.returncode == 0, done.stderr + site.output
    return done.stderr


def refused(site: Site, code: int, *names: str) -> str:
    """Reload, which is refused in one line and changes no file and no process; return why."""
    run = site.folder / "run"
    files = {file: file.read_bytes() for file in run.glob("*.*") if file.suffix not in {".sock", ".lock"}}
    family, ready = children(site), ready_file(site)
    done = site.command("reload", *names)
    assert done.returncode == code, done.stderr + site.output
    assert {file: file.read_bytes() for file in files} == files
    until(lambda: children(site) == family, "the processes of before", instead=lambda: site.output)
    assert ready_file(site) == ready  # nor was it ever unready
    *_, last = done.stderr.splitlines()
    return last.removeprefix("[entrypoint] ")


@contextmanager
def visitors(site: Site) -> Iterator[None]:
    """Send requests meanwhile, on new and on kept connections, and assert that none is lost."""
    with ExitStack() as stack:
        loads = [stack.enter_context(Load(site.port, "/", 2, keep=keep)) for keep in (False, True)]
        until(lambda: all(load.counts["answered"] for load in loads), "the first answers")
        yield
    for load in loads:
        assert (load.lost, load.counts["refused"]) == ([], 0), site.output


def failed(site: Site, project: Path) -> str:
    """Return why a reload was refused whose application answers 500."""
    (project / "fail").touch()
    why = refused(site, 78)
    (project / "fail").unlink()
    return why


def test_a_reload_takes_what_has_changed_and_loses_no_request(new_site: NewSite, project: Path) -> None:
    site = small_site(new_site, project).start().ready()
    before, first, ready = pids(site), shown(site), ready_file(site)
    with visitors(site):
        # The code alone has changed. Nothing of it is in a file of ours.
        (project / "code").write_text("2")
        said = reloaded(site)
        assert said == "[entrypoint] reload: replaced uwsgi, reloaded nginx\n"
        assert shown(site)["code"] == "2"
        metrics = requests.get(f"{site.url}/-/metrics", timeout=PATIENCE).text
        assert metrics.count("entrypoint_program_ready{") == 4  # no program twice
        assert "entrypoint_uwsgi_workers" in metrics  # those of the new process
        after = pids(site)
        assert {name for name, pid in before.items() if after[name] != pid} == {"uwsgi"}
        # A program has changed, one is new; the diff shows it. The server stays, because only a worker is named.
        write_workers(project, 1001, third="sleep 1000")
        with (project / "entrypoint.toml").open("a") as file:
            file.write('stop_timeout = "2s"\n')  # which the others lack then
        said = reloaded(site, "worker")
        assert any(line.startswith("[entrypoint]     +command = ") and "1001" in line for line in said.splitlines())
        assert said.endswith("[entrypoint] reload: restarted worker, started third\n")
        assert pids(site).items() >= {name: after[name] for name in ("uwsgi", "nginx", "steady")}.items()
        # Each program has a secret that has changed.
        (project / "token").write_text("second")
        after = pids(site)
        said = reloaded(site, "nginx")
        assert "replaced uwsgi, reloaded nginx, restarted steady, restarted third, restarted worker" in said
        assert "second" not in said
        assert shown(site)["token"] == "second"
        assert [name for name, pid in pids(site).items() if after[name] == pid] == ["nginx"]
        # What is broken is refused, and nothing changes.
        (project / "conf" / TEMPLATE).write_text("server { {% if }")
        assert refused(site, 78).startswith(f"cannot render {project}/conf/{TEMPLATE}, line 1: ")
        (project / "conf" / TEMPLATE).write_text("server { listen 80; no_such_directive on; }")
        assert 'unknown directive "no_such_directive"' in refused(site, 78)
        (project / "conf" / TEMPLATE).unlink()
        assert re.fullmatch(r"cannot reload: the new uwsgi failed .+; see the container's log", failed(site, project))
        (project / "code").unlink()
        assert refused(site, 78).startswith("cannot reload: cannot load the application wsgi:application")
        (project / "code").write_text("3")
        assert refused(site, 78, "wroker") == "cannot reload wroker: there is no such program; did you mean worker?"
        (project / "token").unlink()
        assert "No such file or directory; mount the file, or unset TOKEN_FILE" in refused(site, 78)
        (project / "token").write_text("second")
        os.kill(site.pid, signal.SIGHUP)
        until(lambda: shown(site)["code"] == "3", "the reload", instead=lambda: site.output)
        until(lambda: site.output.count("[entrypoint] reload: ") == 1, "its end", instead=lambda: site.output)
    assert first["code"] == "1"
    assert ready_file(site) == ready, site.output  # nor was it ever unready
    assert "ready again" not in site.output
    status = json.loads(site.command("status", "--format", "json").stdout)
    assert {program["restarts"] for program in status["programs"]} == {0}
    family = site.family()
    assert site.stop()[0] == 0
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_a_second_reload_and_a_stop_during_a_reload(new_site: NewSite, project: Path) -> None:
    site = small_site(new_site, project, "gunicorn")
    assert site.command("reload").returncode == 127
    (project / "fail").touch()
    site.start()
    until(lambda: "gunicorn is not ready: " in site.output, "the first request", instead=lambda: site.output)
    (project / "fail").unlink()
    assert (
        reloaded(site) == "[entrypoint] reload: replaced gunicorn, reloaded nginx\n"
    )  # a reload also repairs a site that is not ready
    assert site.status("/-/ready") == 200
    assert re.search(
        r"^last reload, \d+ s ago: replaced gunicorn, reloaded nginx$", site.command("status").stdout, re.MULTILINE
    )
    (project / "wait").touch()  # the new process does not get ready
    first = subprocess.Popen([COMMAND, "reload"], cwd=project, env=site.environment, stderr=subprocess.PIPE, text=True)
    until(lambda: site.output.count("spawned: 'gunicorn'") >= 3, "the new process", instead=lambda: site.output)
    second = site.command("reload")
    assert (second.returncode, second.stderr) == (75, "[entrypoint] cannot reload: another reload has not ended\n")
    assert site.status("/") == 200
    assert site.stop()[0] == 0
    assert first.wait() == 75
    assert first.stderr
    with first.stderr as stream:
        assert stream.read() == "[entrypoint] cannot reload: the container is stopping\n"


@contextmanager
def reloading(site: Site, *, spawned: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Reload meanwhile, from when the new process has been started: `spawned` processes of uvicorn in all."""
    with subprocess.Popen([COMMAND, "reload"], cwd=site.project, env=site.environment) as reload:
        until(lambda: site.output.count("spawned: 'uvicorn'") >= spawned, "it", instead=lambda: site.output)
        yield reload


def test_without_nginx_a_new_process_takes_over_the_port(new_site: NewSite, project: Path) -> None:
    site = small_site(new_site, project, "uvicorn", "asgi", 1, ENTRYPOINT_NGINX="off").start()
    site.ready()
    first = shown(site)
    with visitors(site):
        (project / "token").write_text("second")
        (project / "code").write_text("2")
        assert reloaded(site).endswith("reload: replaced uvicorn, restarted steady, restarted worker\n")
        second = shown(site)
        assert (first["code"], first["token"], second["code"], second["token"]) == ("1", "first", "2", "second")
        family = children(site)
        assert re.fullmatch(r"cannot reload: the new uvicorn failed .+; see the container's log", failed(site, project))
        (project / "code").unlink()
        (project / "wait").touch()
        with reloading(site, spawned=4) as reload:
            new = max(children(site))
            # supervisord counts it as running by then, and would start it again.
            until(lambda: time.time() - psutil.Process(new).create_time() > 1.5, "a late end")
            (project / "wait").unlink()
            assert reload.wait() == 78, site.output
        until(lambda: children(site) == family, "the processes of before", instead=lambda: site.output)
        (project / "code").write_text("3")
        (project / "conf" / "supervisord.conf.j2").write_text("{% if }")
        assert refused(site, 78).startswith(f"cannot render {project}/conf/supervisord.conf.j2, line 1: ")
        assert shown(site) == second
    # Who comes while no process serves waits for the next one.
    os.kill(pids(site)["uvicorn"], signal.SIGKILL)
    until(lambda: "exited: uvicorn" in site.output, "its end", instead=lambda: site.output)
    assert shown(site)["code"] == "3"
    (project / "conf" / "supervisord.conf.j2").unlink()
    (project / "wait").touch()  # the new process does not get ready
    with Load(site.port, "/") as load, reloading(site, spawned=6) as reload:
        until(lambda: load.counts["answered"], "an answer")
        assert site.stop()[0] == 0
        assert reload.wait() == 75
        load.join()
    assert load.lost == []


RELOADS = 20
"""So many reloads, with 500 requests after each, are 10,000 requests."""


@pytest.mark.timeout(1800)  # 20 reloads take a while on a busy machine
@pytest.mark.thorough
@pytest.mark.parametrize("nginx", ["on", "off"])
@pytest.mark.parametrize(
    ("server", "workers"), [("uwsgi", 2), ("gunicorn", 2), ("uvicorn", 1), ("uvicorn", 2), ("granian", 2)]
)
def test_no_request_is_lost(new_site: NewSite, project: Path, server: str, workers: int, nginx: str) -> None:
    interface = "asgi" if server == "uvicorn" else "wsgi"
    site = small_site(new_site, project, server, interface, workers, ENTRYPOINT_NGINX=nginx).start()
    site.ready()
    broken = project / "conf" / (TEMPLATE if nginx == "on" else "supervisord.conf.j2")
    with Load(site.port, "/") as load, Load(site.port, "/", 2, keep=True) as kept:
        for turn in range(RELOADS):
            (project / "code").write_text(f"turn {turn}")
            if turn % 4 == 3:
                broken.write_text("{% if }")
                assert site.command("reload").returncode == 78
                broken.unlink()
            else:
                reloaded(site)
                assert shown(site)["code"] == f"turn {turn}"
            wanted = (turn + 1) * 500
            until(lambda: load.lost or load.counts["answered"] >= wanted, "answers")  # noqa: B023 -- used at once
    for name, each in (("new", load), ("kept", kept)):
        row = f"{server} {workers}, nginx {nginx}, {RELOADS} reloads"
        print(f"{row}, {name} connections: {dict(each.counts)} {each.lost}")  # noqa: T201 -- for a run by hand
        assert (each.lost, each.counts["refused"]) == ([], 0)
    assert site.stop()[0] == 0
