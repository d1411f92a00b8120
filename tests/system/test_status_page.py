"""The status page of a site that serves: who may read it, who may act, and what the buttons do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
import requests
from deadline import PATIENCE, until
from plain_application import write_plain_application
from site_under_test import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from site_under_test import NewSite

PASSWORD = "correct-horse-battery"
AUTH = ("anyone", PASSWORD)
NONE: Mapping[str, str] = {}
Headers = Mapping[str, str]
Auth = tuple[str, str] | None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    settings = {
        "ENTRYPOINT_APP": "plain:wsgi",
        "ENTRYPOINT_STATUS_PAGE": "on",
        "ENTRYPOINT_STATUS_PASSWORD": PASSWORD,
        "ENTRYPOINT_PROGRAM_WORKER": "sleep 1000",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "WEB_CONCURRENCY": "1",
    }
    with Site(folder, write_plain_application(folder / "plain"), **settings) as running:
        yield running.start().ready()
        assert running.stop()[0] == 0, running.output
        assert PASSWORD not in running.output


def get(site: Site, path: str = "/-/", headers: Headers = NONE, auth: Auth = AUTH) -> requests.Response:
    return requests.get(site.url + path, auth=auth, headers=headers, timeout=PATIENCE)


def post(site: Site, path: str, headers: Headers, auth: Auth = AUTH) -> requests.Response:
    return requests.post(f"{site.url}/-/page/{path}", auth=auth, headers=headers, timeout=PATIENCE)


def token(site: Site) -> str:
    found = re.search(r'<meta name="token" content="([^"]+)">', get(site).text)
    assert found
    return found[1]


def programs(site: Site) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in get(site, "/-/page.json").json()["programs"]}


def test_the_page_needs_the_password_from_anywhere(site: Site) -> None:
    for headers in ({}, {"X-Forwarded-For": "203.0.113.9"}):
        refused = get(site, headers=headers, auth=None)
        assert (refused.status_code, "realm=" in refused.headers["WWW-Authenticate"]) == (401, True)
        assert get(site, "/-/page.json", headers, auth=None).status_code == 401
        shown = get(site, headers=headers)
        assert (shown.status_code, shown.headers["Cache-Control"]) == (200, "no-store")
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        (nonce,) = set(re.findall(r"nonce-([\w-]+)", policy))
        assert shown.text.count(f'nonce="{nonce}"') == 2
        assert set(re.findall(r"(?:src|href)=", shown.text)) == set()  # self-contained


def test_the_data_lists_what_runs(site: Site) -> None:
    until(lambda: programs(site)["worker"]["ready"], "the worker")
    data = get(site, "/-/page.json").json()
    assert data["ready"]
    assert data["boot_seconds"] > 0
    assert data["boot"][0] == {"at": 0.0, "line": "start Python"}
    uwsgi = programs(site)["uwsgi"]
    assert uwsgi["memory"] > 10 << 20
    assert uwsgi["cpu"] > 0
    assert 0 < uwsgi["started"] < data["now"]
    before = data["requests"]
    assert site.status("/") == 200
    until(lambda: get(site, "/-/page.json").json()["requests"] > before, "the request is counted")


def test_a_program_is_restarted_by_the_page_alone(site: Site) -> None:
    own = {"X-Entrypoint-Token": token(site), "Sec-Fetch-Site": "same-origin"}
    named = {"X-Entrypoint-Program": "worker"}
    before = programs(site)["worker"]["pid"]
    assert post(site, "restart", {**own, **named}, auth=None).status_code == 401
    for wrong in ({}, {**own, "X-Entrypoint-Token": "guessed"}, {**own, "Sec-Fetch-Site": "cross-site"}):
        assert post(site, "restart", {**wrong, **named}).status_code == 403
    assert get(site, "/-/page/restart", {**own, **named}).status_code == 405
    unknown = post(site, "restart", {**own, "X-Entrypoint-Program": "nobody"})
    assert unknown.status_code == 409
    assert unknown.json() == {"why": "cannot restart nobody: there is no such program"}
    assert programs(site)["worker"]["pid"] == before

    assert post(site, "restart", {**own, **named}).status_code == 202
    until(lambda: programs(site)["worker"]["pid"] not in {0, before} and programs(site)["worker"]["ready"], "a new one")
    assert programs(site)["worker"]["last_end"] == "killed by SIGTERM: requested on the status page"
    assert "status page: restart worker for 127.0.0.1" in site.output
    assert "[supervisord] restarting worker: requested on the status page" in site.output  # no level before it
    assert programs(site)["uwsgi"]["restarts"] == 0


def test_a_reload_is_started(site: Site) -> None:
    before = site.output.count("reload: ")
    assert post(site, "reload", {"X-Entrypoint-Token": token(site)}).status_code == 202
    until(lambda: site.output.count("reload: replaced uwsgi") > before, "the reload")
    assert site.status("/") == 200


def test_a_stopped_program_is_started(site: Site) -> None:
    assert site.command("ctl", "stop", "worker").returncode == 0
    assert programs(site)["worker"]["why"] == "worker is stopped"
    own = {"X-Entrypoint-Token": token(site), "X-Entrypoint-Program": "worker"}
    assert post(site, "restart", own).status_code == 202
    until(lambda: programs(site)["worker"]["ready"], "the worker")


@pytest.mark.thorough
def test_without_a_password_only_the_container_itself_may_look_and_nobody_may_act(new_site: NewSite) -> None:
    site = new_site(ENTRYPOINT_STATUS_PAGE="on", FORWARDED_ALLOW_IPS="127.0.0.1", WEB_CONCURRENCY="1").start().ready()
    assert get(site, auth=None).status_code == 200
    assert '<meta name="token" content="">' in get(site, auth=None).text
    assert get(site, headers={"X-Forwarded-For": "203.0.113.9"}, auth=None).status_code == 403
    refused = post(site, "restart", {"X-Entrypoint-Token": "", "X-Entrypoint-Program": "uwsgi"}, auth=None)
    assert refused.status_code == 403
    assert "ENTRYPOINT_STATUS_PASSWORD" in refused.json()["why"]
