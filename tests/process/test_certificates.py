"""The program that obtains and renews a certificate, with a real authority and without a site."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from acme_authority import Authority
from deadline import until

from entrypoint import certificate

NAMES = ("shop.example.com", "www.shop.example.com")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Replica:
    """One container's program, and the folder from which its nginx would read the certificate."""

    def __init__(self, folder: Path, authority: Authority, store: Path, *names: str, **more: object) -> None:
        self.folder = folder
        folder.mkdir()
        self.file = folder / "site.pem"
        config = {"domains": names or NAMES, "email": "ops@example.com", "directory": authority.url}
        config |= {"store": str(store), "file": str(self.file), "lego": "/usr/bin/lego", "pause": 1, **more}
        (folder / "certificates.json").write_text(json.dumps(config))
        self._ca = str(authority.ca)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Replica":
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "entrypoint.certificates", str(self.folder / "certificates.json")],
                env={"PATH": "/usr/bin:/bin", "LEGO_CA_CERTIFICATES": self._ca},
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
    handler = partial(Quiet, directory=str(store / "challenge"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def authority(tmp_path: Path, web: int) -> Iterator[Authority]:
    folder = tmp_path / "authority"
    folder.mkdir()
    with Authority(folder, web) as running:
        yield running


def test_a_certificate_is_obtained_and_another_container_takes_it_over(
    tmp_path: Path, authority: Authority, store: Path
) -> None:
    with Replica(tmp_path / "one", authority, store) as one, Replica(tmp_path / "two", authority, store) as two:
        until(lambda: one.file.exists() and two.file.exists(), "both to have it", instead=lambda: one.log + two.log)
        assert one.file.read_bytes() == two.file.read_bytes() == (store / "site.pem").read_bytes()
        lines = sorted(replica.log.splitlines()[-1].partition(" for ")[0] for replica in (one, two))
        assert lines == ["obtained a certificate", "took over the certificate that another container has obtained"]
        assert authority.orders == 1
        found = certificate.read(one.file)
        assert found is not None
        assert found.covers(NAMES)
        modes = {path: (store / path).stat().st_mode & 0o777 for path in ("site.pem", "lego", "challenge")}
        assert modes == {"site.pem": 0o600, "lego": 0o700, "challenge": 0o755}
        two.process.send_signal(signal.SIGUSR1)
        two.says("renewed the certificate")
        assert authority.orders == 2
