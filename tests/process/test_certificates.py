"""The program that obtains and renews a certificate, with a real authority and without a site."""

import json
import select
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Self

import pytest
from acme_authority import EAB, Authority
from deadline import PATIENCE, until
from hostile_authority import NUMBERS_OF_NO_DATE, Hostile
from listening import serving
from ports import free_port
from rows import rows, thorough

from entrypoint import certificate
from entrypoint.protocol.certificates import EAB_KEY

NAME = "shop.example.com"
NAMES = (NAME, "www.shop.example.com")


class Replica:
    """One container's program, and the folder from which its nginx would read the certificate."""

    def __init__(self, folder: Path, authority: Authority | None, store: Path, /, **more: object) -> None:
        self.folder = folder
        folder.mkdir()
        self.file = folder / "site.pem"
        config: dict[str, object] = {"domains": [NAME], "email": "ops@example.com", "store": str(store)}
        config |= {"file": str(self.file), "lego": shutil.which("lego"), "pause": 1}
        config |= {"nginx": ["true"], "conf": str(folder / "plain.conf"), "secured_conf": str(folder / "tls.conf")}
        config |= {"directory": authority.url if authority else "", **more}
        (folder / "plain.conf").touch()
        (folder / "tls.conf").touch()
        (folder / "certificates.json").write_text(json.dumps(config))
        self._ca = {"LEGO_CA_CERTIFICATES": str(authority.ca)} if authority else {}
        self.secret: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "entrypoint.certificates", str(self.folder / "certificates.json")],
                env={"PATH": "/usr/bin:/bin", **self._ca, **({EAB_KEY: self.secret} if self.secret else {})},
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait() == 0

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process
        return self._process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def says(self, text: str) -> str:
        """Wait for a line with this text; return it."""

        def found() -> str | None:
            assert self.process.poll() is None, self.log
            return next((line for line in self.log.splitlines() if text in line), None)

        return until(found, text, instead=lambda: self.log)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "data" / "tls"
    store.mkdir(parents=True)
    return store


@pytest.fixture
def web(store: Path) -> Iterator[int]:
    """Serve the challenges of the store, as nginx does; give the port."""
    with serving(partial(SimpleHTTPRequestHandler, directory=str(store / "challenge"))) as port:
        yield port


@pytest.fixture
def authority(tmp_path: Path, web: int) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    with Authority(folder, web) as running:
        yield running


def test_a_stop_that_arrives_in_a_destructor_is_not_lost() -> None:
    lines = [
        "import os, signal",
        "from entrypoint.certificates import signals",
        "class Stops:",
        "    def __del__(self):",
        "        os.kill(os.getpid(), signal.SIGTERM)",
        "signals.prepare()",
        "Stops()",
        "signals.sleep(3600)",
    ]
    command = [sys.executable, "-P", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    assert (done.returncode, b"Exception ignored" in done.stderr) == (0, True)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stop_that_python_sees_only_after_the_sleep_ends_it(name: str) -> None:
    lines = [
        "import os, signal",
        "from entrypoint.certificates import signals",
        "signals.prepare()",
        f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{name}])  # so that Python sees it no sooner",
        f"os.kill(os.getpid(), signal.{name})",
        "signals.sleep(0.1)",
        "os._exit(1)",
    ]
    command = [sys.executable, "-P", "-c", "\n".join(lines)]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == 0


def test_a_certificate_is_obtained_and_another_container_takes_it_over(
    tmp_path: Path, authority: Authority, store: Path
) -> None:
    with (
        Replica(tmp_path / "one", authority, store, domains=NAMES) as one,
        Replica(tmp_path / "two", authority, store, domains=NAMES) as two,
    ):
        until(lambda: all("valid until" in each.log for each in (one, two)), "both", instead=lambda: one.log + two.log)
        assert one.file.read_bytes() == two.file.read_bytes() == (store / "site.pem").read_bytes()
        lines = sorted(replica.log.splitlines()[-1].partition(" for ")[0] for replica in (one, two))
        assert lines == ["obtained a certificate", "took over the certificate that another container has obtained"]
        assert authority.orders == 1
        found = certificate.read(one.file)
        assert found is not None
        assert found.covers(NAMES)
        modes = {path: (store / path).stat().st_mode & 0o777 for path in ("site.pem", "lego", "challenge")}
        assert modes == {"site.pem": 0o600, "lego": 0o700, "challenge": 0o755}


@pytest.mark.thorough
def test_a_certificate_is_obtained_once_the_authority_is_back(
    tmp_path: Path, authority: Authority, store: Path
) -> None:
    authority.stop()
    with Replica(tmp_path / "one", authority, store) as one:
        said = one.says("cannot obtain")
        assert said.startswith(f"cannot obtain the certificate for {NAME}: ")
        assert "connection refused; next try at 20" in said
        assert not one.file.exists()
        authority.start()
        one.says(f"obtained a certificate for {NAME}: valid until 20")


def expired(folder: Path) -> bytes:
    """Return a certificate that expired yesterday."""
    make = f"openssl req -newkey rsa:2048 -nodes -subj /CN=x -addext subjectAltName=DNS:{NAME} -keyout key -out csr"
    sign = "openssl x509 -req -in csr -signkey key -days -1 -copy_extensions copy -out pem"
    for command in (make, sign):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "pem").read_bytes() + (folder / "key").read_bytes()


@pytest.mark.thorough
def test_a_kept_certificate_is_renewed_when_it_is_due(tmp_path: Path, authority: Authority, store: Path) -> None:
    (store / "site.pem").write_bytes(expired(tmp_path))
    with Replica(tmp_path / "one", authority, store) as one:
        one.says("renewed the certificate")
        lines = [line.partition(" for ")[0] for line in one.log.splitlines()]
        assert lines == ["using the kept certificate", "renewed the certificate"]


@pytest.mark.thorough
def test_a_name_that_leads_elsewhere_is_not_asked_for_again_after_a_restart(tmp_path: Path, store: Path) -> None:
    (tmp_path / "authority").mkdir()
    with Authority(tmp_path / "authority", free_port()) as authority:
        with Replica(tmp_path / "one", authority, store, pause=3600) as one:
            said = one.says("cannot obtain")
            assert "urn:ietf:params:acme:error:connection" in said
        with Replica(tmp_path / "two", authority, store, pause=3600) as two:
            two.says("no certificate for")
            two.process.send_signal(signal.SIGUSR1)  # a wish of the operator's is one
            two.says("cannot obtain")
        assert authority.orders == 2
    assert json.loads((store / "tries.json").read_text())["failures"] == 2


class Answering(BaseHTTPRequestHandler):
    status, body = 200, ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body.encode())


LIMITED = {"type": "urn:ietf:params:acme:error:rateLimited", "status": 429}


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, "<html>", "invalid character"),
        *thorough((500, "", "500")),
        (429, json.dumps({**LIMITED, "detail": "too many; retry after 2099-01-02 03:04:05 UTC: see"}), "rateLimited"),
    ],
)
def test_a_strange_answer_of_the_authority_is_reported(
    tmp_path: Path, store: Path, status: int, body: str, why: str
) -> None:
    handler = type("Handler", (Answering,), {"status": status, "body": body})
    with serving(handler) as port, Replica(tmp_path / "one", None, store, directory=f"http://127.0.0.1:{port}/") as one:
        said = one.says("cannot obtain")
        assert why in said
        assert one.process.poll() is None
        wait = json.loads((store / "tries.json").read_text())["next"] - time.time()
        assert (wait > 23 * 3600) == (status == 429)


@pytest.mark.parametrize("good", rows([True, False], [False]))
def test_an_account_is_bound_by_a_secret_that_no_argument_has(
    tmp_path: Path, store: Path, web: int, *, good: bool
) -> None:
    (tmp_path / "authority").mkdir()
    [(kid, secret)] = EAB.items()
    with Authority(tmp_path / "authority", web, bound=True) as authority:
        more = {"eab_kid": kid, "openssl": shutil.which("openssl"), "authority": str(authority.ca)}
        replica = Replica(tmp_path / "one", authority, store, pause=3600, **more)
        replica.secret = secret if good else f"{secret[:-4]}AAAA"
        with replica:
            if good:
                replica.says("obtained a certificate")
            else:
                assert "cannot register the account: urn:ietf:params:acme:error:unauthorized" in replica.says("cannot")
            assert replica.secret not in replica.log
            assert replica.secret.encode() not in Path(f"/proc/{replica.process.pid}/cmdline").read_bytes()


def test_a_registration_that_takes_too_long_is_given_up_and_begins_again(tmp_path: Path, store: Path, web: int) -> None:
    (tmp_path / "authority").mkdir()
    [(kid, secret)] = EAB.items()
    with Authority(tmp_path / "authority", web, bound=True) as authority:
        more = {"eab_kid": kid, "openssl": shutil.which("openssl"), "authority": str(authority.ca)}
        hurried = Replica(tmp_path / "one", authority, store, patience=1, **more)
        hurried.secret = secret
        with authority.frozen(), hurried:
            why = "cannot register the account: the authority did not finish within 1 s"
            assert why in hurried.says("cannot obtain")
        patient = Replica(tmp_path / "two", authority, store, **more)  # the store has a key without an account
        patient.secret = secret
        with patient:
            patient.says("obtained a certificate")


@pytest.mark.thorough
def test_an_authority_that_was_set_up_again_gets_a_new_account(
    tmp_path: Path, authority: Authority, store: Path
) -> None:
    (store / "site.pem").write_bytes(expired(tmp_path))
    with Replica(tmp_path / "one", authority, store) as one:
        one.says("renewed the certificate")
        authority.stop()
        authority.start()
        one.process.send_signal(signal.SIGUSR1)
        assert "accountDoesNotExist" in one.says("cannot renew")
        one.process.send_signal(signal.SIGUSR1)
        until(lambda: one.log.count("renewed the certificate") == 2, "a new account", instead=lambda: one.log)


REFUSALS = {
    "another name": "the authority returned a certificate for other names",
    "another key": "the authority returned a certificate that cannot be used: key values mismatch",
    "expired": "the authority returned a certificate that is not valid now",
    "valid tomorrow": "the authority returned a certificate that is not valid now",
    "a chain that cannot be read": "the authority returned a certificate that cannot be used: ",
    "a long chain": "bytes of certificates; the most are",
    "a chain that does not end": "http: request body too large",
    "lines of its own": r"forged: \x1b[31mred [nginx] forged",
    "no date": f"retry after {NUMBERS_OF_NO_DATE} UTC",
    "an endless reason": "takes lego more than 256 MiB of memory",
    "redirects without end": "stopped after 10 redirects",
}


@contextmanager
def hostile(folder: Path, store: Path, mode: str) -> Iterator[Replica]:
    (folder / "authority").mkdir()
    authority = Hostile(folder / "authority", mode)
    (store / "site.pem").write_bytes(expired(folder))  # a renewal is due
    with (
        serving(authority.handler()) as port,
        Replica(folder / "one", None, store, directory=f"http://127.0.0.1:{port}/dir", pause=3600) as one,
    ):
        yield one


@pytest.mark.parametrize("mode", rows(REFUSALS, ["another key", "no date"]))
def test_nothing_that_an_authority_returns_replaces_the_kept_certificate(
    tmp_path: Path, store: Path, mode: str
) -> None:
    with hostile(tmp_path, store, mode) as one:
        said = one.says("cannot renew")
        assert REFUSALS[mode] in said
        kept = (tmp_path / "pem").read_bytes() + (tmp_path / "key").read_bytes()
        assert [(store / "site.pem").read_bytes(), one.file.read_bytes()] == [kept, kept]
        assert [len(line) < 700 for line in one.log.splitlines()] == [True, True]
    assert json.loads((store / "tries.json").read_text())["failures"] == 1


def test_only_certificates_are_taken_from_the_answer_of_an_authority(tmp_path: Path, store: Path) -> None:
    with hostile(tmp_path, store, "text and a key between the certificates") as one:
        one.says("renewed the certificate")
        pem = one.file.read_bytes()
    lines = [line for line in pem.decode("ascii").splitlines() if line.startswith("-----BEGIN")]
    assert lines == ["-----BEGIN CERTIFICATE-----"] * 2 + ["-----BEGIN EC PRIVATE KEY-----"]


class Binding(BaseHTTPRequestHandler):
    """Answers the program that registers an account, in one of the ways of `UNBOUND`."""

    way = ""

    def do_GET(self) -> None:
        if self.way == "no HTTP":
            self.wfile.write(b"nonsense\r\n\r\n")
        elif self.way == "a byte now and then":
            while not select.select([self.connection], [], [], 0.1)[0]:  # until the client leaves
                self.wfile.write(b"H")
        else:
            base = f"https://{self.headers['Host']}/"
            nonce = f"file://{__file__}" if self.way == "a file" else base
            self.say(200, {"newNonce": nonce, "newAccount": base})

    def do_HEAD(self) -> None:
        self.say(200, {})

    def do_POST(self) -> None:
        self.say(400, {"detail": "bad\n[nginx] \x1b[31mforged"})

    def say(self, status: int, body: object) -> None:
        self.send_response(status)
        self.send_header("Replay-Nonce", "bm9uY2U")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


UNBOUND = {
    "no HTTP": "cannot register the account: nonsense",
    "a byte now and then": "cannot register the account: the authority did not finish within 2 s",
    "a file": "cannot register the account: unknown url type: file",
    "lines of its own": r"cannot register the account: bad\n[nginx] \x1b[31mforged",
}


@pytest.mark.parametrize("way", rows(UNBOUND, ["a file"]))
def test_a_strange_answer_to_a_registration_is_reported(tmp_path: Path, store: Path, way: str) -> None:
    key, pem = tmp_path / "key", tmp_path / "pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {pem} -subj /CN=x -addext subjectAltName="
    subprocess.run(f"{make}IP:127.0.0.1".split(), check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, key)
    more = {"eab_kid": "kid", "openssl": shutil.which("openssl"), "authority": str(pem), "patience": 2}
    with serving(type("Handler", (Binding,), {"way": way}), tls) as port:
        replica = Replica(tmp_path / "one", None, store, directory=f"https://127.0.0.1:{port}/", pause=3600, **more)
        replica.secret = "secret"
        with replica:
            assert UNBOUND[way] in replica.says("cannot obtain")
