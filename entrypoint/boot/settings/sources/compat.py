"""The variables and files of tiangolo/uwsgi-nginx and tiangolo/uwsgi-nginx-flask, as a source of settings.

An image that was built on one of them still has its variables, uwsgi.ini and main.py. Each stands for a setting of
ours, which the tables below name.
"""

import errno
import os
import pwd
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from entrypoint.boot.settings.sources import textfile
from entrypoint.boot.settings.types.values import shown
from entrypoint.boot.trust.trust import Trust
from entrypoint.output.log import printable

AUTO: Final = "auto"
TIANGOLO: Final = "tiangolo"
OFF: Final = "off"
HOME: Final = Path("/app")
"""The folder of the application in those images."""
MAIN: Final = "main.py"
UWSGI_INI: Final = "uwsgi.ini"

VARIABLES: Final[Mapping[str, str]] = {
    "LISTEN_PORT": "PORT",
    "NGINX_MAX_UPLOAD": "NGINX_CLIENT_MAX_BODY_SIZE",
    "STATIC_URL": "NGINX_STATIC_URL",
    "STATIC_PATH": "NGINX_STATIC_ROOT",
    "STATIC_INDEX": "NGINX_STATIC_INDEX",
}
"""The settings that their variables stand for. Other variables have the same name and meaning in both."""
_CONVERTED: Final[Mapping[str, Mapping[str, str]]] = {"STATIC_INDEX": {"1": "index.html"}}
"""The text of the setting for each text of the variable; every other text leaves the setting unset."""
_DEFAULTS: Final[Mapping[str, str]] = {"NGINX_CLIENT_MAX_BODY_SIZE": "0", "NGINX_WORKER_PROCESSES": "1"}
_STATIC: Final = ("NGINX_STATIC_URL", "NGINX_STATIC_ROOT", "NGINX_STATIC_INDEX")
_PROCESSES: Final = 16  # the most workers
_CHEAPER: Final = 2  # workers while there is little to do
_ORIGIN_OF_DEFAULTS: Final = "tiangolo's default"


class Given(NamedTuple):
    """The text of a setting from another source, for the setting's own type."""

    label: str  # the source in messages: LISTEN_PORT=80
    text: str
    origin: str
    remedy: str = ""


class OtherImage(NamedTuple):
    """The settings that follow from the variables and files of another image."""

    given: Mapping[str, Given]  # by our settings' names; overrides the project's file, and the environment overrides it
    defaults: Mapping[str, Given]  # by our settings' names, for what nothing else sets
    environment: Mapping[str, str]  # variables of the programs that are not set
    names: frozenset[str]  # the variables that have a meaning because of that image


NO_OTHER_IMAGE: Final = OtherImage({}, {}, {}, frozenset())


def has_application(folder: Path = HOME) -> bool:
    """Return whether `folder` holds an application for one of those images."""
    return any(os.path.isfile(folder / name) for name in (MAIN, UWSGI_INI))  # noqa: PTH113 -- Path.is_file may raise


def read(
    folder: Path, environ: Mapping[str, str], trust: Trust, report: Callable[[str], None], *, sized: bool
) -> OtherImage:
    """Return the settings that follow from the variables and from the application in `folder`.

    `sized`: WEB_CONCURRENCY is set. Call `report` with each problem.
    """
    ini = folder / (environ.get("UWSGI_INI") or UWSGI_INI)
    options = _options(ini, trust, report)
    for problem in _missing_users(ini, options):
        report(problem)
    django = os.path.lexists(folder / "manage.py")
    given = dict(_given(environ))
    defaults = dict(_DEFAULTS)
    if _serves_static(folder, environ, django=django):
        defaults |= {"NGINX_STATIC_URL": "/static", "NGINX_STATIC_ROOT": str(folder / "static")}
    else:  # a Django project reads STATIC_URL itself
        given = {setting: each for setting, each in given.items() if setting not in _STATIC}
    if application := _application(folder, ini, options):
        given["ENTRYPOINT_APP"] = application
    elif not django and os.path.isfile(folder / MAIN):  # noqa: PTH113 -- as above
        defaults["ENTRYPOINT_APP"] = "main:app"
    defaults["ENTRYPOINT_APP_DIR"] = str(folder)
    return OtherImage(
        given,
        {name: Given(f"{name}={text}", text, _ORIGIN_OF_DEFAULTS) for name, text in defaults.items()},
        {
            **_workers(environ, options, sized=sized),
            **({} if environ.get("PYTHONPATH") else {"PYTHONPATH": str(folder)}),
        },
        frozenset(VARIABLES),
    )


def _missing_users(ini: Path, options: Mapping[str, str]) -> Iterator[str]:
    """Yield a problem for each option that names a user of that image: uWSGI would not start."""
    for name in ("chown-socket", "uid"):
        user = options.get(name, "").partition(":")[0]
        if user and not user.isdigit() and user not in (each.pw_name for each in pwd.getpwall()):
            why = f"there is no user {shown(user)}; delete the line, entrypoint sets the owner itself"
            yield f"cannot use {name} = {shown(options[name])} in {printable(str(ini))}: {why}"


def _given(environ: Mapping[str, str]) -> Iterator[tuple[str, Given]]:
    for name, setting in VARIABLES.items():
        text = environ.get(name, "")
        if becomes := _CONVERTED[name].get(text) if name in _CONVERTED else text:
            yield setting, Given(f"{name}={shown(text)}", becomes, name)


def _serves_static(folder: Path, environ: Mapping[str, str], *, django: bool) -> bool:
    """Return whether nginx serves static files. The image without Flask serves none, so there must be a folder."""
    if environ.get("STATIC_PATH"):
        return True
    return not django and (bool(environ.get("STATIC_URL")) or os.path.isdir(folder / "static"))  # noqa: PTH112 -- as above


def _workers(environ: Mapping[str, str], options: Mapping[str, str], *, sized: bool) -> dict[str, str]:
    """Return the variables that let uWSGI start as many workers as in that image; uwsgi.ini overrides them."""
    if sized or options.keys() & {"processes", "workers"}:
        return {}
    given = environ.get("UWSGI_PROCESSES") or environ.get("UWSGI_WORKERS") or ""
    found = {} if given else {"UWSGI_PROCESSES": str(_PROCESSES)}
    most = int(given) if given.isascii() and given.isdigit() else _PROCESSES
    if "cheaper" not in options and not environ.get("UWSGI_CHEAPER") and most > _CHEAPER:  # or uWSGI would exit
        found["UWSGI_CHEAPER"] = str(_CHEAPER)
    return found


def _application(folder: Path, ini: Path, options: Mapping[str, str]) -> Given | None:
    """Return the application that uwsgi.ini names: by a module, or by a file, which is a module of the folder."""
    name = next((name for name in ("module", "wsgi", "wsgi-file", "file") if options.get(name)), None)
    if name is None:
        return None
    text = options[name]
    label = f"{name} = {shown(text)} in {printable(str(ini))}"
    if name in ("wsgi-file", "file"):
        text = _module(PurePosixPath(folder, options.get("chdir", "")), text)
    if ":" not in text:
        text = f"{text}:{options.get('callable', 'application')}"
    return Given(label, text, ini.name, "; set ENTRYPOINT_APP")


def _module(folder: PurePosixPath, file: str) -> str:
    """Return the dotted name of a file in the folder; elsewhere its path, which the setting's type refuses."""
    path = folder / file
    if path.suffix != ".py" or not path.is_relative_to(folder):
        return file
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def _options(ini: Path, trust: Trust, report: Callable[[str], None]) -> Mapping[str, str]:
    """Return the options in the section [uwsgi]; the last line of an option wins, as in uWSGI."""
    try:
        text = textfile.read(ini, trust)
    except ValueError as error:
        if str(error) != os.strerror(errno.ENOENT):
            report(f"cannot read {printable(str(ini))}: {error}")
        return {}
    found: dict[str, str] = {}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line
        elif section == "[uwsgi]" and line and line[0] not in ";#":
            name, _, value = line.partition("=")
            found[name.strip()] = value.strip()
    return found
