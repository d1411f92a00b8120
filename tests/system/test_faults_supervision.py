"""Faults and hostile clients, against a whole site."""

import os
import signal
import socket
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE, until
from load import Load
from rows import rows
from site_under_test import NewSite, Site

FLOOD = 1000  # requests, each of which makes nginx log 2 KB: twice what its pipe holds
LONG = b"POST /%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n" % (b"a" * 7000)
LOGGED = "[nginx] "
TOO_LARGE = "client intended to send too large body"


@pytest.fixture
def in_a_hook(plain_site: NewSite, tmp_path: Path) -> Site:
    """A site in the middle of a pre-migrate hook, which ends once the file `go-on` exists."""
    folder = tmp_path / "hooks" / "pre-migrate.d"
    folder.mkdir(parents=True)
    (folder / "10-slow.sh").write_text(f'echo waiting; until [ -e "{tmp_path / "go-on"}" ]; do sleep 0.05; done\n')
    site = plain_site(ENTRYPOINT_HOOKS_DIR=str(tmp_path / "hooks")).start()
    until(lambda: "[hook 10-slow] waiting" in site.output, "the hook", instead=lambda: site.output)
    return site


def _send(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(LONG)
        connection.recv(1)


def test_a_flood_of_logged_requests_during_a_hook_freezes_nothing(in_a_hook: Site, tmp_path: Path) -> None:
    site = in_a_hook
    for _ in range(FLOOD):
        _send(site.port)
    assert requests.get(site.url + "/-/live", timeout=PATIENCE).status_code == 200
    assert site.phase() == "running pre-migrate hooks"
    (tmp_path / "go-on").touch()
    site.ready()
    logged = [line for line in site.output.splitlines() if TOO_LARGE in line]
    assert len(logged) == FLOOD
    assert all(line.startswith(LOGGED) and line.count(TOO_LARGE) == 1 for line in logged)
    assert site.stop()[0] == 0


@pytest.mark.parametrize("streams", rows(["2>&-", "<&- 2>&-", "2>/dev/full"], ["2>/dev/full"]))
def test_a_site_without_stderr_is_served(plain_site: NewSite, streams: str) -> None:
    site = plain_site().start(around=("sh", "-c", f'exec "$@" {streams}', "sh")).ready()
    assert site.status("/") == 200
    assert site.stop()[0] == 0


@pytest.mark.thorough  # half a minute; tests/process/supervision/test_liveness.py shows it with shorter times
def test_a_frozen_application_server_makes_the_site_unready_until_it_continues(plain_site: NewSite) -> None:
    site = plain_site().start().ready()
    (uwsgi,) = site.programs("uwsgi")
    uwsgi.suspend()
    until(lambda: site.status("/-/ready") == 503, "red")  # two looks, one every 10 s
    uwsgi.resume()
    until(lambda: site.status("/-/ready") == 200, "green")
    assert site.programs("uwsgi") == [uwsgi]
    assert site.stop()[0] == 0


@pytest.mark.thorough  # tests/system/test_reload.py sends both, too
def test_hup_to_process_1_and_to_nginx_loses_no_request(plain_site: NewSite) -> None:
    site = plain_site(NGINX_ACCESS_LOG="off").start().ready()
    (nginx,), (uwsgi,) = site.programs("nginx"), site.programs("uwsgi")
    with Load(site.port, "/request/", 4) as load:
        os.kill(site.pid, signal.SIGHUP)
        until(lambda: "[entrypoint] reload: " in site.output, "the reload", instead=lambda: site.output)
        assert "received SIGHUP: reloading" in site.output
        workers = set(nginx.children())
        done = site.command("ctl", "signal", "HUP", "nginx")
        assert done.returncode == 0, done.stderr
        until(lambda: workers.isdisjoint(nginx.children()), "workers of nginx that are all new")
        before = load.counts["answered"]
        until(lambda: load.counts["answered"] > before + 100, "answers")
    assert load.lost == []
    assert site.programs("nginx") == [nginx]
    assert uwsgi not in site.programs("uwsgi")
    assert site.stop()[0] == 0
