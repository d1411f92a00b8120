"""Loads the Django project as its manage.py does, and reads the facts from its settings and apps."""

import os
import re
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from entrypoint.app import production, writable
from entrypoint.app.packages import psycopg_mismatch
from entrypoint.app.reporting import AgentError, last_line
from entrypoint.protocol.agent import Application, AppsReport, Database, ErrorKind, User
from entrypoint.secret import Secret

MANAGE: Final = "manage.py"
_OLDEST: Final = (4, 2)  # of Django's versions
_SQLITE: Final = re.compile("sqlite|spatialite")
_KEY: Final = re.compile(r"\b(DJANGO_)?SECRET_KEY\b")


class _Reached(BaseException):
    """Raised where manage.py would run its command; no `except Exception` of the project catches it."""


def load_settings() -> Application:
    """Load the settings of the project in the working directory; return the facts from them.

    They suffice to start the server, before the apps are loaded. Raises AgentError, with the last line of the
    application's traceback, where they cannot be loaded.
    """
    try:
        import django  # noqa: PLC0415 -- the application may lack it
    except ImportError as error:
        raise AgentError(
            f"cannot load the application: {sys.executable} has no Django ({error}); "
            "install it, or set ENTRYPOINT_PYTHON",
            "unusable",
        ) from error
    if django.VERSION < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise AgentError(
            f"cannot load the application: Django {django.__version__} is too old; install {oldest} or newer",
            "unusable",
        )
    _check_access()
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 -- what Python itself does for `python manage.py`
    with _load_errors():
        _run_manage()
        return _settings()


def load_apps() -> AppsReport:
    """Load the project's apps; return the facts from them. Raises AgentError as above."""
    import django  # noqa: PLC0415 -- as above
    from django.apps import apps  # noqa: PLC0415 -- as above

    with _load_errors():
        django.setup()
        return AppsReport(
            databases=_databases(),  # not among the settings: it imports the drivers and Django's models, which is slow
            staticfiles=apps.is_installed("django.contrib.staticfiles"),
            user=_user() if apps.is_installed("django.contrib.auth") else None,
        )


@contextmanager
def _load_errors() -> Iterator[None]:
    """Turn any error of the application into an AgentError of one line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        line = _own_line(error)
        kind: ErrorKind = "not allowed" if isinstance(error, PermissionError) else "unusable"
        raise AgentError(f"cannot load the application: {line}{_hint(line, error) or _place(error)}", kind) from error


def _check_access() -> None:
    """Check that this user may enter the project's folder and read its manage.py. Raises AgentError."""
    folder = os.getcwd()  # noqa: PTH109 -- Path drops the dot, which tests that the folder can be entered
    for verb, path in (("enter", f"{folder}/."), ("read", f"{folder}/{MANAGE}")):
        if not os.access(path, os.R_OK) and (verb == "enter" or os.path.lexists(path)):
            what = folder if verb == "enter" else path
            why = (
                f"Permission denied; in the Dockerfile: RUN chmod -R go+rX {folder}"  # COPY keeps the mode of each file
            )
            raise AgentError(f"cannot {verb} {what} as uid {os.geteuid()}: {why}", "not allowed")


def _run_manage() -> None:
    """Run manage.py up to its command: it may change more than DJANGO_SETTINGS_MODULE (sys.path, a .env file)."""
    if not Path(MANAGE).is_file():
        return
    from django.core import management  # noqa: PLC0415 -- the application's path must be set first

    def reached(_argv: object = None) -> None:
        raise _Reached

    execute, argv = management.execute_from_command_line, sys.argv
    management.execute_from_command_line = reached
    sys.argv = [MANAGE, "check"]
    try:
        runpy.run_path(MANAGE, run_name="__main__")
    except _Reached:
        pass
    finally:
        management.execute_from_command_line, sys.argv = execute, argv


def _hint(line: str, error: BaseException) -> str:
    """Return the fix for settings that fail to load, where the error tells it."""
    absent = "install psycopg[binary]" if "Error loading psycopg2 or psycopg" in line else ""
    if "psycopg" in line and (why := psycopg_mismatch() or absent):
        return f"; {why}"
    named = _KEY.search(line)
    if named and not os.environ.get(named[0]):
        return f"; set {named[0]}, or set ENTRYPOINT_DATA_DIR to a volume where one is generated and kept"
    if isinstance(error, KeyError) and _raised_by(error) is vars(os):
        return f"; set the variable {error.args[0]}"
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    if f"{module}.".startswith(f"{error.name}."):
        return f"; correct DJANGO_SETTINGS_MODULE={module}"
    here = Path(error.name.partition(".")[0])
    own = here.is_dir() or here.with_suffix(".py").is_file()
    return "" if own else "; install the package that provides it"


def _place(error: BaseException) -> str:
    """Return how to create the place of a file or folder that the settings cannot create; "" for other errors."""
    if not isinstance(error, PermissionError) or not error.filename or os.path.lexists(error.filename):
        return ""
    path = Path(error.filename).absolute()
    why = writable.fault(path.parent if path.suffix else path)
    return f"; {why}" if why else ""


def _raised_by(error: BaseException) -> dict[str, Any]:
    """Return the globals of the module that raised the error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals


def _own_line(error: BaseException) -> str:
    """Return the last line of the traceback, with the place in the application that raised it."""
    line = last_line(error)
    here = str(Path.cwd())
    own = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename.startswith(here) and "/site-packages/" not in f.filename
    ]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{line} ({error.filename}, line {error.lineno})"
    return f"{line} ({own[-1].filename}, line {own[-1].lineno})" if own else line


def _settings() -> Application:
    import django  # noqa: PLC0415 -- as above
    from django.conf import settings  # noqa: PLC0415 -- only now is Django known to be installed

    media_root = _absolute(settings.MEDIA_ROOT)
    sqlite = {
        alias: str(database.get("NAME") or "")
        for alias, database in settings.DATABASES.items()
        if _SQLITE.search(database.get("ENGINE", ""))
    }
    return Application(
        version=django.get_version(),
        settings_module=os.environ["DJANGO_SETTINGS_MODULE"],
        wsgi=_callable(settings.WSGI_APPLICATION) or "django.core.wsgi:get_wsgi_application()",
        asgi=_asgi(settings),
        asynchronous=bool(getattr(settings, "ASGI_APPLICATION", None)),
        prefix=sys.prefix,
        virtual=sys.prefix != sys.base_prefix,
        static_url=_url(settings, "STATIC_URL"),
        static_root=_absolute(settings.STATIC_ROOT),
        media_url=_url(settings, "MEDIA_URL"),
        media_root=media_root,
        allowed_hosts=tuple(str(host) for host in settings.ALLOWED_HOSTS),
        sqlite=sqlite,
        debug=bool(settings.DEBUG),
        weak_key=production.weak_key(settings.SECRET_KEY),  # a missing one is reported now, not at the first request
        needs_static_root=production.needs_static_root(settings),
        unwritable=tuple(production.unwritable(settings, media_root, sqlite)),
        ssl_redirect=bool(settings.SECURE_SSL_REDIRECT),
        proxy_ssl_header=bool(settings.SECURE_PROXY_SSL_HEADER),
        csrf_trusted_origins=tuple(map(str, settings.CSRF_TRUSTED_ORIGINS)),
        session_cookie=str(settings.SESSION_COOKIE_NAME),
    )


def _user() -> User:
    from django.contrib.auth import get_user_model  # noqa: PLC0415 -- only now is Django set up

    from entrypoint.app.superuser import described, fields_of, required  # noqa: PLC0415 -- as above

    model = get_user_model()
    return User(
        model=model._meta.label,
        username_field=model.USERNAME_FIELD,
        fields=tuple(sorted(fields_of(model))),
        required=tuple(required(model)),
        superuser={field: Secret(text) for field, text in described(model).items()},
    )


def _callable(dotted: str | None) -> str:
    """Return the dotted name of a callable in the form `module:name`."""
    module, _, name = (dotted or "").rpartition(".")
    return f"{module}:{name}" if module else ""


def _asgi(settings: Any) -> str:
    """Return ASGI_APPLICATION (which is not Django's own), else asgi.py beside wsgi.py, else Django's factory."""
    named = _callable(getattr(settings, "ASGI_APPLICATION", None))
    package = (settings.WSGI_APPLICATION or "").rpartition(".wsgi.")[0]
    if not named and package and find_spec(f"{package}.asgi"):
        return f"{package}.asgi:application"
    return named or "django.core.asgi:get_asgi_application()"


def _url(settings: Any, name: str) -> str:
    """Return the URL in the setting `name`, with a leading slash, as Django has it without a script prefix.

    Django's own `settings` would import its views and models for this, which takes 80 ms.
    """
    url = str(getattr(import_module(settings.SETTINGS_MODULE), name, "") or "")
    return url if not url or url.startswith(("/", "http://", "https://")) else f"/{url}"


def _absolute(folder: object) -> str:
    return str(Path(str(folder)).absolute()) if folder else ""


def _databases() -> tuple[Database, ...]:
    from django.db import connections  # noqa: PLC0415 -- only now is Django set up

    return tuple(
        Database(
            alias=connection.alias,
            vendor=connection.vendor,
            name=str(connection.settings_dict["NAME"] or ""),
            host=str(connection.settings_dict["HOST"] or ""),
            port=str(connection.settings_dict["PORT"] or ""),
        )
        for connection in connections.all(initialized_only=False)
        if connection.settings_dict["ENGINE"] != "django.db.backends.dummy"
    )
