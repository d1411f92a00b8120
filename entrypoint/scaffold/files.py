"""The text of each file that `entrypoint init` writes."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from entrypoint.scaffold.project import Project

BASE: Final = "entrypoint-base"  # the image that the Dockerfile inherits from, unless --base names another

_CODE: Final = PurePosixPath("/srv/project")
_DATA: Final = PurePosixPath("/data")  # what outlives the container, in a folder without code
_TEMPLATES: Final = Path(__file__).parent / "templates"
_PASSWORDS: Final = {"postgres": "POSTGRES_PASSWORD", "mysql": "MYSQL_PASSWORD"}
_PORTS: Final = {"postgres": "5432", "mysql": "3306"}
_DATABASE: Final = re.compile(
    r"(?:^|_)(?:DB|DATABASE|POSTGRES|PG|MYSQL|MARIADB|SQL)_?(ENGINE|HOST|PORT|NAME|DB|DATABASE|USER|USERNAME|PASSWORD)$"
)
_ENGINES: Final = {"postgres": "django.db.backends.postgresql", "mysql": "django.db.backends.mysql"}
_VALUES: Final = {
    "SECRET_KEY": "change-me-to-a-long-random-value",
    "ALLOWED_HOSTS": "localhost",  # one, as nobody knows whether the settings split at commas or at spaces
    "DEBUG": "0",
}
"""Values for the developer's machine, by the ends of the names."""


class Example(NamedTuple):
    """A variable of .env.example."""

    name: str
    value: str
    why: str = ""


class SQLite(NamedTuple):
    """Where SQLite's database is in the container."""

    file: PurePosixPath  # in a folder of its own, which is on a volume
    link: PurePosixPath | None = None  # among the code, where the settings look for the file


def files(project: Project, *, kubernetes: bool, base: str = BASE) -> Mapping[str, str]:
    """Return the text of each file by its path relative to the project."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 -- only this command needs it

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- none of the files is HTML
    )
    values = {
        "project": project,
        "base": base,
        "roles": _roles(project),
        "services": _services(project),
        "environment": dict(_environment(project)),
        "volumes": dict(_volumes(project)),
        "variables": tuple(_examples(project)),
        "folders": tuple(dict.fromkeys(_folders(project))),
        "sqlite": _sqlite(project),
        "data": _DATA,
    }

    def text(template: str, **more: str) -> str:
        rendered = environment.get_template(template).render(values, **more)
        return re.sub(r"\n{3,}", "\n\n", rendered).strip("\n") + "\n"

    found = {name: text(f"{name}.j2") for name in ("Dockerfile", ".dockerignore", "compose.yaml", ".env.example")}
    if kubernetes:
        for name in ("kustomization.yaml", "web.yaml"):
            found[f"kubernetes/{name}"] = text(f"kubernetes/{name}.j2")
        for role in _roles(project):
            found[f"kubernetes/{role}.yaml"] = text("kubernetes/worker.yaml.j2", role=role)
    return found


def _roles(project: Project) -> tuple[str, ...]:
    """Return the programs that get a container of their own."""
    own = [name for name, _ in project.procfile if name not in ("web", "release")]
    return (*own, *(name for name, _ in project.programs))


def _services(project: Project) -> tuple[str, ...]:
    return (*(["db"] if project.database in _PASSWORDS else []), *(["redis"] if project.redis else []))


def _environment(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the variables with which the settings find the services of compose.yaml."""
    names = {variable.name for variable in project.variables}
    kind = project.database
    if kind in _PASSWORDS:
        password = f"${{{_PASSWORDS[kind]}}}"
        values = {"HOST": "db", "PORT": f'"{_PORTS[kind]}"', "PASSWORD": password, "ENGINE": _ENGINES[kind]}
        if "DATABASE_URL" in names:
            yield "DATABASE_URL", f"{kind}://site:{password}@db:{_PORTS[kind]}/site"
        for name in sorted(names):
            if match := _DATABASE.search(name):
                yield name, values.get(match[1], "site")
    if project.redis:
        for name in sorted(names):
            if re.search(r"(REDIS|BROKER|CACHE|CELERY_BACKEND)(_URL)?$|RESULT_BACKEND$", name):
                yield name, "redis://redis:6379/0"
            elif match := re.search(r"REDIS_(HOST|PORT)$", name):
                yield name, "redis" if match[1] == "HOST" else '"6379"'


def _sqlite(project: Project) -> SQLite | None:
    """Return where SQLite's database is; None if there is none, or if the settings do not show where."""
    names = {variable.name for variable in project.variables}
    file = _CODE / project.sqlite
    if not project.one_replica:
        return None
    if "ENTRYPOINT_DATA_DIR" in names or ("DATABASE_URL" in names and not project.sqlite):
        return SQLite(_DATA / "db.sqlite3")
    if not project.sqlite:
        return None
    return SQLite(_DATA / file.name, link=file) if project.sqlite_among_code else SQLite(file)


def _volumes(project: Project) -> Iterator[tuple[str, PurePosixPath]]:
    if project.media_root:
        yield "media", _CODE / project.media_root
    if sqlite := _sqlite(project):
        yield "data", sqlite.file.parent


def _folders(project: Project) -> Iterator[PurePosixPath]:
    """Yield the folders that the application writes to."""
    if sqlite := _sqlite(project):
        yield sqlite.file.parent
    yield from (_CODE / each for each in (project.static_root, project.media_root) if each)


def _examples(project: Project) -> Iterator[Example]:
    if project.database in _PASSWORDS:
        yield Example(_PASSWORDS[project.database], "change-me", "The password of the database in compose.yaml")
    set_elsewhere = dict(_environment(project)).keys() | {*_PASSWORDS.values(), "ENTRYPOINT_DATA_DIR"}
    sqlite = _sqlite(project)
    values = {**_VALUES, **({"DATABASE_URL": f"sqlite:///{sqlite.file}"} if sqlite else {})}
    for variable in project.variables:
        if variable.name not in set_elsewhere:
            why = "The settings cannot be loaded without it." if variable.required else ""
            value = next((value for end, value in values.items() if variable.name.endswith(end)), "")
            yield Example(variable.name, value, why)
