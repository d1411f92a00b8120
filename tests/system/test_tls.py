"""A site that serves TLS itself, with a user's certificate."""

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import requests
from deadline import PATIENCE, until
from listening import serving
from site_under_test import COMMAND, EXAMPLE, NewSite, Site

from entrypoint.certificate import expiry


@dataclass(frozen=True)
class Certificate:
    pem: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"NGINX_TLS_CERTIFICATE": str(self.pem), "NGINX_TLS_KEY": str(self.key)}


def make_certificate(folder: Path, *more: str) -> Certificate:
    made = Certificate(folder / "site.pem", folder / "site.key")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
        + ["-subj", "/CN=localhost", "-addext", names, "-keyout", str(made.key), "-out", str(made.pem)]
        + (list(more) or ["-nodes"]),
        check=True,
        capture_output=True,
    )
    return made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


class TlsSite(Site):
    """A site on https."""

    certificate: Certificate

    def status(self, path: str) -> int | None:
        try:
            return self.get(path).status_code
        except requests.ConnectionError:
            return None

    def get(self, path: str, **more: Any) -> requests.Response:
        url = f"https://127.0.0.1:{self.port}{path}"
        return requests.get(url, verify=str(self.certificate.pem), timeout=PATIENCE, **more)

    def handshake(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as plain:
            return context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, prepared: Callable[[Path], Path], certificate: Certificate
) -> Iterator[TlsSite]:
    with TlsSite(prepared(tmp_path_factory.mktemp("tls")), EXAMPLE, **certificate.settings) as running:
        running.certificate = certificate
        running.start().ready()
        yield running
        assert running.stop()[0] == 0, running.output


def context_for(certificate: Certificate, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a client that speaks this version alone, however old."""
    context = ssl.create_default_context(cafile=str(certificate.pem))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the versions that are to be refused
        context.minimum_version = context.maximum_version = version
    return context


def test_the_page_comes_over_tls(site: TlsSite) -> None:
    answer = site.get("/request/")
    seen = answer.json()
    assert (seen["scheme"], seen["secure"], seen["host"]) == ("https", True, f"127.0.0.1:{site.port}")
    assert "[warn]" not in site.output


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_versions_of_today_are_spoken(site: TlsSite, version: ssl.TLSVersion) -> None:
    with site.handshake(context_for(site.certificate, version)) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_older_versions_are_refused(site: TlsSite, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError) as caught:
        site.handshake(context_for(site.certificate, version))
    assert "ALERT_PROTOCOL_VERSION" in str(caught.value)  # the server's refusal, not the client's own


@pytest.mark.parametrize("cipher", ["AES256-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "CAMELLIA"])
def test_ciphers_of_yesterday_are_refused(site: TlsSite, cipher: str) -> None:
    context = context_for(site.certificate, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        site.handshake(context)


def test_http_2_is_offered(site: TlsSite) -> None:
    context = ssl.create_default_context(cafile=str(site.certificate.pem))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with site.handshake(context) as connection:
        assert connection.selected_alpn_protocol() == "h2"


def test_a_request_over_http_2_reaches_the_application(site: TlsSite) -> None:
    context = ssl.create_default_context(cafile=str(site.certificate.pem))
    with httpx.Client(http1=False, http2=True, verify=context) as client:
        answer = client.get(f"https://127.0.0.1:{site.port}/request/")
    assert (answer.http_version, answer.status_code, answer.json()["secure"]) == ("HTTP/2", 200, True)


def test_curves_outside_the_profile_are_refused(site: TlsSite) -> None:
    context = context_for(site.certificate, ssl.TLSVersion.TLSv1_3)
    context.set_ecdh_curve("secp521r1")
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        site.handshake(context)


def test_no_tickets_are_given(site: TlsSite) -> None:
    with site.handshake(context_for(site.certificate, ssl.TLSVersion.TLSv1_2)) as connection:
        assert connection.session is not None
        assert not connection.session.has_ticket


def test_plain_http_on_the_port_of_tls_is_sent_there(site: TlsSite) -> None:
    answer = requests.get(f"http://127.0.0.1:{site.port}/a?b=c", allow_redirects=False, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://127.0.0.1:{site.port}/a?b=c")


def test_health_asks_over_tls(site: TlsSite) -> None:
    done = site.command("health")
    assert (done.returncode, done.stdout) == (0, "ready\n")


def test_status_shows_when_the_certificate_expires(site: TlsSite) -> None:
    pem = site.certificate.pem
    assert f"\nthe certificate expires in 1 d 23 h: {pem}\n" in site.command("status").stdout
    (shown,) = json.loads(site.command("status", "--format", "json").stdout)["certificates"]
    assert shown == {"file": str(pem), "expires": expiry(pem)}


# ---- a laptop


def hello(folder: Path) -> Path:
    """Write an application that is not Django; return its folder."""
    project = folder / "project"
    project.mkdir()
    (project / "hello.py").write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'hello']\n")
    return project


def ready_again(site: Site, boots: int) -> bool:
    return site.output.count("ready after") > boots or site.code is not None


def test_a_self_signed_certificate_is_made_once_and_kept(tmp_path: Path) -> None:
    data, own = tmp_path / "volume", tmp_path / "run/tls/site.pem"
    project = hello(tmp_path)
    data.mkdir()
    settings = {"NGINX_TLS": "self-signed", "NGINX_TLS_DOMAIN": "site.test", "ENTRYPOINT_APP": "hello:app"}
    made: list[bytes] = []
    for _ in range(2):
        with TlsSite(tmp_path, project, **settings, ENTRYPOINT_DATA_DIR=str(data)) as site:
            site.certificate = Certificate(own, own)
            site.start()
            until(partial(ready_again, site, len(made)), "the site")
            assert site.code is None, site.output
            until(partial(site.status, "/"), "nginx to listen: on a busy machine later than uWSGI is ready")
            assert site.get("/").text == "hello", site.output
            assert site.stop()[0] == 0, site.output
        made.append(own.read_bytes())
    assert made[0] == made[1] == (data / "tls/self-signed.pem").read_bytes()
    modes = [path.stat().st_mode & 0o777 for path in (own.parent, own, data / "tls/self-signed.pem")]
    assert modes == [0o700, 0o600, 0o600]
    read = subprocess.run(
        ["openssl", "x509", "-in", own, "-noout", "-ext", "subjectAltName,basicConstraints"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost, DNS:site.test" in read.stdout
    assert "CA:FALSE" in read.stdout
    assert "CA:TRUE" not in read.stdout


# ---- OCSP


class Responder(BaseHTTPRequestHandler):
    """Answers by openssl, whose own server would listen on all addresses."""

    folder: Path

    def do_GET(self) -> None:
        (self.folder / "question").write_bytes(base64.b64decode(unquote(self.path).lstrip("/")))
        answer = "ocsp -index index -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1 -reqin question -respout answer"
        subprocess.run(["openssl", *answer.split()], cwd=self.folder, check=True, capture_output=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.end_headers()
        self.wfile.write((self.folder / "answer").read_bytes())


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[int]:
    with serving(type("Here", (Responder,), {"folder": tmp_path})) as port:
        yield port


@pytest.mark.thorough
def test_the_answer_of_an_ocsp_responder_is_stapled(tmp_path: Path, responder: int) -> None:
    names = "-addext subjectAltName=IP:127.0.0.1 -addext authorityInfoAccess=OCSP;URI:http://127.0.0.1"
    names += f":{responder}/"
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem",
        f"req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout site.key -out site.csr {names}",
        "x509 -req -in site.csr -CA ca.pem -CAkey ca.key -days 2 -set_serial 4660 -copy_extensions copy -out leaf.pem",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "site.pem").write_text((tmp_path / "leaf.pem").read_text() + (tmp_path / "ca.pem").read_text())
    (tmp_path / "index").write_text("V\t991231235959Z\t\t1234\tunknown\t/CN=localhost\n")
    pair = Certificate(tmp_path / "site.pem", tmp_path / "site.key")
    with TlsSite(tmp_path, hello(tmp_path), ENTRYPOINT_APP="hello:app", **pair.settings) as site:
        site.start()
        until(partial(ready_again, site, 0), "the site")
        asked = ["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-status"]

        def stapled() -> bool:
            done = subprocess.run(asked, input="", capture_output=True, text=True, check=False)
            return "OCSP Response Status: successful" in done.stdout

        until(stapled, "the answer of the responder", instead=lambda: site.output)
        assert site.stop()[0] == 0
        assert "[warn]" not in site.output


# ---- refused


def refused(new_site: NewSite, **settings: str) -> tuple[int, str]:
    site = new_site(**settings).start()
    code = site.wait()
    return code, site.output.splitlines()[-1]


@pytest.mark.parametrize(("given", "missing"), [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")])
def test_a_certificate_or_a_key_alone_is_refused(
    new_site: NewSite, certificate: Certificate, given: str, missing: str
) -> None:
    name = f"NGINX_TLS_{given}"
    code, last = refused(new_site, **{name: certificate.settings[name]})
    assert (code, last) == (78, f"[entrypoint] cannot use {name}: NGINX_TLS_{missing} is not set")


def test_a_certificate_that_does_not_exist_is_reported(new_site: NewSite, certificate: Certificate) -> None:
    code, last = refused(new_site, **{**certificate.settings, "NGINX_TLS_KEY": "/nowhere/key"})
    assert (code, last) == (78, "[entrypoint] cannot read NGINX_TLS_KEY=/nowhere/key: No such file or directory")


def test_a_key_of_another_certificate_is_refused(new_site: NewSite, certificate: Certificate, tmp_path: Path) -> None:
    other = make_certificate(tmp_path)
    code, last = refused(new_site, **{**certificate.settings, "NGINX_TLS_KEY": str(other.key)})
    pair = f"NGINX_TLS_KEY={other.key}: it is not the key of NGINX_TLS_CERTIFICATE={certificate.pem}"
    assert (code, last) == (78, f"[entrypoint] cannot use {pair}; set both to one pair")


def test_an_encrypted_key_is_refused_and_nobody_is_asked(new_site: NewSite, tmp_path: Path) -> None:
    code, last = refused(new_site, **make_certificate(tmp_path, "-passout", "pass:of-the-tests").settings)
    key = tmp_path / "site.key"
    how = f"it is encrypted; write it without: openssl pkey -in {key} -out FILE"
    assert (code, last) == (78, f"[entrypoint] cannot use NGINX_TLS_KEY={key}: {how}")


def test_a_file_that_is_not_a_certificate_is_refused(
    new_site: NewSite, certificate: Certificate, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no certificate")
    code, last = refused(new_site, **{**certificate.settings, "NGINX_TLS_CERTIFICATE": str(tmp_path / "text")})
    why = f"NGINX_TLS_CERTIFICATE={tmp_path / 'text'}: it is not a certificate in PEM format"
    assert (code, last) == (78, f"[entrypoint] cannot use {why}")


# ---- the ports of root, in a network of its own


CLIENT = """
import json, sys, urllib3, requests
urllib3.disable_warnings()
def ask(url):
    got = requests.get(url, allow_redirects=False, verify=False, timeout=120)
    return [got.status_code, got.headers.get("Location")]
print(json.dumps([ask(url) for url in sys.argv[1:]]))
"""
IN_A_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@pytest.fixture
def networks() -> None:
    if os.geteuid() or subprocess.run([*IN_A_NETWORK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of our own can be made here")


@pytest.mark.usefixtures("networks")
def test_plain_http_is_redirected_except_for_the_health_paths(
    plain_project: Path, tmp_path: Path, certificate: Certificate
) -> None:
    with TlsSite(tmp_path, plain_project, PORT="", ENTRYPOINT_APP="plain:wsgi", **certificate.settings) as site:
        site.start(around=IN_A_NETWORK)
        until(lambda: "ready after" in site.output, "the site to be ready")
        urls = ["http://127.0.0.1/a?b=c", "http://127.0.0.1/-/live", "http://127.0.0.1/-/ready", "https://127.0.0.1/"]
        within = ["nsenter", "--net", "--target", str(site.pid)]
        done = subprocess.run(
            [*within, sys.executable, "-c", CLIENT, *urls, "http://[::1]/x", "https://[::1]/"],
            capture_output=True,
            check=True,
        )
        answers = json.loads(done.stdout)
        assert answers == [
            [308, "https://127.0.0.1/a?b=c"],
            [200, None],
            [200, None],
            [200, None],
            [308, "https://[::1]/x"],
            [200, None],
        ]
        health = subprocess.run(
            [*within, COMMAND, "health"], env=site.environment, capture_output=True, text=True, check=False
        )
        assert (health.returncode, health.stdout) == (0, "ready\n")
        assert site.stop()[0] == 0
