"""What users rely on, with each application server, behind nginx and without. One boot shows all of it.

Afterwards the same site is started once more with an application that does not load.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from deadline import PATIENCE, until
from served_site import BODY, write_served_site
from site_under_test import NewSite, Site, alive
from websockets.sync.client import connect

CLAIMS = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "for=203.0.113.9"}
PROXY = "127.0.0.2"
"""The address that FORWARDED_ALLOW_IPS names."""


class Row(NamedTuple):
    """One application server, as it is configured here."""

    server: str
    interface: str = "wsgi"
    arguments: str = ""
    exits: bool = True
    """Whether a worker runs its atexit hooks when the server stops."""
    broken: int = 1
    """The exit code if the application does not load."""

    def site(self, new_site: NewSite, project: Path, nginx: str) -> Site:
        return new_site(
            project,
            ENTRYPOINT_SERVER=self.server,
            ENTRYPOINT_APP=f"served.{self.interface}:application",
            ENTRYPOINT_NGINX=nginx,
            FORWARDED_ALLOW_IPS=f"{PROXY} 10.0.0.0/8",
            NGINX_CLIENT_MAX_BODY_SIZE="32m",
            WEB_CONCURRENCY="2",
            **({"GUNICORN_CMD_ARGS": self.arguments} if self.arguments else {}),
        )


ROWS = {
    "uwsgi": Row("uwsgi", broken=22),
    "gunicorn": Row("gunicorn"),
    "gunicorn gthread": Row("gunicorn", arguments="--worker-class gthread --threads 2"),
    "uvicorn": Row("uvicorn", "asgi", exits=False),
    # A process of Python's multiprocessing runs its atexit hooks since 3.13.
    "granian WSGI": Row("granian", exits=sys.version_info >= (3, 13)),
    "granian ASGI": Row("granian", "asgi", exits=sys.version_info >= (3, 13)),
}
QUICK = {("uwsgi", "on")}


MATRIX = [
    pytest.param(
        row,
        nginx,
        id=f"{name}, nginx {nginx}",
        marks=() if (name, nginx) in QUICK else (pytest.mark.thorough,),
    )
    for name, row in ROWS.items()
    for nginx in ("on", "off")
]


@pytest.mark.parametrize(("row", "nginx"), MATRIX)
def test_every_server_does_what_users_rely_on(new_site: NewSite, tmp_path: Path, row: Row, nginx: str) -> None:
    site = row.site(new_site, write_served_site(tmp_path / "project"), nginx).start()
    site.ready()
    assert bool(site.programs("nginx")) == (nginx == "on")
    assert "is not ready" not in site.output
    assert requests.get(f"{site.url}/static/style.css", timeout=PATIENCE).text == "p { color: black }\n"
    sees_the_client(site, nginx)
    carries_large_bodies(site)
    sends_events_at_once(site)
    if row.interface == "asgi":
        upgrades_to_a_websocket(site)
    survives_the_crash_of_a_worker(site, nginx)
    finishes_a_request_at_a_stop(site, row)
    ends_if_the_application_does_not_load(site, row)


def sees_the_client(site: Site, nginx: str) -> None:
    seen = seen_from(site, "127.0.0.1", CLAIMS if nginx == "on" else {})
    assert (seen["address"], seen["scheme"], seen["host"]) == ("127.0.0.1", "http", f"127.0.0.1:{site.port}")
    if nginx == "on":
        assert seen["x_forwarded_for"] == "127.0.0.1"
        seen = seen_from(site, PROXY, CLAIMS)
        assert (seen["scheme"], seen["x_forwarded_for"]) == ("https", "203.0.113.9")
        assert seen["address"] == "203.0.113.9"


def seen_from(site: Site, source: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return what the application sees of a request from an address of this machine."""
    with closing(HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE, source_address=(source, 0))) as connection:
        connection.request("GET", "/", headers=dict(headers))
        seen: Mapping[str, str] = json.loads(connection.getresponse().read())
    return seen


def carries_large_bodies(site: Site) -> None:
    sent = requests.post(f"{site.url}/upload/", data=BODY, timeout=PATIENCE)
    assert (sent.status_code, sent.text) == (200, hashlib.sha256(BODY).hexdigest())
    assert requests.get(f"{site.url}/download/", timeout=PATIENCE).content == BODY


def sends_events_at_once(site: Site) -> None:
    """The second event is sent once the client has received the first one."""
    with requests.get(f"{site.url}/events/", stream=True, timeout=PATIENCE) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert next(lines) == b"data: first"
        (site.folder / "data" / "received").touch()
        assert [line for line in lines if line] == [b"data: second"]


def upgrades_to_a_websocket(site: Site) -> None:
    with connect(f"ws://127.0.0.1:{site.port}/", open_timeout=PATIENCE, close_timeout=PATIENCE) as websocket:
        websocket.send("hello")
        assert websocket.recv(timeout=PATIENCE) == "hello"


def survives_the_crash_of_a_worker(site: Site, nginx: str) -> None:
    if nginx == "on":
        assert requests.post(f"{site.url}/crash/", timeout=PATIENCE).status_code == 502
    else:
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{site.url}/crash/", timeout=PATIENCE)
    until(lambda: site.status("/") == 200, "the page again")


def finishes_a_request_at_a_stop(site: Site, row: Row) -> None:
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(requests.get(f"{site.url}/slow/", timeout=PATIENCE).text))
    data = site.folder / "data"
    pids = {requests.get(site.url, timeout=PATIENCE).json()["pid"] for _ in range(4)}
    family = site.family()
    client.start()
    until((data / "slow").exists, "the request")
    code, _ = site.stop()
    client.join()
    assert (code, answers) == (0, ["done"]), site.output
    assert not [member for member in family if alive(member)]
    ran = {pid for pid in pids if (data / f"exited-{pid}").exists()}
    assert ran == (pids if row.exits else set())  # docs/how-to/choose-a-server.md says so


def ends_if_the_application_does_not_load(site: Site, row: Row) -> None:
    site.start({"EXAMPLE_BROKEN": "yes"})
    assert site.wait() == row.broken, site.output
    why = f"cannot load the application served.{row.interface}:application: ValueError: the application is broken"
    assert f"[entrypoint] {why} (served/{row.interface}.py, line " in site.output
