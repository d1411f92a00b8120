"""nginx as the settings shape it, asked by a client."""

import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import requests
from deadline import PATIENCE
from ports import free_port
from site_under_test import EXAMPLE, NewSite, Site


def test_only_the_hosts_that_are_named_are_served(plain_site: NewSite) -> None:
    long = ".".join(["x" * 60] * 4)
    names = f"127.0.0.1 *.example.com {long}.net"
    site = plain_site(NGINX_SERVER_NAME=names).start().ready()

    def status(host: str, path: str = "/") -> int:
        return requests.get(site.url + path, headers={"Host": host}, timeout=PATIENCE).status_code

    assert {host: status(host) for host in ("127.0.0.1", "www.example.com:1", "WWW.Example.COM", f"{long}.net")} == {
        "127.0.0.1": 200,
        "www.example.com:1": 200,
        "WWW.Example.COM": 200,
        f"{long}.net": 200,
    }
    assert [status(host) for host in ("example.com", "evil.example", f"{long}.org")] == [421, 421, 421]
    assert status("evil.example", "/-/ready") == 200
    assert site.command("health").returncode == 0
    assert "[warn]" not in site.output


def test_a_site_is_served_on_ipv6(plain_site: NewSite) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    port = free_port("::1")
    site = plain_site(PORT=f"[::1]:{port}")
    site.url = f"http://[::1]:{port}"
    site.start().ready()
    assert requests.get(site.url, timeout=PATIENCE).text == "::1"
    assert site.command("health").returncode == 0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path]) -> Iterator[Site]:
    """A site with files among its static files and uploads."""
    folder = prepared(tmp_path_factory.mktemp("files"))
    for name in ("static/page.html", "static/.env", "static/a/.git/config", "media/.hidden", *MEDIA):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("<script>alert(1)</script>")
    own = {"NGINX_STATIC_ROOT": str(folder / "static"), "NGINX_MEDIA_ROOT": str(folder / "media")}
    with Site(folder, EXAMPLE, **own) as site:
        yield site.start().ready()
        assert site.stop()[0] == 0


MEDIA = ["media/page.html", "media/picture.svg", "media/picture.png", "media/paper.pdf", "media/unknown", "media/x.xml"]


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/.git/config",
        "//.env",
        "/%2eenv",
        "/.well-knowns",
        "/static/.env",
        "/static/a/.git/config",
        "/static/a/%2Egit/config",
        "/media/.hidden",
        "/media//.hidden",
    ],
)
def test_paths_that_begin_with_a_dot_do_not_exist(files: Site, path: str) -> None:
    answer, body = raw(files, path)
    assert answer.status == 404
    assert b"<center>nginx</center>" in body


@pytest.mark.parametrize("path", ["/.well-known/security.txt", "/a/.hidden", "/tags/.net/"])
def test_other_paths_are_the_applications(files: Site, path: str) -> None:
    assert b"nginx" not in raw(files, path)[1]


def raw(site: Site, path: str) -> tuple[HTTPResponse, bytes]:
    """Ask for a path as it is written, which requests would tidy; return the answer and its body."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_files_have_headers_that_keep_browsers_from_guessing(files: Site) -> None:
    headers = requests.get(f"{files.url}/static/page.html", timeout=PATIENCE).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert "Content-Security-Policy" not in headers
    assert headers["Server"] == "nginx"


def test_the_headers_of_the_application_are_its_own(files: Site) -> None:
    headers = raw(files, "/")[0].headers
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert len(headers.get_all(name) or []) == 1, name


@pytest.mark.parametrize("name", MEDIA)
def test_no_page_among_the_uploads_may_run_a_script(files: Site, name: str) -> None:
    answer = requests.get(f"{files.url}/{name}", timeout=PATIENCE)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers.get("Content-Security-Policy", "")
    assert ("sandbox" in policy and "default-src 'none'" in policy) == (not name.endswith((".png", ".pdf")))
