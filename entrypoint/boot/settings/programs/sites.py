"""Further sites of the container, `sites.NAME` in the project's file: host names, an application and static files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from entrypoint.boot.settings.types import addresses, values
from entrypoint.boot.settings.types.values import nearest, shown


@dataclass(frozen=True, kw_only=True)
class Site:
    """One further site."""

    name: str
    file: str  # the project's file
    hosts: tuple[str, ...]
    application: str  # the name of the user's program that serves it, on $PORT
    static: tuple[str, PurePosixPath] | None = None  # the URL path, which ends with a slash, and the folder

    def describe(self, key: str) -> str:
        """Return `sites.NAME.KEY in FILE` for a message."""
        return f"sites.{self.name}.{key} in {self.file}"

    def __str__(self) -> str:
        static = f", and {self.static[0]} from {self.static[1]}" if self.static else ""
        return f"{', '.join(self.hosts)} by {self.application}{static}"


def read(file: str, tables: Mapping[str, Any], report: Callable[[str], None]) -> Iterator[Site]:
    """Yield the valid sites of the project's file; call `report` with each problem."""
    for key, table in tables.items():
        where = f"sites.{shown(key)}"
        if not isinstance(table, dict):
            report(f"cannot use {where} in {file}: it is not a table")
            continue
        found = {}
        for name, value in table.items():
            if name not in _READERS:
                report(f"cannot use {where}.{shown(name)} in {file}: there is no such key{nearest(name, _READERS)}")
                continue
            try:
                found[name] = _READERS[name](value)
            except ValueError as error:
                report(f"cannot use {where}.{name} in {file}: {error}")
        missing = [name for name in _EXAMPLES if name not in table]
        for name in missing:
            report(f"cannot use {where} in {file}: {name} is missing; set {_EXAMPLES[name]}")
        if not missing and all(name in found for name in table):
            yield Site(name=shown(key), file=file, **found)


def _hosts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
        raise ValueError('it is not a list of host names, such as ["shop.example.com"]')
    found = addresses.hosts(",".join(value))
    if not found:
        raise ValueError('it is empty; name a host, such as ["shop.example.com"]')
    for host in found:
        if "*" in host or host.startswith(".") or host == "_":
            raise ValueError(f"{host} is a pattern; name each host")
    return found


def _application(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it is not the name of a program")
    name = values.program_name(value)
    if name in _OF_THE_MAIN_SITE:
        raise ValueError(f"{name} belongs to the main site; define a program of its own")
    return name


def _static(value: object) -> tuple[str, PurePosixPath]:
    url, _, folder = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if not folder.strip():
        raise ValueError('it is not a URL path and a folder, such as "/static/ /srv/shop/static"')
    return addresses.url_path(url), values.path(folder.strip())


_OF_THE_MAIN_SITE: Final = ("web", "release")
_READERS: Final[Mapping[str, Callable[[object], Any]]] = MappingProxyType(
    {"hosts": _hosts, "application": _application, "static": _static}
)
_EXAMPLES: Final = MappingProxyType(
    {
        "hosts": 'hosts = ["shop.example.com"]',
        "application": 'application = "shop", the name of a program that listens on $PORT',
    }
)
