"""The address of the site, for the last line of a boot."""

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.settings.types.addresses import Listen


def of_site(config: ResolvedConfig) -> str:
    """Return a link to the site, or the port in words; "" if this container serves no site.

    In a container the link is not known: clients use a published port or a service, which only the host and the cluster
    know.
    """
    if not config.settings.serves or config.machine.nginx_conf is not None:
        return ""
    secure = config.secured
    listen = config.addresses[0] if secure or not config.redirecting else config.redirecting[0]
    everywhere = listen.address in {"0.0.0.0", "[::]"}  # noqa: S104 -- compared, not bound
    if everywhere and config.machine.container:
        return f"listening on port {listen.port} of this container{', with TLS' if secure else ''}"
    return f"{'https' if secure else 'http'}://{_host(config, listen, everywhere=everywhere)}{config.prefix}/"


def _host(config: ResolvedConfig, listen: Listen, *, everywhere: bool) -> str:
    """Return the first host name that nginx answers to, else the address, with the port unless it is the usual one."""
    names = [name for name in config.settings.server_names if "*" not in name and not name.startswith(("_", "."))]
    own = (listen.address or "") if not everywhere else "127.0.0.1"
    host = names[0] if names and config.nginx else own
    usual = 443 if config.secured else 80
    return host if listen.port == usual else f"{host}:{listen.port}"
