"""What nginx's templates are told: typed values, each decided here and quoted there."""

from typing import Any, Final

from entrypoint.boot.decisions import Decisions

_HTTP2_OF_ITS_OWN: Final = (1, 25, 1)  # from here on `listen … http2` is told to be deprecated


def variables(d: Decisions) -> dict[str, Any]:
    """Return the variables of nginx.conf and nginx-app.conf that no other file needs."""
    return {
        "access_log": d.settings.access_log,
        "certificate": d.settings.tls_certificate,
        "key": d.settings.tls_key,
        "redirecting": d.redirecting,
        "tls_port": d.listen.port,
        "http2": "listen" if () < d.machine.nginx_version < _HTTP2_OF_ITS_OWN else "directive",
        "proxies": d.settings.proxies,
        # Where anyone may be a proxy, each address of X-Forwarded-For is one: only the last was written by the peer.
        "anyone": any(network.prefixlen == 0 for network in d.settings.proxies),
    }
