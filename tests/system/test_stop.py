"""Stops at a bad moment, and what a stop or a kill leaves to the next boot."""

import os
import signal
import threading
from pathlib import Path
from textwrap import dedent

import psutil
import requests
from deadline import PATIENCE, until
from ports import free_port
from site_under_test import NewSite, Site, alive

# Behind /crash a worker ends at once; behind /hold it waits until the test has released it.
APPLICATION = """
    import os, time
    from pathlib import Path

    here = Path(__file__).parent

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/crash":
            os._exit(1)
        if environ["PATH_INFO"] == "/hold":
            (here / "held").touch()
            while not (here / "released").exists():
                time.sleep(0.01)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]
"""
TOO_FAST = "worker respawning too fast"
"""uWSGI says so, and then starts no worker for two seconds."""
REPLACED = "Respawned uWSGI worker"


def serving(new_site: NewSite, project: Path, **settings: str) -> Site:
    """Return a site of two uWSGI workers that answers."""
    project.mkdir()
    (project / "web.py").write_text(dedent(APPLICATION))
    site = new_site(project, ENTRYPOINT_APP="web:application", WEB_CONCURRENCY="2", **settings).start()
    until(lambda: site.code is not None or site.status("/") == 200, "the page", instead=lambda: site.output)
    return site


def crash_too_fast(site: Site) -> None:
    """Crash workers, each after uWSGI has replaced the one before, until uWSGI pauses."""
    while TOO_FAST not in site.output:
        replaced = site.output.count(REPLACED)
        site.status("/crash")
        until(
            lambda: TOO_FAST in site.output or site.output.count(REPLACED) > replaced,  # noqa: B023 -- called here
            "another worker",
            instead=lambda: site.output,
        )


def test_a_stop_while_uwsgi_pauses_after_crashes(new_site: NewSite, tmp_path: Path) -> None:
    site = serving(new_site, tmp_path / "project")
    crash_too_fast(site)
    family = site.family()
    assert site.stop()[0] == 0
    assert "still running" not in site.output, site.output  # it was not killed at the end of its time
    assert not [member for member in family if alive(member)]


def test_a_request_during_such_a_stop(new_site: NewSite, tmp_path: Path) -> None:
    site = serving(new_site, tmp_path / "project", ENTRYPOINT_NGINX="off")  # nginx would stop first
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(requests.get(f"{site.url}/hold", timeout=PATIENCE).text))
    client.start()
    until((site.project / "held").exists, "the request")
    crash_too_fast(site)
    os.kill(site.pid, signal.SIGTERM)
    until(lambda: "graceful shutdown triggered" in site.output, "the stop of uWSGI", instead=lambda: site.output)
    (site.project / "released").touch()
    client.join()
    assert site.wait() == 0
    assert "still running" not in site.output, site.output
    assert answers == ["done"]


# Loads until the test lets it go on.
SLOW = """
    import time
    from pathlib import Path

    here = Path(__file__).parent
    (here / "loading").touch()
    while not (here / "go").exists():
        time.sleep(0.01)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]
"""


def test_a_stop_while_each_worker_loads_the_application(new_site: NewSite, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "web.py").write_text(dedent(SLOW))
    (project / "uwsgi.ini").write_text("[uwsgi]\nlazy-apps = true\n")
    site = new_site(project, ENTRYPOINT_APP="web:application", WEB_CONCURRENCY="1").start()
    until((project / "loading").exists, "the worker", instead=lambda: site.output)
    until(lambda: "'nginx' with pid" in site.output, "supervisord", instead=lambda: site.output)
    os.kill(site.pid, signal.SIGTERM)
    until(lambda: "graceful shutdown triggered" in site.output, "the stop of uWSGI", instead=lambda: site.output)
    (project / "go").touch()  # the worker has not replaced the handlers of the master: it missed the first signal
    assert site.wait() == 0
    assert "still running" not in site.output, site.output
    site.start().ready()
    assert requests.get(site.url, timeout=PATIENCE).text == "done"
    assert site.stop()[0] == 0


def test_a_stop_and_a_kill_with_everything_on_leave_nothing_in_the_way(new_site: NewSite, tmp_path: Path) -> None:
    project, data, metrics = tmp_path / "project", tmp_path / "volume", f"127.0.0.1:{free_port()}"
    for folder in (project, data):
        folder.mkdir()
    (project / "web.py").write_text(dedent(APPLICATION))
    site = new_site(
        project,
        ENTRYPOINT_APP="web:application",
        ENTRYPOINT_DATA_DIR=str(data),
        ENTRYPOINT_METRICS_PORT=metrics,
        ENTRYPOINT_PROGRAM_WORKER="sleep 1000",
        ENTRYPOINT_STATUS_PAGE="on",
        NGINX_CACHE="16m",
        NGINX_TLS="self-signed",
        WEB_CONCURRENCY="2",
    )
    for boot in range(3):
        site.start()
        until(
            lambda: site.code is not None or site.output.count("ready after") > boot,  # noqa: B023 -- called here
            "the site",
            instead=lambda: site.output,
        )
        url, certificate = f"https://127.0.0.1:{site.port}/", str(tmp_path / "run/tls/site.pem")
        assert requests.get(url, verify=certificate, timeout=PATIENCE).text == "done", site.output
        assert "uwsgi_workers" in requests.get(f"http://{metrics}/-/metrics", timeout=PATIENCE).text
        family = site.family()
        if boot == 1:
            kill([psutil.Process(site.pid), *family])
            assert site.wait() == 128 + signal.SIGKILL
            assert left_sockets(site)
        else:
            assert site.stop()[0] == 0, site.output
            assert not left_sockets(site)
        until(lambda: not any(map(alive, family)), "the end of all")  # noqa: B023 -- called here
    assert "still running" not in site.output, site.output


def kill(family: list[psutil.Process]) -> None:
    """Kill all processes of a site, as the kernel does when the first process of a container is killed."""
    for member in family:
        member.suspend()  # so that no process starts another
    for member in family:
        member.kill()


def left_sockets(site: Site) -> set[str]:
    run = site.folder / "run"
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_socket()}
