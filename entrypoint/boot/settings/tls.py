"""The settings of TLS, and which of them contradict each other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from entrypoint.boot.settings.spec import setting
from entrypoint.boot.settings.table import SettingsTable
from entrypoint.boot.settings.types import addresses, values
from entrypoint.protocol.certificates import EAB_KEY
from entrypoint.secret import Secret

FILES: Final = "files"
ACME: Final = "acme"
SELF_SIGNED: Final = "self-signed"
OFF: Final = "off"


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # Settings generates these methods
class TlsTable(SettingsTable):
    """One field per setting of TLS."""

    tls_mode: str | None = setting(
        "NGINX_TLS",
        values.choice(FILES, ACME, SELF_SIGNED, OFF),
        "where the certificate comes from: your files, an authority that speaks ACME such as Let's Encrypt, or "
        "self-signed at the start, for a laptop; off: no TLS",
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
        "the root certificate (PEM) that verifies the server of a private authority",
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
        "the Strict-Transport-Security header of responses over TLS: on (max-age=31536000), off, or a value",
        default="off",
    )

    @property
    def tls_source(self) -> str:
        """Where the certificate comes from: files, acme, self-signed, or off."""
        return self.tls_mode or (FILES if self.tls_certificate else ACME if self.tls_domains else OFF)

    @property
    def tls(self) -> bool:
        """Whether the site is served over TLS, now or after the first certificate."""
        return self.tls_source != OFF

    @property
    def acme(self) -> bool:
        """Whether the certificate is obtained from an authority."""
        return self.tls_source == ACME


def problems(settings: TlsTable, refused: Callable[[str], bool], *, nginx: bool) -> Iterator[str]:
    """Yield a problem for each of these settings that conflicts with another."""
    certificate, domains, mode = settings.tls_certificate, settings.tls_domains, settings.tls_mode
    yield from _half("NGINX_TLS_CERTIFICATE", certificate, "NGINX_TLS_KEY", settings.tls_key, refused)
    if not settings.tls or refused("NGINX_TLS"):
        return
    if not nginx:
        name = f"NGINX_TLS={mode}" if mode else "NGINX_TLS_CERTIFICATE" if certificate else "NGINX_TLS_DOMAIN"
        yield f"cannot use {name} without nginx: set ENTRYPOINT_NGINX=on"
    source = settings.tls_source
    if certificate and (domains or source != FILES):
        other = "NGINX_TLS_DOMAIN" if domains else f"NGINX_TLS={source}"
        yield f"cannot use NGINX_TLS_CERTIFICATE with {other}: they name different certificates; unset one of them"
    elif source == FILES and not certificate and not refused("NGINX_TLS_CERTIFICATE"):
        yield "cannot use NGINX_TLS=files: NGINX_TLS_CERTIFICATE and NGINX_TLS_KEY are not set"
    if source == SELF_SIGNED and settings.hsts:
        why = "browsers would refuse localhost until its certificate is valid; unset NGINX_HSTS"
        yield f"cannot use NGINX_HSTS with NGINX_TLS=self-signed: {why}"
    if source == ACME:
        yield from _acme_problems(settings, refused)


def _acme_problems(settings: TlsTable, refused: Callable[[str], bool]) -> Iterator[str]:
    what = "NGINX_TLS_DOMAIN" if settings.tls_domains else "NGINX_TLS=acme"
    if not settings.tls_domains and not refused("NGINX_TLS_DOMAIN"):
        yield "cannot use NGINX_TLS=acme: NGINX_TLS_DOMAIN is not set"
    if settings.data_dir is None and not refused("ENTRYPOINT_DATA_DIR"):
        how = "set it to a volume, such as docker run -v my-site:/data -e ENTRYPOINT_DATA_DIR=/data"
        yield f"cannot use {what}: the certificate is kept in ENTRYPOINT_DATA_DIR, which is not set; {how}"
    if settings.tls_email is None and not refused("NGINX_TLS_EMAIL"):
        yield f"cannot use {what}: the account at the authority needs an address; set NGINX_TLS_EMAIL"
    yield from _half("NGINX_TLS_EAB_KID", settings.tls_eab_kid, EAB_KEY, settings.tls_eab_key, refused)
    if settings.listen is not None:
        why = "the authority connects to port 80, and PORT would be the only port"
        yield f"cannot use {what} with PORT={settings.listen}: {why}; unset PORT, and publish 80 and 443"


def _half(one: str, value: object, other: str, other_value: object, refused: Callable[[str], bool]) -> Iterator[str]:
    """Yield a problem if only one setting of a pair is set."""
    if value and not other_value and not refused(other):
        yield f"cannot use {one}: {other} is not set"
    if other_value and not value and not refused(one):
        yield f"cannot use {other}: {one} is not set"
