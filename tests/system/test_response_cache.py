"""nginx's cache of responses: what RFC 9111 lets a shared cache store and send, each case a real request."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import requests
from deadline import PATIENCE, until
from site_under_test import Site

APP = """
import os
import time
from urllib.parse import parse_qsl

FOLDER = os.path.dirname(os.path.abspath(__file__))

def app(environ, start_response):
    path = environ["PATH_INFO"]
    asked = parse_qsl(environ["QUERY_STRING"])
    with open(FOLDER + "/requests", "a") as log:
        log.write(path + "\\n")
    if environ["REQUEST_METHOD"] != "HEAD" and "/away/" in path and os.path.exists(FOLDER + "/away"):
        raise RuntimeError("away")
    headers = [(name, value) for name, value in asked if name[0].isupper()]
    special = dict(asked)
    time.sleep(float(special.get("seconds", 0)))
    who = environ.get("HTTP_COOKIE", "") + environ.get("HTTP_AUTHORIZATION", "")
    number = sum(line == path + "\\n" for line in open(FOLDER + "/requests"))
    who += environ.get(special.get("echo"), "")
    body = f"{number} {environ['REQUEST_METHOD']} {who}".encode("latin-1").ljust(int(special.get("bytes", 0)))
    headers += [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(special.get("status", "200") + " So", headers)
    return [body]
"""
PUBLIC = "public, max-age=60"


class Case(NamedTuple):
    """Two requests for the same page, and what the second one meets in the cache."""

    name: str
    cache_control: str
    second: str
    """X-Cache of the second response."""
    more: tuple[tuple[str, str], ...] = ()
    """Further headers of the response."""
    one: tuple[tuple[str, str], ...] = ()
    two: tuple[tuple[str, str], ...] = ()
    """Headers of the first and of the second request."""
    status: int = 200
    size: int = 0


ALICE, BOB = (("Cookie", "sessionid=alice"),), (("Cookie", "theme=dark; sessionid=bob"),)
TOKEN = (("Authorization", "Bearer alice"),)
CASES = [
    Case("public", PUBLIC, "HIT"),
    Case("s-maxage", "s-maxage=60", "HIT"),
    Case("s-maxage before max-age", "public, max-age=0, s-maxage=60", "HIT"),
    Case("a lifetime alone", "max-age=60", "MISS"),
    Case("no word", "", "MISS"),
    Case("public without a lifetime", "public", "MISS"),
    Case("public for no time", "public, max-age=0", "MISS"),
    Case("private", "private, max-age=60", "MISS"),
    Case("private in capitals", "Private, Max-Age=60", "MISS"),
    Case("private and public", "public, private, max-age=60", "MISS"),
    Case("a field is private", 'public, private="X-Name", max-age=60', "MISS"),
    Case("no-store", "public, no-store, max-age=60", "MISS"),
    Case("no-cache", "public, no-cache, max-age=60", "MISS"),
    Case("two headers", "public, max-age=60", "MISS", (("Cache-Control", "private"),)),
    Case("nginx's own header", "private", "MISS", (("X-Accel-Expires", "60"),)),
    Case("must-revalidate", "public, max-age=60, must-revalidate", "HIT"),
    Case("a cookie is set", PUBLIC, "MISS", (("Set-Cookie", "a=1"),)),
    Case("Vary: *", PUBLIC, "MISS", (("Vary", "*"),)),
    Case("Vary, the same", PUBLIC, "HIT", (("Vary", "Accept-Language"),)),
    Case("Vary, another", PUBLIC, "MISS", (("Vary", "Accept-Language"),), two=(("Accept-Language", "de"),)),
    Case("Vary: Cookie", PUBLIC, "MISS", (("Vary", "Cookie"),)),
    Case(
        "Vary twice",
        PUBLIC,
        "MISS",
        (("Vary", "Accept, Cookie"), ("Vary", "Accept-Encoding")),
        two=(("Cookie", "a=2"),),
    ),
    Case("another cookie", PUBLIC, "HIT", two=(("Cookie", "theme=dark; mysessionid=1"),)),
    Case("one session", PUBLIC, "BYPASS", one=ALICE, two=ALICE),
    Case("a session and another", PUBLIC, "BYPASS", one=ALICE, two=BOB),
    Case("a session and none", PUBLIC, "MISS", one=ALICE),
    Case("no session and one", PUBLIC, "BYPASS", two=ALICE),
    Case("a session after a tab", PUBLIC, "BYPASS", two=(("Cookie", "theme=dark;\tsessionid =bob"),)),
    Case("a session after a space that is none in ASCII", PUBLIC, "BYPASS", two=(("Cookie", "a=1;\xa0sessionid=bob"),)),
    Case("a request with a body", PUBLIC, "BYPASS", two=(("Content-Length", "0"),)),
    Case("another protocol", PUBLIC, "BYPASS", two=(("Upgrade", "websocket"),)),
    Case("credentials", PUBLIC, "BYPASS", one=TOKEN, two=TOKEN),
    Case("credentials and none", PUBLIC, "MISS", one=TOKEN),
    Case("credentials that nginx takes for none", PUBLIC, "BYPASS", two=(("Authorization", "0"),)),
    Case("a missing page", PUBLIC, "HIT", status=404),
    Case("a redirect", PUBLIC, "HIT", status=301),
    Case("a failure", PUBLIC, "MISS", status=500),
    Case("large", PUBLIC, "HIT", size=99_999),
    Case("too large for the cache", PUBLIC, "MISS", size=100_000),
    Case("a client that wants none", PUBLIC, "HIT", two=(("Cache-Control", "no-cache"),)),
]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a cache, behind a proxy that is trusted."""
    folder = tmp_path_factory.mktemp("cached")
    project = folder / "project"
    project.mkdir()
    (project / "shop.py").write_text(APP)
    settings = {
        "ENTRYPOINT_APP": "shop:app",
        "NGINX_CACHE": "4m",
        "NGINX_CACHE_LOCK": "/locked/",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
        "WEB_CONCURRENCY": "4",
    }
    with Site(folder, project, **settings) as site:
        yield site.start().ready()
        assert site.stop()[0] == 0, site.output


def target(path: str, cache_control: str, *more: tuple[str, str], **special: str) -> str:
    """Return the path and query of a page that answers in this way."""
    asked = [("Cache-Control", cache_control), *more, *special.items()]
    return f"{path}?{'&'.join(f'{name}={quote(value)}' for name, value in asked if value)}"


def get(site: Site, where: str, *headers: tuple[str, str], method: str = "GET") -> tuple[str, str]:
    """Return X-Cache and the body of the response."""
    answer = requests.request(
        method, site.url + where, headers={"Cookie": "", **dict(headers)}, timeout=PATIENCE, allow_redirects=False
    )
    return answer.headers.get("X-Cache", ""), answer.content.decode("latin-1")


def requests_of(site: Site, path: str) -> int:
    """Return how many requests for this path the application has got."""
    return (site.project / "requests").read_text().splitlines().count(path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_page_is_stored_only_if_it_is_for_everyone(cached: Site, case: Case) -> None:
    where = target(
        f"/{case.name}/".replace(" ", "-"),
        case.cache_control,
        *case.more,
        status=str(case.status),
        bytes=str(case.size),
    )
    first, one = get(cached, where, *case.one)
    second, two = get(cached, where, *case.two)
    assert (first, second) == ("BYPASS" if case.one else "MISS", case.second)
    assert (two == one) is (case.second == "HIT")
    for headers, body in ((case.one, one), (case.two, two)):
        if "alice" in body or "bob" in body:
            assert body.endswith(dict(headers).get("Cookie", dict(headers).get("Authorization", "nobody")))


def test_a_session_in_a_second_cookie_header_is_seen(cached: Site) -> None:
    where = target("/second-cookie/", PUBLIC)
    get(cached, where)
    with closing(HTTPConnection("127.0.0.1", cached.port, timeout=PATIENCE)) as connection:
        connection.putrequest("GET", where)
        for cookie in ("theme=dark", "sessionid=alice"):
            connection.putheader("Cookie", cookie)
        connection.endheaders()
        assert connection.getresponse().headers["X-Cache"] == "BYPASS"


def test_each_query_host_and_scheme_is_a_page_of_its_own(cached: Site) -> None:
    where = target("/keyed/", PUBLIC)
    others = [("Host", "other.example"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "third.example")]
    bodies = {
        get(cached, each, *headers)[1]
        for each, headers in (
            (where, ()),
            (f"{where}&page=2", ()),
            *((where, (other,)) for other in others),
            ("/keyed/" + where, ()),
        )
    }
    assert len(bodies) == 5
    assert [get(cached, where, other)[0] for other in others] == ["HIT"] * 3


def test_a_head_fills_the_cache_with_the_page_and_is_answered_without_a_body(cached: Site) -> None:
    where = target("/head/", PUBLIC)
    assert get(cached, where, method="HEAD") == ("MISS", "")
    # nginx answers before the page is in the cache; a request until then reaches the application as well.
    until(lambda: get(cached, where, method="HEAD") == ("HIT", ""), "the page in the cache")
    assert re.fullmatch(r"\d+ GET ", get(cached, where)[1])
    assert get(cached, where)[0] == "HIT"
    assert get(cached, where, *ALICE, method="HEAD") == ("BYPASS", "")


def test_other_methods_reach_the_application(cached: Site) -> None:
    where = target("/methods/", PUBLIC)
    get(cached, where)
    assert [get(cached, where, method=method) for method in ("POST", "PUT", "OPTIONS")] == [
        ("", "2 POST "),
        ("", "3 PUT "),
        ("", "4 OPTIONS "),
    ]
    assert get(cached, where) == ("HIT", "1 GET ")


def test_a_part_of_a_page_is_sent_from_the_cache_or_by_the_application(cached: Site) -> None:
    where = target("/range/", PUBLIC, ("Accept-Ranges", "bytes"))
    get(cached, where)
    part = {"Range": "bytes=2-4"}
    answer = requests.get(cached.url + where, headers=part, timeout=PATIENCE)
    assert (answer.status_code, answer.text, answer.headers["X-Cache"]) == (206, "GET", "HIT")
    own = target("/range/own/", "private", echo="HTTP_RANGE")
    assert get(cached, own, *part.items())[1].endswith("GET ")
    assert get(cached, own, *part.items(), *ALICE)[1].endswith("bytes=2-4")


def test_one_of_many_requests_for_a_slow_page_reaches_the_application(cached: Site) -> None:
    where = target("/locked/slow/", PUBLIC, seconds="0.2")
    clients = 200
    answers: list[str] = []
    together = threading.Barrier(clients)

    def ask() -> None:
        with closing(HTTPConnection("127.0.0.1", cached.port, timeout=PATIENCE)) as connection:
            connection.connect()
            together.wait()
            connection.request("GET", where)
            answers.append(connection.getresponse().read().decode())

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["1 GET "] * clients
    assert requests_of(cached, "/locked/slow/") == 1


def test_a_stale_page_is_sent_while_it_is_fetched_again(cached: Site) -> None:
    where = target("/updated/", "public, max-age=1, stale-while-revalidate=600")
    assert get(cached, where) == ("MISS", "1 GET ")
    until(lambda: get(cached, where)[0] != "HIT", "the end of its lifetime")
    until(lambda: int(get(cached, where)[1].split()[0]) > 1, "the new page")


def test_a_stale_page_is_sent_only_with_the_applications_leave_while_it_is_away(cached: Site) -> None:
    allowed = target("/away/allowed/", "public, max-age=1, stale-if-error=600")
    plain = target("/away/plain/", "public, max-age=1")
    assert (get(cached, allowed), get(cached, plain)) == (("MISS", "1 GET "), ("MISS", "1 GET "))
    (cached.project / "away").touch()  # uWSGI then closes the connection without a response
    try:
        until(lambda: get(cached, allowed)[0] == "STALE", "the end of its lifetime")
        assert get(cached, allowed) == ("STALE", "1 GET ")
        until(lambda: get(cached, plain)[0] != "HIT", "the end of its lifetime")
        answer = requests.get(cached.url + plain, timeout=PATIENCE)
    finally:
        (cached.project / "away").unlink()
    assert answer.status_code == 502
    assert answer.json() == {"error": "the application closed the connection without a response"}
    until(lambda: get(cached, allowed)[0] != "STALE", "the application")


def test_no_page_is_sent_while_the_site_prepares(cached: Site) -> None:
    where = target("/gate/", PUBLIC)
    get(cached, where)
    gate = cached.folder / "run" / "www" / "phase.json"
    gate.write_text('{"phase": "migrating"}')
    try:
        assert requests.get(cached.url + where, timeout=PATIENCE).status_code == 503
    finally:
        gate.unlink()
    assert get(cached, where)[0] == "HIT"


def test_pages_are_purged_by_their_path(cached: Site) -> None:
    pages = [target(path, PUBLIC) for path in ("/purge/", "/purge/caf%C3%A9/", "/purge/other/")]
    pages.append(f"{pages[0]}&page=2")
    for page in pages:
        get(cached, page)

    def purged(*words: str) -> str:
        done = cached.command("cache", "purge", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def states() -> list[str]:
        return [get(cached, page)[0] for page in pages]

    assert states() == ["HIT"] * 4
    assert purged("/purge/none/") == "[entrypoint] removed 0 responses from the cache\n"
    assert purged("/purge/") == "[entrypoint] removed 2 responses from the cache\n"
    assert states() == ["MISS", "HIT", "HIT", "MISS"]
    assert purged("/purge/café/") == "[entrypoint] removed 1 response from the cache\n"
    assert states() == ["HIT", "MISS", "HIT", "HIT"]
    purged(pages[3])
    assert states() == ["HIT", "HIT", "HIT", "MISS"]
    assert purged("/purge/*") == "[entrypoint] removed 4 responses from the cache\n"
    assert states() == ["MISS"] * 4
    assert re.fullmatch(r"\[entrypoint\] removed \d+ responses from the cache\n", purged())
    assert states() == ["MISS"] * 4


def test_a_purge_follows_no_link(cached: Site, tmp_path: Path) -> None:
    folder = cached.folder / "run" / "nginx" / "cache"
    kept = tmp_path / ("0" * 32)
    kept.write_bytes(b"\nKEY: http://example.com/kept/\n")
    (folder / "outside").symlink_to(tmp_path)
    (folder / ("1" * 32)).symlink_to(kept)
    try:
        assert "removed 0 responses" in cached.command("cache", "purge", "/kept/").stderr
        cached.command("cache", "purge")
    finally:
        (folder / "outside").unlink()
    assert kept.exists()


def test_the_cache_is_the_same_for_a_server_that_speaks_http(tmp_path: Path) -> None:
    (project := tmp_path / "project").mkdir()
    (project / "shop.py").write_text(APP)
    settings = {
        "ENTRYPOINT_APP": "shop:app",
        "ENTRYPOINT_SERVER": "gunicorn",
        "NGINX_CACHE": "1m",
        "NGINX_CACHE_LOCK": "/",
    }
    with Site(tmp_path, project, **settings) as site:
        site.start().ready()
        where = target("/page/", PUBLIC, ("Accept-Ranges", "bytes"))
        assert get(site, where, method="HEAD") == ("MISS", "")
        assert get(site, where) == ("HIT", "1 GET ")
        assert get(site, where, *ALICE) == ("BYPASS", "2 GET sessionid=alice")
        part = ("Range", "bytes=2-4")
        assert get(site, where, part) == ("HIT", "GET")
        own = target("/own/", "private", echo="HTTP_RANGE")
        assert (get(site, own, part)[1], get(site, own, part, *TOKEN)[1]) == ("1 GET ", "2 GET Bearer alicebytes=2-4")
        private = target("/private/", "private, max-age=60")
        assert [get(site, private) for _ in range(2)] == [("MISS", "1 GET "), ("MISS", "2 GET ")]
        assert site.stop()[0] == 0, site.output


def test_sessions_may_use_the_cache_if_the_user_says_so(tmp_path: Path) -> None:
    (project := tmp_path / "project").mkdir()
    (project / "shop.py").write_text(APP)
    settings = {"ENTRYPOINT_APP": "shop:app", "NGINX_CACHE": "1m", "NGINX_CACHE_SESSIONS": "yes"}
    with Site(tmp_path, project, **settings) as site:
        site.start().ready()
        where = target("/page/", PUBLIC)
        assert [get(site, where, *BOB)[0], get(site, where, *ALICE)[0], get(site, where)[0]] == ["MISS", "HIT", "HIT"]
        assert get(site, where, *TOKEN)[0] == "BYPASS"
        assert site.stop()[0] == 0, site.output
