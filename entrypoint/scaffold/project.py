"""The facts about a project that decide the text of its new files."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from entrypoint.errors import Unusable
from entrypoint.output.log import printable
from entrypoint.scaffold import dependencies, settings
from entrypoint.scaffold.sources import python_files, text_of, toml_of, value_in

_DRIVERS: Final = {
    "postgres": {"psycopg", "psycopg2", "psycopg2-binary", "asyncpg"},
    "mysql": {"mysqlclient", "pymysql", "mysql-connector-python"},
}
_REDIS: Final = {"redis", "django-redis", "channels-redis", "rq", "django-rq"}
_APPLICATION: Final = re.compile(
    r"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)?(Flask|FastAPI|Starlette|Quart)\(", re.MULTILINE
)
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_FACTORY: Final = re.compile(r"^def (create_app|make_app)\(\s*(?:\w+\s*(?::[^=,)]+)?=[^)]*)?\)", re.MULTILINE)
_CELERY: Final = re.compile(r"^(\w+)\s*=\s*(?:\w+\.)?Celery\(", re.MULTILINE)
_ASSETS: Final = re.compile(r'"scripts"\s*:\s*\{[^}]*"build"\s*:')


class Project(NamedTuple):
    """The facts about a project that decide the text of its new files."""

    name: str  # usable as the name of an image, a container and a Kubernetes object
    django: bool
    app_dir: str = "."  # the folder of manage.py or of the application, relative to the project
    app: str = ""  # the application, package.module:callable; empty if Django's settings or a Procfile name it
    asgi: str = ""  # why an ASGI server runs it; empty for WSGI
    manager: str = ""  # uv, poetry, pip, pyproject (dependencies without a lock file), or empty if nothing is declared
    requirements: str = ""  # the file of the locked or declared versions, relative to the project
    packages: frozenset[str] = frozenset()  # the names of the declared dependencies
    python: str = ""  # the versions of Python that the project supports
    database: str = "sqlite"
    sqlite: str = ""  # SQLite's file, relative to the project or absolute; empty if it is not known
    sqlite_among_code: bool = False  # whether the folder of that file contains the project's code
    programs: tuple[tuple[str, str], ...] = ()  # further programs and their commands
    procfile: tuple[tuple[str, str], ...] = ()
    variables: tuple[settings.Variable, ...] = ()
    names_static_root: bool = False
    static_root: str = ""  # empty if the settings name none, or not a plain path below the project
    media_root: str = ""
    node: bool = False
    source: str = ""  # a folder of packages that is not in Python's path: `src`

    @property
    def one_replica(self) -> bool:
        """Whether only one container may run, because its database is a file."""
        return self.django and self.database == "sqlite"

    @property
    def redis(self) -> bool:
        """Whether it uses Redis."""
        return bool(_REDIS & self.packages) or any("celery" in command for _, command in self.programs)

    @property
    def server(self) -> str:
        """The application server."""
        return "uvicorn" if self.asgi else "uwsgi"

    @property
    def declarations(self) -> tuple[str, ...]:
        """The files from which uv or Poetry writes a requirements.txt."""
        folder, slash, file = self.requirements.rpartition("/")
        return tuple(dict.fromkeys(f"{folder}{slash}{name}" for name in ("pyproject.toml", file)))

    @property
    def required(self) -> tuple[str, ...]:
        """The variables without which the settings cannot be loaded, except the secret key."""
        return tuple(each.name for each in self.variables if each.required and "SECRET_KEY" not in each.name)


def look_at(folder: Path) -> Project:
    """Return the facts about the project in `folder`. Raises Unusable or NotAllowed if its files cannot be used."""
    pyproject = toml_of(folder / "pyproject.toml")
    manage = next((path for path in python_files(folder) if path.name == "manage.py"), None)
    procfile = tuple(_procfile(folder / "Procfile"))
    app_dir, app, asgi = _application(folder) if manage is None else (_relative(manage.parent, folder), "", "")
    if manage is None and not app and not any(name == "web" for name, _ in procfile):
        raise Unusable(
            f"cannot find an application in {folder}: there is no manage.py, no Flask or FastAPI application and no "
            "Procfile with web; run the command in the project's folder"
        )
    home = folder / app_dir if not any(dependencies.manager(folder, pyproject)) else folder
    pyproject = toml_of(home / "pyproject.toml")
    manager, requirements = dependencies.manager(home, pyproject)
    packages = frozenset(dependencies.packages(home, pyproject, requirements))
    text = "\n".join(text_of(path) for path in python_files(folder) if _configures(path, folder))
    sqlite = _joined(app_dir, settings.sqlite_file(text))
    if manage and {"channels", "daphne"} & packages:
        asgi = "the project depends on channels"
    return Project(
        name=_name(str(value_in(pyproject, "project", "name") or folder.name)),
        django=manage is not None,
        app_dir=app_dir,
        app=app,
        asgi=asgi,
        manager=manager,
        requirements=_joined(_relative(home, folder), requirements),
        packages=packages,
        python=dependencies.python_version(home, pyproject),
        database=next((name for name, drivers in _DRIVERS.items() if drivers & packages), "sqlite"),
        sqlite=sqlite,
        sqlite_among_code=bool(sqlite)
        and any((folder / sqlite).parent in path.parents for path in python_files(folder)),
        programs=tuple(
            _programs(folder / app_dir, packages, {name for name, _ in procfile}, django=manage is not None)
        ),
        procfile=procfile,
        variables=tuple(settings.variables(text)),
        names_static_root="STATIC_ROOT" in text,
        static_root=_joined(app_dir, settings.folder_of("STATIC_ROOT", text)),
        media_root=_joined(app_dir, settings.folder_of("MEDIA_ROOT", text)),
        node=_ASSETS.search(text_of(folder / "package.json")) is not None,
        source="src" if app_dir != "src" and any((folder / "src").glob("*/__init__.py")) else "",
    )


def _application(folder: Path) -> tuple[str, str, str]:
    """Return the folder of an application that is not Django's, its name, and why it is ASGI; "." if there is none."""
    for path in python_files(folder):
        text = text_of(path)
        found, factory = _APPLICATION.search(text), _FACTORY.search(text)
        if not found and not factory:
            continue
        module = _module(path, folder, "__init__")
        kind = found[2] if found else "Flask"
        asgi = "" if kind == "Flask" else f"{kind} is an ASGI framework"
        where = _relative(_root(path, folder), folder)
        # The factory first: a module with both often makes its own application for tests only.
        return where, f"{module}:{factory[1]}()" if factory else f"{module}:{found[1] if found else ''}", asgi
    return ".", "", ""


def _root(path: Path, folder: Path) -> Path:
    """Return the folder from which Python imports the modules of this file's package."""
    return folder / "src" if (folder / "src") in path.parents else folder


def _module(path: Path, folder: Path, *implied: str) -> str:
    """Return the dotted name of a file, without its last part if that is one of `implied`."""
    parts = path.relative_to(_root(path, folder)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] in implied else parts)


def _configures(path: Path, folder: Path) -> bool:
    """Return whether a file has Django's settings, or those of Celery."""
    return path.name == "celery.py" or "settings" in str(path.relative_to(folder))


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _joined(folder: str, path: str) -> str:
    """Return a path relative to the project, or an absolute one; empty for the project itself and what lies outside."""
    joined = posixpath.normpath(posixpath.join(folder, path))
    return "" if not path or joined.partition("/")[0] in (".", "..") else joined


def _programs(folder: Path, packages: frozenset[str], named: set[str], *, django: bool) -> Iterator[tuple[str, str]]:
    """Yield the workers that the dependencies need, unless the Procfile has them."""
    if "celery" in packages and not {"worker", "celery"} & named:
        for path in python_files(folder):
            found = _CELERY.search(text_of(path))
            if found:
                module = _module(path, folder, "__init__", "celery")
                yield "worker", f"celery -A {module} worker --loglevel INFO"
                if "django-celery-beat" in packages or "beat_schedule" in text_of(path).lower():
                    # By default its schedule is a file in the working directory, which www-data cannot write.
                    yield "beat", f"celery -A {module} beat --schedule /tmp/celerybeat-schedule --loglevel INFO"
                break
    if "django-rq" in packages and django and not {"worker", "rqworker"} & named:
        yield "worker", "python manage.py rqworker default"


def _procfile(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text_of(path).splitlines(), 1):
        name, colon, command = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            if not _PROGRAM.fullmatch(name.strip()):  # it becomes the name of a file
                raise Unusable(f"cannot read {path}, line {number}: it is not of the form name: command")
            yield name.strip(), printable(command.strip())


def _name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "site"
