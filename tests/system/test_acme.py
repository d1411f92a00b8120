"""A site that obtains its own certificate. It has a network of its own with an authority, for ports 80 and 443."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from acme_authority import EAB, Authority
from deadline import until
from site_under_test import COMMAND, Site, copy_example

OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
NAME = "shop.example.com"
[(KID, SECRET)] = EAB.items()
PRIVATE = {"kept/tls/site.pem": 0o600, "run/tls": 0o700, "run/tls/site.pem": 0o600}

CLIENT = """
import http.client, ssl, socket, sys
context = ssl._create_unverified_context()
context.set_alpn_protocols(["http/1.1"])
for url in sys.argv[1:]:
    scheme, _, rest = url.partition("://")
    path = "/" + rest.partition("/")[2]
    try:
        if scheme == "https":
            connection = http.client.HTTPSConnection("127.0.0.1", 443, timeout=120, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=120)
        connection.request("GET", path, headers={"Host": rest.partition("/")[0]})
        got = connection.getresponse()
        got.read()
        print(got.status, got.headers.get("Location", "-"), got.headers.get("Strict-Transport-Security", "-"), sep="|")
    except OSError as error:
        print(type(error).__name__)
"""


VISITORS = """
import http.client, ssl, sys, threading
context = ssl._create_unverified_context()
lost, counts, end = [], [0], threading.Event()
def visit():
    while not end.is_set():
        try:
            if sys.argv[1] == "https":
                connection = http.client.HTTPSConnection("127.0.0.1", 443, timeout=120, context=context)
            else:
                connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=120)
            connection.request("GET", "/", headers={"Host": "shop.example.com", "Connection": "close"})
            got = connection.getresponse()
            got.read()
            if got.status not in ((200,) if sys.argv[1] == "https" else (200, 308)):
                lost.append(got.status)
        except Exception as error:
            lost.append(repr(error))
        counts[0] += 1
        end.wait(0.02)
threads = [threading.Thread(target=visit) for _ in range(2)]
for thread in threads:
    thread.start()
sys.stdin.read()
end.set()
for thread in threads:
    thread.join()
print(counts[0], *lost, sep="\\n")
"""


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """Give the command that runs another command in a network of its own."""
    if os.geteuid() or subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of our own can be made here")
    with subprocess.Popen([*OWN_NETWORK, "sleep", "infinity"]) as holder:
        until(lambda: Path(f"/proc/{holder.pid}/comm").read_text() == "sleep\n", "the network")
        yield ["nsenter", "--net", "--target", str(holder.pid)]
        holder.terminate()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory, network: list[str]) -> Iterator[Authority]:
    with Authority(tmp_path_factory.mktemp("authority"), 80, bound=True, around=network) as running:
        yield running


def ask(network: list[str], *urls: str) -> list[str]:
    """Return the status of each URL, where it redirects to, and its HSTS header."""
    done = subprocess.run([*network, sys.executable, "-c", CLIENT, *urls], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def wait(site: Site, text: str, count: int = 1) -> None:
    """Wait until the site has said this so often."""
    until(lambda: site.output.count(text) >= count, text, instead=lambda: site.output)


def reloaded(site: Site, network: list[str]) -> str:
    """Return what a reload has done."""
    done = subprocess.run(
        [*network, COMMAND, "reload"],
        cwd=site.project,
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.rpartition("[entrypoint] reload: ")[2].removesuffix("\n")


@contextmanager
def visitors(network: list[str], scheme: str) -> Iterator[None]:
    """Let some clients ask for the page all the time; none of them may lose a request."""
    with subprocess.Popen(
        [*network, sys.executable, "-c", VISITORS, scheme], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        yield
        count, *lost = clients.communicate("")[0].splitlines()
    assert int(count) > 0
    assert lost == []


@pytest.mark.thorough  # tests/process/test_certificates.py has the client alone
def test_a_site_obtains_a_certificate_and_renews_it_without_a_lost_request(
    tmp_path: Path, prepared: Callable[[Path], Path], authority: Authority, network: list[str]
) -> None:
    authority.stop()
    (tmp_path / "kept").mkdir()
    project = copy_example(tmp_path / "project")
    domains = project / "entrypoint.toml"
    domains.write_text(f'nginx_tls_domain = "{NAME}"\n')
    settings = {
        "PORT": "",
        "NGINX_TLS_EMAIL": "ops@example.com",
        "NGINX_TLS_ACME_DIRECTORY": authority.url,
        "NGINX_TLS_ACME_CA": str(authority.ca),
        "NGINX_TLS_EAB_KID": KID,
        "NGINX_TLS_EAB_HMAC_KEY": SECRET,
        "NGINX_HSTS": "on",
        "ALLOWED_HOSTS": NAME,
        "ENTRYPOINT_DATA_DIR": str(tmp_path / "kept"),
    }
    with Site(prepared(tmp_path), project, **settings) as site:
        site.start(around=network)
        wait(site, "ready after")
        wait(site, "next try at")
        assert ask(network, f"http://{NAME}/", f"https://{NAME}/") == ["200|-|-", "ConnectionRefusedError"]
        assert f"[certificates] cannot obtain the certificate for {NAME}: " in site.output
        authority.start()
        with visitors(network, "http"):
            assert site.command("ctl", "signal", "USR1", "certificates").returncode == 0
            wait(site, f"obtained a certificate for {NAME}")
        # nginx's old workers may still accept a connection.
        urls = (f"http://{NAME}/a?b", f"https://{NAME}/", f"http://{NAME}/-/ready")
        wanted = [f"308|https://{NAME}/a?b|-", "200|-|max-age=31536000", "200|-|-"]
        until(lambda: ask(network, *urls) == wanted, "TLS", instead=lambda: site.output)
        modes = {path: (tmp_path / path).stat().st_mode & 0o777 for path in PRIVATE}
        assert modes == PRIVATE
        files = [path for path in (*tmp_path.rglob("run/**/*"), *tmp_path.rglob("kept/**/*")) if path.is_file()]
        assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
        processes = {Path(f"/proc/{each.pid}/environ"): each.name() for each in site.family()}
        knowing = [name for path, name in processes.items() if SECRET.encode() in path.read_bytes()]
        assert len(knowing) == 1  # the program that registers the account
        first = (tmp_path / "run/tls/site.pem").read_bytes()
        with visitors(network, "https"):
            assert site.command("ctl", "signal", "USR1", "certificates").returncode == 0
            wait(site, f"renewed the certificate for {NAME}")
        assert (tmp_path / "run/tls/site.pem").read_bytes() != first
        assert authority.orders == 2
        domains.write_text(f'nginx_tls_domain = "{NAME},www.{NAME}"\n')
        assert reloaded(site, network) == "replaced uwsgi, reloaded nginx, restarted certificates"
        wait(site, f"obtained a certificate for {NAME}, www.{NAME}")
        assert authority.orders == 3
        assert "listen 0.0.0.0:443 ssl" in (tmp_path / "run/nginx-app.conf").read_text()
        assert ask(network, f"https://{NAME}/") == ["200|-|max-age=31536000"]
        assert site.stop(signal.SIGTERM)[0] == 0
        authority.stop()
        # Again, with a name more and without the authority: the kept certificate serves the name that it has.
        domains.write_text(f'nginx_tls_domain = "{NAME},new.{NAME}"\n')
        site.start(around=network)
        refused = f"cannot obtain the certificate for {NAME}, new.{NAME}: "
        wait(site, "ready after", 2)
        wait(site, "an older one is used")
        wait(site, refused)
        answers = ask(network, f"https://{NAME}/", f"http://{NAME}/")
        assert answers == ["200|-|max-age=31536000", f"308|https://{NAME}/|-"]
        assert site.stop(signal.SIGTERM)[0] == 0
        assert "use the certificate in" in site.output
