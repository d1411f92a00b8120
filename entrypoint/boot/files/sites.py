"""The values for nginx's server blocks of the further sites."""

import re
from typing import NamedTuple

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.files.locations import Served
from entrypoint.boot.files.protection import Protection
from entrypoint.boot.settings.programs.sites import Site
from entrypoint.boot.settings.types.addresses import Listen


class FurtherSite(NamedTuple):
    """A further site of the container."""

    name: str
    hosts: tuple[str, ...]
    upstream: Listen
    static: Served | None
    protection: Protection

    @property
    def patterns(self) -> tuple[str, ...]:
        """Regular expressions for the hosts, with or without a port."""
        return tuple(f"~*^{re.escape(host)}(:[0-9]+)?$" for host in self.hosts)


def further_sites(config: ResolvedConfig, shared: Protection, *, starting: bool) -> tuple[FurtherSite, ...]:
    """Return the further sites, which have the same protection. While `starting`, they have no files."""
    return tuple(
        FurtherSite(site.name, site.hosts, config.bind_of_site(own), None if starting else _static_of(site), shared)
        for own in config.sites
        if (site := own.site)
    )


def served_by_sites(config: ResolvedConfig) -> tuple[Served, ...]:
    """Return the static files of the further sites."""
    found = (_static_of(own.site) for own in config.sites if own.site)
    return tuple(static for static in found if static)


def _static_of(site: Site) -> Served | None:
    url, root = site.static or ("", None)
    return Served("STATIC", url, f"{str(root).rstrip('/')}/", f"sites.{site.name}.static") if root else None
