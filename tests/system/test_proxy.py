"""A site behind proxies: it trusts their headers about the client, and nobody else's.

127.0.0.1 is the address of the proxies (each a real nginx) and 127.0.0.2 that of a client that passes them by.
"""

import http.client
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from deadline import PATIENCE, until
from ports import free_port
from site_under_test import Site

CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
}
REMOVED = {
    *("HTTP_FORWARDED", "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PREFIX"),
    *("HTTP_X_FORWARDED_PROTOCOL", "HTTP_X_FORWARDED_SSL"),
}
APP = """
import json

def app(environ, start_response):
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]
"""
NGINX = shutil.which("nginx", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin") or "nginx"
PROXY = """
daemon off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; uwsgi_temp_path {folder}/u;
    fastcgi_temp_path {folder}/f; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_bind {address};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            {headers}
        }}
    }}
}}
"""
FIRST = "proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-Host $http_host;"
LATER = ""

NewProxy = Callable[..., int]


@pytest.fixture
def new_proxy(tmp_path: Path) -> Iterator[NewProxy]:
    """Give a function that starts a proxy in front of a port and returns its own port."""
    with ExitStack() as stack:

        def start(behind: int, headers: str = FIRST, address: str = "127.0.0.1") -> int:
            port = free_port()
            folder = tmp_path / f"proxy-{port}"
            folder.mkdir()
            text = PROXY.format(folder=folder, port=port, behind=behind, headers=headers, address=address)
            (folder / "nginx.conf").write_text(text)
            process = subprocess.Popen(
                [NGINX, "-e", "stderr", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)
            until(lambda: (folder / "pid").is_file() and (folder / "pid").read_text(), "the proxy")
            return port

        yield start


def site_that(folder: Path, **settings: str) -> Site:
    """Return a site whose application answers with its WSGI environment."""
    project = folder / "echo"
    project.mkdir()
    (project / "echo.py").write_text(APP)
    site = Site(folder, project, ENTRYPOINT_APP="echo:app", **settings)
    site.url = f"http://{site.environment['PORT']}"
    return site.start().ready()


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_that(tmp_path_factory.mktemp("trusting"), FORWARDED_ALLOW_IPS="127.0.0.1, ::1 10.0.0.0/8") as site:
        yield site
        assert site.stop()[0] == 0
        assert "[warn]" not in site.output


@pytest.fixture(scope="module")
def open_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_that(tmp_path_factory.mktemp("open"), FORWARDED_ALLOW_IPS="*") as site:
        yield site
        assert site.stop()[0] == 0
        assert "[warn]" not in site.output


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_that(tmp_path_factory.mktemp("alone")) as site:
        yield site
        assert site.stop()[0] == 0
        assert "[warn]" not in site.output


def seen(port: int, headers: dict[str, str], source: str = "127.0.0.1", host: str = "site.example") -> dict[str, Any]:
    """Return the environment that the application got."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0))
    try:
        connection.request("GET", "/", headers={"Host": host, **headers})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


def told(environ: dict[str, Any]) -> tuple[str | None, ...]:
    """Return what the application takes for its client's address, scheme and host."""
    assert environ["HTTP_X_FORWARDED_FOR"] == environ["REMOTE_ADDR"] == environ["HTTP_X_REAL_IP"]
    assert environ["HTTP_X_FORWARDED_PROTO"] == environ["REQUEST_SCHEME"] == environ["wsgi.url_scheme"]
    assert environ["HTTP_X_FORWARDED_HOST"] == environ["HTTP_HOST"]
    assert ("HTTPS" in environ) == (environ["wsgi.url_scheme"] == "https")
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


def test_a_trusted_proxy_passes_on_address_scheme_and_host(trusting: Site, new_proxy: NewProxy) -> None:
    proxy = new_proxy(trusting.port)
    assert told(seen(proxy, {}, source="127.0.0.9")) == ("127.0.0.9", "https", "site.example")


def test_a_client_cannot_reach_over_the_head_of_its_proxy(trusting: Site, new_proxy: NewProxy) -> None:
    proxy = new_proxy(trusting.port)
    assert told(seen(proxy, CLAIMS, source="127.0.0.9")) == ("127.0.0.9", "https", "site.example")


def test_a_chain_of_two_proxies_passes_on_the_client(trusting: Site, new_proxy: NewProxy) -> None:
    first = new_proxy(new_proxy(trusting.port, LATER))
    assert told(seen(first, {}, source="127.0.0.9")) == ("127.0.0.9", "https", "site.example")


def test_a_proxy_in_the_chain_that_is_not_trusted_is_the_client(trusting: Site, new_proxy: NewProxy) -> None:
    first = new_proxy(new_proxy(trusting.port, LATER), address="127.0.0.7")
    assert told(seen(first, {}, source="127.0.0.9"))[0] == "127.0.0.7"


def test_from_an_address_that_is_not_trusted_nothing_can_be_faked(trusting: Site) -> None:
    environ = seen(trusting.port, CLAIMS, source="127.0.0.2")
    assert told(environ) == ("127.0.0.2", "http", "site.example")
    assert not REMOVED.intersection(environ)
    assert not [value for value in environ.values() if "203.0.113.9" in value or "evil" in value or value == "ssl"]


def test_without_the_setting_nobody_is_believed(alone: Site) -> None:
    environ = seen(alone.port, CLAIMS)
    assert not REMOVED.intersection(environ)
    assert told(environ) == ("127.0.0.1", "http", "site.example")
    assert not [value for value in environ.values() if "203.0.113.9" in value or "evil" in value or value == "ssl"]


@pytest.mark.parametrize("scheme", ["ftp", "https,http", "javascript", "", "http s", "1 https"])
def test_only_two_words_are_a_scheme(trusting: Site, scheme: str) -> None:
    assert told(seen(trusting.port, {"X-Forwarded-Proto": scheme}))[1] == "http"


@pytest.mark.parametrize("host", ["a b", "a,b", "evil.example/path", "<script>", "", "[::1", 'a"b', "a:b"])
def test_a_forwarded_host_that_is_none_leaves_the_host_as_it_is(trusting: Site, host: str) -> None:
    assert told(seen(trusting.port, {"X-Forwarded-Host": host}))[2] == "site.example"


@pytest.mark.parametrize("host", ["other.example", "Other.Example:8443", "[2001:db8::1]:80", "192.0.2.1"])
def test_a_forwarded_host_may_have_a_port(trusting: Site, host: str) -> None:
    assert told(seen(trusting.port, {"X-Forwarded-Host": host}))[2] == host


@pytest.mark.parametrize(("port", "expected"), [("443", "443"), ("44a", None), ("", None), ("80, 443", None)])
def test_a_forwarded_port_is_a_number(trusting: Site, port: str, expected: str | None) -> None:
    assert seen(trusting.port, {"X-Forwarded-Port": port}).get("HTTP_X_FORWARDED_PORT") == expected


@pytest.mark.parametrize(
    ("addresses", "client"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.1.2.3, 127.0.0.1", "198.51.100.1"),
        ("2001:db8::9", "2001:db8::9"),
        ("not an address", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(trusting: Site, addresses: str, client: str) -> None:
    assert told(seen(trusting.port, {"X-Forwarded-For": addresses}))[0] == client


def test_if_everyone_is_a_proxy_only_the_last_address_counts(open_site: Site) -> None:
    claims = {"X-Forwarded-For": "203.0.113.9, 198.51.100.1", "X-Forwarded-Proto": "https"}
    assert told(seen(open_site.port, claims, source="127.0.0.2"))[:2] == ("198.51.100.1", "https")


def test_a_proxy_may_have_an_ipv6_address(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    port = free_port("::1")
    with site_that(tmp_path, PORT=f"[::1]:{port}", FORWARDED_ALLOW_IPS="fd00::/8 ::1") as site:
        url = f"http://[::1]:{port}/"
        headers = {
            "X-Forwarded-For": "2001:db8::9, fd00::7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "a.example",
        }
        environ = requests.get(url, headers=headers, timeout=PATIENCE).json()
        assert told(environ) == ("2001:db8::9", "https", "a.example")
        assert site.stop()[0] == 0
