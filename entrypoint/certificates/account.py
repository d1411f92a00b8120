"""Register an ACME account that is bound to an account at the authority (external account binding, RFC 8555, 7.3.4).

lego can do that, but takes the secret as an argument, which each process of the container can read. So we register the
account, and write the files where lego finds it. lego does everything else. openssl makes and uses the key.
"""

import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any, Final
from urllib.parse import urlsplit

from entrypoint.certificates.failure import ObtainError
from entrypoint.protocol.certificates import CertificatesConfig

_TIMEOUT: Final = 30.0  # seconds of one read or write
_LARGEST: Final = 1 << 20  # bytes of an answer
_TRIES: Final = 3  # the authority may refuse a nonce that was good (RFC 8555, 6.5)
_NUMBER: Final = 32  # bytes of a number of P-256


def register(config: CertificatesConfig, folder: Path, secret: str) -> None:
    """Register the account in lego's folder, unless that was done before. Raises ObtainError or OSError."""
    host = urlsplit(config.directory).netloc.replace(":", "_")
    place = folder / "accounts" / host / config.email
    if (place / "account.json").exists() or config.openssl is None:
        return
    (place / "keys").mkdir(0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    key = place / "keys" / f"{config.email}.key"
    made = _openssl(config.openssl, "ecparam", "-name", "prime256v1", "-genkey", "-noout")
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(made)

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"the authority did not finish within {config.patience:g} s")

    # The timeout of a read does not limit an answer that comes byte by byte. Repeat the signal, because Python ignores
    # an exception that is raised in a destructor.
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, config.patience, 1)
    try:
        uri, body = _registered(config, config.openssl, key, secret)
    except (OSError, HTTPException, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ObtainError(f"cannot register the account: {getattr(error, 'reason', None) or error}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    account = {"email": config.email, "registration": {"body": body, "uri": uri}}
    (place / "account.json").write_text(json.dumps(account), encoding="utf-8")


def _registered(config: CertificatesConfig, openssl: PurePosixPath, key: Path, secret: str) -> tuple[str, Any]:
    """Return the URL and the body of a new account."""
    opener = _opener(config)
    point = _openssl(openssl, "ec", "-in", str(key), "-pubout", "-outform", "DER")[-2 * _NUMBER :]
    jwk = {"crv": "P-256", "kty": "EC", "x": _b64(point[:_NUMBER]), "y": _b64(point[_NUMBER:])}
    directory = json.loads(_send(opener, config.directory)[1])
    url = directory["newAccount"]
    outer = {"alg": "HS256", "kid": config.eab_kid, "url": url}
    padded = secret + "=" * (-len(secret) % 4)
    binding = _signed(outer, jwk, lambda text: hmac.digest(urlsafe_b64decode(padded), text, hashlib.sha256))
    contact = [f"mailto:{config.email}"]
    payload = {"termsOfServiceAgreed": True, "contact": contact, "externalAccountBinding": binding}
    for left in reversed(range(_TRIES)):
        nonce = _send(opener, directory["newNonce"], method="HEAD")[0]["Replay-Nonce"]
        header = {"alg": "ES256", "jwk": jwk, "nonce": nonce, "url": url}
        request = _signed(header, payload, lambda text: _es256(openssl, key, text))
        try:
            headers, body = _send(opener, url, json.dumps(request).encode())
            return headers["Location"], json.loads(body)
        except urllib.error.HTTPError as error:
            document = error.read(_LARGEST).decode(errors="replace")
            if "badNonce" not in document or not left:
                raise ValueError(_problem(document) or str(error)) from error
    raise AssertionError  # the last try returns or raises


def _signed(header: Mapping[str, Any], payload: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> dict[str, str]:
    """Return a JSON Web Signature (RFC 7515)."""
    protected, text = (_b64(json.dumps(part).encode()) for part in (header, payload))
    return {"protected": protected, "payload": text, "signature": _b64(sign(f"{protected}.{text}".encode()))}


def _es256(openssl: PurePosixPath, key: Path, text: bytes) -> bytes:
    """Return the two numbers of a signature; openssl writes them as a DER sequence."""
    der = _openssl(openssl, "dgst", "-sha256", "-sign", str(key), text=text)
    end = 4 + der[3]
    numbers = (der[4:end], der[end + 2 :])
    return b"".join(int.from_bytes(number, "big").to_bytes(_NUMBER, "big") for number in numbers)


def _openssl(openssl: PurePosixPath, *words: str, text: bytes = b"") -> bytes:
    done = subprocess.run([str(openssl), *words], input=text, capture_output=True, check=False)  # noqa: S603 -- no shell
    if done.returncode:
        raise ObtainError(f"cannot register the account: openssl {words[0]} failed")
    return done.stdout


def _opener(config: CertificatesConfig) -> urllib.request.OpenerDirector:
    """Return an opener for HTTPS alone: the authority chooses the URLs, and could name a local file."""
    context = ssl.create_default_context(cafile=str(config.authority) if config.authority else None)
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _send(
    opener: urllib.request.OpenerDirector, url: str, body: bytes | None = None, method: str | None = None
) -> tuple[Any, bytes]:
    """Return the headers and the body of the answer. Raises OSError."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/jose+json"}, method=method)  # noqa: S310 -- the opener knows https only
    with opener.open(request, timeout=_TIMEOUT) as answer:
        return answer.headers, answer.read(_LARGEST)


def _problem(document: str) -> str:
    """Return the reason in a problem document (RFC 7807), or an empty text."""
    try:
        found = json.loads(document)
        return " :: ".join(str(found[key]) for key in ("type", "detail") if found.get(key))
    except (ValueError, AttributeError):
        return ""


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
