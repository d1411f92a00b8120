"""What nginx's templates are told: typed values, each decided here and quoted there."""

from typing import Any

from entrypoint.boot.decisions import Decisions


def variables(d: Decisions) -> dict[str, Any]:
    """Return the variables of nginx.conf and nginx-app.conf that no other file needs."""
    return {
        "proxies": d.settings.proxies,
        # Where anyone may be a proxy, each address of X-Forwarded-For is one: only the last was written by the peer.
        "anyone": any(network.prefixlen == 0 for network in d.settings.proxies),
    }
