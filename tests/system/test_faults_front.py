"""What a client may send: which hosts reach the application, and how large a request may be."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest
from deadline import PATIENCE
from site_under_test import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from site_under_test import NewSite

SERVERS = ("uwsgi", "gunicorn", "uvicorn", "granian")
NAMES = "good.example *.wild.example .both.example www.tail.* default 192.0.2.7"
APP = """
import json

NAMES = ("HTTP_HOST", "HTTP_X_FORWARDED_HOST", "SERVER_NAME")

def app(environ, start_response):
    with open("asked", "a") as asked:
        print(environ.get("HTTP_X_MARK", ""), file=asked)
    answer = json.dumps({name: environ.get(name) for name in NAMES}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
"""


def site_of(folder: Path, server: str, **settings: str) -> Site:
    project = folder / "project"
    project.mkdir()
    (project / "wsgi.py").write_text(APP)
    return Site(folder, project, ENTRYPOINT_APP="wsgi:app", ENTRYPOINT_SERVER=server, WEB_CONCURRENCY="1", **settings)


def ask(site: Site, request: bytes, source: str = "127.0.0.1") -> tuple[int, bytes]:
    """Send the bytes from an address; return the status and the body of the answer."""
    answer = b""
    with closing(
        socket.create_connection(("127.0.0.1", site.port), PATIENCE, source_address=(source, 0))
    ) as connection:
        connection.sendall(request)
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


# ---- the host


class Case(NamedTuple):
    """A request's target and headers, and the host that the application sees, None if the request does not reach it."""

    target: str
    headers: tuple[str, ...]
    host: str | None
    source: str = "127.0.0.2"


PROXY = "127.0.0.1"
GOOD = "Host: good.example"
CASES = {
    "a host of ours": Case("/", (GOOD,), "good.example"),
    "with a port": Case("/", ("Host: good.example:8443",), "good.example:8443"),
    "in upper case": Case("/", ("Host: GOOD.Example",), "GOOD.Example"),
    "with a trailing dot": Case("/", ("Host: good.example.",), "good.example."),
    "with a trailing dot and a port": Case("/", ("Host: good.example.:81",), "good.example.:81"),
    "with no digits for a port": Case("/", ("Host: good.example:",), "good.example:"),
    "with letters for a port": Case("/", ("Host: good.example:evil.example",), "good.example"),
    "with another host behind the port": Case("/", ("Host: good.example:80@evil.example",), "good.example"),
    "an address": Case("/", ("Host: 192.0.2.7",), "192.0.2.7"),
    "a name that is a word of nginx's": Case("/", ("Host: default",), "default"),
    "under a wildcard": Case("/", ("Host: a.wild.example:8000",), "a.wild.example:8000"),
    "the wildcard's own domain": Case("/", ("Host: wild.example",), None),
    "a domain with its subdomains": Case("/", ("Host: both.example",), "both.example"),
    "a subdomain of it": Case("/", ("Host: a.both.example",), "a.both.example"),
    "a wildcard at the end": Case("/", ("Host: www.tail.org",), "www.tail.org"),
    "another host": Case("/", ("Host: evil.example",), None),
    "another host that ends like ours": Case("/", ("Host: evilgood.example",), None),
    "another host that begins like ours": Case("/", ("Host: good.example.evil.example",), None),
    "no host": Case("/", (), None),
    "an absolute line": Case("http://good.example/", (GOOD,), "good.example"),
    "an absolute line, another host": Case("http://good.example/", ("Host: evil.example",), "good.example"),
    "an absolute line, another host and port": Case(
        "http://good.example:81/", ("Host: evil.example:82",), "good.example"
    ),
    "an absolute line in upper case": Case("http://GOOD.example/", ("Host: evil.example",), "good.example"),
    "an absolute line under a wildcard": Case("http://a.wild.example/", (GOOD,), "a.wild.example"),
    "an absolute line that names another host": Case("http://evil.example/", (GOOD,), None),
    "another host, said by no proxy": Case("/", (GOOD, "X-Forwarded-Host: evil.example"), "good.example"),
    "a host of ours, said by a proxy": Case(
        "/", (GOOD, "X-Forwarded-Host: a.both.example:444"), "a.both.example:444", PROXY
    ),
    "in upper case, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: Both.EXAMPLE"), "Both.EXAMPLE", PROXY),
    "a name that is a word of nginx's, said by a proxy": Case(
        "/", (GOOD, "X-Forwarded-Host: default"), "default", PROXY
    ),
    "with a trailing dot, said by a proxy": Case(
        "/", (GOOD, "X-Forwarded-Host: both.example."), "both.example.", PROXY
    ),
    "a wildcard at the end, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: www.tail.de"), "www.tail.de", PROXY),
    "another host, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: evil.example"), None, PROXY),
    "another host and port, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: evil.example:80"), None, PROXY),
    "an address, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: [2001:db8::1]:80"), None, PROXY),
    "the wildcard's own domain, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: wild.example"), None, PROXY),
    "no host at all, said by a proxy": Case("/", (GOOD, "X-Forwarded-Host: a/b"), "good.example", PROXY),
    "an absolute line by a proxy": Case("http://good.example/", ("Host: evil.example",), "good.example", PROXY),
}


@pytest.fixture(scope="module", params=SERVERS)
def named(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("named")
    settings = {"NGINX_SERVER_NAME": NAMES, "FORWARDED_ALLOW_IPS": PROXY}
    with site_of(folder, request.param, **settings) as site:
        yield site.start().ready()
        assert site.stop()[0] == 0
        assert "[warn]" not in site.output


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_application_sees_only_hosts_of_the_site(named: Site, case: Case) -> None:
    version = "1.1" if any(header.startswith("Host:") for header in case.headers) else "1.0"
    lines = (f"GET {case.target} HTTP/{version}", *case.headers, "Connection: close", "", "")
    status, body = ask(named, "\r\n".join(lines).encode(), case.source)
    if case.host is None:
        assert status == 421
        return
    assert status == 200, named.output
    told = json.loads(body)
    assert (told["HTTP_HOST"], told["HTTP_X_FORWARDED_HOST"]) == (case.host, case.host)
    assert "evil" not in told["SERVER_NAME"]


def test_without_names_every_host_is_the_sites_and_a_request_may_name_none(tmp_path: Path) -> None:
    with site_of(tmp_path, "uwsgi") as site:
        site.start().ready()
        told = {}
        for target, header in (("/", "Host: any.example:81"), ("/", "X-No: host"), ("http://a.example/", "Host: b:82")):
            status, body = ask(site, f"GET {target} HTTP/1.0\r\n{header}\r\n\r\n".encode())
            assert status == 200
            told[header] = json.loads(body)["HTTP_HOST"]
        assert told == {"Host: any.example:81": "any.example:81", "X-No: host": None, "Host: b:82": "a.example"}
        assert site.stop()[0] == 0


# ---- the size


SHAPES = {"of 7 KB": 7000, "of 1 KB": 1000, "of 100 bytes": 100, "of 35 bytes": 35}
OVER = {"uwsgi": (400,), "gunicorn": (400,), "uvicorn": (400,), "granian": (400, 431)}


@pytest.fixture(scope="module", params=SERVERS)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of(tmp_path_factory.mktemp("plain"), request.param) as site:
        yield site.start().ready()
        assert site.stop()[0] == 0


@pytest.mark.parametrize("size", SHAPES.values(), ids=SHAPES)
def test_the_application_server_accepts_each_header_that_nginx_accepts(plain: Site, size: int) -> None:
    over = OVER[plain.environment["ENTRYPOINT_SERVER"]]
    found = {}
    for kilobytes in (*range(1, 24, 4), *range(24, 37)):
        mark = f"{size}-{kilobytes}"
        status, _ = ask(plain, _request(mark, kilobytes << 10, size))
        found[mark] = status
        assert status in (200, *over), (mark, plain.output[-2000:])
    assert 200 in found.values()
    assert found[f"{size}-36"] in over
    asked = (plain.folder / "project/asked").read_text().split()
    assert [asked.count(mark) for mark, status in found.items()] == [int(s == 200) for s in found.values()]


def _request(mark: str, total: int, size: int) -> bytes:
    head = f"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Mark: {mark}\r\n"
    number = 0
    while len(head) + 2 < total:
        name = f"X-{number:05d}: "
        head += name + "v" * (min(size, total - len(head) - 2) - len(name) - 2) + "\r\n"
        number += 1
    return f"{head}\r\n".encode()


def test_a_path_as_long_as_nginx_takes_is_taken(plain: Site) -> None:
    if plain.environment["ENTRYPOINT_SERVER"] == "granian":
        return
    for length in (4000, 4200, 8000):
        path = "/" + "a" * length
        assert ask(plain, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())[0] == 200
    for length in (8200, 40000):
        path = "/" + "a" * length
        assert ask(plain, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())[0] == 414


# ---- the record of collected static files


def test_a_server_without_nginx_serves_nothing_of_ours_beside_the_static_files(prepared_site: NewSite) -> None:
    site = prepared_site(ENTRYPOINT_NGINX="off").start().ready()
    hidden = [path.name for path in (site.folder / "static").iterdir() if path.name.startswith(".")]
    assert hidden
    found = {name: site.status(f"/static/{name}") for name in (*hidden, *(f"{name}/" for name in hidden))}
    assert set(found.values()) == {404}, found
    assert site.stop()[0] == 0
