"""Read the files of a project, without importing its code."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from entrypoint.errors import NotAllowed, Unusable
from entrypoint.output.log import printable

LARGEST: Final = 1 << 20  # bytes; a larger source file is not searched

_SKIPPED: Final = frozenset({"node_modules", "venv", "site-packages", "tests", "build", "dist", "__pycache__"})
_DEPTH: Final = 4  # levels of folders, the project's own included: backend/site/settings/production.py
_MANAGERS: Final = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "requirements.txt": "pip",
    "requirements/production.txt": "pip",
    "requirements/prod.txt": "pip",
    "requirements/base.txt": "pip",
}
"""The file of each package manager; the first one that exists counts."""
_OF_POETRY: Final = ("tool", "poetry", "dependencies")
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
_ENVIRONMENT: Final = re.compile(
    r"""(?:(?P<must>environ\[)|environ\.get\(|getenv\(|\b(?:env|config)(?:\.\w+)?\()\s*["'](?P<name>[A-Z][A-Z0-9_]*)["']"""
)
_ASSETS: Final = re.compile(r'"scripts"\s*:\s*\{[^}]*"build"\s*:')
_BELOW: Final = r"(?:\w+\s*/|[\w.]*join\(\s*\w+\s*,)"  # BASE_DIR / "a" / "b", or os.path.join(BASE_DIR, "a", "b")
_PARTS: Final = r"""((?:\s*["'][\w./-]+["']\s*[/,]?)+)"""
_FOLDER: Final = rf"^{{name}}\s*=\s*(?:(?:str|Path)\(\s*)?{_BELOW}?{_PARTS}"
_SQLITE: Final = rf"""["']NAME["']\s*:\s*(?:str\(\s*)?{_BELOW}{_PARTS}"""


class Variable(NamedTuple):
    """A variable that the settings read."""

    name: str
    required: bool  # whether the settings fail without it


class Project(NamedTuple):
    """The facts about a project that decide the text of its new files."""

    name: str  # usable as the name of an image, a container and a Kubernetes object
    django: bool
    app_dir: str = "."  # the folder of manage.py or of the application, relative to the project
    app: str = ""  # the application, package.module:callable; empty if Django's settings or a Procfile name it
    asgi: str = ""  # why an ASGI server runs it; empty for WSGI
    manager: str = ""  # uv, poetry, pip, pyproject (dependencies without a lock file), or empty if nothing is declared
    requirements: str = (
        ""  # the file of the locked or declared versions, in the project's folder or in that of manage.py
    )
    packages: frozenset[str] = frozenset()  # the names of the declared dependencies
    python: str = ""  # the versions of Python that the project supports
    database: str = "sqlite"
    sqlite: str = ""  # SQLite's file, relative to the project; empty if it is not known
    programs: tuple[tuple[str, str], ...] = ()  # further programs and their commands
    procfile: tuple[tuple[str, str], ...] = ()
    variables: tuple[Variable, ...] = ()
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
    pyproject = _toml(folder / "pyproject.toml")
    manage = next((path for path in _python_files(folder) if path.name == "manage.py"), None)
    procfile = tuple(_procfile(folder / "Procfile"))
    app_dir, app, asgi = _application(folder) if manage is None else (_relative(manage.parent, folder), "", "")
    if manage is None and not app and not any(name == "web" for name, _ in procfile):
        raise Unusable(
            f"cannot find an application in {folder}: there is no manage.py, no Flask or FastAPI application and no "
            "Procfile with web; run the command in the project's folder"
        )
    home = folder / app_dir if not any(_manager(folder, pyproject)) else folder
    pyproject = _toml(home / "pyproject.toml")
    manager, requirements = _manager(home, pyproject)
    packages = frozenset(_packages(home, pyproject, requirements))
    settings = "\n".join(text_of(path) for path in _python_files(folder) if _configures(path, folder))
    if manage and {"channels", "daphne"} & packages:
        asgi = "the project depends on channels"
    return Project(
        name=_name(str(_in(pyproject, "project", "name") or folder.name)),
        django=manage is not None,
        app_dir=app_dir,
        app=app,
        asgi=asgi,
        manager=manager,
        requirements=_joined(_relative(home, folder), requirements),
        packages=packages,
        python=_python_version(home, pyproject),
        database=next((name for name, drivers in _DRIVERS.items() if drivers & packages), "sqlite"),
        sqlite=_joined(app_dir, _path(_SQLITE, settings)),
        programs=tuple(
            _programs(folder / app_dir, packages, {name for name, _ in procfile}, django=manage is not None)
        ),
        procfile=procfile,
        variables=tuple(_variables(settings)),
        names_static_root="STATIC_ROOT" in settings,
        static_root=_joined(app_dir, _path(_FOLDER.format(name="STATIC_ROOT"), settings)),
        media_root=_joined(app_dir, _path(_FOLDER.format(name="MEDIA_ROOT"), settings)),
        node=_ASSETS.search(text_of(folder / "package.json")) is not None,
        source="src" if app_dir != "src" and any((folder / "src").glob("*/__init__.py")) else "",
    )


def _python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files of the project, those of outer folders first."""
    level = [folder]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for place in level:
            try:
                # A line feed in a name would begin another line of the Dockerfile.
                entries = [path for path in sorted(place.iterdir()) if path.name.isprintable()]
                files = [path for path in entries if path.suffix == ".py" and path.is_file()]
                below += [path for path in entries if path.is_dir() and _is_source(path)]
            except PermissionError as error:
                raise NotAllowed(f"cannot read {place}: {error.strerror}") from error
            yield from files
        level = below


def _is_source(folder: Path) -> bool:
    environment = os.path.exists(folder / "pyvenv.cfg")  # noqa: PTH110 -- Path.exists raises without permission
    return folder.name[0] != "." and folder.name not in _SKIPPED and not environment


def text_of(path: Path) -> str:
    """Return the text of a file; empty if there is none. Raises NotAllowed or Unusable."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ""
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotAllowed(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"cannot read {path}: it is not UTF-8 text") from error


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"cannot read {path}: {error}") from error
    except RecursionError as error:
        raise Unusable(f"cannot read {path}: it is nested too deeply") from error


def _in(table: Any, *keys: str) -> Any:  # noqa: ANN401 -- any value of TOML
    """Return the value under these keys; None if there is none."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _application(folder: Path) -> tuple[str, str, str]:
    """Return the folder of an application that is not Django's, its name, and why it is ASGI; "." if there is none."""
    for path in _python_files(folder):
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
    """Return the path relative to the project; empty for the project itself, for what lies outside, and for no path."""
    joined = os.path.normpath(Path(folder) / path)
    return "" if not path or joined.partition("/")[0] in (".", "..") else joined


def _manager(folder: Path, pyproject: dict[str, Any]) -> tuple[str, str]:
    for name, manager in _MANAGERS.items():
        if (folder / name).is_file():
            return manager, name
    if _in(pyproject, *_OF_POETRY):
        return "poetry", "pyproject.toml"
    return ("pyproject", "pyproject.toml") if _in(pyproject, "project", "dependencies") else ("", "")


def _packages(folder: Path, pyproject: dict[str, Any], requirements: str) -> Iterator[str]:
    """Yield the normalized names of the declared dependencies."""
    tables = (_in(pyproject, "project", "dependencies"), _in(pyproject, *_OF_POETRY))
    declared = [each for table in tables if isinstance(table, list | dict) for each in table if isinstance(each, str)]
    if requirements.endswith(".txt"):
        declared += _requirements(folder / requirements)
    for line in declared:
        if match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip()):
            yield re.sub(r"[-_.]+", "-", match[0]).lower()


def _requirements(file: Path, including: tuple[Path, ...] = ()) -> Iterator[str]:
    """Yield the lines of a requirements file and of those that it includes."""
    if file in including:
        raise Unusable(f"cannot read {file}: it includes itself")
    for line in text_of(file).splitlines():
        included = re.match(r"-r\s*(\S+)|--requirement[= ](\S+)", line.strip())
        if included:
            inner = Path(os.path.normpath(file.parent / (included[1] or included[2])))
            yield from _requirements(inner, (*including, file))
        else:
            yield line


def _python_version(folder: Path, pyproject: dict[str, Any]) -> str:
    pinned = text_of(folder / ".python-version").strip()
    wanted = pinned or _in(pyproject, "project", "requires-python") or _in(pyproject, *_OF_POETRY, "python")
    return printable(" ".join(str(wanted or "").split()))


def _programs(folder: Path, packages: frozenset[str], named: set[str], *, django: bool) -> Iterator[tuple[str, str]]:
    """Yield the workers that the dependencies need, unless the Procfile has them."""
    if "celery" in packages and not {"worker", "celery"} & named:
        for path in _python_files(folder):
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


def _variables(settings: str) -> Iterator[Variable]:
    found: dict[str, bool] = {}
    for match in _ENVIRONMENT.finditer(settings):
        found[match["name"]] = found.get(match["name"], False) or bool(match["must"])
    yield from (Variable(name, required) for name, required in found.items() if name != "DJANGO_SETTINGS_MODULE")


def _path(pattern: str, settings: str) -> str:
    """Return the path that the settings write here, relative to manage.py's folder; empty if none or not below it."""
    found = re.search(pattern, settings, re.MULTILINE)
    path = "/".join(re.findall(r"""["']([\w./-]+)["']""", found[1])) if found else ""
    return "" if path.startswith("/") else path


def _name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "site"
