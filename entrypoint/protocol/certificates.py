"""certificates.json: the configuration of the program that obtains and renews the site's certificate."""

from pathlib import PurePosixPath
from typing import Final, NamedTuple

EAB_KEY: Final = "NGINX_TLS_EAB_HMAC_KEY"
"""The variable of the key; no file and no argument has it."""


class CertificatesConfig(NamedTuple):
    """Which certificate to obtain, from where, and what to do with it."""

    domains: tuple[str, ...]
    email: str
    directory: str
    """The URL of the authority's directory (RFC 8555)."""
    store: PurePosixPath
    """The folder where certificate, account and state are kept; containers may share it."""
    file: PurePosixPath
    """The file from which nginx reads the certificate and its key."""
    lego: PurePosixPath
    nginx: tuple[str, ...]
    """nginx's command, to validate its configuration."""
    conf: PurePosixPath
    """The configuration of the site."""
    secured_conf: PurePosixPath
    """If this file exists, `conf` serves plain HTTP only, and this one replaces it with the first certificate."""
    authority: PurePosixPath | None = None
    """The root certificate of a private authority."""
    eab_kid: str = ""
    """The name of the key that binds the account to another one; the key is in the environment."""
    openssl: PurePosixPath | None = None
    plain: str = ""
    """The port where the site is served until the first certificate."""
    pause: float = 120.0
    """Seconds until the second try; each further pause is twice as long."""
    patience: float = 300.0
    """Seconds in which the authority must finish."""
