"""`entrypoint maintenance` beside a running site."""

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import requests
from deadline import PATIENCE, until
from site_under_test import COMMAND, Site

BROWSER = {"Accept": "text/html"}
APPLICATION = (
    "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [environ['PATH_INFO'].encode()]\n"
)


class Shop(NamedTuple):
    """A site with a volume, whose clients come through a trusted proxy."""

    site: Site
    state: Path

    def ask(self, path: str = "/", address: str = "192.0.2.1", **headers: str) -> requests.Response:
        asked = {"X-Forwarded-For": address, "Connection": "close", **headers}
        return requests.get(self.site.url + path, headers=asked, timeout=PATIENCE)

    def switch(self, *words: str) -> str:
        done = self.site.command("maintenance", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def until_status(self, status: int, address: str = "192.0.2.1") -> None:
        until(lambda: self.ask(address=address).status_code == status, str(status), instead=lambda: self.site.output)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    for name in ("app", "static", "volume"):
        (folder / name).mkdir()
    (folder / "app" / "hello.py").write_text(APPLICATION)
    (folder / "static" / "style.css").write_text("p {}")
    with Site(
        folder,
        folder / "app",
        ENTRYPOINT_APP="hello:app",
        ENTRYPOINT_DATA_DIR=str(folder / "volume"),
        FORWARDED_ALLOW_IPS="127.0.0.1",
        NGINX_RATE_LIMIT="/limited/ 1/m",
        NGINX_STATIC_URL="/static/",
        NGINX_STATIC_ROOT=str(folder / "static"),
    ) as site:
        yield Shop(site.start().ready(), folder / "volume" / "maintenance.json")
        assert site.stop()[0] == 0


@pytest.fixture
def open_shop(shop: Shop) -> Iterator[Shop]:
    """Give the site without a maintenance, and leave it so."""
    yield shop
    shop.switch("off")
    shop.until_status(200)


def test_visitors_get_503_and_probes_the_truth(open_shop: Shop) -> None:
    assert "maintenance is on: visitors get 503\n" in open_shop.switch("on")
    open_shop.until_status(503)
    page, other, file = open_shop.ask(**BROWSER), open_shop.ask("/a"), open_shop.ask("/static/style.css")
    assert [answer.status_code for answer in (page, other, file)] == [503, 503, 503]
    assert "under maintenance" in page.text
    assert page.headers["Content-Type"].startswith("text/html")
    assert other.json() == file.json() == {"error": "the site is under maintenance"}
    for answer in (page, other, file):
        assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("120", "no-store")
    assert [open_shop.ask(path).status_code for path in ("/-/live", "/-/ready")] == [200, 200]
    assert open_shop.ask("/.well-known/acme-challenge/a").text == "/.well-known/acme-challenge/a"
    assert open_shop.ask("/-/pages/maintenance.html").status_code == 404
    assert open_shop.ask("/a%2F../.well-known/acme-challenge/a").status_code == 400
    assert open_shop.site.command("health").returncode == 0
    assert "\nmaintenance: visitors get 503\n" in open_shop.site.command("status").stdout
    assert json.loads(open_shop.site.command("status", "--format", "json").stdout)["maintenance"] is True
    assert "maintenance is off\n" in open_shop.switch("off")
    open_shop.until_status(200)
    assert not open_shop.state.exists()


def test_some_clients_see_the_site_meanwhile(open_shop: Shop) -> None:
    said = open_shop.switch("on", "--allow", "10.0.0.0/8", "--allow", "2001:db8::1")
    assert "visitors get 503, except from 10.0.0.0/8, 2001:db8::1/128\n" in said
    open_shop.until_status(503)
    seen = {address: open_shop.ask("/static/style.css", address).status_code for address in ("10.1.2.3", "2001:db8::1")}
    assert seen == {"10.1.2.3": 200, "2001:db8::1": 200}
    open_shop.switch("on", "--allow", "192.0.2.0/24")
    open_shop.until_status(200)
    open_shop.until_status(503, "10.1.2.3")


def test_no_request_fails_while_the_maintenance_is_switched(open_shop: Shop) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(open_shop.ask().status_code)

    client = threading.Thread(target=ask)
    client.start()
    try:
        open_shop.switch("on")
        open_shop.until_status(503)
        open_shop.switch("off")
        open_shop.until_status(200)
    finally:
        done.set()
        client.join()
    assert set(statuses) == {200, 503}  # an exception would have ended the client
    assert (statuses[0], statuses[-1]) == (200, 200)


def test_a_limit_has_our_page_without_one_of_the_project(shop: Shop) -> None:
    assert shop.ask("/limited/", "10.9.0.1").status_code == 200
    page, other = shop.ask("/limited/", "10.9.0.1", **BROWSER), shop.ask("/limited/", "10.9.0.1")
    assert (page.status_code, page.headers["Retry-After"]) == (429, "60")
    assert "<p>Error 429: too many requests came from this address.</p>" in page.text
    assert (other.status_code, other.json()) == (429, {"error": "too many requests came from this address"})


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("on", "--allow", "10.0.0.0/33"), 78, "cannot use --allow: '10.0.0.0/33' does not appear to be"),
        (("off", "--allow", "10.0.0.0/8"), 2, "--allow works only with maintenance on."),
        (("of",), 2, "'of' is not one of 'on', 'off'"),
    ],
)
def test_a_mistake_changes_nothing(shop: Shop, words: tuple[str, ...], code: int, line: str) -> None:
    done = shop.site.command("maintenance", *words)
    assert (done.returncode, line in done.stderr) == (code, True), done.stderr
    assert shop.ask().status_code == 200
    assert not shop.state.exists()


def test_a_stop_ends_the_command_before_it_has_changed_anything(shop: Shop) -> None:
    first = psutil.Process(shop.site.pid)
    first.suspend()
    with begun(shop, "on") as command:
        until(lambda: psutil.Process(command.pid).net_connections("unix"), "a question to supervisord")
        command.send_signal(signal.SIGTERM)
        said = command.communicate()[1]
    first.resume()
    assert (command.returncode, said) == (143, "[entrypoint] stopped by SIGTERM\n")
    assert not shop.state.exists()
    assert shop.ask().status_code == 200


def test_a_stop_ends_the_wait_for_nginx_which_switches_nevertheless(open_shop: Shop) -> None:
    (nginx,) = open_shop.site.programs("nginx")
    nginx.suspend()
    with begun(open_shop, "on") as command:
        until(lambda: hup_is_pending(nginx.pid), "HUP")
        command.send_signal(signal.SIGINT)
        said = command.communicate()[1]
    state = "the maintenance begins when nginx has read its configuration"
    assert (command.returncode, said) == (130, f"[entrypoint] stopped by SIGINT: {state}\n")
    nginx.resume()
    open_shop.until_status(503)
    assert open_shop.state.exists()


def begun(shop: Shop, *words: str) -> "subprocess.Popen[str]":
    command = [COMMAND, "maintenance", *words]
    site = shop.site
    return subprocess.Popen(command, cwd=site.project, env=site.environment, stderr=subprocess.PIPE, text=True)


def hup_is_pending(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(line.startswith("ShdPnd:") and int(line.split()[1], 16) & 1 for line in lines)


def test_a_maintenance_survives_a_restart(open_shop: Shop) -> None:
    open_shop.switch("on", "--allow", "10.0.0.0/8")
    open_shop.until_status(503)
    assert open_shop.site.stop()[0] == 0
    for file in (open_shop.site.folder / "run" / "www").glob("maintenance*"):
        file.unlink()  # a new container has the volume alone
    open_shop.site.start().ready()
    assert "warning: the site is in maintenance" in open_shop.site.output
    assert (open_shop.ask().status_code, open_shop.ask().headers["Retry-After"]) == (503, "120")
    assert open_shop.ask(address="10.0.0.1").text == "/"


def test_a_maintenance_that_ended_elsewhere_ends_with_a_restart(open_shop: Shop, until: Callable[..., None]) -> None:
    open_shop.switch("on")
    open_shop.until_status(503)
    assert open_shop.site.stop()[0] == 0
    open_shop.state.unlink()
    open_shop.site.start().ready()
    until(lambda: open_shop.ask().status_code == 200, "the site")
