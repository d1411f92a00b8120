"""Packages in the application's environment that do not fit together."""

from collections.abc import Iterator
from typing import Final

_COMPILED: Final = {"psycopg-binary": "psycopg[binary]", "psycopg-c": "psycopg[c]"}


def mismatches() -> Iterator[str]:
    """Yield a sentence for each mismatch, with what fixes it."""
    if text := psycopg_mismatch():
        yield text
    if _version("uwsgi") and _version("pyuwsgi"):
        yield (
            "uWSGI and pyuwsgi are both installed, and both install the command uwsgi; remove uwsgi from your "
            "requirements: pyuwsgi is the same server as a wheel, and needs no compiler"
        )


def psycopg_mismatch() -> str:
    """Return a sentence if psycopg's two halves have different versions; "" if they fit."""
    own = _version("psycopg")
    for name, extra in _COMPILED.items():
        compiled = _version(name)
        if own and compiled and own != compiled:
            both = f"psycopg {own} and {name} {compiled} have different versions"
            return f"{both}; install one version of both: pip install '{extra}=={own}'"
    return ""


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 -- 20 ms, needed after an error only

    try:
        return version(name)
    except PackageNotFoundError:
        return None
