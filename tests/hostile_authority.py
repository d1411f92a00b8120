"""An ACME authority that breaks the protocol (RFC 8555). It validates nothing."""

import json
import subprocess
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

_DIRECTORY = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
NUMBERS_OF_NO_DATE = "2099-99-99 99:99:99"


class Hostile:
    """`mode` is what it returns: the name of one of `_MODES` or `_PROBLEMS`, or "redirects without end"."""

    def __init__(self, folder: Path, mode: str) -> None:
        self.mode = mode
        self._folder = folder
        self._csr = self._name = ""
        _openssl(f"req -x509 {_KEY} -subj /CN=ca -days 3 -keyout ca.key -out ca.pem", folder)
        self._ca = (folder / "ca.pem").read_text()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"authority": self})

    def answer(self, base: str, path: str, payload: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Return the status, the body and some headers."""
        order: dict[str, Any] = {"status": "valid", "authorizations": [f"{base}/authz"], "finalize": f"{base}/fin"}
        if path == "/newAccount" and (problem := _PROBLEMS.get(self.mode)):
            return problem["status"], problem, {}
        if path == "/newOrder":
            self._name = payload["identifiers"][0]["value"]
        elif path == "/fin":
            self._csr = payload["csr"]
        elif path == "/certificate":
            return 200, _MODES[self.mode](self), {"Content-Type": "application/pem-certificate-chain"}
        name = {"type": "dns", "value": self._name}
        order["identifiers"] = [name]
        return {
            "/dir": (200, {name: f"{base}/{name}" for name in _DIRECTORY}, {}),
            "/newAccount": (201, {"status": "valid"}, {"Location": f"{base}/account"}),
            "/newOrder": (201, {**order, "status": "ready"}, {"Location": f"{base}/order"}),
            "/authz": (200, {"status": "valid", "identifier": name, "challenges": []}, {}),
            "/fin": (200, {**order, "certificate": f"{base}/certificate"}, {"Location": f"{base}/order"}),
        }.get(path, (200, {}, {}))

    def signed(self, names: str = "", days: int = 2) -> str:
        """Return a certificate for the key that was sent."""
        (self._folder / "csr").write_bytes(_unpacked(self._csr))
        return self._sign("-inform DER", names or self._name, days)

    def with_another_key(self) -> str:
        _openssl(f"req {_KEY} -subj /CN=x -keyout other.key -out csr", self._folder)
        return self._sign("", self._name, 2)

    def valid_tomorrow(self) -> str:
        begins, ends = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + day * 86400)) for day in (1, 3))
        config = "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nrand_serial=yes\nnew_certs_dir=.\npolicy=p\n[p]\n"
        (self._folder / "ca.conf").write_text(config + "commonName=optional\n")
        (self._folder / "index").write_text("")
        (self._folder / "csr").write_bytes(_unpacked(self._csr))
        self._names(self._name)
        dates = f"-startdate {begins} -enddate {ends} -md sha256"
        _openssl("req -inform DER -in csr -out csr.pem", self._folder)
        signer = "-config ca.conf -cert ca.pem -keyfile ca.key -extfile names -batch -notext"
        _openssl(f"ca {signer} {dates} -in csr.pem -out pem -subj /CN=x", self._folder)
        return (self._folder / "pem").read_text()

    def chain(self, text: str) -> str:
        return text + self._ca

    def _sign(self, kind: str, names: str, days: int) -> str:
        self._names(names)
        signer = f"-CA ca.pem -CAkey ca.key -days {days} -extfile names"
        _openssl(f"x509 -req {kind} -in csr {signer} -out pem", self._folder)
        return (self._folder / "pem").read_text()

    def _names(self, names: str) -> None:
        (self._folder / "names").write_text(f"subjectAltName=DNS:{names}")


_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
_MODES: Mapping[str, Callable[[Hostile], str]] = {
    "good": lambda self: self.chain(self.signed()),
    "text and a key between the certificates": lambda self: self.chain(
        f"{self.signed()}\xff \x1b[31m\n{(self._folder / 'ca.key').read_text()}"
    ),
    "another name": lambda self: self.chain(self.signed("evil.example.com")),
    "another key": lambda self: self.chain(self.with_another_key()),
    "expired": lambda self: self.chain(self.signed(days=-1)),
    "valid tomorrow": lambda self: self.chain(self.valid_tomorrow()),
    "a chain that cannot be read": lambda self: (
        f"{self.signed()}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    ),
    "a long chain": lambda self: self.signed() + self.chain("") * 1000,
    "a chain that does not end": lambda self: self.signed() + self.chain("") * 70000,
}
_MALFORMED = {"type": "urn:ietf:params:acme:error:malformed", "status": 400}
_LIMITED = {"type": "urn:ietf:params:acme:error:rateLimited", "status": 429}
_PROBLEMS: Mapping[str, Mapping[str, Any]] = {
    "lines of its own": {**_MALFORMED, "detail": "bad\n2026/11/26 03:00:00 forged: \x1b[31mred\n[nginx] forged"},
    "no date": {**_LIMITED, "detail": f"too many; retry after {NUMBERS_OF_NO_DATE} UTC"},
    "an endless reason": {**_MALFORMED, "detail": "x" * 60_000_000},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    authority: Hostile

    def do_HEAD(self) -> None:
        self._say(200, {}, {})

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        text = _unpacked(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["payload"])
        self._answer(json.loads(text) if text else None)

    def _answer(self, payload: Any) -> None:
        if self.authority.mode == "redirects without end":
            self._say(302, {}, {"Location": self.path})
        else:
            base = f"http://{self.headers['Host']}"
            self._say(*self.authority.answer(base, self.path, payload))

    def _say(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        data = body.encode("latin-1") if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Replay-Nonce": "bm9uY2U", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(data)
            except OSError:  # the client has read enough
                self.close_connection = True


def _unpacked(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _openssl(words: str, folder: Path) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
