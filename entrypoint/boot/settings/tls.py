"""The settings of TLS, and which of them contradict each other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from entrypoint.boot.settings.spec import setting
from entrypoint.boot.settings.types import addresses, values
from entrypoint.protocol.certificates import EAB_KEY
from entrypoint.secret import Secret

FILES: Final = "files"
ACME: Final = "acme"
SELF_SIGNED: Final = "self-signed"
OFF: Final = "off"


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # Settings generates these methods
class TlsTable:
    """One field per setting of TLS."""

    tls_mode: str | None = setting(
        "NGINX_TLS",
        values.choice(FILES, ACME, SELF_SIGNED, OFF),
        "where the certificate comes from: your files, an authority that speaks ACME such as Let's Encrypt, or made at "
        "the start, for a laptop; off: no TLS",
        when_unset="files with NGINX_TLS_CERTIFICATE, acme with NGINX_TLS_DOMAIN, else off",
    )
    tls_certificate: PurePosixPath | None = setting(
        "NGINX_TLS_CERTIFICATE", values.path, "the file of the certificate and its chain (PEM); nginx then serves TLS"
    )
    tls_key: PurePosixPath | None = setting(
        "NGINX_TLS_KEY", values.path, "the file of the certificate's private key (PEM, not encrypted)"
    )
    tls_domains: tuple[str, ...] = setting(
        "NGINX_TLS_DOMAIN",
        addresses.domains,
        "the host names of the certificate that is obtained and renewed; needs ENTRYPOINT_DATA_DIR",
    )
    tls_email: str | None = setting(
        "NGINX_TLS_EMAIL", values.email, "the e-mail address of your account at the authority"
    )
    tls_directory: str = setting(
        "NGINX_TLS_ACME_DIRECTORY",
        addresses.https_url,
        "the directory of the ACME authority",
        default="https://acme-v02.api.letsencrypt.org/directory",
    )
    tls_authority: PurePosixPath | None = setting(
        "NGINX_TLS_ACME_CA",
        values.path,
        "the root certificate (PEM) by which a private authority's own server is verified",
        when_unset="the system's root certificates",
    )
    tls_eab_kid: str | None = setting(
        "NGINX_TLS_EAB_KID",
        values.text,
        "the key identifier from your account at an authority that requires external account binding",
    )
    tls_eab_key: Secret | None = setting(
        EAB_KEY, addresses.base64url, "the HMAC key that goes with NGINX_TLS_EAB_KID, in base64url"
    )
    hsts: str | None = setting(
        "NGINX_HSTS",
        addresses.hsts,
        "the header Strict-Transport-Security of answers over TLS: on is max-age=31536000; off, or a value",
        default="off",
    )

    @property
    def tls_source(self) -> str:
        """Where the certificate comes from: files, acme, self-signed, or off."""
        return _source(self.tls_mode, self.tls_certificate, self.tls_domains)

    @property
    def tls(self) -> bool:
        """Whether the site is served over TLS, now or after the first certificate."""
        return self.tls_source != OFF

    @property
    def acme(self) -> bool:
        """Whether the certificate is obtained from an authority."""
        return self.tls_source == ACME


def _source(mode: str | None, certificate: PurePosixPath | None, domains: tuple[str, ...]) -> str:
    return mode or (FILES if certificate else ACME if domains else OFF)


def problems(given: Mapping[str, Any], refused: Callable[[str], bool], *, nginx: bool) -> Iterator[str]:
    """Yield a problem for each of these settings that conflicts with another."""
    certificate, domains, mode = given["tls_certificate"], given["tls_domains"], given["tls_mode"]
    source = _source(mode, certificate, domains)
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if given[f"tls_{one}"] and not given[f"tls_{other}"] and not refused(f"NGINX_TLS_{other.upper()}"):
            yield f"cannot use NGINX_TLS_{one.upper()}: NGINX_TLS_{other.upper()} is not set"
    if source == OFF or refused("NGINX_TLS"):
        return
    if not nginx:
        name = f"NGINX_TLS={mode}" if mode else "NGINX_TLS_CERTIFICATE" if certificate else "NGINX_TLS_DOMAIN"
        yield f"cannot use {name} without nginx: set ENTRYPOINT_NGINX=on"
    if certificate and (domains or source != FILES):
        other = "NGINX_TLS_DOMAIN" if domains else f"NGINX_TLS={source}"
        yield f"cannot use NGINX_TLS_CERTIFICATE with {other}: each names another certificate; unset one of them"
    elif source == FILES and not certificate and not refused("NGINX_TLS_CERTIFICATE"):
        yield "cannot use NGINX_TLS=files: NGINX_TLS_CERTIFICATE and NGINX_TLS_KEY are not set"
    if source == SELF_SIGNED and given["hsts"]:
        why = "browsers would refuse localhost until its certificate is valid; unset NGINX_HSTS"
        yield f"cannot use NGINX_HSTS with NGINX_TLS=self-signed: {why}"
    if source == ACME:
        yield from _acme_problems(given, refused)


def _acme_problems(given: Mapping[str, Any], refused: Callable[[str], bool]) -> Iterator[str]:
    what = "NGINX_TLS_DOMAIN" if given["tls_domains"] else "NGINX_TLS=acme"
    if not given["tls_domains"] and not refused("NGINX_TLS_DOMAIN"):
        yield "cannot use NGINX_TLS=acme: NGINX_TLS_DOMAIN is not set"
    if given["data_dir"] is None and not refused("ENTRYPOINT_DATA_DIR"):
        how = "set it to a volume, such as docker run -v my-site:/data -e ENTRYPOINT_DATA_DIR=/data"
        yield f"cannot use {what}: ENTRYPOINT_DATA_DIR, where the certificate is kept, is not set; {how}"
    if given["tls_email"] is None and not refused("NGINX_TLS_EMAIL"):
        yield f"cannot use {what}: NGINX_TLS_EMAIL, the address of the account at the authority, is not set"
    for one, other in (("kid", "key"), ("key", "kid")):
        names = {"kid": "NGINX_TLS_EAB_KID", "key": EAB_KEY}
        if given[f"tls_eab_{one}"] and not given[f"tls_eab_{other}"] and not refused(names[other]):
            yield f"cannot use {names[one]}: {names[other]} is not set"
    if given["listen"] is not None:
        why = "the authority connects to port 80, and PORT would be the only port"
        yield f"cannot use {what} with PORT={given['listen']}: {why}; unset PORT, and publish 80 and 443"
