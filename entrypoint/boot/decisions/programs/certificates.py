"""The program that obtains and renews the site's certificate, and why it cannot."""

from collections.abc import Iterator
from typing import Final

from entrypoint.boot.decisions.config import ResolvedConfig
from entrypoint.boot.decisions.programs.programs import Program
from entrypoint.boot.decisions.stop_budget import NGINX_ORDER
from entrypoint.boot.facts.installed import BROUGHT_BY
from entrypoint.boot.settings.programs.user_programs import CERTIFICATES
from entrypoint.protocol.certificates import CertificatesConfig
from entrypoint.protocol.supervision import ProgramConfig, Restart

CONFIG: Final = "certificates.json"
SECURED_CONF: Final = "nginx-app-tls.conf"
"""The configuration with TLS. It replaces nginx-app.conf when the first certificate has been obtained."""


def program(config: ResolvedConfig) -> Program:
    """Return the program. It runs as the user of nginx's master. It is not essential: the site works without it."""
    isolated = "-I" if config.machine.root else "-P"
    authority = config.settings.tls_authority
    return Program(
        name=CERTIFICATES,
        command=(
            *(str(config.machine.own_python), isolated, "-m", "entrypoint.certificates"),
            str(config.run_dir / CONFIG),
        ),
        account=None,
        stop_signal="TERM",
        stop_seconds=config.stop_times[CERTIFICATES].longest,
        supervision=ProgramConfig(
            restart=Restart.ALWAYS,
            stop_order=NGINX_ORDER,
            stop_seconds=config.stop_times[CERTIFICATES].guaranteed,
            environment={"LEGO_CA_CERTIFICATES": str(authority)} if authority else {},
        ),
        start_seconds=0,
    )


def configuration(config: ResolvedConfig, nginx: Program) -> CertificatesConfig:
    """Return the content of certificates.json, the program's configuration."""
    settings = config.settings
    if config.store is None or config.certificate_file is None or settings.tls_email is None:
        raise NotImplementedError  # the settings were checked
    return CertificatesConfig(
        domains=settings.tls_domains,
        email=settings.tls_email,
        directory=settings.tls_directory,
        store=config.store,
        file=config.certificate_file,
        lego=config.path("lego"),
        nginx=nginx.in_roots_environment,
        conf=config.run_dir / "nginx-app.conf",
        secured_conf=config.run_dir / SECURED_CONF,
        authority=settings.tls_authority,
        eab_kid=settings.tls_eab_kid or "",
        openssl=config.path("openssl") if settings.tls_eab_kid else None,
        plain=str(config.redirecting[0].port) if config.redirecting else "",
    )


def needed(config: ResolvedConfig) -> tuple[str, ...]:
    """Return the programs that make or obtain the certificate; none if the user brings one, or without TLS."""
    if config.certificate_file is None:
        return ()
    if not config.settings.acme:
        return ("openssl",)
    return ("lego", "openssl") if config.settings.tls_eab_kid else ("lego",)


def problems(config: ResolvedConfig) -> Iterator[str]:
    """Yield why this machine cannot make or obtain the certificate that the settings ask for."""
    if config.settings.acme and any(own.name == CERTIFICATES for own in config.settings.chosen):
        why = "with NGINX_TLS_DOMAIN, entrypoint runs a program of this name"
        yield f"cannot use program {CERTIFICATES}: {why}; rename it"
    verb = "obtain" if config.settings.acme else "create"
    for name in needed(config):
        if name not in config.machine.programs:
            how = f"{BROUGHT_BY[name]} in the image, or set NGINX_TLS_CERTIFICATE"
            yield f"cannot {verb} a certificate: {name} is not installed; {how}"
    if config.certificate_file and config.machine.root and not config.nginx_switches:
        why = f"nginx runs as {config.machine.account}, which has no name and could not read the key"
        what = f"NGINX_TLS={config.settings.tls_source}"
        yield f"cannot use {what}: {why}; let ENTRYPOINT_USER name a user of /etc/passwd"
