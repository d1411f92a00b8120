"""The certificate that nginx can have at its start."""

from pathlib import Path
from typing import TYPE_CHECKING

from entrypoint import certificate_store
from entrypoint.boot.settings.settings import Settings
from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.settings.tls import FILES

if TYPE_CHECKING:
    from entrypoint.certificate import Certificate


def kept(settings: Settings) -> "Certificate | None":
    """Return the certificate that an earlier boot has obtained, if it is for at least one of the domains.

    Raises NotAllowed if root does not trust the folder.
    """
    if not settings.acme or settings.data_dir is None:
        return None
    from entrypoint import certificate  # noqa: PLC0415 -- 3 ms that only a site with certificates needs

    pem = certificate_store.kept(certificate_store.place(settings.data_dir), certificate_store.SITE)
    found = certificate.parsed(pem) if pem else None
    return found if found and not set(settings.tls_domains).isdisjoint(found.names) else None


def own(settings: Settings) -> "Certificate | None":
    """Return the user's certificate; None if it cannot be read: a step reports that."""
    if settings.tls_source != FILES or settings.tls_certificate is None:
        return None
    from entrypoint import certificate  # noqa: PLC0415 -- see above

    try:
        return certificate.parsed(textfile.read_bytes(Path(settings.tls_certificate)))
    except (OSError, ValueError):
        return None
