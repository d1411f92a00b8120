"""The access log, in each of its forms."""

import json
import socket
from typing import Any

import requests
from deadline import PATIENCE, until
from site_under_test import NewSite, Site


def logged(site: Site) -> list[dict[str, Any]]:
    """Return the requests that the log shows as objects."""
    lines = (line.removeprefix("[nginx] ") for line in site.output.splitlines())
    return [json.loads(line) for line in lines if line.startswith("{")]


def logged_with(site: Site, uri: str) -> dict[str, Any]:
    return until(lambda: next((entry for entry in logged(site) if entry["uri"] == uri), None), f"{uri} in the log")


def test_each_request_is_a_json_object_whatever_the_client_sends(plain_site: NewSite) -> None:
    site = plain_site(NGINX_ACCESS_LOG="json").start().ready()
    agent = 'quoted " back\\slash \x7f end'
    requests.get(f"{site.url}/request/?a=%22b", headers={"User-Agent": agent, "Referer": "x"}, timeout=PATIENCE)
    entry = logged_with(site, "/request/?a=%22b")
    assert entry.pop("time")[10] == "T"
    assert entry.pop("bytes") > 0
    assert entry.pop("connection") > 0
    assert len(entry.pop("request_id")) == 32
    assert 0 <= entry.pop("upstream_seconds") <= entry.pop("seconds") + 0.01
    assert entry == {
        "client": "127.0.0.1",
        "method": "GET",
        "uri": "/request/?a=%22b",
        "status": 200,
        "referer": "x",
        "agent": agent,
        "host": f"127.0.0.1:{site.port}",
    }
    requests.get(f"{site.url}/static/none", timeout=PATIENCE)
    assert logged_with(site, "/static/none")["upstream_seconds"] is None
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as connection:
        connection.sendall(b"no request at all\r\n\r\n")
        assert connection.recv(100)
    assert until(lambda: [entry for entry in logged(site) if entry["status"] == 400], "the bad request in the log")
    assert not [entry for entry in logged(site) if "/-/" in entry["uri"]]


def test_a_log_that_is_off_shows_no_request(plain_site: NewSite) -> None:
    site = plain_site(NGINX_ACCESS_LOG="off").start().ready()
    assert site.status("/request/") == 200
    assert site.stop()[0] == 0  # by then nginx has written all that it has to say
    assert "/request/" not in site.output


def test_a_stop_writes_the_lines_that_nginx_still_buffers(plain_site: NewSite) -> None:
    site = plain_site().start().ready()
    for number in range(100):
        assert site.status(f"/request/?number={number}") == 200
    assert site.stop()[0] == 0
    assert all(f"GET /request/?number={number} " in site.output for number in range(100))
