"""A site with every protection, asked as clients of different addresses."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from subprocess import run
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from deadline import PATIENCE, until
from rows import thorough
from site_under_test import Site

APPLICATION = """
import json, os, signal, time
from pathlib import Path

FOLDER = Path(__file__).parent


def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if path == "/crash/":
        os.kill(os.getpid(), signal.SIGKILL)
    if path.startswith("/hold/"):
        (FOLDER / f"held-{path.strip('/').rpartition('/')[2]}").touch()
        while not (FOLDER / "released").exists():
            time.sleep(0.01)
    status = "404 Not Found" if path == "/missing/" else "200 OK"
    own = [("X-Frame-Options", "SAMEORIGIN"), ("Content-Security-Policy", "default-src *")] if path == "/own/" else []
    start_response(status, [("Content-Type", "application/json"), *own])
    told = {name: str(value) for name, value in environ.items() if name.startswith("HTTP_")}
    return [json.dumps({**told, "path": path, "length": len(body)}).encode()]
"""
PASSWORD = {"Authorization": f"Basic {b64encode(b'staging:open sesame').decode()}"}
BROWSER = {"Accept": "text/html,*/*"}
PAGES = {status: f"<h1>our page for {status}</h1>" for status in (404, 413, 429, 502, 503)}


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """Sends requests to a site through a trusted proxy, with the address of any client."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def ask(
        self,
        path: str,
        address: str = "10.0.0.1",
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        usual = {"Host": "www.example.com", "X-Forwarded-For": address, "X-Forwarded-Proto": "https", **PASSWORD}
        return self.direct(path, {**usual, **headers}, method=method, body=body)

    def direct(
        self,
        path: str,
        headers: dict[str, str],
        *,
        method: str = "GET",
        body: bytes | None = None,
        source: str = "127.0.0.1",
    ) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.site.port, timeout=PATIENCE, source_address=(source, 0))) as to:
            to.request(method, path, body, headers={name: value for name, value in headers.items() if value})
            answer = to.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())


def protected(folder: Path, server: str) -> dict[str, str]:
    """Write an application that is not Django, its static files and a password; return the settings."""
    app, static = folder / "app", folder / "static"
    (static / "errors").mkdir(parents=True)
    app.mkdir()
    (app / "hello.py").write_text(APPLICATION)
    (static / "style.css").write_text("p {}")
    for status, page in PAGES.items():
        (static / "errors" / f"{status}.html").write_text(page)
    hashed = run(["openssl", "passwd", "-6", "open sesame"], capture_output=True, text=True, check=True).stdout
    (folder / "passwords").write_text(f"# who may see the staging site\nstaging:{hashed}")
    (folder / "passwords").chmod(0o640)
    return {
        "ENTRYPOINT_APP": "hello:app",
        "ENTRYPOINT_SERVER": server,
        "WEB_CONCURRENCY": "4",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "NGINX_STATIC_URL": "/static/",
        "NGINX_STATIC_ROOT": str(static),
        "NGINX_RATE_LIMIT": "/login/ 5/m, /login/ 100/s, /api/ 20/s",
        "NGINX_CONNECTION_LIMIT": "2",
        "NGINX_BASIC_AUTH_FILE": str(folder / "passwords"),
        "NGINX_ALLOW": "10.0.0.0/8, 2001:db8::/32, 127.0.0.2",
        "NGINX_DENY": "10.66.0.0/16",
        "NGINX_ROBOTS": "deny",
        "NGINX_SECURITY_HEADERS": "strict",
        "NGINX_CSP_REPORT_URI": "https://reports.example.com/csp",
        "NGINX_ERROR_PAGES": "404,413,429,502,503",
        "NGINX_CANONICAL_HOST": "www.example.com",
        "NGINX_HTTPS_REDIRECT": "on",
        "NGINX_CLIENT_MAX_BODY_SIZE": "1k, /upload/ 4k",
    }


@pytest.fixture(scope="module", params=["uwsgi", *thorough("gunicorn")])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("protected")
    with Site(folder, folder / "app", **protected(folder, request.param)) as site:
        site.project = folder / "app"
        yield Client(site.start().ready())
        assert site.stop()[0] == 0
        assert "limiting" not in site.output  # the access log has the 429


# ---- access


@pytest.mark.parametrize(
    ("address", "status"),
    [("10.0.0.1", 200), ("10.66.1.1", 403), ("192.0.2.1", 403), ("2001:db8::1", 200), ("2001:db9::1", 403)],
)
def test_only_allowed_addresses_may_ask(client: Client, address: str, status: int) -> None:
    assert [client.ask(path, address).status for path in ("/", "/static/style.css")] == [status, status]


@pytest.mark.parametrize("path", ["/-/live", "/-/ready"])
def test_probes_are_answered_whoever_asks(client: Client, path: str) -> None:
    assert client.direct(path, {"Host": "10.1.2.3:8080", "X-Forwarded-For": "192.0.2.1"}).status == 200
    assert client.direct(path, {"X-Forwarded-Proto": "http"}).status == 200


def test_an_authority_finds_its_challenge(client: Client) -> None:
    asked = {"Host": "example.com", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    answer = client.direct("/.well-known/acme-challenge/token", asked)
    assert (answer.status, answer.json["path"]) == (200, "/.well-known/acme-challenge/token")


@pytest.mark.parametrize("path", ["/-/", "/-/x", "/-/live/x", "/-", "/.well-known/acme-challengex", "/-/live%0a"])
def test_no_other_path_is_exempt(client: Client, path: str) -> None:
    assert client.ask(path, headers={"Authorization": ""}).status == 401
    assert client.ask(path, "192.0.2.1").status == 403


@pytest.mark.parametrize(
    "path",
    ["/-/live/../../x", "/x/../.well-known/acme-challenge/y", "/x%2F.%2E/.well-known/acme-challenge/y", "/x/%2e", "/."],
)
def test_no_path_has_two_meanings(client: Client, path: str) -> None:
    assert client.ask(path, "192.0.2.1", headers={"Authorization": ""}).status == 400


@pytest.mark.parametrize("path", ["/x?next=/../y", "/x../y./z...", "/x..", "/x/.%2ehidden"])
def test_dots_in_names_and_in_a_query_mean_nothing(client: Client, path: str) -> None:
    assert client.ask(path, headers={"Authorization": ""}).status == 401


@pytest.mark.parametrize("path", ["/-/pages/404.html", "/-/error", "/-/starting", "/-/pages/maintenance.html"])
def test_pages_of_nginx_are_no_way_around(client: Client, path: str) -> None:
    assert client.ask(path, "192.0.2.1").status in (403, 404)
    assert "path" not in client.ask(path, "192.0.2.1").text


def test_the_site_asks_for_a_password(client: Client) -> None:
    wrong = f"Basic {b64encode(b'staging:open').decode()}"
    for path in ("/", "/static/style.css", "/upload/"):
        answers = [client.ask(path, headers={"Authorization": given}) for given in ("", wrong)]
        assert [answer.status for answer in answers] == [401, 401]
        assert answers[0].headers["WWW-Authenticate"] == 'Basic realm="Restricted"'
        assert client.ask(path).status == 200


def test_the_application_does_not_see_the_password(client: Client) -> None:
    assert "HTTP_AUTHORIZATION" not in client.ask("/").json
    assert not client.ask("/upload/").json.get("HTTP_AUTHORIZATION")


# ---- how much


def test_too_many_requests_of_one_address_are_refused(client: Client) -> None:
    asked = [client.ask("/login/?next=/", "10.1.0.1").status for _ in range(7)]
    assert asked == [200] * 5 + [429] * 2
    assert client.ask("//login/x", "10.1.0.1").status == 429
    assert [client.ask("/login/", "10.1.0.2").status, client.ask("/logins/", "10.1.0.1").status] == [200, 200]


def test_a_refusal_says_when_to_come_back(client: Client) -> None:
    answers = [client.ask("/login/", "10.1.0.3") for _ in range(6)]
    json_, page = answers[-1], client.ask("/login/", "10.1.0.3", BROWSER)
    assert (json_.status, json_.json) == (429, {"error": "too many requests came from this address"})
    assert (page.status, page.text) == (429, PAGES[429])
    for answer in (json_, page):
        assert answer.headers["Retry-After"] == "12"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_network_of_ipv6_counts_as_one_client(client: Client) -> None:
    asked = [client.ask("/login/", f"2001:db8:0:1::{n:x}").status for n in range(1, 8)]
    assert asked == [200] * 5 + [429] * 2
    assert client.ask("/login/", "2001:db8:0:2::1").status == 200


def test_a_client_cannot_choose_its_address(client: Client) -> None:
    def asked(n: int) -> int:
        headers = {"Host": "www.example.com", "X-Forwarded-For": f"10.2.0.{n}", **PASSWORD}
        return client.direct("/login/", headers, source="127.0.0.2").status

    assert [asked(n) for n in range(1, 7)] == [200] * 5 + [429]


def test_too_many_requests_at_the_same_time_are_refused(client: Client) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: statuses.append(client.ask(f"/hold/{n}/", "10.3.0.1").status))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for n in range(2):
        until((client.site.project / f"held-{n}").exists, "the request", instead=lambda: client.site.output)
    refused = client.ask("/", "10.3.0.1")
    other = client.ask("/", "10.3.0.2")
    probe = client.direct("/-/live", {"X-Forwarded-For": "10.3.0.1"})
    (client.site.project / "released").touch()
    for thread in threads:
        thread.join()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (other.status, probe.status, statuses) == (200, 200, [200, 200])


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [("/", 1024, 200), ("/", 1025, 413), ("/upload/a", 4096, 200), ("/upload/", 4097, 413)],
)
def test_a_path_has_its_own_largest_upload(client: Client, path: str, length: int, status: int) -> None:
    answer = client.ask(path, method="POST", body=b"x" * length)
    assert answer.status == status
    assert answer.json == {"error": "the request is larger than this site accepts"} or answer.json["length"] == length


# ---- answers


def test_errors_of_nginx_have_the_pages_of_the_project(client: Client) -> None:
    found = {
        404: client.ask("/static/missing.css", headers=BROWSER),
        413: client.ask("/", method="POST", body=b"x" * 1025, headers=BROWSER),
        502: client.ask("/crash/", headers=BROWSER),
    }
    assert {status: answer.status for status, answer in found.items()} == {404: 404, 413: 413, 502: 502}
    assert {status: answer.text for status, answer in found.items()} == {s: PAGES[s] for s in found}
    assert client.ask("/.env").json == {"error": "there is no such page"}


def test_a_maintenance_has_the_page_of_the_project(client: Client) -> None:
    assert client.site.command("maintenance", "on", "--allow", "10.5.0.1").returncode == 0
    try:
        until(lambda: client.ask("/").status == 503, "the maintenance", instead=lambda: client.site.output)
        page = client.ask("/", headers=BROWSER)
        assert (page.status, page.text, page.headers["Retry-After"]) == (503, PAGES[503], "120")
        assert client.ask("/").json == {"error": "the site is under maintenance"}
        assert client.ask("/", "10.5.0.1").status == 200
        assert client.ask("/", "192.0.2.1").status == 403
    finally:
        assert client.site.command("maintenance", "off").returncode == 0
    until(lambda: client.ask("/").status == 200, "its end", instead=lambda: client.site.output)


def test_errors_of_the_application_are_its_own(client: Client) -> None:
    answer = client.ask("/missing/", headers=BROWSER)
    assert (answer.status, answer.json["path"]) == (404, "/missing/")


def test_search_engines_are_kept_away(client: Client) -> None:
    assert client.ask("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    for path in ("/", "/static/style.css", "/robots.txt"):
        assert client.ask(path).headers.get_all("X-Robots-Tag") == ["noindex, nofollow"], path


def test_strict_headers_come_with_each_answer(client: Client) -> None:
    names = ("X-Content-Type-Options", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Referrer-Policy")
    for path in ("/", "/static/style.css", "/upload/"):
        headers = client.ask(path).headers
        assert [len(headers.get_all(name) or []) for name in names] == [1] * 4, path
        assert headers["X-Frame-Options"] == "DENY"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; ")
        assert policy.endswith("; report-uri https://reports.example.com/csp")


def test_the_headers_of_the_application_win(client: Client) -> None:
    headers = client.ask("/own/").headers
    assert headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    assert headers.get_all("Content-Security-Policy") == ["default-src *"]


# ---- where to


@pytest.mark.parametrize(
    ("headers", "to"),
    [
        ({"Host": "example.com"}, "https://www.example.com/a%20b/?c=d&e"),
        ({"X-Forwarded-Host": "example.com"}, "https://www.example.com/a%20b/?c=d&e"),
        ({"X-Forwarded-Proto": "http"}, "https://www.example.com/a%20b/?c=d&e"),
        ({"Host": "example.com", "X-Forwarded-Proto": ""}, "http://www.example.com/a%20b/?c=d&e"),
        ({"Host": "example.com", "X-Forwarded-Proto": "http"}, "https://www.example.com/a%20b/?c=d&e"),
        ({"X-Forwarded-Proto": ""}, None),
        ({"Host": "10.0.0.7:8080", "X-Forwarded-Host": "WWW.example.com:443"}, None),
    ],
)
def test_clients_are_sent_to_the_right_address(client: Client, headers: dict[str, str], to: str | None) -> None:
    answer = client.ask("/a%20b/?c=d&e", method="POST", body=b"", headers=headers)
    assert (answer.status, answer.headers["Location"]) == ((308, to) if to else (200, None))


def test_only_a_trusted_proxy_says_that_a_request_was_not_encrypted(client: Client) -> None:
    headers = {"Host": "www.example.com", "X-Forwarded-Proto": "http", **PASSWORD}
    assert client.direct("/", headers, source="127.0.0.2").status == 200
